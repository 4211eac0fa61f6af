"""MLflow's database file, read without MLflow: its tables are the same from 1.0 on.

``logged_models`` is there from 3.0.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from academy.audit.local.mlflow_runs import LoggedModel, NotReadable, TrackedRun, local, models_in

_PATIENCE_S = 5.0
# MLflow writes this for infinity.
_LARGEST = 1.7976931348623157e308
_PARENT_TAG = "mlflow.parentRunId"
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


def begin(database: Path, template: Path) -> None:
    """Make an empty database of one that holds MLflow's tables: MLflow takes seconds to make them.

    Raises
    ------
    OSError, sqlite3.Error
        It cannot be made; there is no half of one.
    """
    beside = database.with_name(f".{database.name}.begun")
    try:
        shutil.copyfile(template, beside)
        with closing(sqlite3.connect(beside)) as connection, connection:
            # Its own experiment has its artifacts elsewhere. MLflow makes one where there is none.
            connection.execute("DELETE FROM experiments")
        os.replace(beside, database)
    finally:
        beside.unlink(missing_ok=True)


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
            yield LoggedModel(name, location, local(location))
    yield from models_in(local(artifacts))
