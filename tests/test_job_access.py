"""What the token of a job may do, and for how long: the services' rooms, put together without HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from academy.errors import Forbidden, InvalidField, Unauthenticated
from academy.paths import Home
from academy.service.job_access import check
from academy.service.server import compose
from academy.service.state import ServiceState
from academy.service.workspaces import ensure_workspace
from academy.signing import Signer
from academy.store.documents import Document
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

OTHER = Workspace(DEFAULT_WORKSPACE.subscription, "academy", "other")
LOG = "/mlflow/v1.0/api/2.0/mlflow/runs/log-metric"
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceState]:
    """A service's rooms with two workspaces."""
    home = Home(tmp_path_factory.mktemp("access") / "home")
    home.prepare()
    composed = compose(home, Signer(b"k" * 32), "http://127.0.0.1:1")
    ensure_workspace(composed, OTHER, {"properties": {}}, who="me")
    yield composed
    composed.jobs.close()
    composed.tracking.close()


def submit(
    state: ServiceState, name: str, line: str = "sleep 60", workspace: Workspace = DEFAULT_WORKSPACE
) -> Document:
    properties: dict[str, Any] = {"jobType": "Command", "command": line, "environmentId": "azureml:academy:1"}
    return state.jobs.submit(workspace, name, {"properties": properties}, who="me")


def end(state: ServiceState, name: str, workspace: Workspace = DEFAULT_WORKSPACE) -> str:
    """Cancel a job and wait until that is recorded."""
    state.jobs.cancel(workspace, name, who="me")
    assert state.jobs.wait(workspace, name, PATIENCE_S)
    return str(state.jobs.get(workspace, name).properties["status"])


@pytest.fixture(scope="module")
def running(state: ServiceState) -> Iterator[str]:
    """A job that runs as long as the tests do, as its token names it."""
    submit(state, "running")
    yield "job/running"
    end(state, "running")


def wait_until(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_a_job_may_log_until_its_end_is_recorded(state: ServiceState) -> None:
    submit(state, "logs")
    for _ in range(2):
        check(state, "job/logs", "POST", LOG)
    assert end(state, "logs") == "Canceled"
    # The waiter may be told a moment before the rest of the engine.
    wait_until(lambda: not state.jobs.is_open("logs"))
    with pytest.raises(Unauthenticated, match="'logs', which has ended"):
        check(state, "job/logs", "POST", LOG)


def test_a_job_that_nobody_asked_about_while_it_ran_is_refused_after_it(state: ServiceState) -> None:
    submit(state, "quiet")
    end(state, "quiet")
    with pytest.raises(Unauthenticated):
        check(state, "job/quiet", "GET", "/academy/audit")


@pytest.mark.parametrize("who", ["job/", "job/never-was"])
def test_a_job_that_is_not_there_is_refused(state: ServiceState, who: str) -> None:
    with pytest.raises(Unauthenticated):
        check(state, who, "POST", LOG)


def test_a_deleted_job_is_refused(state: ServiceState) -> None:
    submit(state, "deleted")
    end(state, "deleted")
    state.jobs.delete(DEFAULT_WORKSPACE, "deleted", who="me")
    with pytest.raises(Unauthenticated):
        check(state, "job/deleted", "POST", LOG)


def test_jobs_of_every_workspace_are_known(state: ServiceState) -> None:
    submit(state, "elsewhere", workspace=OTHER)
    check(state, "job/elsewhere", "POST", LOG)
    end(state, "elsewhere", OTHER)
    wait_until(lambda: not state.jobs.is_open("elsewhere"))
    with pytest.raises(Unauthenticated):
        check(state, "job/elsewhere", "POST", LOG)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/login"),
        ("HEAD", "/login/"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/datastores/workspaceblobstore/listSecrets"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/datastores/workspaceblobstore/LISTSECRETS/"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/listKeys"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/listStorageAccountKeys"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/onlineEndpoints/e/token"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/onlineEndpoints/e/regenerateKeys"),
        ("DELETE", f"{DEFAULT_WORKSPACE.id}/jobs/other"),
        ("delete", "//Subscriptions/s/resourceGroups/g"),
    ],
)
def test_a_running_job_gets_no_secrets_and_deletes_nothing(
    state: ServiceState, running: str, method: str, path: str
) -> None:
    with pytest.raises(Forbidden, match="The job 'running' may not"):
        check(state, running, method, path)
    check(state, "ana", method, path)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{DEFAULT_WORKSPACE.id}/data/token/versions/1"),
        ("GET", f"{DEFAULT_WORKSPACE.id}/jobs/token"),
        ("PUT", f"{DEFAULT_WORKSPACE.id}/data/listSecrets"),
        ("POST", f"{DEFAULT_WORKSPACE.id}/data/d/versions/1/startPendingUpload"),
        ("GET", "/mlflow/api/2.0/mlflow-artifacts/artifacts/a/token"),
        ("GET", "/"),
    ],
)
def test_a_running_job_may_do_what_only_looks_like_it(
    state: ServiceState, running: str, method: str, path: str
) -> None:
    check(state, running, method, path)


