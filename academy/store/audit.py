"""The audit log: who did what to which resource, and when. Rows are only ever added."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Engine, select

from academy.store.database import transaction
from academy.store.tables import audit


@dataclass(frozen=True)
class Entry:
    """One act. ``at`` is in seconds since 1970; ``status`` is the HTTP status it was answered with."""

    sequence: int
    at: float
    who: str
    action: str
    resource: str
    status: int
    request_id: str


class AuditLog:
    """Append and read; there is no way to change or delete."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(self, who: str, action: str, resource: str, *, status: int, request_id: str) -> None:
        """Add one act at the end."""
        row = {
            "at": time.time(),
            "who": who,
            "action": action,
            "resource": resource,
            "status": status,
            "request_id": request_id,
        }
        with transaction(self._engine) as connection:
            connection.execute(audit.insert().values(row))

    def read(self, *, resource_prefix: str = "", after: int = 0, top: int = 1000) -> list[Entry]:
        """Return the oldest ``top`` entries after sequence ``after`` whose resource begins so."""
        query = select(audit).where(audit.c.sequence > after).order_by(audit.c.sequence).limit(top)
        if resource_prefix:
            query = query.where(audit.c.resource.istartswith(resource_prefix, autoescape=True))
        with self._engine.execution_options(reads_only=True).connect() as connection:
            return [Entry(*row) for row in connection.execute(query)]
