"""How much a submission has written: measured from outside, and taken away again where it was too much."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

# Without content a file still takes up its place in a folder and its entry on the disk.
_LEAST_BYTES = 1024


def used(folders: Iterable[Path], pids: Iterable[int], most: float) -> int:
    """Return how many bytes lie in the folders and in what the processes hold open without a name.

    It stops when there are more than ``most``.

    Raises
    ------
    OSError
        One of the folders cannot be looked into: it is closed, or too deep for a path.
    """
    total = 0
    for _path, size in _files(folders):
        total += size
        if total > most:
            return total
    return total + sum(_nameless(pids).values())


def clear(folders: Iterable[Path], most: float, *, down_to: float) -> None:
    """Where there are more than ``most`` bytes, remove the largest files until ``down_to`` are left.

    Nobody may write in the folders meanwhile.
    """
    found: list[tuple[str, int]] = []
    with contextlib.suppress(OSError):
        found.extend(_files(folders))
    left = sum(size for _, size in found)
    if left <= most:
        return
    for path, size in sorted(found, key=lambda one: one[1], reverse=True):
        if left <= down_to:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
            left -= size


def _files(folders: Iterable[Path]) -> Iterator[tuple[str, int]]:
    """Yield every file below the folders, and what it takes up; links lead nowhere."""
    waiting = [os.fspath(folder) for folder in folders]
    while waiting:
        # It may be gone, or have become something else, since its name was read.
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    found = entry.stat(follow_symlinks=False)
                    yield entry.path, max(_LEAST_BYTES, found.st_blocks * 512)


def _nameless(pids: Iterable[int]) -> dict[tuple[int, int], int]:
    """Return the sizes of files that were removed and are open still, and of those that lie in memory."""
    found = {}
    for pid in pids:
        folder = f"/proc/{pid}/fd"
        with contextlib.suppress(OSError):
            for name in os.listdir(folder):
                with contextlib.suppress(OSError):
                    seen = os.stat(f"{folder}/{name}")
                    if stat.S_ISREG(seen.st_mode) and not seen.st_nlink:
                        found[seen.st_dev, seen.st_ino] = seen.st_blocks * 512
    return found
