"""Hashing files: in pieces, never waiting on what is no file, and large ones once for many runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from academy.paths import write_atomic

_PIECE_BYTES = 1 << 20

# Below this, hashing takes about as long as looking up what was remembered.
REMEMBERED_FROM_BYTES = 8 << 20

# A file that was written this recently may be written again without a new time: it is not remembered.
_SETTLED_NS = 2_000_000_000

# More files of that size than anybody works with; then the memory is begun anew.
_MOST_REMEMBERED = 4096

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Stopped(Exception):
    """Hashing was given up because there is no more time for it."""


class NoFile(OSError):
    """What was a file when its folder was read is none any more."""


class Stamp(NamedTuple):
    """By what it is known that a file has not changed, without reading it.

    ``ctime_ns`` is None for a file with several names: whoever gives it one more changes it, and a
    read-only view of large data does that.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int | None

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        changed = found.st_ctime_ns if found.st_nlink == 1 else None
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, changed)

    def holds(self, other: Stamp) -> bool:
        """Say whether the file is as it was at the other stamp."""
        either = None in (self.ctime_ns, other.ctime_ns)
        return self[:4] == other[:4] and (either or self.ctime_ns == other.ctime_ns)


class Memory:
    """Hashes of large files that were read before, one small file each, in a folder of the user's.

    Two processes may learn the same at once; each writes the whole of it beside and renames. What cannot
    be read or written is as if it were not known.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def recall(self, stamp: Stamp) -> str | None:
        """Return the hash of a file that has not changed since it was kept, or None."""
        if stamp.size < REMEMBERED_FROM_BYTES:
            return None
        try:
            *told, sha256 = json.loads(self._file(stamp).read_bytes())
            known = Stamp(*told)
        except (OSError, ValueError, TypeError):
            return None
        valid = isinstance(sha256, str) and _SHA256.fullmatch(sha256)
        return sha256 if valid and known.holds(stamp) else None

    def keep(self, stamp: Stamp, sha256: str) -> None:
        """Remember the hash of a large file that is not being written."""
        changed = max(stamp.mtime_ns, stamp.ctime_ns or 0)
        if stamp.size < REMEMBERED_FROM_BYTES or time.time_ns() - changed < _SETTLED_NS:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if not self._file(stamp).exists():
                self._bound()
            write_atomic(self._file(stamp), json.dumps([*stamp, sha256]), durable=False)
        except OSError:
            return  # it is hashed again the next time

    def _bound(self) -> None:
        known = os.listdir(self._folder)
        if len(known) >= _MOST_REMEMBERED:
            for name in known:
                (self._folder / name).unlink(missing_ok=True)

    def _file(self, stamp: Stamp) -> Path:
        return self._folder / f"{stamp.device:x}-{stamp.inode:x}"


class Hasher:
    """Hashes files with one buffer; ``stop`` is asked between pieces, and ends it with ``Stopped``."""

    def __init__(self, memory: Memory | None = None, stop: Callable[[], bool] = lambda: False) -> None:
        self._memory = memory
        self._stop = stop
        self._buffer = bytearray(_PIECE_BYTES)

    def file(self, path: str) -> tuple[Stamp, str]:
        """Return a file's SHA-256 and the stamp that it had.

        Raises
        ------
        OSError
            When it cannot be read, is no file, or changes while it is read.
        """
        if self._stop():
            raise Stopped
        # Without O_NONBLOCK a pipe that has come in the file's place would be waited on for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise NoFile(f"{path} is no file")
            stamp = Stamp.of(found)
            return stamp, self._recalled(stamp) or self._read(descriptor, stamp, path)
        finally:
            os.close(descriptor)

    def _recalled(self, stamp: Stamp) -> str | None:
        return self._memory.recall(stamp) if self._memory else None

    def _read(self, descriptor: int, stamp: Stamp, path: str) -> str:
        digest, left = hashlib.sha256(), stamp.size
        view = memoryview(self._buffer)
        # No further than the size, or a log that somebody else writes to would never end.
        while left > 0 and (count := os.readv(descriptor, [view[: min(left, _PIECE_BYTES)]])):
            digest.update(view[:count])
            left -= count
            if left and self._stop():
                raise Stopped
        sha256 = digest.hexdigest()
        if not Stamp.of(os.fstat(descriptor)).holds(stamp):
            raise NoFile(f"{path} was written to while it was read")
        if self._memory:
            self._memory.keep(stamp, sha256)
        return sha256
