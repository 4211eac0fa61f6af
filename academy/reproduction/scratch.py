"""Folders that are gone when their work is done; what a killed process has left goes at the next run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Held (flock) by the owner for as long as it lives.
_OWNER = "owner.lock"


@contextlib.contextmanager
def scratch(prefix: str, above: Path) -> Iterator[Path]:
    """Make a folder that is deleted after the block, and delete those with ``prefix`` whose owner is dead."""
    _sweep(prefix, above)
    # It has its final name, by which others find it, when it is locked.
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=above))
    with open(made / _OWNER, "x") as lock:
        folder = made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = made.rename(above / made.name[1:])
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _sweep(prefix: str, above: Path) -> None:
    for folder in above.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # it is another user's, or is being deleted
            if folder.lstat().st_uid == os.getuid() and not _is_in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_in_use(folder: Path) -> bool:
    """Say whether a process holds any lock in it: its owner, or an installer that has outlived it."""
    for file in folder.glob("*.lock"):
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False
