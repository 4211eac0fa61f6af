"""The head of a ledger, noted in a file apart from its records."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from academy.audit.chain import Head
from academy.errors import AcademyError
from academy.paths import read_json, write_json

# Databases number no further.
_MOST_RECORDS = 2**31 - 2


@dataclass(frozen=True)
class HeadFile:
    """``records_in`` says where the records are, to who reads that the file is damaged."""

    path: Path
    records_in: str
    mode: int = 0o644

    def read(self) -> Head:
        """Return what is noted; that of no record where there is no file.

        Raises
        ------
        AcademyError
            The file cannot be read, or names no record.
        """
        try:
            value = read_json(self.path)
            head = Head() if value is None else Head(int(value["sequence"]), str(value["hash"]))
            if not 0 <= head.sequence <= _MOST_RECORDS:
                raise ValueError(head.sequence)
        except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            unread = f"cannot be read ({error.strerror})" if isinstance(error, OSError) else ""
            raise AcademyError(
                f"{self.path} {unread or 'is not what Academy wrote: it names no record'}. "
                f"Take it from a copy, or delete it; the records themselves are in {self.records_in}."
            ) from error
        return head

    def write(self, head: Head) -> None:
        """Note a head; when this returns it outlives a power failure."""
        write_json(self.path, asdict(head), mode=self.mode)
