"""Put a job's inputs where the job can read them. Runs in the supervisor, with no database."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from academy.datasets import download, mltable, trees, views
from academy.datasets.ports import InputMode, InputPlan, PortKind
from academy.datasets.trees import Entry
from academy.errors import StorageFull, UserError

Log = Callable[[str], None]


class InputUnavailable(UserError):
    """When the job starts, nothing is where its input is to be."""

    code = "InputUnavailable"


def materialise(plan: InputPlan, folder: Path, log: Log) -> str:
    """Make one input ready and return what ``${{inputs.NAME}}`` becomes.

    ``folder`` holds all inputs of the job; this one gets the folder NAME in it, replacing one that an
    interrupted attempt left. What is on disk decides: a file is handed over as a file's path, under
    its own name, also where the port says ``uri_folder``, and a folder as a folder's.

    - ``Download``: a private copy that the job may change.
    - ``ReadOnlyMount``: a view that protects the data, see ``views``; call on the main thread.
    - ``ReadWriteMount``: the datastore's own folder.
    - ``EvalMount``, ``EvalDownload``: a folder with the files that an MLTable selects.
    - ``Direct``: the URI; nothing is read.

    Raises
    ------
    InputUnavailable
        When nothing is there.
    DownloadFailed
        When the input is a web address that cannot be read.
    StorageFull
        When the disk is full.
    """
    if plan.kind is PortKind.LITERAL:
        return plan.value or ""
    if plan.mode is InputMode.DIRECT:
        return plan.uri
    try:
        return _materialise(plan, folder / plan.name, log)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"The disk is full while the input {plan.name!r} is prepared.") from error
        raise


def discard(folder: Path) -> None:
    """Delete the inputs of a job that has ended; the data that they showed stays."""
    if folder.is_dir():
        for item in folder.iterdir():
            views.remove(item)
        trees.remove(folder)


def _materialise(plan: InputPlan, place: Path, log: Log) -> str:
    views.remove(place)
    if plan.url is not None:
        return str(_downloaded(plan, plan.url, place, log))
    source = plan.path
    if source is None or not source.exists():
        raise InputUnavailable(
            plan.missing
            or f"The input {plan.name!r} is {plan.uri!r}, which was deleted after the job was accepted.",
            target=f"properties.inputs.{plan.name}",
        )
    if plan.mode is InputMode.READ_WRITE_MOUNT:
        trees.unprotect(source)
        return str(source)
    chosen = _chosen(plan, source)
    if plan.mode in (InputMode.DOWNLOAD, InputMode.EVAL_DOWNLOAD):
        trees.copy(chosen, place)
    else:
        views.make(chosen, place)
    return str(place / source.name) if source.is_file() else str(place)


def _chosen(plan: InputPlan, source: Path) -> list[Entry]:
    if plan.mode is not None and plan.mode.evaluates:
        return mltable.select(mltable.read(source), dict(plan.references))
    return list(trees.entries(source))


def _downloaded(plan: InputPlan, url: str, place: Path, log: Log) -> Path:
    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1].lstrip(".") or plan.name
    place.mkdir(parents=True)
    download.fetch(url, place / name, log)
    if plan.mode is InputMode.READ_ONLY_MOUNT:
        trees.protect(place)
    return place / name
