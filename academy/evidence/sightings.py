"""Data as a run saw it: noted by size and time when the run begins, read when it has ended.

Reading it before would delay the run, and reading it meanwhile would take its processor. What was written
to in between is found by its time; then what it was copied from tells the content, if that stayed as it was.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from academy.evidence import digests
from academy.evidence.credentials import printable
from academy.evidence.evidence import FileHash, Tree
from academy.evidence.hashes import Hasher, Stamp

# The times of files are a few milliseconds behind the clock.
_CLOCK_STEP_NS = 50_000_000

_NAMED = 3


class Seen(NamedTuple):
    """A file as it was when the run began."""

    name: str
    path: str
    stamp: Stamp


@dataclass(frozen=True)
class Sighting:
    """What a run was given in ``root``, as it was at that time.

    ``origin`` is what it was copied from, after ``began_ns`` (Unix time). ``shown_as`` is the name that is
    still good when the run's own copy is gone. ``tree`` is set when its content was read at once.
    """

    root: Path
    files: tuple[Seen, ...]
    shown_as: str
    origin: Path | None = None
    began_ns: int = 0
    tree: Tree | None = None


class Lost(Exception):
    """The content that a run saw cannot be known any more; the message names the file."""


def sight(root: Path, *, shown_as: str = "", origin: Path | None = None, began_ns: int = 0) -> Sighting:
    """Note what is in a file or folder, without reading any content.

    Raises
    ------
    OSError
        When it cannot be listed.
    """
    found = (Seen(item.name, item.path, Stamp.of(os.stat(item.path))) for item in digests.files(root))
    return Sighting(root, tuple(found), shown_as or str(origin or root), origin, began_ns)


def size(sighting: Sighting) -> int:
    """Return how many bytes there are."""
    return sum(seen.stamp.size for seen in sighting.files)


def read(sighting: Sighting, hasher: Hasher) -> tuple[Tree, list[str]]:
    """Return the tree as the run saw it, and the names of files of which it is not sure.

    Raises
    ------
    Lost
        When a file is gone, and nothing tells what was in it.
    OSError
        When something cannot be read.
    """
    if sighting.tree is not None:
        return sighting.tree, [seen.name for seen in sighting.files if not _is_unchanged(seen)]
    unsure: list[str] = []
    hashed: list[FileHash] = []
    for seen in sighting.files:
        path = _content(sighting, seen)
        if path is None:
            raise Lost(seen.name)
        stamp, sha256 = hasher.file(path)
        if path == seen.path and not stamp.holds(seen.stamp):
            unsure.append(seen.name)
        hashed.append(FileHash(printable(seen.name), stamp.size, sha256))
    return digests.summed(hashed, path=sighting.shown_as, is_file=_is_one_file(sighting)), unsure


def named(names: list[str]) -> str:
    """Return a few names of files, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(map(repr, map(printable, names[:_NAMED]))) + (f" and {more} more" if more > 0 else "")


def _content(sighting: Sighting, seen: Seen) -> str | None:
    """Return the path of a file with the content that the run saw; else of what there is now."""
    if _is_unchanged(seen):
        return seen.path
    if sighting.origin is not None:
        copied_from = sighting.origin if _is_one_file(sighting) else sighting.origin / seen.name
        if _is_older(copied_from, sighting.began_ns):
            return str(copied_from)
    return seen.path if os.path.exists(seen.path) else None


def _is_unchanged(seen: Seen) -> bool:
    try:
        return Stamp.of(os.stat(seen.path)).holds(seen.stamp)
    except OSError:
        return False


def _is_older(path: Path, began_ns: int) -> bool:
    """Say whether a file was neither written nor replaced since the run began."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (
        stat.S_ISREG(found.st_mode) and max(found.st_mtime_ns, found.st_ctime_ns) < began_ns - _CLOCK_STEP_NS
    )


def _is_one_file(sighting: Sighting) -> bool:
    return len(sighting.files) == 1 and sighting.files[0].path == str(sighting.root)
