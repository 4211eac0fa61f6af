"""Runs, read and written in MLflow's own tables, without MLflow.

A job's run is made on the way to starting the job, so it costs one small transaction, and works before
MLflow's server, which takes seconds to load, is there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from academy.errors import InvalidField, NotFound, choices
from academy.experiments.artifacts import EXPERIMENTS_ROOT, run_uri
from academy.experiments.session import Session

RUN_NAME_TAG = "mlflow.runName"
PARENT_TAG = "mlflow.parentRunId"

# MLflow's ends, and those of Azure's jobs that mean the same.
_ENDS = {
    "FINISHED": "FINISHED",
    "FAILED": "FAILED",
    "KILLED": "KILLED",
    "Completed": "FINISHED",
    "Failed": "FAILED",
    "Canceled": "KILLED",
    "NotResponding": "FAILED",
}

_FIND_EXPERIMENT = "SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = :name"
_INSERT_EXPERIMENT = (
    "INSERT INTO experiments (name, artifact_location, lifecycle_stage, creation_time, last_update_time,"
    " workspace) VALUES (:name, '', 'active', :now, :now, 'default') ON CONFLICT DO NOTHING"
)
_INSERT_RUN = (
    "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
    " start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
    " VALUES (:id, :name, 'UNKNOWN', '', '', :user, 'RUNNING', :start, '', 'active', :uri, :experiment)"
    " ON CONFLICT DO NOTHING"
)
_FIND_RUN = (
    "SELECT r.run_uuid, r.name, e.name, r.experiment_id, r.status, r.start_time, r.end_time,"
    " r.lifecycle_stage, r.artifact_uri FROM runs r JOIN experiments e ON e.experiment_id = r.experiment_id"
    " WHERE r.run_uuid = :run"
)
# The fields of Run that _FIND_RUN returns, in its order.
_RUN_FACTS = (
    "run_id",
    "name",
    "experiment",
    "experiment_id",
    "status",
    "started_ms",
    "ended_ms",
    "lifecycle",
    "artifact_uri",
)
# A status of 2 is MLflow's LoggedModelStatus.READY.
_SHOWN_BY = (
    "SELECT m.source_run_id, m.status FROM logged_models m WHERE m.model_id = :model"
    " AND m.source_run_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM logged_models n"
    " WHERE n.source_run_id = m.source_run_id AND n.name = m.name AND n.status = 2"
    " AND n.creation_timestamp_ms > m.creation_timestamp_ms)"
)
_READY = 2
_END_RUN = "UPDATE runs SET status = :status, end_time = :end WHERE run_uuid = :run"


@dataclass(frozen=True)
class NewRun:
    """What a run begins with. ``started_ms`` is in milliseconds since 1970, as in MLflow."""

    run_id: str
    name: str
    user: str
    tags: Mapping[str, str] = field(default_factory=dict)
    started_ms: int = field(default_factory=lambda: int(time.time() * 1000))


@dataclass(frozen=True)
class Run:
    """A run as it is now; ``metrics`` holds each metric's latest value."""

    run_id: str
    name: str
    experiment: str
    experiment_id: str
    status: str
    started_ms: int
    ended_ms: int | None
    lifecycle: str
    artifact_uri: str
    tags: dict[str, str]
    params: dict[str, str]
    metrics: dict[str, float]


def find_experiment(session: Session, name: str) -> int | None:
    """Return the id of the active experiment called ``name``, or None."""
    found = session.row(_FIND_EXPERIMENT, {"name": name})
    return int(found[0]) if found is not None and found[1] == "active" else None


def ensure_experiment(session: Session, name: str) -> int:
    """Return the id of the experiment called ``name``, made or restored where needed."""
    found = session.row(_FIND_EXPERIMENT, {"name": name})
    if found is None:
        now = int(time.time() * 1000)
        session.execute(_INSERT_EXPERIMENT, {"name": name, "now": now})
        found = session.row(_FIND_EXPERIMENT, {"name": name})
        assert found is not None
        # MLflow's own layout: the location holds the id, which only the insert gives.
        location = {"location": f"{EXPERIMENTS_ROOT}/{found[0]}", "id": found[0]}
        session.execute(
            "UPDATE experiments SET artifact_location = :location WHERE experiment_id = :id", location
        )
    elif found[1] != "active":
        # A job must not fail because somebody deleted its experiment in MLflow's page before.
        session.execute(
            "UPDATE experiments SET lifecycle_stage = 'active' WHERE experiment_id = :id", {"id": found[0]}
        )
    return int(found[0])


