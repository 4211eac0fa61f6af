"""SQL in one transaction, written once for SQLite and PostgreSQL.

The drivers are called directly: what SQLAlchemy adds to a statement costs more than the statement, and
a metric is three of them.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine

from academy.errors import StorageFull

Parameters = Mapping[str, Any]

_FULL_DISK = ("disk is full", "No space left")


class Session:
    """Executes statements with ``:named`` parameters on one connection."""

    def __init__(self, cursor: Any, *, sqlite: bool) -> None:
        self._cursor = cursor
        self._sqlite = sqlite

    def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Run a statement; return how many rows it changed."""
        self._cursor.execute(self._spelled(statement), parameters or {})
        return int(self._cursor.rowcount)

    def execute_many(self, statement: str, rows: Iterable[Parameters]) -> None:
        """Run a statement once for each row."""
        self._cursor.executemany(self._spelled(statement), list(rows))

    def rows(self, statement: str, parameters: Parameters | None = None) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""
        self._cursor.execute(self._spelled(statement), parameters or {})
        return list(self._cursor.fetchall())

    def row(self, statement: str, parameters: Parameters | None = None) -> tuple[Any, ...] | None:
        """Return the first row of a query, or None."""
        self._cursor.execute(self._spelled(statement), parameters or {})
        found: tuple[Any, ...] | None = self._cursor.fetchone()
        return found

    def _spelled(self, statement: str) -> str:
        return statement if self._sqlite else _for_psycopg(statement)


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Yield a session whose transaction is committed at the end, or undone when the block raises."""
    sqlite = engine.dialect.name == "sqlite"
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        if sqlite:
            # Waits for other writers here, where waiting is possible; a transaction that read first
            # and writes later fails at once instead.
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield Session(cursor, sqlite=sqlite)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        finally:
            cursor.close()
    except sqlite3.OperationalError as error:
        if any(sign in str(error) for sign in _FULL_DISK):
            raise StorageFull(
                "The disk that holds the tracking database is full; nothing was written. "
                "Free space and try again."
            ) from error
        raise
    finally:
        connection.close()


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Yield a session for queries."""
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        yield Session(cursor, sqlite=engine.dialect.name == "sqlite")
        cursor.close()
    finally:
        connection.close()


@contextlib.contextmanager
def undoable(session: Session) -> Iterator[None]:
    """Undo what the block wrote when it raises, and only that."""
    session.execute("SAVEPOINT part")
    try:
        yield
    except BaseException:
        session.execute("ROLLBACK TO SAVEPOINT part")
        raise
    finally:
        session.execute("RELEASE SAVEPOINT part")


@lru_cache(maxsize=256)
def _for_psycopg(statement: str) -> str:
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", statement)
