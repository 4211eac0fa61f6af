"""What checking records found, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Mismatch:
    """One thing that is not as its record says.

    ``sequence`` is the record's number, 0 for what is of no record. ``what`` is ``chain``, ``head``,
    ``record``, ``link``, ``code``, ``input``, ``output``, ``model``, ``package`` or ``python``.
    """

    sequence: int
    what: str
    text: str


@dataclass(frozen=True)
class Verification:
    """What was checked, what does not match, what could not be checked and why, and what else is to know."""

    checked: tuple[str, ...]
    mismatches: tuple[Mismatch, ...]
    unchecked: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def matches(self) -> bool:
        return not self.mismatches

    def to_json(self) -> dict[str, Any]:
        """Return the findings as JSON values."""
        return {"matches": self.matches, **asdict(self)}


@dataclass
class Findings:
    """Gathers what checks find, in order."""

    checked: list[str] = field(default_factory=list)
    mismatches: list[Mismatch] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def differs(self, sequence: int, what: str, text: str) -> None:
        self.mismatches.append(Mismatch(sequence, what, text))

    def done(self) -> Verification:
        return Verification(
            tuple(self.checked), tuple(self.mismatches), tuple(self.unchecked), tuple(self.notes)
        )