def insert_run(session: Session, experiment_id: int, run: NewRun) -> bool:
    """Insert a run under the id that the caller chose; return False when that run exists already."""
    row = {
        "id": run.run_id,
        "name": run.name,
        "user": run.user,
        "start": run.started_ms,
        "uri": run_uri(run.run_id),
        "experiment": experiment_id,
    }
    inserted = session.execute(_INSERT_RUN, row)
    if inserted:
        put_tags(session, run.run_id, {**run.tags, RUN_NAME_TAG: run.name})
    return bool(inserted)


def put_tags(session: Session, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags, replacing those of the same key."""
    session.execute_many(
        'INSERT INTO tags ("key", value, run_uuid) VALUES (:key, :value, :run)'
        ' ON CONFLICT ("key", run_uuid) DO UPDATE SET value = excluded.value',
        [{"key": key, "value": value, "run": run_id} for key, value in tags.items()],
    )


def set_tags(session: Session, run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run that exists; ``mlflow.runName`` renames it."""
    if session.row("SELECT 1 FROM runs WHERE run_uuid = :run", {"run": run_id}) is None:
        raise no_run(run_id)
    put_tags(session, run_id, tags)
    if RUN_NAME_TAG in tags:
        name = {"name": tags[RUN_NAME_TAG], "run": run_id}
        session.execute("UPDATE runs SET name = :name WHERE run_uuid = :run", name)


def end_run(session: Session, run_id: str, status: str, *, ended_ms: int | None = None) -> None:
    """End a run, and the nested runs that its process left open."""
    if status not in _ENDS:
        raise InvalidField(f"A run cannot end as {status!r}. Valid: {choices(_ENDS)}.")
    end = {"status": _ENDS[status], "end": ended_ms or int(time.time() * 1000)}
    if not session.execute(_END_RUN, {**end, "run": run_id}):
        raise no_run(run_id)
    waiting, seen = [run_id], {run_id}
    while waiting:
        children = _open_children(session, waiting.pop())
        for child in children - seen:
            session.execute(_END_RUN, {**end, "run": child})
        waiting.extend(children - seen)
        seen |= children


def find_run(session: Session, run_id: str) -> Run | None:
    """Return a run with its tags, params and latest metrics, or None."""
    row = session.row(_FIND_RUN, {"run": run_id})
    if row is None:
        return None
    facts = dict(zip(_RUN_FACTS, row, strict=True))
    return Run(
        **{**facts, "experiment_id": str(facts["experiment_id"])},
        tags=dict(session.rows('SELECT "key", value FROM tags WHERE run_uuid = :run', {"run": run_id})),
        params=dict(session.rows('SELECT "key", value FROM params WHERE run_uuid = :run', {"run": run_id})),
        metrics=latest_metrics(session, run_id),
    )


def latest_metrics(session: Session, run_id: str) -> dict[str, float]:
    """Return each metric's latest value."""
    query = 'SELECT "key", value, is_nan FROM latest_metrics WHERE run_uuid = :run'
    found = session.rows(query, {"run": run_id})
    return {key: float("nan") if is_nan else value for key, value, is_nan in found}


def run_that_shows(session: Session, model_id: str, *, whole: bool) -> str | None:
    """Return the run whose artifacts show an MLflow 3 model: that of the newest whole one of its name.

    ``whole`` asks for a model that is marked as whole; without it, one that is about to be will do.
    """
    found = session.row(_SHOWN_BY, {"model": model_id})
    if found is None or (whole and found[1] != _READY):
        return None
    return str(found[0])


def no_run(run_id: str) -> NotFound:
    """Return the error for a run that is not there."""
    return NotFound(
        f"There is no run {run_id!r} in this workspace. A job's run has the job's name as its id."
    )


def _open_children(session: Session, run_id: str) -> set[str]:
    query = (
        "SELECT t.run_uuid FROM tags t JOIN runs r ON r.run_uuid = t.run_uuid"
        " WHERE t.\"key\" = :key AND t.value = :run AND r.status = 'RUNNING'"
    )
    return {row[0] for row in session.rows(query, {"key": PARENT_TAG, "run": run_id})}
