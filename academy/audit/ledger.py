"""The service's ledger: sealed records in the table ``ledger``, their head in a file of the home."""

from __future__ import annotations

import contextlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, text

from academy.audit.chain import Head, Sealed, seal
from academy.audit.head_file import HeadFile
from academy.audit.record import Kind, Record
from academy.errors import AcademyError
from academy.store.database import transaction
from academy.store.tables import audit, ledger

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """The newest record of one id: its kind and its hash."""

    id: str
    kind: str
    hash: str


class ServiceLedger:
    """Implements ``Ledger`` in the service's database.

    The head is noted when the record is kept, so after a kill in between it is one behind. Whoever asks for
    ``head`` before ``read`` never sees a head that is ahead of the records.
    """

    def __init__(self, engine: Engine, head_file: Path) -> None:
        self._engine = engine
        self._reading = engine.execution_options(reads_only=True)
        self._noted_in = HeadFile(head_file, "the database", mode=0o600)
        self._lock = threading.Lock()

    def append(self, record: Record) -> Sealed:
        """Seal a record and keep it; when this returns it outlives a power failure."""
        return self.append_all([record])[0]

    def append_all(self, records: Sequence[Record], *, act: int | None = None) -> list[Sealed]:
        """Keep all of some records or none; of the same act, records are kept once.

        Parameters
        ----------
        act
            The sequence number of the audit log's entry that the records are about.
        """
        with self._lock:
            noted = self._noted()
            with transaction(self._engine) as connection:
                _one_after_another(connection)
                if act is not None and _has_act(connection, act):
                    return []
                after = _end(connection)
                # Behind a head that is ahead of the records, or another, the break shows for ever.
                if noted is not None and noted.sequence >= after.sequence:
                    after = noted
                sealed = []
                for record in records:
                    sealed.append(_insert(connection, record, after, act))
                    after = Head(sealed[-1].sequence, sealed[-1].hash)
            if sealed and noted is not None:
                self._note(after)
        return sealed

    def read(self, *, id: str | None = None, after: int = 0, top: int | None = None) -> Sequence[Sealed]:
        """Return the sealed records in order: all, or those of one id (without regard to case)."""
        query = select(ledger).where(ledger.c.sequence > after).order_by(ledger.c.sequence).limit(top)
        if id is not None:
            query = query.where(ledger.c.key == id.lower())
        with self._connected() as connection:
            return [_sealed(row) for row in connection.execute(query)]

    def head(self) -> Head:
        """Return the head as it was noted apart from the records."""
        return self._noted_in.read()

    def last_act(self) -> int:
        """Return the audit log's sequence number up to which all is on record.

        The number of an act is not under a record's seal. One that is not of an act on what the record is
        about counts for nothing: were it raised by hand, what comes next would never be on record.
        """
        key, resource = ledger.c.key, func.lower(audit.c.resource)
        below = func.substr(key, 1, func.length(resource) + 1) == resource + "/"
        query = select(func.coalesce(func.max(audit.c.sequence), 0)).select_from(
            ledger.join(audit, (audit.c.sequence == ledger.c.audit_sequence) & ((resource == key) | below))
        )
        with self._reading.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def newest(self, id: str) -> Place | None:
        """Return the newest record of an id."""
        return next(iter(self._places(ledger.c.key == id.lower())), None)

    def at_or_below(self, id: str) -> list[Place]:
        """Return the newest record of each id at or below ``id``, in the order in which they were written."""
        key = id.lower()
        return self._places((ledger.c.key == key) | ledger.c.key.startswith(f"{key}/", autoescape=True))

    def linked_to(self, id: str, kind: Kind, *, after: int, before: int) -> list[Sealed]:
        """Return the records of a kind with a link to ``id``, of those of the acts between two."""
        acts = (ledger.c.audit_sequence > after) & (ledger.c.audit_sequence < before)
        query = select(ledger).where((ledger.c.kind == kind.value) & acts)
        with self._connected() as connection:
            found = [_sealed(row) for row in connection.execute(query.order_by(ledger.c.sequence))]
        return [one for one in found if any(target.lower() == id.lower() for target in _targets(one))]

    def _places(self, which: Any) -> list[Place]:
        newest = select(func.max(ledger.c.sequence)).where(which).group_by(ledger.c.key)
        columns = select(ledger.c.id, ledger.c.kind, ledger.c.hash)
        query = columns.where(ledger.c.sequence.in_(newest)).order_by(ledger.c.sequence)
        with self._connected() as connection:
            return [Place(*map(_text, row)) for row in connection.execute(query)]

    @contextlib.contextmanager
    def _connected(self) -> Iterator[Connection]:
        """Connect for reading rows that may be damaged: that is for who reads them to see, and no error."""
        with self._reading.connect() as connection:
            driver = connection.connection.dbapi_connection
            if not isinstance(driver, sqlite3.Connection):
                yield connection
                return
            driver.text_factory = _decoded
            try:
                yield connection
            finally:
                driver.text_factory = str

    def _noted(self) -> Head | None:
        """Return the head, or None when its file holds none: that is left for its readers to see."""
        try:
            return self.head()
        except AcademyError as error:
            logger.error("%s", error)
            return None

    def _note(self, head: Head) -> None:
        try:
            self._noted_in.write(head)
        except OSError:
            # The record is kept, and a head that is behind is no break.
            logger.exception("The head of the audit trail could not be noted in %s.", self._noted_in.path)


def _one_after_another(connection: Connection) -> None:
    # On PostgreSQL two writers would seal two records after the same one. SQLite has one writer at a time.
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE ledger IN SHARE ROW EXCLUSIVE MODE"))


def _has_act(connection: Connection, act: int) -> bool:
    query = select(ledger.c.sequence).where(ledger.c.audit_sequence == act).limit(1)
    return connection.execute(query).first() is not None


def _end(connection: Connection) -> Head:
    query = select(ledger.c.sequence, ledger.c.hash).order_by(ledger.c.sequence.desc()).limit(1)
    row = connection.execute(query).first()
    return Head() if row is None else Head(row.sequence, row.hash)


def _insert(connection: Connection, record: Record, after: Head, act: int | None) -> Sealed:
    sealed = seal(record.to_json(), at=datetime.now(UTC).isoformat(), after=after)
    row = {
        "sequence": sealed.sequence,
        "at": sealed.at,
        "kind": record.kind.value,
        "id": record.id,
        "key": record.id.lower(),
        "audit_sequence": act,
        # The values of what is hashed; in ASCII, which every database can hold.
        "body": json.dumps(sealed.body, sort_keys=True, separators=(",", ":")),
        "previous": sealed.previous,
        "hash": sealed.hash,
    }
    connection.execute(ledger.insert().values(row))
    return sealed


def _sealed(row: Row[Any]) -> Sealed:
    id, key, at, previous, hash = map(_text, (row.id, row.key, row.at, row.previous, row.hash))
    try:
        body = json.loads(row.body)
    except ValueError:
        body = {}
    if not isinstance(body, dict):
        body = {}
    # The columns repeat what is sealed in the body. Where somebody changed them, the seal does not fit.
    body = {**body, "id": id if key == id.lower() else key, "kind": _text(row.kind)}
    return Sealed(row.sequence, at, previous, body, hash)


def _targets(sealed: Sealed) -> list[str]:
    links = sealed.body.get("links")
    return [str(link["target"]) for link in links] if isinstance(links, list) else []


def _text(value: object) -> str:
    """Return the text of a column; SQLite's columns hold whatever was written to them."""
    return value if isinstance(value, str) else repr(value)


def _decoded(content: bytes) -> str:
    return content.decode(errors="backslashreplace")
