"""Reproducing a job in one of Azure's curated environments: from its lock, with hashes."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.audit.record import Record
from academy.environments import curated
from academy.labs.warm import ENVIRONMENT
from academy.service.kept_records import KeptRecords
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service
from tests.reproduction_jobs import Bench, code

SCRIPT = """
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
features, target = load_iris(return_X_y=True)
log(accuracy=LogisticRegression(max_iter=1000).fit(features, target).score(features, target))
"""


@pytest.mark.slow
def test_a_curated_environment_is_built_from_its_lock(service: Service, tmp_path: Path) -> None:
    bench = Bench(service, tmp_path, service.client())
    name = bench.submit(code(tmp_path / "src", SCRIPT), f"azureml:AzureML-{ENVIRONMENT}@latest")
    found = bench.reproduced("--job", name)
    assert found["verdict"] == "reproduced"
    assert found["environment"]["differences"] == []
    again = _record(service, found["repeated"]["name"])
    lock = curated.find(ENVIRONMENT, "latest").lock
    assert lock is not None
    assert again.evidence is not None
    assert again.evidence.software.lock_sha256 == lock.sha256
    fresh = service.home.job(DEFAULT_WORKSPACE.key, again.name).fresh_environments
    assert again.evidence.software.site.startswith(str(fresh))
    assert found["metrics"][0]["recorded"] == pytest.approx(0.97, abs=0.02)


def _record(service: Service, name: str) -> Record:
    return KeptRecords(service.info).read(id=DEFAULT_WORKSPACE.child("jobs", name))[-1].record
