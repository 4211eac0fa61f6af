"""Records taken out of a ledger: those of one thing and of its chain, to be read elsewhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from academy import __version__
from academy.audit.chain import Break, Head, Sealed, breaks
from academy.audit.finding import Unreadable, not_whole, record_in
from academy.audit.lineage import Shelf, Step, chain_of, linked
from academy.audit.record import Kind, Record
from academy.errors import NotFound, choices

# The "$id" of record.schema.json.
SCHEMA_ID = "urn:academy:schema:audit-export:1"


@dataclass(frozen=True)
class FromRuns:
    """What of a chain is in another ledger, that of local runs: where it is, its records, its head."""

    place: str
    records: tuple[Sealed, ...]
    head: Head
    breaks: tuple[Break, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the part of the bundle."""
        records = [sealed.to_json() for sealed in self.records]
        return {
            "place": self.place,
            "head": asdict(self.head),
            "breaks": [asdict(one) for one in self.breaks],
            "records": records,
        }


@dataclass(frozen=True)
class LocalRuns:
    """All records of local runs that are at hand, and their head; ``place`` is where their ledger is."""

    place: str
    records: Sequence[Sealed]
    head: Head

    def among(self, steps: Iterable[Step]) -> FromRuns | None:
        """Return what of a chain is in this ledger; None when nothing is."""
        found = {step.sealed.sequence: step.sealed for step in steps if step.sealed and step.place}
        if not found:
            return None
        broken = tuple(breaks(self.records, self.head))
        return FromRuns(self.place, tuple(found[key] for key in sorted(found)), self.head, broken)


@dataclass(frozen=True)
class Export:
    """The record that was asked for, all records of its chain, and the ledger's head.

    ``steps`` is the chain, each step after what it came from. ``several`` are the numbers of all records
    of the same thing. ``runs`` is what of the chain is on record elsewhere, by local runs. ``breaks`` are
    those of the whole ledger, which the records taken out of it do not show.
    """

    sealed: Sealed
    record: Record
    records: tuple[Sealed, ...]
    steps: tuple[Step, ...]
    head: Head
    several: tuple[int, ...]
    runs: FromRuns | None = None
    breaks: tuple[Break, ...] = ()

    @classmethod
    def of(
        cls,
        own: Sequence[Sealed],
        everything: Sequence[Sealed],
        head: Head,
        number: int | None,
        runs: LocalRuns | None = None,
    ) -> Export:
        """Return the export for one thing's newest record, or for the one of the number given.

        Parameters
        ----------
        own
            The records of the thing, oldest first; at least one.
        everything
            All records of the ledger.
        runs
            Those of local runs that are at hand, for models that one of them wrote.

        Raises
        ------
        NotFound
            The thing has no record of this number; the message names those that it has.
        """
        sealed = _chosen(own, number)
        shelf = Shelf(everything)
        steps = chain_of(sealed, shelf, Shelf(runs.records, runs.place) if runs else None)
        return cls(
            sealed,
            record_in(sealed),
            linked(sealed, shelf),
            steps,
            head,
            tuple(one.sequence for one in own),
            runs.among(steps) if runs else None,
            tuple(breaks(everything, head)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the bundle that ``record.schema.json`` describes."""
        return {
            "$schema": SCHEMA_ID,
            "generator": {"name": "academy", "version": __version__},
            "target": {"kind": self.record.kind, "name": self.record.name, "id": self.record.id},
            "head": asdict(self.head),
            "breaks": [asdict(one) for one in self.breaks],
            "records": [sealed.to_json() for sealed in self.records],
            "runs": self.runs.to_json() if self.runs else None,
        }

    def text(self) -> str:
        """Return the bundle as it is written: the same records and head give the same bytes."""
        return json.dumps(self.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def before(self) -> tuple[Step, ...]:
        """Return the steps of the chain that the thing came from, in the chain's order."""
        by_key = {step.key: step for step in self.steps}
        own = self.record.id.lower()
        wanted, waiting = set[str](), list(by_key[own].before)
        while waiting:
            key = waiting.pop()
            if key not in wanted and key != own:
                wanted.add(key)
                waiting.extend(by_key[key].before)
        return tuple(step for step in self.steps if step.key in wanted)

    def records_of(self, *kinds: Kind) -> tuple[Record, ...]:
        """Return what the chain's steps have on record, of some kinds, in the chain's order."""
        return tuple(record for _, record in readable(self.steps) if record.kind in kinds)


def readable(steps: Iterable[Step]) -> Iterator[tuple[Step, Record]]:
    """Yield the steps that have a record which can be read; the chain shows the others all the same."""
    for step in steps:
        if step.sealed is not None:
            with contextlib.suppress(Unreadable):
                yield step, record_in(step.sealed)


def of_changed(export: Export) -> Iterator[str]:
    """Yield a sentence for each record behind an export that is not as it was sealed."""
    behind = [step.sealed for step in export.before() if step.sealed is not None]
    for sealed in (*behind, export.sealed):
        if not sealed.is_whole:
            name = sealed.body.get("name")
            yield f"Record {sealed.sequence} ({name}) was changed after it was sealed: do not rely on it."


def of_file(value: Mapping[str, Any]) -> tuple[tuple[Sealed, ...], Head]:
    """Return the records and the head of a bundle that its schema found whole."""
    return tuple(Sealed.from_json(one) for one in value["records"]), Head(**value["head"])


def runs_of_file(value: Mapping[str, Any]) -> FromRuns | None:
    """Return what of a bundle is of another ledger, that of local runs."""
    found = value["runs"]
    return None if found is None else FromRuns(found["place"], *of_file(found), breaks_of_file(found))


def breaks_of_file(value: Mapping[str, Any]) -> tuple[Break, ...]:
    """Return where the ledger of a bundle was broken when the bundle was taken out of it."""
    return tuple(Break(**one) for one in value["breaks"])


def of_broken(export: Export) -> Iterator[str]:
    """Yield a sentence for each ledger behind an export that is not whole."""
    if text := not_whole(export.breaks):
        yield text
    if export.runs is not None and (text := not_whole(export.runs.breaks)):
        yield f"The local runs of {export.runs.place}: {text}"


def _chosen(own: Sequence[Sealed], number: int | None) -> Sealed:
    if number is None:
        kept = [one for one in own if one.body.get("kind") != Kind.DELETION]
        return (kept or own)[-1]
    found = next((one for one in own if one.sequence == number), None)
    if found is None:
        name, there = own[-1].body.get("name"), choices((one.sequence for one in own), in_order=True)
        raise NotFound(f"{name!r} has no record {number}. Its records: {there}.")
    return found
