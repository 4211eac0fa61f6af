"""Opening the database: SQLite in the home by default, PostgreSQL by URL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError

from academy.errors import ServiceUnavailable, StorageFull
from academy.store.tables import metadata, revisions

_MIGRATIONS = Path(__file__).parent / "migrations"

# The newest migration: what `tables.py` describes.
HEAD = "0003"


def open_database(url: str) -> Engine:
    """Open the database at ``url`` and bring its tables up to date.

    Raises
    ------
    ServiceUnavailable
        When the server does not answer, or the file cannot be opened.
    """
    engine = create_engine(
        url,
        pool_pre_ping=not url.startswith("sqlite"),
        hide_parameters=True,  # an error shows the statement, and not the keys in it
    )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
    try:
        _migrate(engine)
    except OperationalError as error:
        raise ServiceUnavailable(
            f"The database {make_url(url).render_as_string(hide_password=True)} cannot be opened: "
            f"{error.orig}. Check that the server runs, or that the file's folder can be written."
        ) from error
    return engine


@contextlib.contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """Yield a connection inside one transaction; a full disk becomes ``StorageFull``."""
    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        if "disk is full" in str(error.orig) or "No space left" in str(error.orig):
            raise StorageFull(
                "The disk that holds the database is full; nothing was written. Free space and try again."
            ) from error
        raise


def _configure_sqlite(connection: DBAPIConnection, _record: object) -> None:
    # pysqlite's own transaction handling begins late and deferred, which makes two writers
    # fail with "database is locked" instead of waiting; we begin explicitly below.
    connection.isolation_level = None
    cursor = connection.cursor()
    # FULL waits for the disk at each commit: an accepted document outlives a power failure.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if not _reads_only(connection) else "BEGIN")


def _reads_only(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("reads_only"))


def _migrate(engine: Engine) -> None:
    """Make the tables of a new database at once; bring those of an older one up to date, step by step."""
    with engine.begin() as connection:
        if not inspect(connection).has_table(revisions.name):
            metadata.create_all(connection)
            connection.execute(revisions.insert().values(version_num=HEAD))
        found = connection.execute(revisions.select()).scalar_one()
    if found != HEAD:
        upgrade(engine)


def upgrade(engine: Engine) -> None:
    """Run the migrations that a database has not seen."""
    # Half a second to import, and rarely needed.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
