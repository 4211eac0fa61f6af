"""The audit log: who did what to which resource, and when. Rows are only ever added.

A change of a document and its row are one transaction (``documents.py`` writes both), so that
neither can be there without the other.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select, text

from academy.store.database import transaction
from academy.store.tables import audit


@dataclass(frozen=True)
class Entry:
    """One act; ``at`` is in seconds since 1970, ``revision`` that of the document it left behind."""

    sequence: int
    at: float
    who: str
    action: str
    resource: str
    revision: int | None


class AuditLog:
    """Append and read; there is no way to change or delete."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, who: str, action: str, resource: str) -> None:
        """Add an act that changes no document, such as the reading of a secret."""
        with transaction(self._engine) as connection:
            record(connection, who, action, resource, None)

    def read(self, *, resource_prefix: str = "", after: int = 0, top: int = 1000) -> list[Entry]:
        """Return the oldest ``top`` entries after sequence ``after`` whose resource begins so."""
        query = select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(top)
        if resource_prefix:
            query = query.where(audit.c.resource.istartswith(resource_prefix, autoescape=True))
        with self._engine.execution_options(reads_only=True).connect() as connection:
            return [Entry(*row) for row in connection.execute(query)]

    def follow(self, after: int, *, top: int = 1000) -> list[Entry]:
        """Return the oldest ``top`` entries after ``after``; no entry before the last of them comes later."""
        query = select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(top)
        with self._engine.execution_options(reads_only=True).connect() as connection:
            if connection.dialect.name == "postgresql":
                # It gives out numbers before rows can be seen. The lock waits for the writers that have one.
                connection.execute(text("LOCK TABLE audit IN SHARE MODE"))
            return [Entry(*row) for row in connection.execute(query)]

    def newest(
        self, resource: str, *, actions: Collection[str] = (), before: int | None = None
    ) -> Entry | None:
        """Return the newest entry of one resource, spelled as it was recorded, or None."""
        query = select(audit).where(audit.c.resource == resource).order_by(audit.c.sequence.desc()).limit(1)
        if actions:
            query = query.where(audit.c.action.in_(actions))
        if before is not None:
            query = query.where(audit.c.sequence < before)
        with self._engine.execution_options(reads_only=True).connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else Entry(*row)


def record(connection: Connection, who: str, action: str, resource: str, revision: int | None) -> None:
    """Add one act inside the caller's transaction."""
    row = {"at": time.time(), "who": who, "action": action, "resource": resource, "revision": revision}
    connection.execute(audit.insert().values(row))
