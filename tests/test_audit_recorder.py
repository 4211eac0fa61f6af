"""The recorder: what it puts on record of the audit log's acts, once each, whatever happens."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from academy.audit import recorder as recorder_module
from academy.audit.chain import breaks
from academy.audit.record import Kind, Relation
from academy.audit.recorder import Recorder
from academy.audit.sources import Sources
from academy.errors import Forbidden
from academy.evidence.digests import tree
from academy.jobs.record import Done, JobError, JobStatus
from academy.service.job_access import check
from academy.service.state import ServiceState
from academy.service.workspaces import ensure_workspace
from academy.store.audit import AuditLog, record
from academy.store.database import open_database
from academy.store.ids import Workspace
from tests.audit_rooms import (
    EVIDENCE,
    WORKSPACE,
    before_the_ledger,
    close,
    deployment,
    end,
    job,
    model,
    opened,
    recorded,
    said,
)
from tests.test_store import postgres

__all__ = ["postgres"]

PATIENCE_S = 30.0


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ServiceState]:
    made = opened(tmp_path / "home")
    yield made
    close(made)


def another(state: ServiceState) -> Recorder:
    """Return a recorder as a service has that was started again."""
    log = AuditLog(state.documents.engine)
    return Recorder(Sources(state.home, state.documents, state.locator, state.tracking, log, state.ledger))


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)
    return found


def test_each_end_of_a_job_is_on_record_once(state: ServiceState) -> None:
    for status in ("Completed", "Failed", "Canceled"):
        job(state, status.lower(), status=status)
    assert said(state) == [
        ("job", "completed", "Completed", "ana"),
        ("job", "failed", "Failed", "ana"),
        ("job", "canceled", "Canceled", "ana"),
    ]
    another(state).catch_up()
    assert len(recorded(state)) == 3


def test_tags_labels_archive_marks_and_other_assets_are_not_on_record(state: ServiceState) -> None:
    made = job(state, "a")
    recorded(state)
    state.tracking.create_run(WORKSPACE, run_id="a", experiment="e", who="ana")
    state.jobs.update(WORKSPACE, "a", {"tags": {"x": "1"}, "isArchived": True}, who="ana")
    state.documents.update(made.id, dict, who="ana", action="cancel")
    data = WORKSPACE.child("data", "iris")
    state.versions.put(data, "1", {"properties": {"dataUri": "u", "dataType": "uri_file"}}, who="ana")
    state.versions.delete(data, "1", who="ana")
    state.audit.append("ana", "delete", WORKSPACE.child("runs", "a"))
    state.audit.append("ana", "completed", "no id at all")
    assert len(recorded(state)) == 1


def test_a_job_says_who_when_what_and_from_where(state: ServiceState) -> None:
    said_by_git = {
        "mlflow.source.git.commit": "c" * 40,
        "mlflow.source.git.branch": "main",
        "mlflow.source.git.repoURL": "https://ana:hunter2@git.example/r.git",
        "azureml.git.dirty": "False",
    }
    state.tracking.create_run(WORKSPACE, run_id="a", experiment="e", who="ana")
    folder = state.home.job(WORKSPACE.key, "a")
    folder.root.parent.mkdir(parents=True)
    inputs = {
        "table": {"jobInputType": "uri_file", "uri": "azureml:iris:1"},
        "web": {"jobInputType": "uri_file", "uri": "https://x.example/d.csv?sv=1&sig=hunter2"},
        "alpha": {"jobInputType": "literal", "value": "0.5"},
    }
    seen = {
        **EVIDENCE,
        "inputs": [{"name": "table", "kind": "uri_file", "uri": "u", "value": None, "tree": _tree("1" * 64)}],
        "outputs": [
            {"name": "fit", "kind": "mlflow_model", "uri": "u", "value": None, "tree": _tree("2" * 64)}
        ],
    }
    outputs = {
        "default": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/x/paths/y"},
        "fit": {"jobOutputType": "mlflow_model", "uri": "azureml://z", "assetName": "m", "assetVersion": "3"},
        "rest": {"jobOutputType": "uri_folder", "uri": "azureml://datastores/workspaceblobstore/paths/r"},
    }
    found = job(
        state, "a", seen=seen, inputs=inputs, outputs=outputs, description="fits", properties=said_by_git
    )
    Done(JobStatus.COMPLETED, 1.0, 9.0, started_at=2.0, ended_at=8.0, exit_code=0).write(folder)
    (made,) = [one.record for one in recorded(state)]
    assert (made.id, made.description, made.exit_code) == (found.id, "fits", 0)
    assert (made.started_at, made.ended_at) == ("1970-01-01T00:00:02+00:00", "1970-01-01T00:00:08+00:00")
    assert made.git is not None
    assert vars(made.git) == {
        "commit": "c" * 40,
        "branch": "main",
        "repository": "https://git.example/r.git",
        "dirty": False,
    }
    assert made.evidence is not None
    assert made.notes == ()
    assert [(link.relation, link.target, link.sha256) for link in made.links] == [
        (Relation.READ, WORKSPACE.child("data", "iris", "versions", "1"), "1" * 64),
        (Relation.READ, "https://x.example/d.csv", None),
        (Relation.WROTE, WORKSPACE.child("models", "m", "versions", "3"), "2" * 64),
        (Relation.WROTE, "azureml://datastores/workspaceblobstore/paths/r", None),
    ]
    assert "hunter2" not in json.dumps(made.to_json())


def test_what_looks_like_a_secret_is_masked_in_what_somebody_wrote(state: ServiceState) -> None:
    text = "by token=hunter2-a, see https://me:hunter2-b@h/x?sig=hunter2-c"
    state.tracking.create_run(
        WORKSPACE, run_id="notebook", experiment="e", tags={"key": "hunter2"}, who="ana"
    )
    with contextlib.closing(sqlite3.connect(state.home.tracking_database(WORKSPACE.key))) as tracked, tracked:
        logged = [("api_key", "hunter2-d", "notebook"), ("lr", "0.1", "notebook")]
        tracked.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", logged)
    job(state, "a", description=text, tags={"token": "hunter2"}, environmentVariables={"A": "hunter2"})
    model(state, "m", "1", jobName="notebook", description=text, tags={"token": "hunter2"})
    deployment(state, "e", "blue", "Succeeded", description=text, environmentVariables={"A": "hunter2"})
    kept = recorded(state)
    assert [one.body["description"] for one in kept] == ["by token=***, see https://me:***@h/x?sig=***"] * 3
    assert kept[1].record.parameters == {"api_key": "***", "lr": "0.1"}
    assert "hunter2" not in json.dumps([one.to_json() for one in kept])


def _tree(sha256: str) -> dict[str, Any]:
    return {"path": "/p", "sha256": sha256, "size": 1, "count": 1, "files": []}


def test_why_a_job_failed_is_on_record_as_a_code_and_not_with_what_it_printed(state: ServiceState) -> None:
    folder = state.home.job(WORKSPACE.key, "a")
    job(state, "a", status="Failed")
    error = JobError("CommandFailed", "The last lines: password hunter2")
    Done(JobStatus.FAILED, 1.0, 9.0, exit_code=1, error=error).write(folder)
    (made,) = [one.record for one in recorded(state)]
    assert made.notes == ("It ended with the error CommandFailed.",)


def test_a_model_is_on_record_with_its_files_and_its_job(state: ServiceState) -> None:
    first = job(state, "train")
    made = model(state, "m", "1", jobName="train", flavors={"sklearn": {}, "python_function": {}})
    model(state, "m", "2")
    kept = recorded(state)
    record_of_job, with_job, without = (one.record for one in kept)
    assert (with_job.kind, with_job.name, with_job.id, with_job.who) == (Kind.MODEL, "m:1", made.id, "ana")
    assert with_job.flavors == ("python_function", "sklearn")
    assert with_job.model is not None
    assert with_job.model.sha256 == tree(Path(with_job.model.path)).sha256
    (link,) = with_job.links
    assert (link.relation, link.target, link.record) == (Relation.FROM_JOB, first.id, kept[0].hash)
    assert without.links == ()
    assert without.notes == ("It names no job that it is from.",)
    assert record_of_job.model is None


def test_a_model_that_a_job_registers_while_it_runs_is_linked_from_both_sides(state: ServiceState) -> None:
    id = WORKSPACE.child("jobs", "train")
    state.documents.create(id, {"properties": {"status": "Running", "outputs": {}}}, who="ana")
    made = model(state, "m", "1", jobName="train")
    end(state, id, "Completed")
    model_sealed, job_sealed = recorded(state)
    assert [link.target for link in model_sealed.record.linked(Relation.FROM_JOB)] == [id]
    (link,) = job_sealed.record.linked(Relation.WROTE)
    files = model_sealed.record.model
    assert files is not None
    assert (link.target, link.record, link.sha256) == (made.id, model_sealed.hash, files.sha256)


@pytest.mark.parametrize(
    "place",
    [
        "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.train/outputs/m",
        "azureml://datastores/workspaceblobstore/paths/azureml/train/fit/m",
    ],
)
def test_a_model_is_from_the_job_in_whose_folder_it_lies(state: ServiceState, place: str) -> None:
    first = job(state, "train")
    model(state, "m", "1", modelUri=place)
    made = recorded(state)[1].record
    assert [link.target for link in made.linked(Relation.FROM_JOB)] == [first.id]


def test_a_model_of_a_nested_run_is_from_the_job_and_one_of_a_notebook_from_its_run(
    state: ServiceState,
) -> None:
    first = job(state, "train")
    for run, tags in (("child", {"mlflow.parentRunId": "train"}), ("notebook", {})):
        state.tracking.create_run(WORKSPACE, run_id=run, experiment="e", tags=tags, who="ana")
    model(state, "m", "1", jobName="child")
    model(state, "m", "2", jobName="notebook")
    model(state, "m", "3", jobName="nowhere")
    _, nested, own, lost = (one.record for one in recorded(state))
    assert [one.links[0].target for one in (nested, own, lost)] == [
        first.id,
        "runs:/notebook",
        "runs:/nowhere",
    ]
    assert own.started_at is not None
    assert own.notes == ()
    assert "no MLflow run 'nowhere'" in lost.notes[0]


def test_a_deployment_is_on_record_with_its_model_and_who_put_it(state: ServiceState) -> None:
    made = model(state, "m", "1")
    for how in ("Succeeded", "Failed"):
        deployment(state, "e", "blue", how, model="azureml:m:1", description="serves")
    model_sealed, good, bad = recorded(state)
    assert [(one.record.name, one.record.status, one.record.who) for one in (good, bad)] == [
        ("e/blue", "Succeeded", "bo"),
        ("e/blue", "Failed", "bo"),
    ]
    assert good.record.evidence is not None
    assert good.record.started_at is not None
    assert good.record.ended_at is not None
    assert good.record.started_at <= good.record.ended_at
    links = [(link.relation, link.target, link.record) for link in good.record.links]
    assert links == [
        (Relation.MODEL, made.id, model_sealed.hash),
        (Relation.ENDPOINT, WORKSPACE.child("onlineEndpoints", "e"), None),
    ]


def test_a_job_that_is_deleted_right_after_it_ended_keeps_its_evidence(state: ServiceState) -> None:
    made = job(state, "a")
    state.jobs.delete(WORKSPACE, "a", who="bo")
    assert not state.home.job(WORKSPACE.key, "a").root.exists()
    kept = recorded(state)
    assert said(state) == [("job", "a", "Completed", "ana"), ("deletion", "a", "Deleted", "bo")]
    assert kept[0].record.evidence is not None
    (link,) = kept[1].record.links
    assert (link.relation, link.target, link.record) == (Relation.DELETED, made.id, kept[0].hash)


@pytest.mark.parametrize("whole", [False, True])
def test_a_deployment_that_serves_while_it_is_being_deleted_keeps_its_evidence(
    state: ServiceState, whole: bool
) -> None:
    made = deployment(state, "e", "blue", "updating")
    folder = state.home.online_deployment(WORKSPACE.key, "e", "blue")
    state.online.keys.create(made.id.rsplit("/", 2)[0], {}, who="ana")
    state.online._fleet.attach(made.id, folder)
    told: list[str] = []

    def leaving(id: str) -> None:
        state.recorder.catch_up_with(id)
        if not told:
            state.documents.update(made.id, dict, who="academy", action="succeeded")
        told.append(id)

    state.documents.watch(changed=state.recorder.wake, leaving=leaving)
    if whole:
        state.online.delete_endpoint(WORKSPACE, "e", who="bo")
    else:
        state.online.delete_deployment(WORKSPACE, "e", "blue", who="bo")
    assert not folder.root.exists()
    first = recorded(state)[0].record
    assert (first.name, first.status, first.notes) == ("e/blue", "Succeeded", ())
    assert first.evidence is not None


def test_a_model_goes_version_by_version_and_an_endpoint_with_its_deployments(state: ServiceState) -> None:
    for version in ("1", "2"):
        model(state, "m", version)
    deployment(state, "e", "blue", "Succeeded")
    deployment(state, "e", "green", "Succeeded")
    state.versions.delete(WORKSPACE.child("models", "m"), "1", who="bo")
    state.versions.delete_container(WORKSPACE.child("models", "m"), who="bo")
    state.documents.delete(WORKSPACE.child("onlineEndpoints", "e", "deployments", "green"), who="bo")
    state.documents.delete(WORKSPACE.child("onlineEndpoints", "e"), who="bo")
    deleted = [one for one in recorded(state) if one.body["kind"] == "deletion"]
    assert [one.body["name"] for one in deleted] == ["m:1", "m:2", "e/green", "e/blue", "e"]
    endpoint = WORKSPACE.child("onlineEndpoints", "e")
    assert [link.target for link in deleted[-1].record.links] == [endpoint, f"{endpoint}/deployments/blue"]
    assert deleted[3].record.notes == (f"It was deleted with {endpoint}.",)
    # A model of the same name is another one, and on record as such.
    model(state, "m", "1")
    assert said(state)[-1] == ("model", "m:1", "Registered", "ana")


def test_what_goes_with_a_workspace_is_on_record(state: ServiceState) -> None:
    other = Workspace(WORKSPACE.subscription, "academy", "other")
    ensure_workspace(state, other, {"properties": {}}, who="ana")
    job(state, "a", workspace=other)
    job(state, "b")
    state.documents.delete(other.id, who="bo")
    assert said(state)[-1] == ("deletion", "a", "Deleted", "bo")
    assert len(recorded(state)) == 3


def test_what_cannot_be_looked_at_is_a_note_and_stops_nothing(state: ServiceState) -> None:
    job(state, "unseen", seen=None)
    job(state, "torn", seen={"machine": {}})
    job(state, "no-json")
    state.home.job(WORKSPACE.key, "no-json").evidence_file.write_text("{")
    state.home.job(WORKSPACE.key, "no-json").done_file.write_text("[]")
    job(state, "odd", inputs="no inputs at all")
    made = model(state, "gone", "1")
    shutil.rmtree(state.datastores.root(WORKSPACE, "workspaceblobstore") / "models")
    model(state, "elsewhere", "1", modelUri="https://x.example/m?sig=hunter2")
    model(state, "nowhere", "1", modelUri="azureml:none:1")
    job(state, "whole")
    records = {one.body["name"]: one.record for one in recorded(state)}
    assert len(records) == 8
    assert "There is no evidence" in records["unseen"].notes[0]
    assert records["torn"].notes == ("evidence.json cannot be read (KeyError).",)
    assert [note.split(" ")[0] for note in records["no-json"].notes] == ["evidence.json", "done.json"]
    assert "could not be put together (AttributeError)" in records["odd"].notes[0]
    assert (records["odd"].status, records["odd"].who) == ("Completed", "academy")
    assert records["gone:1"].model is None
    assert "cannot be read: No such file or directory" in records["gone:1"].notes[0]
    assert records["gone:1"].id == made.id
    assert "not on this machine: https://x.example/m." in records["elsewhere:1"].notes[0]
    assert "cannot be found" in records["nowhere:1"].notes[0]
    assert records["whole"].notes == ()


def test_what_went_unseen_is_on_record_with_what_the_audit_log_says(state: ServiceState) -> None:
    state.documents.watch(changed=lambda: None, leaving=lambda _id: None)
    made = job(state, "a")
    state.documents.delete(made.id, who="bo")
    first, second = (one.record for one in recorded(state))
    assert (first.name, first.status) == ("a", "Completed")
    assert first.notes == ("It was deleted before its record was made.",)
    assert first.ended_at is not None
    assert second.kind is Kind.DELETION


def test_recorders_side_by_side_record_each_act_once(state: ServiceState) -> None:
    for number in range(20):
        job(state, f"j{number}")
    recorders = [another(state) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Recorder.catch_up, recorders))
    assert [one.body["name"] for one in recorded(state)] == [f"j{number}" for number in range(20)]


def test_the_number_of_an_act_that_was_raised_by_hand_keeps_nothing_off_the_record(
    state: ServiceState,
) -> None:
    job(state, "a")
    recorded(state)
    with state.documents.engine.begin() as connection:
        connection.execute(text("UPDATE ledger SET audit_sequence = 1000000"))
    job(state, "b")
    state.recorder.catch_up()
    job(state, "c")
    another(state).catch_up()
    assert {one.body["name"] for one in recorded(state)} == {"a", "b", "c"}


def test_each_database_has_a_head_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, kept = tmp_path / "home", []
    for number, url in enumerate([None, f"sqlite:///{tmp_path / 'other.db'}", None]):
        monkeypatch.setenv("ACADEMY_DATABASE_URL", url) if url else monkeypatch.delenv(
            "ACADEMY_DATABASE_URL", raising=False
        )
        state = opened(home)
        job(state, f"j{number}")
        kept.append([one.body["name"] for one in recorded(state)])
        assert state.ledger.head().sequence == len(kept[-1])
        with state.documents.engine.begin() as connection:
            connection.execute(text("DELETE FROM ledger WHERE body LIKE '%j2%'"))
        close(state)
    assert kept == [["j0"], ["j1"], ["j0", "j2"]]
    state = opened(home)
    assert [one.text for one in breaks(state.ledger.read(), state.ledger.head())] == ["Record 2 is missing."]
    close(state)


def test_the_thread_records_by_itself_and_goes_on_after_the_database_failed(
    state: ServiceState, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recorder_module, "_RETRY_S", 0.01)
    job(state, "before")
    state.recorder.start()
    wait_until(lambda: len(state.ledger.read()) == 1)
    with state.documents.engine.begin() as connection:
        connection.execute(text("ALTER TABLE ledger RENAME TO away"))
    job(state, "meanwhile")
    wait_until(lambda: "it is tried again" in caplog.text)
    with state.documents.engine.begin() as connection:
        connection.execute(text("ALTER TABLE away RENAME TO ledger"))
    wait_until(lambda: len(state.ledger.read()) == 2)
    assert said(state)[-1][1] == "meanwhile"


def test_an_older_home_gets_records_of_what_is_still_there_once(tmp_path: Path) -> None:
    old = opened(tmp_path / "home")
    job(old, "kept", seen=None)
    job(old, "deleted")
    old.documents.delete(WORKSPACE.child("jobs", "deleted"), who="ana")
    model(old, "m", "1")
    deployment(old, "e", "blue", "Failed")
    deployment(old, "e", "blue", "Succeeded")
    before_the_ledger(old)
    close(old)
    for _ in range(2):
        state = opened(tmp_path / "home")
        found = recorded(state)
        assert said(state)[:3] == [
            ("job", "kept", "Completed", "ana"),
            ("model", "m:1", "Registered", "ana"),
            ("deployment", "e/blue", "Succeeded", "bo"),
        ]
        assert all("is kept since 20" in one.body["notes"][0] for one in found[:3])
        assert found[0].record.evidence is None
        assert "hashed then" in found[1].body["notes"][0]
        if len(found) == 3:
            job(state, "new")
        close(state)
    assert [one.body["name"] for one in found[3:]] == ["new"]
    assert found[3].body["notes"] == []


@pytest.mark.parametrize("path", ["records", "records/", "head", "RECORDS"])
def test_the_token_of_a_job_does_not_read_the_audit_trail(state: ServiceState, path: str) -> None:
    id = WORKSPACE.child("jobs", "a")
    state.documents.create(id, {"properties": {"status": "Running"}}, who="ana")
    with pytest.raises(Forbidden, match="may not read the audit trail"):
        check(state, "job/a", "GET", f"/academy/audit/{path}")
    check(state, "job/a", "GET", "/academy/audit")
    check(state, "ana", "GET", f"/academy/audit/{path}")


def test_an_act_that_is_written_later_under_an_earlier_number_is_not_passed_over(postgres: str) -> None:
    engine = open_database(postgres)
    log = AuditLog(engine)
    last = max((entry.sequence for entry in log.read(top=10_000)), default=0)
    found: list[str] = []
    follower = threading.Thread(target=lambda: found.extend(one.action for one in log.follow(last)))
    with engine.begin() as slow:
        record(slow, "ana", "first", "/r", None)
        log.append("bo", "second", "/r")
        assert [entry.action for entry in log.read(after=last)] == ["second"]
        follower.start()
        follower.join(0.2)
        assert follower.is_alive()
    follower.join(PATIENCE_S)
    assert found == ["first", "second"]
    engine.dispose()
