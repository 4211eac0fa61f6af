"""Files in the making: written in the account's staging folder, then renamed into place, whole.

The staging folder is on the blobs' own disk, so the rename is atomic; a service that is killed leaves
nothing but a staged file, which the next start removes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from academy.blobs.errors import BlobError
from academy.errors import AcademyError, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

# What copy_file_range says where two files cannot be copied inside the kernel.
_NO_KERNEL_COPY = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)

_COPY_CHUNK = 16 << 20
_WRITE_BACK_BYTES = 1 << 20


@contextlib.contextmanager
def disk_errors() -> Iterator[None]:
    """Turn "no space left" into ``StorageFull``, in words; let every other error through."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise StorageFull(
            f"The disk that holds the blobs is full ({error.strerror}); nothing of this blob was kept. "
            "Free space on the disk of the home (academy status shows where it is) and upload again."
        ) from error


def check_space(folder: Path, needed: int) -> None:
    """Refuse an upload that cannot fit before a byte of it is sent."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageFull(
            f"An upload of {needed:,} bytes does not fit: {free:,} bytes are free on the disk that holds "
            "the blobs. Free space on the disk of the home (academy status shows where it is)."
        )


def is_older(file: Path, moment: float) -> bool:
    """Say whether a file was last written to before ``moment`` (Unix seconds); not if it is gone."""
    try:
        return file.stat().st_mtime < moment
    except FileNotFoundError:
        return False


class FileWriter:
    """Write the ``size`` bytes that are announced to one place of an open file, and digest them if asked."""

    def __init__(self, descriptor: int, offset: int, size: int, *, md5: bytes | None = None) -> None:
        self._descriptor = descriptor
        self._offset = offset
        self._end = offset + size
        self._expected_md5 = md5
        self._md5 = None if md5 is None else hashlib.md5(usedforsecurity=False)

    def write(self, chunks: Sequence[bytes]) -> None:
        """Write ``chunks`` one after the other; large pieces are sent on their way to the disk at once."""
        start = self._offset
        if start + sum(map(len, chunks)) > self._end:
            raise self._wrong_size()
        for few in _batches(chunks):
            if self._md5:
                for chunk in few:
                    self._md5.update(chunk)
            with disk_errors():
                self._offset += write_all(self._descriptor, few, self._offset)
        if self._offset - start >= _WRITE_BACK_BYTES and hasattr(os, "posix_fadvise"):
            # Linux starts writing dirty pages back at this hint, without waiting: the fsync at the
            # end of a large upload then finds most of the work done.
            os.posix_fadvise(self._descriptor, start, self._offset - start, os.POSIX_FADV_DONTNEED)

    def check(self) -> None:
        """Refuse what arrived if it is not all, or not what its sender digested."""
        if self._offset != self._end:
            raise self._wrong_size()
        if self._md5 and self._md5.digest() != self._expected_md5:
            raise BlobError(
                "Md5Mismatch",
                "The MD5 of the bytes that arrived is not the Content-MD5 that was sent. Send them again.",
                target="Content-MD5",
            )

    def _wrong_size(self) -> BlobError:
        return BlobError("InvalidHeaderValue", "Content-Length is not the length of what was sent.")


class StagedFile:
    """A file that either becomes the blob, whole, or vanishes."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def create(cls, folder: Path) -> StagedFile:
        """Open a new file in ``folder``, an account's staging folder."""
        with disk_errors():
            uploads = folder / "uploads"
            uploads.mkdir(parents=True, exist_ok=True)
            path = uploads / uuid.uuid4().hex
            return cls(path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))

    @classmethod
    def adopt(cls, file: Path, folder: Path) -> StagedFile:
        """Take a file that is written already into ``folder``, an account's staging folder."""
        staged = cls.create(folder)
        staged.close()
        os.replace(file, staged.path)
        return cls(staged.path, os.open(staged.path, os.O_RDWR | os.O_CLOEXEC))

    def finish(self) -> os.stat_result:
        """Wait until the bytes are on the disk; return the status that the file keeps from now on."""
        with disk_errors():
            os.utime(self.descriptor)
            os.fsync(self.descriptor)
        return os.fstat(self.descriptor)

    def place(self, target: Path) -> None:
        """Rename over ``target``, as one step, and close."""
        os.replace(self.path, target)
        self.close()

    def discard(self) -> None:
        """Close and remove, unless it was placed."""
        if self.descriptor >= 0:
            self.close()
            self.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def copy_range(source: int, start: int, length: int, target: int, offset: int) -> None:
    """Copy ``length`` bytes between open files: inside the kernel, or sharing blocks, where it can."""
    with disk_errors():
        done = _kernel_copy(source, start, length, target, offset)
        while done < length:
            data = os.pread(source, min(_COPY_CHUNK, length - done), start + done)
            if not data:
                raise AcademyError("The source of a copy became shorter while it was copied. Copy it again.")
            write_all(target, [data], offset + done)
            done += len(data)


def write_all(descriptor: int, chunks: Sequence[bytes], offset: int) -> int:
    """Write all of ``chunks`` at ``offset``, in one call where the system takes it; return their size."""
    total = sum(map(len, chunks))
    done = os.pwritev(descriptor, chunks, offset)
    if done < total:
        rest = memoryview(b"".join(chunks))
        while done < total:
            done += os.pwrite(descriptor, rest[done:], offset + done)
    return total


def append_line(file: Path, line: str) -> None:
    """Add a line to a file: all of it or, on a full disk, nothing."""
    data = line.encode() + b"\n"
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        with disk_errors():
            end = os.fstat(descriptor).st_size
            if os.write(descriptor, data) < len(data):
                os.ftruncate(descriptor, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _batches(chunks: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    # One system call takes at most 1024 pieces (IOV_MAX).
    for start in range(0, len(chunks), 1024):
        yield chunks[start : start + 1024]


def _kernel_copy(source: int, start: int, length: int, target: int, offset: int) -> int:
    if not hasattr(os, "copy_file_range"):
        return 0
    done = 0
    while done < length:
        try:
            copied = os.copy_file_range(source, target, length - done, start + done, offset + done)
        except OSError as error:
            if error.errno in _NO_KERNEL_COPY:
                return done
            raise
        if copied == 0:
            return done
        done += copied
    return done
