"""The audit trail of a real service, through Microsoft's SDK, and over kills of the service."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    CodeConfiguration,
    Data,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)

from academy.audit.chain import Sealed, breaks
from academy.audit.record import Kind, Link, Record, Relation
from academy.errors import ServiceUnavailable
from academy.evidence.digests import tree
from academy.paths import read_json
from academy.service import kept_records
from academy.service.kept_records import KeptRecords
from academy.service.process import up
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service
from tests.test_store import postgres

__all__ = ["postgres"]

OWN = "azureml:academy@latest"
SECRETS = ("hunter2-variable", "aHVudGVyMi1hY2NvdW50", "hunter2-signature")
PATIENCE_S = 150.0

TRAIN = """
import os, sys
import mlflow, numpy
from sklearn.linear_model import LinearRegression
rows = numpy.loadtxt(sys.argv[1], delimiter=",", skiprows=1)
model = LinearRegression().fit(rows[:, :1], rows[:, 1])
mlflow.log_param("intercept", True)
mlflow.log_metric("slope", model.coef_[0])
mlflow.log_metric("undefined", float("nan"))
mlflow.sklearn.log_model(model, name="model", registered_model_name="logged")
mlflow.sklearn.save_model(model, sys.argv[2])
"""

SCORE = """
import os
def init():
    assert os.listdir(os.environ["AZUREML_MODEL_DIR"])
def run(data):
    return data
