"""Walk, copy, link and delete folders of data, in sorted order."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

_NO_IN_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM)
_NO_HARD_LINK = (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK)
_CHUNK_BYTES = 1 << 30


class Entry(NamedTuple):
    """A file, and the name that it has or is to have below some folder."""

    name: str
    file: Path
    size_bytes: int


def entries(root: Path, *, leave_out: Callable[[Path], bool] = lambda _path: False) -> Iterator[Entry]:
    """Yield the files below ``root``, sorted by name in each folder; ``root`` itself if it is a file.

    Links are followed, except into a folder that is being walked already. Sockets, pipes and links
    that lead nowhere are left out, as is what ``leave_out`` says of each thing below ``root``.
    """
    status = root.stat()
    if stat.S_ISREG(status.st_mode):
        yield Entry(root.name, root, status.st_size)
    elif stat.S_ISDIR(status.st_mode):
        yield from _below(root, "", frozenset({(status.st_dev, status.st_ino)}), leave_out)


def copy(chosen: Iterable[Entry], folder: Path) -> None:
    """Fill ``folder`` with private, writable copies."""
    _fill(chosen, folder, copy_file)


def link(chosen: Iterable[Entry], folder: Path) -> None:
    """Fill ``folder`` with hard links: names of its own, content shared.

    What cannot be linked is copied: links, and files on another file system.
    """
    _fill(chosen, folder, _link_file)


def copy_file(source: Path, target: Path) -> None:
    """Copy one file's content, in the kernel where it can: shared blocks on file systems that have them."""
    with open(source, "rb") as reader, open(target, "wb") as writer:
        if not _copy_in_kernel(reader.fileno(), writer.fileno()):
            shutil.copyfileobj(reader, writer, 1 << 20)
        executable = os.fstat(reader.fileno()).st_mode & 0o111
        os.fchmod(writer.fileno(), 0o644 | executable)


def remove(path: Path) -> None:
    """Delete a file or a folder, made read-only or not; it is no error when there is none."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for folder, _, _ in os.walk(path):
        os.chmod(folder, 0o755)
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def protect(root: Path) -> None:
    """Take the write permission from every file and folder of a tree."""
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            path = Path(folder, name)
            os.chmod(path, stat.S_IMODE(path.stat().st_mode) & ~0o222)
        os.chmod(folder, 0o555)


def unprotect(root: Path) -> None:
    """Give the owner the write permission on every file of a tree where it was taken.

    What links lead to is no part of the tree.
    """
    for entry in entries(root, leave_out=Path.is_symlink):
        mode = stat.S_IMODE(entry.file.stat().st_mode)
        if not mode & stat.S_IWUSR:
            os.chmod(entry.file, mode | stat.S_IWUSR)


def _below(
    folder: Path, prefix: str, above: frozenset[tuple[int, int]], leave_out: Callable[[Path], bool]
) -> Iterator[Entry]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if leave_out(item):
            continue
        try:
            status = item.stat()
        except OSError:
            continue  # a link that leads nowhere, or in a circle
        identity = (status.st_dev, status.st_ino)
        if stat.S_ISREG(status.st_mode):
            yield Entry(prefix + item.name, item, status.st_size)
        elif stat.S_ISDIR(status.st_mode) and identity not in above:
            yield from _below(item, f"{prefix}{item.name}/", above | {identity}, leave_out)


def _fill(chosen: Iterable[Entry], folder: Path, act: Callable[[Path, Path], None]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for entry in chosen:
        goal = folder / entry.name
        goal.parent.mkdir(parents=True, exist_ok=True)
        act(entry.file, goal)


def _link_file(source: Path, target: Path) -> None:
    if not source.is_symlink():
        try:
            os.link(source, target)
        except OSError as error:
            if error.errno not in _NO_HARD_LINK:
                raise
        else:
            return
    copy_file(source, target)


def _copy_in_kernel(reader: int, writer: int) -> bool:
    if not hasattr(os, "copy_file_range"):
        return False
    copied = 0
    while True:
        try:
            count = os.copy_file_range(reader, writer, _CHUNK_BYTES)
        except OSError as error:
            if copied == 0 and error.errno in _NO_IN_KERNEL_COPY:
                return False
            raise
        if count == 0:
            # Some special file systems report 0 at once for files that do have content.
            return copied > 0 or os.fstat(reader).st_size == 0
        copied += count
