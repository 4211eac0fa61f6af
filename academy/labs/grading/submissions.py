"""What a class handed in: a folder as an instructor has it, read into one submission a learner and lab.

The folder may come from ``academy lab submit`` (zips), from nbgrader (``<learner>/<lab>/…``), from
Moodle ("Download all submissions") or from Canvas ("Download Submissions"). Everything is copied to a
folder of ours first; what cannot be read is a row with its reason, and never stops the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from academy.errors import NotFound
from academy.labs.grading.naming import RECORD, handed_in_at, lab_of, record_in
from academy.labs.grading.scores import Submission
from academy.labs.grading.unpacking import LITTER, Bounds, Refused, copy_file, copy_tree, unpack
from academy.labs.grading.wholesome import wholesome
from academy.labs.manifest import LAB_ID

# Moodle names a folder "Full name_1234_assignsubmission_file_" (or puts that before the file's own name),
# Canvas a file "surnamename_LATE_1234_56789_name.ipynb": the learner's number, then the file's.
_MOODLE = re.compile(
    r"(?P<name>.+)_(?P<id>\d+)_assignsubmission_(?P<kind>file|onlinetext)_?(?P<rest>.*)", re.DOTALL
)
_CANVAS = re.compile(r"(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_(?P<file>\d+)_(?P<rest>.+)", re.DOTALL)
_TAKEN = (".ipynb", ".zip")
_MOST_OF_A_NAME = 120


@dataclass(frozen=True)
class HandIn:
    """One thing handed in. ``order`` says which of two is newer; ``error`` why it cannot be graded.

    ``moodle_id`` and ``canvas_id`` are the numbers by which those know the learner.
    """

    submission: Submission
    source: Path
    order: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    moodle_id: str = ""
    canvas_id: str = ""


@dataclass(frozen=True)
class _Parcel:
    """A file or folder as it lies there, and what its name says of whose it is."""

    path: Path
    learner: str
    moodle_id: str = ""
    canvas_id: str = ""
    number: int = 0
    rest: str = ""


def discover(folder: Path, labs: Sequence[str], stage: Path, *, only: str = "") -> list[HandIn]:
    """Return the newest hand-in of each learner and lab, copied to ``stage``, in order of learners.

    Parameters
    ----------
    labs
        The labs that can be graded. A notebook that does not say which it is, is of ``only`` or of the
        one lab there is.
    stage
        An empty folder for the copies.

    Raises
    ------
    NotFound
        The folder is not there, or holds nothing that anyone handed in.
    """
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. Give the folder that holds what the class handed in.")
    found: list[HandIn] = []
    for number, parcel in enumerate(_apart(list(_parcels(folder)))):
        found += _at_least_one(parcel, tuple(labs), stage / f"{number:04}", only)
    if only:
        found = [one for one in found if one.submission.lab in (only, "")]
    if not found:
        raise NotFound(
            f"{folder} holds no submissions{' of ' + only if only else ''}. It takes <learner>/<lab>/…, "
            "<learner>/<lab>.ipynb, zips of 'academy lab submit', or what Moodle and Canvas download."
        )
    return _newest(_told_apart(found))


def left_out(folder: Path) -> list[str]:
    """Return the names of files in the folder that are nobody's submission."""
    return sorted(
        wholesome(path.name)
        for path in folder.iterdir()
        if not path.is_dir() and path.suffix.lower() not in _TAKEN and path.name not in LITTER
    )


def safe_name(name: str) -> str:
    """Return a learner's name as it can stand in a path: no separators, not hidden, not too long."""
    return _shortened(re.sub(r"[^\w .@+-]+", "_", name).strip(" ."), _MOST_OF_A_NAME) or "_"


def _shortened(name: str, most: int) -> str:
    """Return as much of a name as fits into so many bytes: that is what names of files are measured by."""
    return name.encode()[:most].decode(errors="ignore").rstrip(" .")


