"""The chain: each record is sealed with the hash of the one before it, so that none can change or go unseen.

Whoever can write the ledger and its head can make a whole new chain. What stops that is the head's hash,
noted where others keep it: in a release's notes, in an e-mail. ``verify`` compares with it when it is given.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from academy.audit.record import Record

# What the first record is chained to.
START = "0" * 64


@dataclass(frozen=True)
class Sealed:
    """A record in its place. ``at`` is when it was written, ISO 8601 in UTC.

    ``body`` is the record's JSON, kept as it was written: a reader of a later release hashes the same values.
    ``hash`` is over all else.
    """

    sequence: int
    at: str
    previous: str
    body: Mapping[str, Any]
    hash: str

    @property
    def record(self) -> Record:
        return Record.from_json(self.body)

    @property
    def is_whole(self) -> bool:
        """Whether the record is as it was when it was sealed."""
        try:
            return _hash(self.sequence, self.at, self.previous, self.body) == self.hash
        except (TypeError, ValueError):  # such as a number that JSON has none of: no record has it
            return False

    def to_json(self) -> dict[str, Any]:
        """Return the sealed record as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Sealed:
        """Return the sealed record that ``to_json`` wrote."""
        return cls(**value)


@dataclass(frozen=True)
class Head:
    """The last record's place and hash."""

    sequence: int = 0
    hash: str = START


@dataclass(frozen=True)
class Break:
    """Where a chain does not hold: the record's number, and what is wrong, in a sentence."""

    sequence: int
    text: str


class Ledger(Protocol):
    """Sealed records in order. The service keeps one in its database, a folder of scripts one in a file."""

    def append(self, record: Record) -> Sealed:
        """Seal a record and keep it; when this returns it outlives a power failure."""
        ...

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        """Return the sealed records in order: all, or those of one id (without regard to case)."""
        ...

    def head(self) -> Head:
        """Return the head as it was noted apart from the records."""
        ...


def seal(body: Mapping[str, Any], *, at: str, after: Head) -> Sealed:
    """Return the record in its place after ``after``."""
    sequence, previous = after.sequence + 1, after.hash
    return Sealed(sequence, at, previous, body, _hash(sequence, at, previous, body))


def canonical(value: Any) -> bytes:
    """Return the one spelling of JSON values that is hashed: keys sorted, no spaces, UTF-8, no NaN."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # A file's name may hold bytes that are no text; Python shows them as halves of surrogate pairs.
    return text.encode("utf-8", "surrogatepass")


def breaks(records: Iterable[Sealed], head: Head) -> list[Break]:
    """Return where the chain of all records does not hold, oldest first; nothing when it does.

    ``head`` may be behind the records (a kill between the record and the note), never ahead of them.
    """
    found: list[Break] = []
    before = Head()
    noted = head.sequence == 0
    for sealed in records:
        if sealed.sequence != before.sequence + 1:
            found.append(Break(before.sequence + 1, _missing(before.sequence + 1, sealed.sequence - 1)))
        elif sealed.previous != before.hash:
            found.append(
                Break(sealed.sequence, f"Record {sealed.sequence} does not follow from the one before it.")
            )
        if not sealed.is_whole:
            found.append(Break(sealed.sequence, f"Record {sealed.sequence} was changed after it was sealed."))
        before = Head(sealed.sequence, sealed.hash)
        if sealed.sequence == head.sequence:
            noted = True
            if sealed.hash != head.hash:
                found.append(
                    Break(sealed.sequence, f"Record {sealed.sequence} is not the one that the head names.")
                )
    if not noted:
        found.append(Break(before.sequence + 1, _missing(before.sequence + 1, head.sequence)))
    return found


def _hash(sequence: int, at: str, previous: str, body: Mapping[str, Any]) -> str:
    value = {"sequence": sequence, "at": at, "previous": previous, "body": body}
    return hashlib.sha256(canonical(value)).hexdigest()


def _missing(first: int, last: int) -> str:
    return f"Record {first} is missing." if first >= last else f"Records {first} to {last} are missing."
