"""The record of a home whose service does not run, read from its file: no server, no database library."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

from academy.store.lab_event import Event, EventKind


def read_lab_events(database: Path) -> list[Event]:
    """Return every event in a home's own SQLite database, oldest first; none where there is no record yet.

    Raises
    ------
    OSError
        The file is there and cannot be read.
    """
    if not database.exists():
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'lab_events'")
            if tables.fetchone() is None:
                return []  # a home from before there were labs
            rows = connection.execute(
                "SELECT sequence, at, lab, kind, task, data FROM lab_events ORDER BY sequence"
            ).fetchall()
    except sqlite3.Error as error:
        raise OSError(f"{database} cannot be read: {error}") from error
    return [
        Event(sequence, at, lab, EventKind(kind), task, json.loads(data))
        for sequence, at, lab, kind, task, data in rows
    ]
