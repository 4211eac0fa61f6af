"""One MLflow database a workspace: made from a template, kept by one writer.

SQLite files in the home by default. With a PostgreSQL URL, each workspace has a schema of its own in
that database.
"""

from __future__ import annotations

import importlib
import os
import re
import shutil
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection

from academy.errors import ServiceUnavailable
from academy.experiments import mlflow_settings
from academy.experiments.session import Session, reading
from academy.experiments.writer import Writer
from academy.paths import Home, tracking_template
from academy.store.ids import Workspace

T = TypeVar("T")


class TrackingDatabase:
    """The runs of one workspace, in MLflow's tables."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.engine = _engine(url)
        self._writer = Writer(self.engine)
        self._closing: list[Callable[[], None]] = []

    def submit(self, operation: Callable[[Session], T]) -> Future[T]:
        """Write in a transaction; the future is done when it is durable."""
        return self._writer.submit(operation)

    def write(self, operation: Callable[[Session], T]) -> T:
        """Write in a transaction and wait until it is durable."""
        return self.submit(operation).result()

    def read(self, query: Callable[[Session], T]) -> T:
        """Run queries."""
        with reading(self.engine) as session:
            return query(session)

    def on_close(self, action: Callable[[], None]) -> None:
        """Have ``action`` called when the database is closed."""
        self._closing.append(action)

    def close(self) -> None:
        self._writer.close()
        for action in self._closing:
            action()
        self.engine.dispose()


class TrackingDatabases:
    """Opens each workspace's database once, with its tables made or brought up to date."""

    def __init__(self, home: Home, url: str | None = None) -> None:
        self._home = home
        self._url = make_url(url) if url else None
        self._opened: dict[str, TrackingDatabase] = {}
        self._lock = threading.Lock()

    def find(self, workspace: Workspace) -> TrackingDatabase | None:
        """Return the workspace's database when it is open."""
        return self._opened.get(workspace.key)

    def open(self, workspace: Workspace) -> TrackingDatabase:
        """Return the workspace's database; the first time, this may wait for MLflow's migrations."""
        found = self.find(workspace)
        if found is not None:
            return found
        with self._lock:
            if workspace.key not in self._opened:
                self._opened[workspace.key] = TrackingDatabase(self._prepared(workspace))
            return self._opened[workspace.key]

    def close(self) -> None:
        """Close all, writing what waits."""
        with self._lock:
            while self._opened:
                self._opened.popitem()[1].close()

    def _prepared(self, workspace: Workspace) -> URL:
        if self._url is None:
            file = self._home.tracking_database(workspace.key)
            file.parent.mkdir(parents=True, exist_ok=True)
            _prepare_file(file)
            return sqlite_url(file)
        if self._url.get_backend_name() != "postgresql":
            raise ServiceUnavailable(
                f"Tracking cannot use the database {self._url.render_as_string(hide_password=True)!r}. "
                "Give a postgresql+psycopg:// URL, or none for SQLite files in the home."
            )
        schema = "mlflow_" + re.sub(r"\W", "_", workspace.key)
        _migrations().prepare_schema(self._url, schema)
        return self._url.update_query_dict({"options": f"-csearch_path={schema}"})


def sqlite_url(file: Path) -> URL:
    return URL.create("sqlite", database=str(file))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, hide_parameters=True)
    engine = create_engine(url, max_overflow=-1, hide_parameters=True)
    event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    # FULL waits for the disk at each commit: a logged metric outlives a power failure.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def ensure_template() -> Path:
    """Return the template of new databases, made now if this machine has none for this MLflow: seconds."""
    template = tracking_template(version("mlflow"))
    if not template.exists():
        template.parent.mkdir(parents=True, exist_ok=True)
        _migrations().create(template)
    return template


def _prepare_file(file: Path) -> None:
    template = ensure_template()
    if not file.exists():
        # Beside and renamed: a service that is killed here leaves no half of a database.
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        shutil.copyfile(template, beside)
        with beside.open("rb") as copy:
            os.fsync(copy.fileno())
        os.replace(beside, file)
    elif _revision(file) != _revision(template):
        _migrations().upgrade(file)


def _revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0])


def _migrations() -> ModuleType:
    # By name and late: it imports MLflow, which takes seconds and is needed once a machine.
    mlflow_settings.apply()
    return importlib.import_module("academy.experiments.migrations")
