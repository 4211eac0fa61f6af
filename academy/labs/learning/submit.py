"""What a learner hands in: one zip with the notebook, what was changed, and ``submission.json``."""

from __future__ import annotations

import getpass
import json
import os
import re
import stat
import tempfile
import time
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy import __version__
from academy.errors import Conflict, InvalidField, UserError
from academy.labs.collection import MANIFEST, Lab
from academy.labs.editions import ipynb
from academy.labs.learning.own_copy import changed_files, damaged, files_in, links_in
from academy.labs.learning.progress import Progress
from academy.paths import writing

RECORD = "submission.json"

# What the grader takes from one learner is more; a class's worth of these still fits a disk.
MOST_BYTES = 100 * 1024**2
MOST_FILES = 500

# A file's name has 255 at most, with the lab and the time in it.
_NAME_BYTES = 80


@dataclass(frozen=True)
class Submitted:
    """``files`` are what the zip holds, ``links`` what was left out because it leads elsewhere.

    ``damage`` says what is wrong with a notebook that cannot be read, and is empty for any other.
    """

    file: Path
    files: tuple[str, ...]
    links: tuple[str, ...]
    progress: Progress
    damage: str = ""


def write_submission(
    copy: Lab,
    progress: Progress,
    to: Path,
    *,
    learner: str | None = None,
    most_bytes: int = MOST_BYTES,
) -> Submitted:
    """Write the submission to ``to``: a file if it ends in ``.zip``, else a folder, made where it is missing.

    The zip appears whole or not at all. Links are not followed.

    Raises
    ------
    Conflict
        The file is there already.
    UserError
        There is more to hand in than a submission may hold; the message names the largest files.
    """
    name = learner or learner_name()
    now = time.time()
    files = _chosen(copy)
    _refuse_too_much(copy.folder, files, most_bytes)
    target = _target(copy, to.expanduser().absolute(), name, now)
    record = _record(copy, progress, name, now, files)
    with writing(target, "Choose another --to."):
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, copy.folder, files, record)
    links = tuple(map(str, links_in(copy.folder)))
    return Submitted(target, tuple(map(str, files)), links, progress, _damage(copy))


def learner_name() -> str:
    """Return who hands in: as JupyterHub knows them, else as this machine does."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return f"uid-{os.getuid()}"


def _chosen(copy: Lab) -> list[Path]:
    """Return the notebook, what says which lab it is, all scripts, and what else was changed."""
    notebook = Path(copy.notebook.name)
    there = set(files_in(copy.folder))
    if notebook not in there:
        raise UserError(
            f"{copy.notebook} is a link, and links are not followed. Put the notebook itself there."
        )
    scripts = {name for name in there if name.parts[0] == "src"}
    return sorted({notebook} | scripts | set(changed_files(copy.folder)) | ({Path(MANIFEST)} & there))


def _refuse_too_much(folder: Path, files: Sequence[Path], most_bytes: int) -> None:
    sizes = sorted(((folder / name).lstat().st_size, str(name)) for name in files)
    total = sum(size for size, _ in sizes)
    if total <= most_bytes and len(files) <= MOST_FILES:
        return
    largest = ", ".join(f"{name} ({_megabytes(size)})" for size, name in sizes[:-4:-1])
    raise UserError(
        f"What there is to hand in comes to {_megabytes(total)} in {len(files)} files; a submission holds at "
        f"most {_megabytes(most_bytes)} in {MOST_FILES}. Move out of {folder} what the lab does not ask for. "
        f"Largest: {largest}."
    )


def _target(copy: Lab, to: Path, learner: str, now: float) -> Path:
    if to.suffix == ".zip":
        if os.path.lexists(to):
            raise Conflict(
                f"{to} is there already, and is left as it is. Choose another --to, or give a folder: "
                "in it each submission gets a name of its own."
            )
        return to
    stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    plain = _as_file_name(learner)
    target, number = to / f"{copy.id}-{plain}-{stamp}.zip", 2
    while target.exists():
        target, number = to / f"{copy.id}-{plain}-{stamp}-{number}.zip", number + 1
    return target


def _as_file_name(text: str) -> str:
    """Return a name as part of a file's: letters and digits of any script stay, and no file gets too long."""
    kept = [
        one if unicodedata.category(one)[0] in "LMN" or one in ".@+-" else "_"
        for one in unicodedata.normalize("NFC", text)
    ]
    short = re.sub("_+", "_", "".join(kept)).encode(errors="replace")[:_NAME_BYTES].decode(errors="ignore")
    return short.strip("._") or "learner"


def _damage(copy: Lab) -> str:
    try:
        ipynb.read(copy.notebook)
    except InvalidField as error:
        return damaged(error, copy).message
    return ""


def _record(copy: Lab, progress: Progress, learner: str, now: float, files: Iterable[Path]) -> dict[str, Any]:
    tasks = [
        {
            "id": task.task.id,
            "passed": task.passed,
            "points": task.points,
            "max_points": task.task.points,
            "attempts": task.attempts,
            "hints": task.hints,
            "solution_shown": task.solution_shown,
        }
        for task in progress.tasks
    ]
    return {
        "lab": copy.id,
        "learner": learner,
        "at": now,
        "academy": __version__,
        "progress": {
            "state": str(progress.state),
            "points": progress.points,
            "max_points": progress.max_points,
            "minutes": progress.minutes,
            "tasks": tasks,
        },
        "files": [str(name) for name in files],
    }


def _write(target: Path, folder: Path, files: Iterable[Path], record: dict[str, Any]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "w+b") as file:
            os.fchmod(file.fileno(), 0o644)
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.writestr(RECORD, json.dumps(record, indent=1))
                for name in files:
                    packed.writestr(name.as_posix(), _content(folder / name))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _content(path: Path) -> bytes:
    # Looked at again when it is opened: since it was found, a link may have come in its place.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, f"{path} is no plain file")
        return file.read()


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.1f} MB"
