"""Tracking in PostgreSQL: a schema a workspace, names of any length."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_store import postgres

__all__ = ["postgres"]

# In a process of its own, because MLflow's import and migrations warn.
_SCRIPT = """
import json, sys
from pathlib import Path
from academy.experiments import fast
from academy.experiments.mlflow_tracking import WorkspaceTrackingStore
from academy.experiments.scope import CURRENT
from mlflow.entities import LoggedModelStatus, ViewType
from tests.experiments_service import FIRST, SECOND, open_tracking

tracking, versions = open_tracking(Path(sys.argv[1]), sys.argv[2])
job = "long-" + "x" * 200
for workspace in (FIRST, SECOND):
    tracking.create_run(workspace, run_id=job, experiment="e", who="me", tags={"in": workspace.name})
metrics = [{"key": "m", "value": v, "timestamp": 1, "step": s} for v, s in (("NaN", 1), (2, 3), (9, 2))]
others = {"params": [{"key": "p", "value": "1"}], "tags": [{"key": "t", "value": "v"}]}
entries = fast.parse("log-batch", json.dumps({"run_id": job, "metrics": metrics, **others}).encode())
database = tracking.scope(FIRST, "me").database
for _ in range(2):
    database.write(lambda session: fast.write(session, entries))
tracking.end_run(FIRST, job, "Completed")
run = tracking.get_run(FIRST, job)

store = WorkspaceTrackingStore()
CURRENT.set(tracking.scope(FIRST, "me"))
model = store.create_logged_model(run.experiment_id, "model", job)
store.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
found = store.search_runs([run.experiment_id], "metrics.m > 1", ViewType.ACTIVE_ONLY, 10)
runs = [tracking.get_run(workspace, job).tags["in"] for workspace in (FIRST, SECOND)]
outputs = store.get_run(job).outputs.model_outputs
print(json.dumps([run.status, run.params, run.metrics, runs, len(found), len(outputs)]))
tracking.close()
"""


@pytest.mark.slow
def test_runs_and_models_of_two_workspaces_are_kept_in_postgresql(postgres: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT, str(tmp_path), postgres],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == ["FINISHED", {"p": "1"}, {"m": 2.0}, ["first", "second"], 1, 1]