def _parcels(folder: Path) -> Iterator[_Parcel]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in LITTER or path.is_symlink():
            continue
        moodle, canvas = _MOODLE.fullmatch(path.name), _CANVAS.fullmatch(path.name)
        if moodle and moodle["kind"] == "file":
            yield _Parcel(path, moodle["name"], moodle_id=moodle["id"], rest=moodle["rest"])
        elif path.is_dir() and not moodle:
            yield _Parcel(path, path.name)
        elif path.suffix.lower() in _TAKEN and canvas:
            yield _Parcel(
                path, canvas["name"], rest=canvas["rest"], canvas_id=canvas["id"], number=int(canvas["file"])
            )
        elif path.suffix.lower() in _TAKEN and path.is_file():
            yield _Parcel(path, "" if LAB_ID.match(path.stem) else path.stem)


def _apart(parcels: list[_Parcel]) -> Iterator[_Parcel]:
    """Give two learners of one name different ones: their numbers at Moodle or Canvas tell them apart."""
    for parcel in parcels:
        own = parcel.moodle_id or parcel.canvas_id
        others = {o.moodle_id or o.canvas_id for o in parcels if o.learner == parcel.learner}
        yield replace(parcel, learner=f"{parcel.learner} ({own})") if own and len(others) > 1 else parcel


def _at_least_one(parcel: _Parcel, labs: tuple[str, ...], stage: Path, only: str) -> list[HandIn]:
    """Return what a parcel holds, in words that can be written; whatever goes wrong is its own."""
    try:
        found = _opened(parcel, labs, stage, only)
    except Exception as error:  # noqa: BLE001  whoever handed this in may have put anything into it
        found = [_failed(parcel, stage, only, f"it cannot be read: {type(error).__name__}: {error}")]
    return [
        replace(
            one,
            submission=replace(one.submission, learner=wholesome(one.submission.learner)),
            notes=tuple(map(wholesome, one.notes)),
            error=wholesome(one.error),
        )
        for one in found
    ]


def _opened(parcel: _Parcel, labs: tuple[str, ...], stage: Path, only: str) -> list[HandIn]:
    """Return what a parcel holds: for a learner's folder, each thing in it."""
    if not parcel.path.is_dir() or list(parcel.path.glob("*.ipynb")):
        return _taken(parcel, labs, stage, only)
    inside = [
        path
        for path in sorted(parcel.path.iterdir())
        if (path.is_dir() or path.suffix.lower() in _TAKEN) and path.name not in LITTER
    ]
    found: list[HandIn] = []
    for number, path in enumerate(inside):
        found += _taken(replace(parcel, path=path), labs, stage / str(number), only)
    if not found:
        names = ", ".join(sorted(path.name for path in parcel.path.iterdir())[:5])
        what = f"{parcel.path.name} holds no notebook: "
        found = [_failed(parcel, stage, only, what + (f"in it is {names}" if names else "it is empty"))]
    return found


def _taken(parcel: _Parcel, labs: tuple[str, ...], stage: Path, only: str) -> list[HandIn]:
    """Copy one hand-in to ``stage`` and tell which lab each notebook in it is."""
    notes: tuple[str, ...] = ()
    try:
        if parcel.path.is_symlink():
            raise Refused(f"{parcel.path.name} is a link")
        if parcel.path.is_dir():
            left = copy_tree(parcel.path, stage)
            notes = tuple(f"Left out: {name}, which is a link or no file." for name in left)
        elif parcel.path.suffix.lower() == ".zip":
            unpack(parcel.path, stage)
        else:
            _within(parcel.path)
            stage.mkdir(parents=True, exist_ok=True)
            copy_file(parcel.path, stage / (parcel.rest or parcel.path.name))
    except Refused as refused:
        return [_failed(parcel, stage, only, refused.message.rstrip("."))]
    except OSError as error:
        return [_failed(parcel, stage, only, f"{parcel.path.name} cannot be read: {error.strerror}")]
    return _read(parcel, labs, stage, only, notes)


def _within(path: Path) -> None:
    most = Bounds().bytes_in_all
    if path.stat().st_size > most:
        raise Refused(f"It holds more than {most // (1024 * 1024)} MB.")


