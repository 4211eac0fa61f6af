"""ARM documents, stored whole: what was sent, plus ids, revisions and times."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, false, func, select
from sqlalchemy.exc import IntegrityError

from academy.errors import Conflict, NotFound
from academy.store.audit import record
from academy.store.database import transaction
from academy.store.ids import collection_of, type_of
from academy.store.tables import documents

Body = dict[str, Any]


class ListView(enum.Enum):
    """Which documents a listing shows; the values are those of ``listViewType``."""

    ACTIVE_ONLY = "ActiveOnly"
    ARCHIVED_ONLY = "ArchivedOnly"
    ALL = "All"


@dataclass(frozen=True)
class Document:
    """One stored resource."""

    id: str
    body: Body
    archived: bool
    revision: int
    sequence: int
    created_at: float
    modified_at: float

    @property
    def name(self) -> str:
        return self.id.rsplit("/", 1)[1]

    @property
    def properties(self) -> Body:
        properties: Body = self.body.get("properties") or {}
        return properties

    @property
    def etag(self) -> str:
        return f'"{self.revision}"'

    def arm(self) -> Body:
        """Return the document as the REST API shows it: id, name, type and systemData added."""
        system = dict(self.body.get("systemData") or {})
        system["createdAt"] = timestamp(self.created_at)
        system["lastModifiedAt"] = timestamp(self.modified_at)
        shown = {key: value for key, value in self.body.items() if key != "systemData"}
        return {"id": self.id, "name": self.name, "type": type_of(self.id), **shown, "systemData": system}


@dataclass(frozen=True)
class Page:
    """One page of a listing; ``next_skip`` is None on the last one."""

    items: list[Document]
    next_skip: int | None


class Documents:
    """Get, put, change, list and delete documents, each in one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._reading = engine.execution_options(reads_only=True)
        self._changed: Callable[[], None] = _nobody
        self._leaving: Callable[[str], None] = _nobody

    def watch(self, *, changed: Callable[[], None], leaving: Callable[[str], None]) -> None:
        """Have ``changed`` called after each change, ``leaving`` with the id before anything is deleted."""
        self._changed, self._leaving = changed, leaving

    def leave(self, id: str) -> None:
        """Tell who watches that what belongs to a document, such as its folder, is about to go."""
        self._leaving(id)

    def find(self, id: str) -> Document | None:
        """Return the document, or None."""
        with self._reading.connect() as connection:
            return _find(connection, id)

    def get(self, id: str) -> Document:
        """Return the document, or raise ``NotFound``."""
        document = self.find(id)
        if document is None:
            raise missing(id)
        return document

    def put(self, id: str, body: Mapping[str, Any], *, who: str, archived: bool = False) -> Document:
        """Create the document or replace it whole, keeping who created it and when."""
        return self.change(id, lambda _old: body, who=who, archived=archived)

    def create(self, id: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Create the document, or raise ``Conflict`` when it exists."""

        def refuse_existing(old: Document | None) -> Mapping[str, Any]:
            if old is not None:
                raise Conflict(f"{old.id} exists already. Choose another name, or delete it first.")
            return body

        return self.change(id, refuse_existing, who=who)

    def update(
        self,
        id: str,
        change: Callable[[Body], Mapping[str, Any]],
        *,
        who: str,
        archived: bool | None = None,
        action: str | None = None,
    ) -> Document:
        """Replace an existing document by ``change(its body)``; ``NotFound`` when there is none.

        ``action`` is the audit log's word for it, where "update" says too little.
        """

        def of_existing(old: Document | None) -> Mapping[str, Any]:
            if old is None:
                raise missing(id)
            return change(old.body)

        return self.change(id, of_existing, who=who, archived=archived, action=action)

    def change(
        self,
        id: str,
        body_of: Callable[[Document | None], Mapping[str, Any]],
        *,
        who: str,
        archived: bool | None = None,
        action: str | None = None,
    ) -> Document:
        """Read, compute and write in one transaction: no other writer comes between.

        ``body_of`` gets the document as it is, or None; what it raises undoes everything.
        ``archived=None`` leaves that mark as it is.
        """
        while True:
            try:
                with transaction(self.engine) as connection:
                    changed = _change(connection, id, body_of, who, archived)
                    usual = "create" if changed.revision == 1 else "update"
                    record(connection, who, action or usual, changed.id, changed.revision)
            except IntegrityError:
                # PostgreSQL: another writer created the same id in between. It exists now; look again.
                continue
            self._changed()
            return changed

    def names(self, collection: str) -> Sequence[str]:
        """Return the names in a collection, archived ones too, in order of creation."""
        query = select(documents.c.id).where(documents.c.collection == collection.lower())
        with self._reading.connect() as connection:
            ids = connection.execute(query.order_by(documents.c.sequence)).scalars()
            return [id.rsplit("/", 1)[1] for id in ids]

    def among(
        self, prefix: str, collection_end: str, *, where: Mapping[tuple[str, ...], str] | None = None
    ) -> Sequence[Document]:
        """Return the documents below ``prefix`` whose collection ends so, such as ``/workspaces``.

        ``where`` maps paths in the body, such as ``("properties", "status")``, to the text that is there.
        """
        below = documents.c.collection.startswith(prefix.lower(), autoescape=True)
        ending = documents.c.collection.endswith(collection_end.lower(), autoescape=True)
        query = select(documents).where(below & ending).order_by(documents.c.sequence)
        for path, value in (where or {}).items():
            query = query.where(documents.c.body[path].as_string() == value)
        with self._reading.connect() as connection:
            return [_document(row) for row in connection.execute(query)]

    def list(
        self,
        collection: str,
        *,
        view: ListView = ListView.ACTIVE_ONLY,
        newest_first: bool = True,
        skip: int = 0,
        top: int | None = None,
        unless: tuple[str, ...] | None = None,
    ) -> Page:
        """List a collection in order of creation, but for those whose body is true at the path ``unless``."""
        order = documents.c.sequence.desc() if newest_first else documents.c.sequence
        query = _in_view(select(documents).where(documents.c.collection == collection.lower()), view)
        if unless is not None:
            query = query.where(func.coalesce(documents.c.body[unless].as_boolean(), false()).is_(False))
        query = query.order_by(order).offset(skip)
        with self._reading.connect() as connection:
            rows = connection.execute(query.limit(top + 1) if top is not None else query).all()
        more = top is not None and len(rows) > top
        shown = rows[:top] if more else rows
        return Page([_document(row) for row in shown], skip + len(shown) if more else None)

    def count(self, collection: str, *, view: ListView = ListView.ACTIVE_ONLY) -> int:
        """Count a collection."""
        query = (
            select(func.count()).select_from(documents).where(documents.c.collection == collection.lower())
        )
        with self._reading.connect() as connection:
            return int(connection.execute(_in_view(query, view)).scalar_one())

    def delete(self, id: str, *, who: str) -> Document:
        """Delete the document and all documents below it; ``NotFound`` when there is none."""
        key = id.lower()
        self.leave(id)
        with transaction(self.engine) as connection:
            document = _find(connection, id)
            if document is None:
                raise missing(id)
            below = documents.c.key.startswith(f"{key}/", autoescape=True)
            connection.execute(documents.delete().where((documents.c.key == key) | below))
            record(connection, who, "delete", document.id, document.revision)
        self._changed()
        return document


def _nobody(*_told: str) -> None:
    """Stand for a watcher where there is none."""


def missing(id: str) -> NotFound:
    """Return the error for a document that is not there, naming its kind and its collection."""
    kind, name = id.rsplit("/", 2)[-2:]
    return NotFound(
        f"There is no {name!r} in {kind!r}. List what is there, or check the spelling.", target=id
    )


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as ARM writes times: UTC with microseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _change(
    connection: Connection,
    id: str,
    body_of: Callable[[Document | None], Mapping[str, Any]],
    who: str,
    archived: bool | None,
) -> Document:
    old = _find(connection, id, for_update=True)
    body = dict(body_of(old))
    now = time.time()
    person = {"lastModifiedBy": who, "lastModifiedByType": "User"}
    if old is None:
        body["systemData"] = {"createdBy": who, "createdByType": "User", **person}
        row = {
            "key": id.lower(),
            "collection": collection_of(id).lower(),
            "id": id,
            "body": body,
            "archived": bool(archived),
            "revision": 1,
            "created_at": now,
            "modified_at": now,
        }
        sequence = connection.execute(documents.insert().values(row)).inserted_primary_key
        assert sequence is not None
        return Document(id, body, bool(archived), 1, sequence[0], now, now)
    body["systemData"] = {**(old.body.get("systemData") or {}), **person}
    mark = old.archived if archived is None else archived
    connection.execute(
        documents.update()
        .where(documents.c.key == id.lower())
        .values(body=body, archived=mark, revision=old.revision + 1, modified_at=now)
    )
    return Document(old.id, body, mark, old.revision + 1, old.sequence, old.created_at, now)


def _find(connection: Connection, id: str, *, for_update: bool = False) -> Document | None:
    query = select(documents).where(documents.c.key == id.lower())
    row = connection.execute(query.with_for_update() if for_update else query).first()
    return None if row is None else _document(row)


def _in_view(query: Select[Any], view: ListView) -> Select[Any]:
    if view is ListView.ALL:
        return query
    return query.where(documents.c.archived == (view is ListView.ARCHIVED_ONLY))


def _document(row: Row[Any]) -> Document:
    return Document(
        id=row.id,
        body=row.body,
        archived=row.archived,
        revision=row.revision,
        sequence=row.sequence,
        created_at=row.created_at,
        modified_at=row.modified_at,
    )
