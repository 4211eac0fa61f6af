"""The ledger of a folder of scripts: one sealed record a line in ``.academy-audit/ledger.jsonl``."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from academy.audit.chain import Break, Head, Sealed, canonical, seal
from academy.audit.head_file import HeadFile
from academy.audit.record import Record
from academy.errors import AcademyError, StorageFull
from academy.paths import AuditFolder, write_atomic

# The records are worth keeping with the code; the rest is large, and can be made anew.
GITIGNORE = "# Keep ledger.jsonl and head.json with the code.\n*\n!.gitignore\n!ledger.jsonl\n!head.json\n"

_FULL = (errno.ENOSPC, errno.EDQUOT)
_RUN_ID = re.compile(rb'"id"\s*:\s*"run:([^"]+)"')
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class LocalLedger:
    """Implements ``Ledger`` for scripts that run outside the service.

    A line that was torn by a kill or a power failure is the last one, and the head does not name it: reading
    passes over it, and the next record takes its place. Who needs both records and head reads them with
    ``finding.whole``.
    """

    folder: AuditFolder

    @classmethod
    def above(cls, folder: Path) -> LocalLedger | None:
        """Return the ledger of ``folder`` or of the nearest folder above it that has one."""
        start = folder.absolute()
        for candidate in (start, *start.parents):
            root = candidate / AuditFolder.NAME
            if root.is_dir():
                return cls(AuditFolder(root))
        return None

    def append(self, record: Record) -> Sealed:
        """Seal a record and keep it; when this returns it outlives a power failure.

        Raises
        ------
        StorageFull
            The disk is full; the ledger is as it was.
        AcademyError
            The folder cannot be written.
        """
        self.prepare()
        with self._locked(), self._explained():
            noted = self.head()
            kept, last = self._end(noted)
            # Behind a head that is ahead of the records, the gap shows for ever: a record was taken out.
            after = last if last.sequence > noted.sequence else noted
            sealed = seal(record.to_json(), at=datetime.now(UTC).isoformat(), after=after)
            self._write(canonical(sealed.to_json()) + b"\n", at=kept)
            self._noted_in.write(Head(sealed.sequence, sealed.hash))
        return sealed

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        """Return the sealed records in order: all, or those of one id (without regard to case).

        Lines that hold no record are passed over: the chain shows what is missing, ``damage`` which line.
        """
        wanted = None if id is None else id.lower()
        found = []
        for line in self._lines():
            if wanted is not None and wanted.isascii() and wanted.encode() not in line.lower():
                continue  # reading a line as JSON is what takes long
            sealed = _sealed(line)
            if sealed is None or sealed.sequence <= after:
                continue
            if wanted is None or str(sealed.body.get("id", "")).lower() == wanted:
                found.append(sealed)
        return found

    def head(self) -> Head:
        """Return the head as it was noted apart from the records."""
        return self._noted_in.read()

    def damage(self) -> list[Break]:
        """Return the lines that hold no record, a last one that was torn by a kill left out."""
        noted = self.head()
        lines = list(self._lines())
        sealed = [_sealed(line) for line in lines]
        broken = [
            number for number, found in enumerate(sealed, 1) if found is None and lines[number - 1].strip()
        ]
        last = max((found.sequence for found in sealed if found is not None), default=0)
        if broken and broken[-1] == len(lines) and noted.sequence <= last:
            broken.pop()
        return [
            Break(number, f"Line {number} of {self.folder.ledger_file} is no record.") for number in broken
        ]

    def run_names(self) -> frozenset[str]:
        """Return the names of all runs on record; fast, since it is asked before each run."""
        try:
            content = self.folder.ledger_file.read_bytes()
        except FileNotFoundError:
            return frozenset()
        return frozenset(name.decode() for name in _RUN_ID.findall(content))

    def prepare(self) -> None:
        """Make the folder, and see that it can be written.

        Raises
        ------
        AcademyError
            It cannot; the message names the file at fault.
        """
        with self._explained():
            self.folder.root.mkdir(parents=True, exist_ok=True)
            if not self.folder.gitignore_file.exists():
                write_atomic(self.folder.gitignore_file, GITIGNORE, durable=False)
            with open(self.folder.ledger_file, "ab"):
                pass

    @property
    def _noted_in(self) -> HeadFile:
        return HeadFile(self.folder.head_file, self.folder.ledger_file.name)

    def _lines(self) -> Iterator[bytes]:
        try:
            with open(self.folder.ledger_file, "rb") as file:
                yield from file
        except FileNotFoundError:
            return

    def _end(self, noted: Head) -> tuple[int, Head]:
        """Return up to where the file is kept when a line is added, and the last record's place."""
        with open(self.folder.ledger_file, "rb") as file:
            size = end = file.seek(0, os.SEEK_END)
            start, line = _last_line(file, end)
            torn_from = start
            while (sealed := _sealed(line)) is None and start:
                end = start
                start, line = _last_line(file, end)
        last = Head() if sealed is None else Head(sealed.sequence, sealed.hash)
        torn = end < size or sealed is None
        # What the head names was whole once: it is no torn line, and stays to be seen.
        return (torn_from if torn and noted.sequence <= last.sequence else size), last

    def _write(self, line: bytes, *, at: int) -> None:
        with open(self.folder.ledger_file, "r+b", buffering=0) as file:
            file.seek(max(0, at - 1))
            # An editor may have taken the last line's end.
            whole = line if file.read(1) in (b"", b"\n") or not at else b"\n" + line
            try:
                file.truncate(at)
                file.seek(at)
                while whole:
                    whole = whole[file.write(whole) :]
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(at)
                raise
        if not at:
            _sync_folder(self.folder.root)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._explained(), open(self.folder.lock_file, "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _FULL:
                raise StorageFull(
                    f"The disk of {self.folder.root} is full: the record was not written. Free some space."
                ) from error
            raise AcademyError(
                f"{error.filename or self.folder.root} cannot be written: {error.strerror}. "
                "The audit trail is kept in the working folder; run the command in one that you can write."
            ) from error


def _sealed(line: bytes) -> Sealed | None:
    try:
        sealed = Sealed.from_json(json.loads(line))
        return sealed if isinstance(sealed.sequence, int) and isinstance(sealed.body, dict) else None
    except (ValueError, TypeError):
        return None


def _last_line(file: BinaryIO, end: int) -> tuple[int, bytes]:
    """Return where the line begins that ends at ``end``, and the line."""
    start, line = end, b""
    while start:
        size = min(_BLOCK_BYTES, start)
        start -= size
        file.seek(start)
        line = file.read(size) + line
        at = line.rfind(b"\n", 0, len(line) - 1)
        if at >= 0:
            return start + at + 1, line[at + 1 :]
    return 0, line


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's list of files is on the disk: a new file's name is, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
