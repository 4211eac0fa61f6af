"""Finding records: the newest version of a model, and what a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rapidfuzz import fuzz, process, utils

from academy.audit.chain import Break, Head, Sealed, breaks
from academy.audit.record import FORMAT, Kind, Record
from academy.audit.target import Target
from academy.errors import AcademyError, NotFound, choices

LATEST = "@latest"
NAMES_SHOWN = 8
LIKE_PERCENT = 60
BREAKS_SHOWN = 3


class Records(Protocol):
    """Whatever readers of records need of a ledger: the service's over HTTP, or a folder's file."""

    def read(self, *, id: str | None = None, after: int = 0) -> Sequence[Sealed]:
        """Return the sealed records in order: all, or those of one id."""
        ...

    def head(self) -> Head:
        """Return the head as it was noted apart from the records."""
        ...


def whole(records: Records) -> tuple[Sequence[Sealed], Head]:
    """Return all records and the head, which is not ahead of them though one may be added in between."""
    head = records.head()
    return records.read(), head


def newest_version(name: str, workspace_id: str, records: Records) -> Target:
    """Return the model version that came on record last, for a name without version (or ``@latest``).

    Versions that were deleted since are passed over, unless all were.

    Raises
    ------
    NotFound
        No version of a model of this name is on record.
    """
    name = name.removesuffix(LATEST)
    container = f"{workspace_id}/models/{name}/versions/".lower()
    newest: dict[str, str] = {}
    for sealed in records.read():
        before, version = str(sealed.body["id"])[: len(container)], str(sealed.body["id"])[len(container) :]
        if before.lower() == container:
            newest.pop(version, None)
            newest[version] = sealed.body["kind"]
    there = [version for version, kind in newest.items() if kind != Kind.DELETION] or list(newest)
    if not there:
        raise not_on_record(Target(Kind.MODEL, name), records)
    return Target(Kind.MODEL, f"{name}:{there[-1]}")


def not_on_record(target: Target, records: Records, why: str = "") -> NotFound:
    """Return the error for a target without a record: ``why`` if that is known, else the nearest names."""
    broken = not_whole(breaks(*whole(records)))
    gap = f" {broken} 'academy audit verify' says more." if broken else ""
    if why:
        return NotFound(f"There is no record of {target}: {why}{gap}", target=target.name)
    names = list(
        dict.fromkeys(
            str(one.body["name"])
            for one in records.read()
            if one.body.get("kind") == target.kind and "name" in one.body  # a damaged one has neither
        )
    )
    if not names:
        return NotFound(
            f"There is no record of {target}, nor of any other {target.kind}. "
            f"'academy audit show' lists what is on record.{gap}",
            target=target.name,
        )
    found = process.extract(
        target.name,
        names,
        scorer=fuzz.WRatio,
        processor=utils.default_process,
        limit=3,
        score_cutoff=LIKE_PERCENT,
    )
    meant = f" Did you mean {' or '.join(repr(name) for name, *_ in found)}?" if found else ""
    shown = choices(names[::-1][:NAMES_SHOWN], in_order=True)
    more = f", and {len(names) - NAMES_SHOWN} older ones" if len(names) > NAMES_SHOWN else ""
    return NotFound(
        f"There is no record of {target}.{meant} On record, newest first: {shown}{more}.{gap}",
        target=target.name,
    )


def not_whole(found: Iterable[Break]) -> str:
    """Return what is wrong with a ledger, as sentences, the first breaks of its chain; nothing when whole."""
    texts = [one.text for one in found]
    if not texts:
        return ""
    more = len(texts) - BREAKS_SHOWN
    counted = f" And {more} more." if more > 0 else ""
    return f"The ledger is not as it was written. {' '.join(texts[:BREAKS_SHOWN])}{counted}"


class Unreadable(AcademyError):
    """A sealed record's body is no record: it was changed, or is of a later release."""

    code = "RecordNotReadable"


def record_in(sealed: Sealed) -> Record:
    """Return what is in a sealed record, or raise ``Unreadable``."""
    format = sealed.body.get("format")
    if isinstance(format, int) and format > FORMAT:
        raise Unreadable(
            f"Record {sealed.sequence} has format {format}; this release of Academy reads {FORMAT}. "
            "Read it with the release that wrote it, or a later one."
        )
    try:
        return sealed.record
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable(
            f"Record {sealed.sequence} is no record: a field is missing, or is none of a record "
            f"({type(error).__name__}: {error}). 'academy audit verify' tells whether it was changed."
        ) from error
