"""Give a job places to write its outputs, and put what it wrote into the datastore.

How an output reaches its datastore depends on its kind and mode, as on Azure:

- A folder with ``ReadWriteMount`` (the default) *is* the datastore's folder. The job sees what is there
  already (its own checkpoints from before, say), and what it writes is there at once and stays there
  even if the job fails, is canceled or the machine loses power.
- A folder with ``Upload``, and every single file, is staged in the job's own folder and moved when the
  job has ended, well or not: each file appears in the datastore whole, by renaming. Files of the same
  name are replaced, others stay.
- ``Direct`` gives the job the URI, and nothing is collected.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from academy.datasets import trees
from academy.datasets.links import Links
from academy.datasets.ports import OutputMode, OutputPlan, PortKind
from academy.errors import Conflict, StorageFull, UserError
from academy.paths import beside, collecting

Log = Callable[[str], None]

_MUST_HOLD_SOMETHING = frozenset({PortKind.URI_FILE, PortKind.MLTABLE, PortKind.MLFLOW_MODEL})


class OutputNotWritten(UserError):
    """A job ended without writing an output that cannot be empty."""

    code = "OutputNotWritten"


def prepare(plan: OutputPlan, folder: Path) -> str:
    """Make one output's place and return what ``${{outputs.NAME}}`` becomes.

    ``folder`` holds all staged outputs of the job. The path of a file does not exist yet, its parent
    does; a folder exists. Doing it again changes nothing.
    """
    if plan.mode is OutputMode.DIRECT:
        return plan.uri
    place = plan.target if _is_mounted(plan) else folder / plan.name
    try:
        place.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _in_the_way(plan, place) from error
    if _is_mounted(plan):
        trees.unprotect(place)
    return str(place / plan.target.name if plan.kind is PortKind.URI_FILE else place)


def collect(plan: OutputPlan, folder: Path, log: Log = lambda _line: None) -> None:
    """Put one output of a job that has ended into its datastore.

    It may be interrupted at any point and called again, by another process: it goes on where it was.
    Links, the output's own folder among them, become copies of what they lead to, since a blob cannot
    be a link; what they lead to is only read. Links that lead nowhere, or to what cannot be read or is
    no data, sockets and pipes are dropped, and ``log`` says so.

    Raises
    ------
    OutputNotWritten
        When an output that cannot be empty is. Of a job that failed anyway, callers ignore it: what
        there was has been collected.
    Conflict
        When a file would replace a folder, or the other way round.
    StorageFull
        When the disk is full; the job's folder keeps what was not moved.
    """
    if plan.mode is OutputMode.DIRECT:
        return
    try:
        if _is_mounted(plan):
            Links(plan.target, folder, log).settle()
            _require(plan, _holds_files(plan.target))
        else:
            _collect_staged(plan, folder / plan.name, log)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"The disk is full while the output {plan.name!r} is collected.") from error
        raise


def _is_mounted(plan: OutputPlan) -> bool:
    return plan.mode is OutputMode.READ_WRITE_MOUNT and plan.kind is not PortKind.URI_FILE


def _collect_staged(plan: OutputPlan, staged: Path, log: Log) -> None:
    moving, links = collecting(staged), Links(staged, staged.parent, log)
    if moving.is_symlink() and os.path.lexists(staged):
        moving.unlink()  # the job made it: collecting renames folders only
    links.settle()
    if staged.is_dir() and not moving.exists():
        written = staged / plan.target.name if plan.kind is PortKind.URI_FILE else staged
        _require(plan, _holds_files(written))
        links.replace(plan.target)
        _check_way(plan, written)
        # From here on the name says that there was something, though it may have been moved already.
        os.rename(staged, moving)
    if links.replace(moving) and moving.is_dir():
        source = moving / plan.target.name if plan.kind is PortKind.URI_FILE else moving
        if source.exists():
            _move(source, plan.target, links)
        trees.remove(moving)


def _require(plan: OutputPlan, written: bool) -> None:
    if not written and plan.kind in _MUST_HOLD_SOMETHING:
        thing = "the file" if plan.kind is PortKind.URI_FILE else "a file in the folder"
        raise OutputNotWritten(
            f"The job wrote nothing to its output {plan.name!r} ({plan.kind.value}). Its command must write "
            f"{thing} that ${{{{outputs.{plan.name}}}}} stands for; pass it to the script as an argument.",
            target=f"properties.outputs.{plan.name}",
        )


def _check_way(plan: OutputPlan, written: Path) -> None:
    """Refuse before anything is moved, so that a conflict leaves the datastore as it was."""
    for part in (plan.target, *plan.target.parents):
        if part.exists():
            if not part.is_dir() and (part != plan.target or written.is_dir()):
                raise _in_the_way(plan, part)
            break
    if not written.is_dir():
        if plan.target.is_dir():
            raise _in_the_way(plan, plan.target)
        return
    for entry in trees.entries(written):
        goal = plan.target / entry.name
        above = next((part for part in goal.parents if part.is_file()), None)
        if goal.is_dir() or above:
            raise _in_the_way(plan, above or goal)


def _in_the_way(plan: OutputPlan, place: Path) -> Conflict:
    has, wants = ("folder", "file") if place.is_dir() else ("file", "folder")
    return Conflict(
        f"The output {plan.name!r} goes to {plan.uri}, but the datastore has a {has} {place.name!r} where a "
        f"{wants} is to be. Choose another path for the output, or delete what is there.",
        target=f"properties.outputs.{plan.name}",
    )


def _move(source: Path, target: Path, links: Links) -> None:
    """Move a file or the files of a folder; a folder that is not there yet is moved as one.

    A link is never gone through: neither are files moved out of what one leads to, nor into it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if not links.replace(source):
        return
    links.replace(target)
    if source.is_dir() and target.is_dir():
        for item in sorted(source.iterdir()):
            _move(item, target / item.name, links)
        return
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        partial = beside(target)
        trees.remove(partial)
        if source.is_dir():
            trees.copy(trees.entries(source), partial)
        else:
            trees.copy_file(source, partial)
        os.replace(partial, target)


def _holds_files(place: Path) -> bool:
    return place.exists() and next(trees.entries(place), None) is not None
