"""Copies of a folder that a submission may be changing meanwhile: plain files only, no link followed."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from academy.errors import UserError
from academy.labs.grading.unpacking import LITTER, Bounds

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # a pipe must not make us wait


BOUNDS = Bounds()


class TooMuch(UserError):
    """The folder holds more files, or bytes, than one submission may have."""


def snapshot(source: Path, target: Path, bounds: Bounds = BOUNDS) -> tuple[str, ...]:
    """Copy the plain files of ``source`` to the new folder ``target``; return what was left out.

    Folders are walked by their descriptors, so that none becomes a link to elsewhere in between. What
    begins with a dot is left out in silence.

    Raises
    ------
    TooMuch
        There are more files, bytes or levels of folders than ``bounds`` allow.
    """
    left_out: list[str] = []
    count = total = 0
    for folder, folders, files, descriptor in os.fwalk(source, follow_symlinks=False):
        inside = os.path.relpath(folder, source)
        if inside.count(os.sep) >= bounds.levels:
            raise TooMuch(f"The folder holds folders in folders, more than {bounds.levels} levels deep.")
        copy = target / inside
        copy.mkdir(parents=True, exist_ok=True)
        folders[:] = sorted(filter(_wanted, folders))
        links = [name for name in folders if _is_link(descriptor, name)]
        for name in sorted([*links, *filter(_wanted, files)]):
            size = _copy(descriptor, name, copy / name, bounds.bytes_in_all - total)
            if size is None:
                left_out.append(os.path.normpath(os.path.join(inside, name)))
                continue
            count, total = count + 1, total + size
            if count > bounds.files:
                raise TooMuch(f"The folder holds more than {bounds.files} files.")
    return tuple(left_out)


def _wanted(name: str) -> bool:
    return not name.startswith(".") and name not in LITTER


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return True  # it went away in between


def _copy(folder: int, name: str, target: Path, most: int) -> int | None:
    """Copy one file and return its size, or None when it is no plain file that can be read."""
    try:
        descriptor = os.open(name, _FLAGS, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > most:
            raise TooMuch(f"The folder holds more than {BOUNDS.bytes_in_all // 1024**2} MB.")
        with target.open("wb") as copy:
            shutil.copyfileobj(_Bounded(file, status.st_size), copy)
    return status.st_size


class _Bounded:
    """A file that ends where it ended when it was opened, however fast it grows."""

    def __init__(self, file: object, size: int) -> None:
        self._file, self._left = file, size

    def read(self, count: int = -1) -> bytes:
        wanted = self._left if count < 0 else min(count, self._left)
        part: bytes = self._file.read(wanted)  # type: ignore[attr-defined]
        self._left -= len(part)
        return part
