"""Walk the blobs of a container in the order of their names, and cut the walk into pages.

Blobs are files, so a listing is a walk of folders. It is ordered by the whole name, as Azure's is, and
skips every folder that cannot hold a name it looks for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One line of a listing: a blob with its file's status, or, where ``status`` is None, a prefix."""

    name: str
    status: os.stat_result | None


@dataclass(frozen=True)
class Query:
    """What a listing asks for. ``start`` is the first name of the page; ``by_folder`` stops at slashes."""

    prefix: str = ""
    start: str = ""
    by_folder: bool = False

    def may_hold(self, folder: str) -> bool:
        """Say whether names below ``folder`` (which ends with a slash) can be in the listing."""
        if not (folder.startswith(self.prefix) or self.prefix.startswith(folder)):
            return False
        return folder >= self.start or self.start.startswith(folder)

    def ends_at(self, folder: str) -> bool:
        """Say whether ``folder`` is itself a line of the listing."""
        return self.by_folder and len(folder) > len(self.prefix) and folder.startswith(self.prefix)


def walk(root: Path, query: Query) -> Iterator[Entry]:
    """Yield the blobs under ``root`` that ``query`` asks for, ordered by name."""
    real = os.path.realpath(root)
    return _walk(real, _first_folder(real, query.prefix), query)


def page(root: Path, query: Query, size: int) -> tuple[list[Entry], str | None]:
    """Return up to ``size`` entries and the name that the next page starts with, None at the end."""
    entries = list(islice(walk(root, query), size + 1))
    return entries[:size], entries[size].name if len(entries) > size else None


def holds_blob(folder: Path) -> bool:
    """Say whether there is any blob below ``folder``."""
    return next(walk(folder, Query()), None) is not None


def _first_folder(root: str, prefix: str) -> str:
    """Return the folder that holds the whole listing, so that its siblings need not be read."""
    folder = prefix[: prefix.rfind("/") + 1]
    plain = "\0" not in folder and os.path.realpath(os.path.join(root, folder)) == f"{root}/{folder[:-1]}"
    return folder if folder and plain else ""


def _walk(root: str, below: str, query: Query) -> Iterator[Entry]:
    for name, entry in _ordered(os.path.join(root, below), below):
        if not name.endswith("/"):
            if name.startswith(query.prefix) and name >= query.start:
                status = _blob_status(root, entry)
                if status is not None:
                    yield Entry(name, status)
        elif not query.may_hold(name):
            continue
        elif not query.ends_at(name):
            yield from _walk(root, name, query)
        elif name >= query.start and next(_walk(root, name, Query()), None) is not None:
            yield Entry(name, None)


def _ordered(folder: str, below: str) -> list[tuple[str, os.DirEntry[str]]]:
    # A folder sorts as "name/", so that its blobs come where their whole names belong: "a-1" before
    # "a/b" before "ab".
    try:
        with os.scandir(folder) as entries:
            named = [(below + e.name + ("/" if e.is_dir(follow_symlinks=False) else ""), e) for e in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(named, key=lambda pair: pair[0])


def _blob_status(root: str, entry: os.DirEntry[str]) -> os.stat_result | None:
    """Return the status of a file that is a blob: no pipe, no link that dangles or leads outside."""
    try:
        status = entry.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    if entry.is_symlink() and not Path(os.path.realpath(entry.path)).is_relative_to(root):
        return None
    return status
