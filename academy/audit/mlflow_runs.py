"""MLflow runs that a script made, read from MLflow's database file, whatever MLflow wrote it.

The tables are the same from MLflow 1.0 on; ``logged_models`` is there from 3.0. MLflow itself is not
imported: its version here need not be the script's, and importing it takes seconds.
"""

from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from academy.errors import AcademyError

_PATIENCE_S = 5.0
# MLflow writes this for infinity.
_LARGEST = 1.7976931348623157e308
_PARENT_TAG = "mlflow.parentRunId"
_MODEL_FILE = "MLmodel"

_RUNS = (
    "SELECT run_uuid, name, status, start_time, end_time, artifact_uri FROM runs"
    " WHERE start_time >= ? AND lifecycle_stage = 'active' ORDER BY start_time, run_uuid"
)
_METRICS = "SELECT key, value, is_nan FROM latest_metrics WHERE run_uuid = ? ORDER BY key"
_PARAMS = "SELECT key, value FROM params WHERE run_uuid = ? ORDER BY key"
_PARENT = "SELECT value FROM tags WHERE run_uuid = ? AND key = ?"
_MODELS = (
    "SELECT name, artifact_location FROM logged_models WHERE source_run_id = ? ORDER BY creation_timestamp_ms"
)
_HAS_MODELS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'logged_models'"


class NotReadable(AcademyError):
    """MLflow's database cannot be read."""


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run logged. ``folder`` is None when ``location`` is not on this machine."""

    name: str
    location: str
    folder: Path | None


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run. Times are Unix milliseconds."""

    id: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    parent: str | None
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    models: tuple[LoggedModel, ...] = ()


def database_of(address: str, folder: Path) -> Path | None:
    """Return the file of a tracking address like ``sqlite:///mlflow.db``; None for any other."""
    for scheme in ("sqlite:///", "sqlite+pysqlite:///"):
        if address.startswith(scheme):
            name = address.removeprefix(scheme).partition("?")[0]
            return folder / name if name and name != ":memory:" else None
    return None


def runs_since(database: Path, since_ms: int) -> list[TrackedRun]:
    """Return the runs that started at ``since_ms`` or later, oldest first; nothing when there is no file.

    Raises
    ------
    NotReadable
        It is no database of MLflow, is locked, or is damaged.
    """
    if not database.is_file():
        return []
    try:
        with closing(sqlite3.connect(database, timeout=_PATIENCE_S)) as connection:
            return [_run(connection, row) for row in connection.execute(_RUNS, (since_ms,)).fetchall()]
    except sqlite3.Error as error:
        raise NotReadable(f"MLflow's runs in {database} were not read: {error}.") from error


def chosen(runs: Sequence[TrackedRun]) -> TrackedRun | None:
    """Return the run whose metrics stand for all: the last that finished and is inside no other."""
    ids = {run.id for run in runs}
    outer = [run for run in runs if run.parent not in ids]
    finished = [run for run in outer if run.status == "FINISHED"]
    return max(finished or outer, key=lambda run: (run.ended_ms or 0, run.started_ms), default=None)


def _run(
    connection: sqlite3.Connection, row: tuple[str, str | None, str, int, int | None, str]
) -> TrackedRun:
    id, name, status, started_ms, ended_ms, artifacts = row
    parent = connection.execute(_PARENT, (id, _PARENT_TAG)).fetchone()
    metrics = {key: _number(value, is_nan) for key, value, is_nan in connection.execute(_METRICS, (id,))}
    return TrackedRun(
        id,
        name or id,
        status,
        started_ms,
        ended_ms,
        parent[0] if parent else None,
        metrics,
        {key: str(value) for key, value in connection.execute(_PARAMS, (id,))},
        tuple(_models(connection, id, artifacts)),
    )


def _number(value: float, is_nan: bool) -> float:
    if is_nan:
        return math.nan
    return math.copysign(math.inf, value) if abs(value) >= _LARGEST else float(value)


def _models(connection: sqlite3.Connection, run_id: str, artifacts: str) -> Iterator[LoggedModel]:
    if connection.execute(_HAS_MODELS).fetchone():
        for name, location in connection.execute(_MODELS, (run_id,)):
            yield LoggedModel(name, location, _local(location))
    folder = _local(artifacts)
    if folder is None:
        return
    for above, below, names in os.walk(folder):  # where MLflow before 3.0 puts them
        below.sort()
        if _MODEL_FILE in names:
            below.clear()
            yield LoggedModel(Path(above).relative_to(folder).as_posix(), Path(above).as_uri(), Path(above))


def _local(location: str) -> Path | None:
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return Path(location) if not parts.scheme and location.startswith("/") else None