"""


@dataclass(frozen=True)
class Trail:
    """What is on record after a job, its models and a deployment of one of them."""

    service: Service
    job: str
    sealed: tuple[Sealed, ...]

    def one(self, kind: Kind, name: str) -> tuple[Sealed, Record]:
        (found,) = [one for one in self.sealed if (one.body["kind"], one.body["name"]) == (kind, name)]
        return found, found.record


def records_of(service: Service) -> list[Sealed]:
    """Return all records of a chain that is whole."""
    records = KeptRecords(service.info)
    head = records.head()
    found = list(records.read())
    assert breaks(found, head) == []
    return found


@pytest.fixture(scope="module")
def trail(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Trail:
    client, folder = service.client(), tmp_path_factory.mktemp("trail")
    code = folder / "code"
    code.mkdir()
    (code / "train.py").write_text(TRAIN)
    (code / "score.py").write_text(SCORE)
    (folder / "line.csv").write_text("x,y\n1,2\n2,4\n3,6\n")
    key = AccountKeyConfiguration(account_key=SECRETS[1])
    client.datastores.create_or_update(
        AzureBlobDatastore(name="far", account_name="far", container_name="c", credentials=key)
    )
    line = Data(name="line", version="1", path=str(folder / "line.csv"), type="uri_file")
    client.data.create_or_update(line)
    job = client.jobs.create_or_update(
        command(
            command="python train.py ${{inputs.line}} ${{outputs.fitted}}",
            code=str(code),
            environment=OWN,
            inputs={"line": Input(type="uri_file", path="azureml:line:1")},
            outputs={"fitted": Output(type="mlflow_model", name="fitted", version="1")},
            environment_variables={"API_KEY": SECRETS[0]},
            description="fits a line",
        )
    )
    wait_until(lambda: client.jobs.get(job.name).status in ("Completed", "Failed"))
    assert client.jobs.get(job.name).status == "Completed"
    path = f"azureml://jobs/{job.name}/outputs/fitted"
    client.models.create_or_update(Model(name="named", version="1", path=path, type="mlflow_model"))
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="trailed")).result()
    client.online_deployments.begin_create_or_update(
        ManagedOnlineDeployment(
            name="blue",
            endpoint_name="trailed",
            model="azureml:named:1",
            code_configuration=CodeConfiguration(code=str(code), scoring_script="score.py"),
            environment=OWN,
            environment_variables={"API_KEY": SECRETS[0]},
            instance_type="Standard_DS3_v2",
            instance_count=1,
        )
    ).result()
    return Trail(service, job.name, tuple(records_of(service)))


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
    return found


def linked(record: Record, relation: Relation, target: str) -> Link:
    (found,) = [link for link in record.linked(relation) if link.target.lower() == target.lower()]
    return found


def test_the_job_is_on_record_with_what_its_supervisor_and_mlflow_saw(trail: Trail) -> None:
    _, job = trail.one(Kind.JOB, trail.job)
    assert (job.status, job.exit_code, job.description) == ("Completed", 0, "fits a line")
    assert job.created_at is not None
    assert job.started_at is not None
    assert job.ended_at is not None
    assert job.created_at < job.started_at < job.ended_at
    assert job.parameters == {"intercept": "True"}
    assert job.metrics == {"slope": pytest.approx(2.0), "undefined": "NaN"}
    assert job.evidence is not None
    assert job.evidence.variables == ("API_KEY",)
    assert job.evidence.software.packages
    assert job.notes == ()


def test_hashes_agree_from_data_over_job_and_model_to_the_deployment(trail: Trail) -> None:
    workspace = DEFAULT_WORKSPACE
    job_sealed, job = trail.one(Kind.JOB, trail.job)
    fitted_sealed, fitted = trail.one(Kind.MODEL, "fitted:1")
    logged_sealed, logged = trail.one(Kind.MODEL, "logged:1")
    named_sealed, named = trail.one(Kind.MODEL, "named:1")
    _, blue = trail.one(Kind.DEPLOYMENT, "trailed/blue")

    read = linked(job, Relation.READ, workspace.child("data", "line", "versions", "1"))
    uploaded = trail.service.client().data.get("line", "1").path
    stored = next(trail.service.home.storage.rglob(uploaded.rsplit("/", 1)[1]))
    assert read.sha256 == tree(stored).sha256
    for sealed, model in ((fitted_sealed, fitted), (logged_sealed, logged), (named_sealed, named)):
        assert model.model is not None
        assert model.model.sha256 == tree(Path(model.model.path)).sha256, model.name
        assert linked(model, Relation.FROM_JOB, job.id)
        if model is not named:
            wrote = linked(job, Relation.WROTE, model.id)
            assert (wrote.sha256, wrote.record) == (model.model.sha256, sealed.hash), model.name
    assert fitted.model is not None
    assert named.model is not None
    assert fitted.model.sha256 == named.model.sha256
    assert linked(named, Relation.FROM_JOB, job.id).record == job_sealed.hash

    served = linked(blue, Relation.MODEL, named.id)
    assert (served.sha256, served.record) == (named.model.sha256, named_sealed.hash)
    assert linked(blue, Relation.ENDPOINT, workspace.child("onlineEndpoints", "trailed"))
    assert blue.status == "Succeeded"
    assert blue.evidence is not None
    assert blue.who == job.who == named.who != "academy"
    assert logged.who == f"job/{trail.job}"


def test_no_secret_is_on_record(trail: Trail) -> None:
    text = json.dumps([one.to_json() for one in trail.sealed])
    token = trail.service.token
    keys = trail.service.client().online_endpoints.get_keys("trailed")
    plan = trail.service.home.online_deployment(DEFAULT_WORKSPACE.key, "trailed", "blue").generation(1)
    secrets = [*SECRETS, token, keys.primary_key, keys.secondary_key, read(plan.plan_file)["secret"]]
    assert [secret for secret in secrets if secret in text] == []


def read(file: Path) -> dict[str, Any]:
    value = read_json(file)
    assert value is not None
    return value


def test_what_is_deleted_stays_on_record(trail: Trail) -> None:
    client = trail.service.client()
    client.online_endpoints.begin_delete("trailed").result()
    found = records_of(trail.service)[len(trail.sealed) :]
    assert [(one.body["kind"], one.body["name"]) for one in found] == [
        ("deletion", "trailed/blue"),
        ("deletion", "trailed"),
    ]
    blue, _ = trail.one(Kind.DEPLOYMENT, "trailed/blue")
    assert found[0].record.links[0].record == blue.hash


def test_records_are_read_in_pages_and_by_id(trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_records, "PAGE", 2)
    records = KeptRecords(trail.service.info)
    assert list(records.read())[: len(trail.sealed)] == list(trail.sealed)
    assert [one.sequence for one in records.read(after=2)][:2] == [3, 4]
    job, _ = trail.one(Kind.JOB, trail.job)
    assert records.read(id=job.body["id"].upper()) == [job]
    assert records.read(id="/no/such") == []


def test_the_trail_is_for_the_owner(trail: Trail) -> None:
    for path in (kept_records.RECORDS, kept_records.HEAD):
        assert httpx.get(trail.service.info.address + path).status_code == 401
    bad = {"Authorization": f"Bearer {trail.service.token}"}
    answer = httpx.get(f"{trail.service.info.address}{kept_records.RECORDS}?after=-1", headers=bad)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ValidationError")


@pytest.mark.parametrize("path", ["RECORDS", "HEAD"])
def test_a_running_service_from_before_the_audit_trail_is_named(
    service: Service, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(kept_records, path, "/academy/audit/of-another-age")
    records = KeptRecords(service.info)
    with pytest.raises(ServiceUnavailable, match=r"started before .* 'academy down' ends it"):
        records.head() if path == "HEAD" else records.read()


@pytest.fixture
def killable(new_service: Callable[[], Service]) -> Service:
    return new_service()


def test_every_job_is_on_record_once_however_often_the_service_is_killed(killable: Service) -> None:
    service, names = killable, []
    # The document, the record and the head are written one after the other, milliseconds apart.
    moments: list[Callable[[str], Any]] = [
        lambda name: read_json(folder_of(service, name) / "done.json"),
        lambda name: status(service, name) == "Completed",
        lambda name: read_json(service.home.audit_head_file),
        lambda name: status(service, name) == "Completed",
        lambda name: read_json(folder_of(service, name) / "done.json"),
    ]
    for number, moment in enumerate(moments):
        name = f"killed-{number}"
        submit(service, name)
        names.append(name)
        reached(moment, name)
        process = psutil.Process(service.info.pid)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE_S)
        service = Service(service.home, up(service.home))
    wait_until(lambda: all(status(service, name) == "Completed" for name in names))
    kept = [one.body["name"] for one in records_of(service) if one.body["kind"] == "job"]
    assert sorted(kept) == names


def reached(moment: Callable[[str], Any], name: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not moment(name):  # without a pause: the next thing happens within milliseconds
        assert time.monotonic() < deadline, "it did not come about"


def submit(service: Service, name: str) -> None:
    properties = {"jobType": "Command", "command": "true", "environmentId": OWN, "experimentName": "e"}
    call(service, "PUT", name, {"properties": properties})


def status(service: Service, name: str) -> str:
    return str(call(service, "GET", name)["properties"]["status"])


def call(service: Service, method: str, name: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    url = f"{service.info.address}{DEFAULT_WORKSPACE.child('jobs', name)}"
    headers = {"Authorization": f"Bearer {service.token}"}
    answer = httpx.request(method, url, headers=headers, json=body, timeout=PATIENCE_S)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def folder_of(service: Service, name: str) -> Path:
    return service.home.job(DEFAULT_WORKSPACE.key, name).root


@pytest.mark.slow
def test_jobs_are_on_record_in_postgresql_over_a_kill(
    postgres: str, new_service: Callable[[], Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACADEMY_DATABASE_URL", postgres)
    service = new_service()
    for number in range(2):
        submit(service, f"on-postgres-{number}")
    wait_until(lambda: status(service, "on-postgres-1") == "Completed")
    process = psutil.Process(service.info.pid)
    process.send_signal(signal.SIGKILL)
    process.wait(PATIENCE_S)
    service = Service(service.home, up(service.home))
    wait_until(lambda: status(service, "on-postgres-0") == "Completed")
    kept = records_of(service)
    assert sorted(one.body["name"] for one in kept) == ["on-postgres-0", "on-postgres-1"]
    assert all(one.record.evidence is not None for one in kept)
