"""The folder of a nursery, and the removal of those whose owners were killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "academy-nursery-"

# Held (flock) by the owner for as long as it lives.
_LOCK = "owner.lock"


@dataclass(frozen=True)
class Folder:
    """A folder that is its owner's until ``remove``, or until the owner dies."""

    path: Path
    held: int

    @classmethod
    def make(cls) -> Folder:
        """Remove what dead owners left behind, then make a folder."""
        remove_abandoned()
        while True:
            path = Path(tempfile.mkdtemp(prefix=_PREFIX))
            held = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            # In the moment before it is held, another process may take it for one that was left behind.
            if _is_taken(held) and (path / _LOCK).exists():
                return cls(path, held)
            os.close(held)

    def remove(self) -> None:
        """Remove the folder, and let go of it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.held)


def remove_abandoned() -> None:
    """Remove this user's folders whose owners are gone; one without a lock may be anything, and stays."""
    for path in _own_folders(Path(tempfile.gettempdir())):
        # It may go at any moment: another process removes such folders too.
        with contextlib.suppress(OSError):
            held = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if _is_taken(held):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)


def _is_taken(descriptor: int) -> bool:
    """Take the lock; say whether nobody else has it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _own_folders(root: Path) -> Iterator[Path]:
    for path in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(FileNotFoundError):
            about = path.lstat()
            if stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid():
                yield path
