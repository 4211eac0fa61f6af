"""Removing a folder that a submission wrote in, however it looks."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def remove(folder: Path) -> None:
    """Remove a folder; never raises, and leaves only what this user may not remove.

    Folders may be nested deeper than a path can say, or Python can recurse: each is taken up to the top,
    and emptied there. Permissions that were taken away are taken back.
    """
    numbers = itertools.count()
    with contextlib.suppress(OSError):
        top = os.open(folder, _FOLDER)
        try:
            while sum(_taken_apart(top, name, numbers) for name in os.listdir(top)):
                pass
        finally:
            os.close(top)
        os.rmdir(folder)


def _taken_apart(top: int, name: str, numbers: Iterator[int]) -> bool:
    """Remove what is called so, and take the folders in it up; return whether something moved."""
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=top, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=top)
            return True
        os.chmod(name, 0o700, dir_fd=top)
        inside = os.open(name, _FOLDER, dir_fd=top)
    except OSError:
        return False
    try:
        # All of them, whether or not the one before it did.
        moved = [_moved(inside, one, top, numbers) for one in os.listdir(inside)]
    except OSError:
        moved = []
    finally:
        os.close(inside)
    try:
        os.rmdir(name, dir_fd=top)
    except OSError:
        return any(moved)
    return True


def _moved(inside: int, name: str, top: int, numbers: Iterator[int]) -> bool:
    try:
        if not stat.S_ISDIR(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=inside)
            return True
        os.chmod(name, 0o700, dir_fd=inside)  # a folder that may not be written in cannot be moved
        target = f".{next(numbers)}-{os.urandom(8).hex()}"
        os.rename(name, target, src_dir_fd=inside, dst_dir_fd=top)
    except OSError:
        return False
    return True