def test_the_token_is_out_of_the_plan_when_the_job_has_ended(state: ServiceState) -> None:
    found = submit(state, "tokenless")
    plan_file = state.jobs.folder(found).plan_file
    wait_until(plan_file.exists)
    token = json.loads(plan_file.read_text())["variables"]["MLFLOW_TRACKING_TOKEN"]
    end(state, "tokenless")
    assert token not in plan_file.read_text()
    assert "MLFLOW_RUN_ID" in json.loads(plan_file.read_text())["variables"]
    assert plan_file.stat().st_mode & 0o777 == 0o600
    assert not [file for file in _files(state.home.root) if token.encode() in file.read_bytes()]


def _files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]


def test_a_job_is_found_under_its_name_in_any_case(state: ServiceState) -> None:
    found = submit(state, "CaseJob", "echo x; sleep 60")
    folder, artifacts = state.jobs.folder(found), state.jobs.artifacts(found)
    tagged = state.jobs.submit(DEFAULT_WORKSPACE, "CASEJOB", {"properties": {"tags": {"a": "b"}}}, who="me")
    assert (tagged.name, tagged.id) == ("CaseJob", found.id)
    assert state.jobs.get(DEFAULT_WORKSPACE, "casejob").properties["tags"] == {"a": "b"}
    assert end(state, "casejob") == "Canceled"
    assert [path.name for path in folder.root.parent.iterdir() if path.name.lower() == "casejob"] == [
        "CaseJob"
    ]
    state.jobs.delete(DEFAULT_WORKSPACE, "cASEjOB", who="me")
    assert not folder.root.exists()
    assert not artifacts.root.exists()


def test_a_long_name_is_refused_before_it_leaves_anything_behind(state: ServiceState) -> None:
    with pytest.raises(InvalidField, match="has 201 characters; at most 200"):
        submit(state, "x" * 201)
    assert state.tracking.find_run(DEFAULT_WORKSPACE, "x" * 201) is None
    submit(state, "x" * 200, "echo kept > outputs/kept")
    assert state.jobs.wait(DEFAULT_WORKSPACE, "x" * 200, PATIENCE_S)
    done = state.jobs.get(DEFAULT_WORKSPACE, "x" * 200)
    assert done.properties["status"] == "Completed"
    assert (state.jobs.artifacts(done).root / "outputs" / "kept").exists()


def test_a_jobs_page_is_that_of_its_workspace(state: ServiceState) -> None:
    def page(workspace: Workspace) -> str:
        found = submit(state, "paged", "true", workspace)
        return str(found.properties["services"]["Studio"]["endpoint"])

    assert page(DEFAULT_WORKSPACE).startswith("http://127.0.0.1:1/mlflow/#/experiments/")
    own = f"http://127.0.0.1:1/mlflow/v1.0{OTHER.id}/#/experiments/"
    assert page(OTHER).startswith(own)
    for workspace in (DEFAULT_WORKSPACE, OTHER):
        assert state.jobs.wait(workspace, "paged", PATIENCE_S)
