"""The records of a deletion: one of each thing on record that is gone with it."""

from __future__ import annotations

from academy.audit.ledger import Place
from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.sources import Sources
from academy.audit.subject import name_of
from academy.endpoints.online import ENDPOINTS
from academy.store.audit import Entry
from academy.store.documents import timestamp
from academy.store.ids import ResourceId

DELETED = "Deleted"


def of_deletion(sources: Sources, entry: Entry) -> list[Record]:
    """Return a record of each thing that went, and of the endpoint that went with its deployments.

    Nothing that was never on record is recorded when it goes.
    """
    known = sources.ledger.at_or_below(entry.resource)
    gone = [place for place in known if place.kind != Kind.DELETION]
    records = [_of_one(entry, place) for place in gone]
    path = ResourceId.parse(entry.resource).path
    if known and len(path) == 2 and path[0].lower() == ENDPOINTS.lower():
        links = tuple(Link(Relation.DELETED, place.id, record=place.hash) for place in gone)
        records.append(_record(entry, entry.resource, (Link(Relation.DELETED, entry.resource), *links), ()))
    return records


def _of_one(entry: Entry, place: Place) -> Record:
    links = (Link(Relation.DELETED, place.id, record=place.hash),)
    above = place.id.lower() != entry.resource.lower()
    notes = (f"It was deleted with {entry.resource}.",) if above else ()
    return _record(entry, place.id, links, notes)


def _record(entry: Entry, id: str, links: tuple[Link, ...], notes: tuple[str, ...]) -> Record:
    return Record(
        kind=Kind.DELETION,
        name=name_of(id),
        id=id,
        who=entry.who,
        status=DELETED,
        ended_at=timestamp(entry.at),
        links=links,
        notes=notes,
    )
