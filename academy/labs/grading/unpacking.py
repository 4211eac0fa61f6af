"""Copies of what learners hand in: plain files only, inside a folder of ours, within limits.

Whoever hands in may have put anything there: a path that leads outside, a link to someone's home, a
zip that holds a disk full of zeros. None of it is followed; what is refused is said in words.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from academy.errors import UserError

# Left behind by tools, never handed in on purpose. They count for nothing.
LITTER = frozenset({"__MACOSX", "__pycache__", ".ipynb_checkpoints", ".DS_Store", ".git", "Thumbs.db"})

_CHUNK = 1 << 20
# What zipfile and what it unpacks with say of a damaged zip, of a name that is no text, of a password.
_DAMAGES = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError)


class Refused(UserError):
    """What was handed in is not taken; the message says why."""


@dataclass(frozen=True)
class Bounds:
    """What one learner may hand in for one lab."""

    files: int = 1000
    bytes_in_all: int = 200 * 1024 * 1024
    levels: int = 40


def unpack(archive: Path, target: Path, bounds: Bounds = Bounds()) -> None:
    """Unpack a zip into ``target``, which is made.

    Raises
    ------
    Refused
        It is no zip, or holds a path that leads outside, a link, or more than ``bounds`` allow.
    """
    try:
        with zipfile.ZipFile(archive) as packed:
            _unpack(packed, target, bounds)
    except _DAMAGES as error:
        raise Refused(f"{archive.name} is not a zip that can be read: {error}.") from None


def copy_tree(source: Path, target: Path, bounds: Bounds = Bounds()) -> tuple[str, ...]:
    """Copy the plain files below ``source`` to ``target``; return what was left out: links and the like."""
    left_out: list[str] = []
    count, left = 0, bounds.bytes_in_all
    target.mkdir(parents=True, exist_ok=True)
    for name, status in _entries(source, bounds):
        if not stat.S_ISREG(status.st_mode):
            left_out.append(name)
            continue
        count, left = count + 1, left - status.st_size
        _within(count, left, bounds)
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy_file(source / name, copy)
    return tuple(left_out)


def copy_file(source: Path, target: Path) -> None:
    """Copy a plain file and its time; one that became a link in between is refused."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        raise Refused(f"{source.name} cannot be read: {error.strerror}.") from None
    with os.fdopen(descriptor, "rb") as file, target.open("wb") as copy:
        shutil.copyfileobj(file, copy, _CHUNK)
        status = os.fstat(file.fileno())
    os.utime(target, (status.st_atime, status.st_mtime))


def _unpack(packed: zipfile.ZipFile, target: Path, bounds: Bounds) -> None:
    members = [member for member in packed.infolist() if not member.is_dir() and not _litter(member.filename)]
    # What the zip says of itself is looked at first, so that a bomb costs nothing; then what comes out is
    # counted, because it may have lied.
    _within(len(members), bounds.bytes_in_all - sum(member.file_size for member in members), bounds)
    target.mkdir(parents=True, exist_ok=True)
    left = bounds.bytes_in_all
    for member in members:
        name = _safe(member)
        _near(len(name.parts), bounds)
        file = target / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(member) as content, file.open("wb") as copy:
                left = _copied(content, copy, left, bounds)
        except OSError as error:
            raise Refused(f"{member.filename!r} cannot be unpacked: {error.strerror or error}.") from None
        except _DAMAGES as error:
            raise Refused(f"{member.filename!r} cannot be unpacked: {error}.") from None


def _safe(member: zipfile.ZipInfo) -> PurePosixPath:
    """Return the member's path when it is one below the folder, and the member is a file."""
    name = member.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not path.parts:
        raise Refused(f"The zip holds the path {name!r}, which leads outside. It was not unpacked.")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise Refused(f"The zip holds {name!r}, which is a link or a device. It was not unpacked.")
    return path


def _copied(content: IO[bytes], copy: IO[bytes], left: int, bounds: Bounds) -> int:
    while chunk := content.read(_CHUNK):
        left -= len(chunk)
        _within(0, left, bounds)
        copy.write(chunk)
    return left


def _within(files: int, left: int, bounds: Bounds) -> None:
    if files > bounds.files:
        raise Refused(f"It holds more than {bounds.files} files.")
    if left < 0:
        raise Refused(f"It holds more than {bounds.bytes_in_all // (1024 * 1024)} MB.")


def _near(levels: int, bounds: Bounds) -> None:
    if levels > bounds.levels:
        raise Refused(f"It holds folders in folders, more than {bounds.levels} levels deep.")


def _entries(source: Path, bounds: Bounds) -> Iterator[tuple[str, os.stat_result]]:
    """Yield what lies below, links unfollowed, with its path below ``source``."""
    for folder, folders, files in os.walk(source, followlinks=False):
        _near(len(Path(folder).relative_to(source).parts) + 1, bounds)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = sorted(name for name in folders if name not in LITTER and name not in links)
        for name in sorted([*files, *links]):
            path = Path(folder) / name
            if name not in LITTER:
                yield str(path.relative_to(source)), path.lstat()


def _litter(name: str) -> bool:
    return any(part in LITTER for part in PurePosixPath(name).parts)