def _read(
    parcel: _Parcel, labs: tuple[str, ...], stage: Path, only: str, notes: tuple[str, ...]
) -> list[HandIn]:
    record = record_in(stage)
    claimed = wholesome(_text(record, "learner")).strip()[:_MOST_OF_A_NAME]
    learner = parcel.learner or claimed or parcel.path.stem
    if claimed and parcel.learner and claimed != parcel.learner:
        notes = (*notes, f"Its {RECORD} names {claimed!r}.")
    parcel = replace(parcel, learner=learner)
    notebooks = [file for file in sorted(stage.rglob("*.ipynb")) if LITTER.isdisjoint(file.parts)]
    if not notebooks:
        return [_failed(parcel, stage, only, f"there is no notebook in {parcel.path.name}")]
    recorded = _text(record, "lab")
    chosen: dict[str, _Notebook] = {}
    for file in notebooks:
        one = _Notebook(file, *lab_of(file, labs, only, recorded))
        if one.lab not in chosen or one.better_than(chosen[one.lab]):
            chosen[one.lab] = one
    if len(chosen) > 1:
        chosen.pop("", None)  # a scratch notebook beside the lab's is no hand-in of its own
    return [_handed_in(parcel, one, record, notes) for one in chosen.values()]


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


@dataclass(frozen=True)
class _Notebook:
    """A notebook, the lab that it is of, and whether that is but a guess."""

    file: Path
    lab: str
    guessed: bool

    def better_than(self, other: _Notebook) -> bool:
        mine, others = (
            (not self.guessed, self.file.stat().st_mtime),
            (not other.guessed, other.file.stat().st_mtime),
        )
        return mine > others


def _handed_in(parcel: _Parcel, chosen: _Notebook, record: dict[str, Any], notes: tuple[str, ...]) -> HandIn:
    notebook, given = chosen.file, chosen.file.name
    order = (parcel.number, handed_in_at(record, notebook, parcel.path))
    if chosen.lab and given != f"{chosen.lab}.ipynb":
        notebook = notebook.replace(notebook.with_name(f"{chosen.lab}.ipynb"))
        why = ", which does not say which lab it is" if chosen.guessed else ""
        notes = (*notes, f"{given}{why}, is taken as {notebook.name}.")
    error = "" if chosen.lab else f"{given} does not say which lab it is"
    submission = Submission(parcel.learner, chosen.lab, notebook.parent)
    return HandIn(submission, parcel.path, order, notes, error, parcel.moodle_id, parcel.canvas_id)


def _failed(parcel: _Parcel, stage: Path, only: str, reason: str) -> HandIn:
    named = [part for part in (parcel.path.stem, parcel.path.parent.name) if LAB_ID.fullmatch(part)]
    learner = parcel.learner or parcel.path.stem
    submission = Submission(learner, named[0] if named else only, stage)
    # Not by its time: what cannot be read never stands in for an older one that can.
    return HandIn(
        submission, parcel.path, (), (), reason, moodle_id=parcel.moodle_id, canvas_id=parcel.canvas_id
    )


def _told_apart(found: list[HandIn]) -> list[HandIn]:
    """Give learners names that also differ as names of folders, so that none overwrites the other."""
    names: dict[str, str] = {}
    for learner in sorted({one.submission.learner for one in found}):
        short = _shortened(learner, _MOST_OF_A_NAME - len(" (9999)"))
        name, number = learner, 2
        while safe_name(name).casefold() in {safe_name(other).casefold() for other in names.values()}:
            name, number = f"{short} ({number})", number + 1
        names[learner] = name
    return [
        replace(one, submission=replace(one.submission, learner=names[one.submission.learner]))
        for one in found
    ]


def _newest(found: list[HandIn]) -> list[HandIn]:
    groups: dict[tuple[str, str], list[HandIn]] = {}
    for one in found:
        groups.setdefault((one.submission.learner, one.submission.lab), []).append(one)
    chosen: list[HandIn] = []
    for key in sorted(groups, key=lambda key: (key[1], key[0].casefold(), key[0])):
        *older, newest = sorted(groups[key], key=lambda one: one.order)
        if older:
            others = ", ".join(sorted({one.source.name for one in older} - {newest.source.name}))
            said = f"The newest of {len(older) + 1} hand-ins counts: {newest.source.name}"
            torn = [f"{one.source.name} was not taken: {one.error}." for one in older if one.error]
            which = f"{said}, not {others}." if others else f"{said}."
            newest = replace(newest, notes=(*map(wholesome, (which, *torn)), *newest.notes))
        chosen.append(newest)
    return chosen
