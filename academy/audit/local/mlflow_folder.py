"""MLflow's folder of runs (``mlruns``), read without MLflow: where MLflow kept runs by default before 3.7."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from academy.audit.local.mlflow_runs import LoggedModel, NotReadable, TrackedRun, local, models_in

_META = "meta.yaml"
_PARENT_TAG = "mlflow.parentRunId"
# As in mlflow.protos.service_pb2.RunStatus.
_STATUS = {1: "RUNNING", 2: "SCHEDULED", 3: "FINISHED", 4: "FAILED", 5: "KILLED"}


def runs_since(root: Path, since_ms: int) -> list[TrackedRun]:
    """Return the runs that started at ``since_ms`` or later, oldest first; nothing when there is no folder.

    Raises
    ------
    NotReadable
        A file of a run cannot be read, or is not what MLflow writes.
    """
    try:
        found = []
        for meta in root.glob(f"*/*/{_META}"):
            if meta.parent.parent.name == "models":
                continue
            # It is written anew when the run ends: an older one is of an older run, and there may be many.
            if meta.stat().st_mtime_ns < (since_ms - 1000) * 1_000_000:
                continue
            value = yaml.safe_load(meta.read_text(encoding="utf-8")) or {}
            if value.get("lifecycle_stage") == "active" and value.get("start_time", 0) >= since_ms:
                found.append(_run(meta.parent, value))
        return sorted(found, key=lambda run: (run.started_ms, run.id))
    except (OSError, ValueError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise NotReadable(f"MLflow's runs in {root} were not read: {error}.") from error


def _run(folder: Path, meta: Mapping[str, Any]) -> TrackedRun:
    id = str(meta["run_id"])
    parent = folder / "tags" / _PARENT_TAG
    artifacts = local(str(meta["artifact_uri"]))
    status = meta["status"]
    return TrackedRun(
        id,
        str(meta.get("run_name") or id),
        _STATUS.get(status, str(status)),
        int(meta["start_time"]),
        meta.get("end_time"),
        parent.read_text(encoding="utf-8") if parent.exists() else None,
        {name: _latest(text) for name, text in _texts(folder / "metrics")},
        dict(_texts(folder / "params")),
        (*_models(folder.parent / "models", id), *models_in(artifacts)),
    )


def _texts(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.relative_to(folder).as_posix(), file.read_text(encoding="utf-8")


def _latest(lines: str) -> float:
    """Return the last value of a metric, from lines of time, value and step (none in old files)."""
    points = [line.split(" ") for line in lines.splitlines() if line]
    values = [(int(one[2]) if len(one) > 2 else 0, int(one[0]), float(one[1])) for one in points]
    return max(values, key=lambda one: one[:2])[2] if values else math.nan


def _models(folder: Path, run_id: str) -> Iterator[LoggedModel]:
    for meta in sorted(folder.glob(f"*/{_META}")):
        value = yaml.safe_load(meta.read_text(encoding="utf-8")) or {}
        if value.get("source_run_id") == run_id:
            location = str(value["artifact_location"])
            yield LoggedModel(str(value["name"]), location, local(location))
