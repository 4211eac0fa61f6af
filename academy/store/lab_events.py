"""What learners did in labs, in order. Rows are only ever added: progress is what they add up to."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from academy.errors import InvalidField
from academy.store.database import transaction
from academy.store.lab_event import Event, EventKind, checked_kind, checked_lab, checked_task
from academy.store.tables import lab_events

# A check's message and a few numbers; a record is no place for files.
DATA_BYTES = 64 * 1024


class LabEvents:
    """Append and read; there is no way to change or delete."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def append(
        self, who: str, lab: str, kind: object, task: str | None = None, data: Mapping[str, Any] | None = None
    ) -> Event:
        """Add one event; when this returns it outlives a power failure.

        Raises
        ------
        InvalidField
            The lab's id, the kind or the task is not valid, or there is too much data.
        """
        event = Event(
            0,
            time.time(),
            checked_lab(lab),
            checked_kind(kind),
            checked_task(task),
            _checked_data(data or {}),
        )
        row = {"who": who, **{name: value for name, value in vars(event).items() if name != "sequence"}}
        with transaction(self._engine) as connection:
            _one_after_another(connection)
            inserted = connection.execute(lab_events.insert().values(row)).inserted_primary_key
        assert inserted is not None
        return replace(event, sequence=inserted[0])

    def read(self, *, lab: str | None = None, after: int = 0, top: int = 1000) -> list[Event]:
        """Return the oldest ``top`` events after sequence ``after``, of one lab or of all."""
        query = select(lab_events).where(lab_events.c.sequence > after)
        query = query.order_by(lab_events.c.sequence).limit(top)
        if lab is not None:
            query = query.where(lab_events.c.lab == checked_lab(lab))
        with self._engine.execution_options(reads_only=True).connect() as connection:
            return [
                Event(row.sequence, row.at, row.lab, EventKind(row.kind), row.task, row.data)
                for row in connection.execute(query)
            ]


def _one_after_another(connection: Connection) -> None:
    # PostgreSQL gives out a sequence number before the row can be seen: without the lock, whoever asks
    # for what came after number 8 could miss number 7. SQLite has one writer at a time as it is.
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE lab_events IN SHARE ROW EXCLUSIVE MODE"))


def _checked_data(data: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise InvalidField(f"An event's data is {type(data).__name__}, not an object.", target="data")
    length = len(json.dumps(dict(data)))
    if length > DATA_BYTES:
        raise InvalidField(
            f"An event's data takes {length} bytes; at most {DATA_BYTES} are kept. Leave out what is long.",
            target="data",
        )
    return dict(data)
