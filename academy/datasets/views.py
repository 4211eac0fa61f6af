"""Read-only views: what a job sees of mounted data, and why it cannot change it.

A view is a folder of the job's own. What keeps the registered data safe depends on its size:

- Up to ``COPY_LIMIT_BYTES`` the view is a private copy, so nothing done to it reaches the data.
- Above, the view holds hard links, because copying what is only mounted would take minutes. Names in
  it (delete, rename, create) are the job's own. Content is shared, so the write permission is taken
  from the files; a stored blob is replaced by renaming, never written in place, so nothing else needs
  it. A job could still give itself the permission back with ``chmod``: this guards against mistakes,
  not against malice, and a job runs as the user who owns the data anyway.
- Permissions do not bind root. There the view is mounted read-only in a mount namespace of the
  supervisor and its children; where the kernel does not allow that, root gets a private copy.

Files and folders of a view have no write permission, so that a script that writes into its read-only
input fails here as it does on Azure (except as root with a small input, whose copy it may then spoil).
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from academy.datasets import trees
from academy.datasets.trees import Entry

COPY_LIMIT_BYTES = 64 << 20

_CLONE_NEWNS = 0x00020000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_SLAVE = 0x1, 0x20, 0x1000, 0x4000, 0x80000
_MNT_DETACH = 2


def make(chosen: Sequence[Entry], view: Path, *, copy_limit_bytes: int = COPY_LIMIT_BYTES) -> None:
    """Make the folder ``view``, which does not exist yet, show the chosen files read-only.

    As root, call it on the process's main thread and before starting what is to see the view: the
    mount is seen by the calling thread and by what it starts.
    """
    if sum(entry.size_bytes for entry in chosen) <= copy_limit_bytes:
        _make_copy(chosen, view)
        return
    trees.link(chosen, view)
    trees.protect(view)
    if os.geteuid() == 0 and not _mount_read_only(view):
        remove(view)
        _make_copy(chosen, view)


def remove(view: Path) -> None:
    """Delete a view, mounted or not; what it showed stays."""
    # Python cannot see that a folder is mounted over itself; unmounting what is not mounted does nothing.
    while sys.platform == "linux" and view.exists() and _libc().umount2(os.fsencode(view), _MNT_DETACH) == 0:
        continue
    trees.remove(view)


def _make_copy(chosen: Sequence[Entry], view: Path) -> None:
    trees.copy(chosen, view)
    trees.protect(view)


def _mount_read_only(view: Path) -> bool:
    """Mount ``view`` over itself, read-only, for this thread and its children; False where not allowed."""
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return False
    libc, path = _libc(), os.fsencode(view)
    if libc.unshare(_CLONE_NEWNS) != 0:
        return False
    # Mounts of the machine still appear here, ours do not appear on the machine.
    steps = (
        (b"none", b"/", _MS_REC | _MS_SLAVE),
        (path, path, _MS_BIND),
        (b"none", path, _MS_BIND | _MS_REMOUNT | _MS_RDONLY),
    )
    return all(libc.mount(source, target, None, flags, None) == 0 for source, target, flags in steps)


def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mount.argtypes = (
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_ulong,
        ctypes.c_char_p,
    )
    return libc
