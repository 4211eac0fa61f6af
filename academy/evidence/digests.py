"""The hash of a file or a folder, and what differs between one that was hashed and one that is there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from academy.evidence.credentials import printable
from academy.evidence.evidence import FILES_LISTED, FileHash, Tree
from academy.evidence.hashes import Hasher

LeaveOut = Callable[[Path], bool]

# Of what differs, this many are named one by one.
_NAMED = 10


class Found(NamedTuple):
    """A file by its name below the root, and where it is."""

    name: str
    path: str


def tree(
    path: Path,
    *,
    leave_out: LeaveOut | None = None,
    hasher: Hasher | None = None,
    shown_as: str | None = None,
) -> Tree:
    """Return a file's or a folder's hash; memory does not grow with the size of the files.

    Links are followed; sockets, pipes and links that lead nowhere are no data and are left out, as is
    what ``leave_out`` says of each thing below. ``shown_as`` is the path in the value, for a copy that
    will be deleted.

    Raises
    ------
    OSError
        When something in it cannot be read; half a tree would have a hash, too.
    """
    hasher = hasher or Hasher()
    hashed = (_hashed(found, hasher) for found in files(path, leave_out=leave_out))
    return summed(hashed, path=shown_as or str(path), is_file=path.is_file())


def summed(hashed: Iterable[FileHash], *, path: str, is_file: bool) -> Tree:
    """Return the tree of files that are hashed already, in the order of their names."""
    total, size, count = hashlib.sha256(), 0, 0
    listed: list[FileHash] = []
    for item in hashed:
        total.update(_line(item))
        size += item.size
        count += 1
        if count <= FILES_LISTED:
            listed.append(item)
    sha256 = listed[0].sha256 if is_file and listed else total.hexdigest()
    return Tree(printable(path), sha256, size, count, tuple(listed))


def files(root: Path, *, leave_out: LeaveOut | None = None) -> list[Found]:
    """Return the files below a folder, sorted by name as bytes; a file is the only one of itself.

    Raises
    ------
    OSError
        When it is not there, or a folder in it cannot be read.
    """
    if not root.is_dir():
        os.stat(root)
        return [Found(root.name, str(root))] if root.is_file() else []
    found: list[Found] = []
    waiting = [("", str(root), frozenset({_identity(os.stat(root))}))]
    while waiting:
        prefix, folder, above = waiting.pop()
        for entry in _entries(folder):
            if leave_out and leave_out(Path(entry.path)):
                continue
            if entry.is_file():
                found.append(Found(prefix + entry.name, entry.path))
            elif entry.is_dir() and (identity := _identity(entry.stat())) not in above:
                waiting.append((f"{prefix}{entry.name}/", entry.path, above | {identity}))
    return sorted(found, key=lambda item: os.fsencode(item.name))


def matches(there: Tree, path: Path, *, leave_out: LeaveOut | None = None) -> list[str]:
    """Return sentences that say how what is at ``path`` differs from the tree; none when it does not.

    Raises
    ------
    OSError
        When what is there cannot be read.
    """
    if not path.exists():
        return [f"{path} is not there."]
    hasher = Hasher()
    now = [_hashed(found, hasher) for found in files(path, leave_out=leave_out)]
    same = summed(now, path=there.path, is_file=path.is_file()).sha256 == there.sha256
    if same and len(now) == there.count:
        return []
    if path.is_file() and there.count == 1:
        return [f"{path} was changed."]
    return _differences(there, {item.name: item for item in now}) or [f"{path} was changed."]


def _differences(there: Tree, now: dict[str, FileHash]) -> list[str]:
    before = {item.name: item for item in there.files}
    is_whole = len(before) == there.count
    last = there.files[-1].name if there.files else ""
    changed = [name for name in before if name in now and now[name].sha256 != before[name].sha256]
    missing = [name for name in before if name not in now]
    # Only the first names are listed: of those behind them it is not known whether they were there.
    extra = [name for name in now if name not in before and (is_whole or _order(name) < _order(last))]
    said = [
        *_each(changed, "was changed", "were changed"),
        *_each(missing, "is missing", "are missing"),
        *_each(extra, "was not there", "were not there"),
    ]
    if len(now) != there.count and not is_whole:
        said.append(f"There were {there.count} files, and there are {len(now)}.")
    if not said and not is_whole:
        said.append(f"Some of the {there.count - len(before)} files after {last!r} were changed.")
    return said


def _each(names: list[str], one: str, several: str) -> Iterator[str]:
    yield from (f"{name} {one}." for name in names[:_NAMED])
    if more := len(names) - len(names[:_NAMED]):
        yield f"1 more {one}." if more == 1 else f"{more} more {several}."


def _hashed(found: Found, hasher: Hasher) -> FileHash:
    stamp, sha256 = hasher.file(found.path)
    return FileHash(printable(found.name), stamp.size, sha256)


def _line(item: FileHash) -> bytes:
    # As sha256sum escapes them, so that no name can look like a line of its own.
    name = item.name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    return f"{'' if name == item.name else chr(92)}{item.sha256}  {name}\n".encode()


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return [entry for entry in entries if not entry.is_symlink() or os.path.exists(entry.path)]


def _order(name: str) -> bytes:
    return name.encode()


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
