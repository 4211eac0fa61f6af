"""Runs, metrics and artifacts: what MLflow clients do over HTTP, and what it leaves."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from academy.datasets.datastores import account_name
from academy.environments import curated
from academy.environments.build import build
from academy.errors import InvalidField, NotFound
from academy.experiments.database import TrackingDatabase, sqlite_url
from academy.experiments.tracking import Tracking
from academy.paths import Home
from academy.store.audit import AuditLog
from academy.store.ids import Workspace
from tests.experiments_process import Client, Process, Refused
from tests.experiments_service import FIRST, SECOND, open_tracking


@dataclass(frozen=True)
class Served:
    """A home whose tracking is served, and the same tracking in this process."""

    home: Home
    address: str
    tracking: Tracking
    versions: Any

    def job(self, name: str, *, workspace: Workspace = FIRST, **about: Any) -> str:
        """Make a job's run and return the job's name."""
        self.tracking.create_run(workspace, run_id=name, experiment="probe", who="me", **about)
        return name

    def files(self, *parts: str, workspace: Workspace = FIRST) -> Path:
        return self.home.account(account_name(workspace)).joinpath(*parts)

    def artifacts(self, run_id: str, *, workspace: Workspace = FIRST) -> Path:
        return self.files("azureml", "ExperimentRun", f"dcid.{run_id}", workspace=workspace)

    def call(
        self, method: str, path: str, body: Any = None, *, workspace: Workspace | None = FIRST
    ) -> tuple[int, Any, Any]:
        """Make a plain HTTP call below the tracking URI."""
        base = f"{self.address}/mlflow" + (f"/v1.0{workspace.id}" if workspace else "")
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            base + path, content, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), error.headers


def serve(root: Path) -> tuple[Process, str]:
    server = Process(sys.executable, "-m", "tests.experiments_service", str(root))
    return server, server.line()


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Client]]:
    """A server and a client. Both import MLflow, which takes seconds: at the same time."""
    root = tmp_path_factory.mktemp("home")
    client = Client(sys.executable)
    tracking, versions = open_tracking(root)
    server, address = serve(root)
    client.start(address)
    yield Served(Home(root), address, tracking, versions), client
    client.end()
    server.end()
    tracking.close()
    versions.documents.engine.dispose()


@pytest.fixture
def served(both: tuple[Served, Client]) -> Served:
    return both[0]


@pytest.fixture
def client(both: tuple[Served, Client]) -> Client:
    return both[1]


# The run of a job


def test_a_jobs_run_has_the_jobs_name_as_its_id(served: Served, client: Client) -> None:
    served.job("purple_bell_x1y2z3", display_name="My job", tags={"team": "blue"})
    seen = client.run(
        """
        run = mlflow.get_run("purple_bell_x1y2z3")
        return [run.info.run_name, run.info.status, run.info.artifact_uri, run.data.tags]
        """
    )
    assert seen[:3] == [
        "My job",
        "RUNNING",
        "mlflow-artifacts:/azureml/ExperimentRun/dcid.purple_bell_x1y2z3",
    ]
    assert seen[3]["team"] == "blue"
    assert seen[3]["mlflow.user"] == "me"
    found = client.run("return list(mlflow.search_runs(experiment_names=['probe']).run_id)")
    assert "purple_bell_x1y2z3" in found


def test_a_script_in_a_job_logs_to_the_jobs_run(served: Served, client: Client) -> None:
    job = served.job("a-script-in-a-job")
    environment = served.tracking.job_environment(
        FIRST, run_id=job, experiment="probe", address=served.address, token=f"job/{job}"
    )
    client.run(
        """
        with mlflow.start_run():
            mlflow.log_params({"lr": 0.1, "depth": 3})
            mlflow.log_metrics({"loss": 2.0, "acc": 0.5}, step=1)
            mlflow.log_metric("loss", 1.0, step=2)
            mlflow.set_tag("stage", "train")
            with mlflow.start_run(nested=True):
                mlflow.log_param("fold", 1)
        """,
        environment={key: value for key, value in environment.items() if key.startswith("MLFLOW_")},
    )
    run = served.tracking.get_run(FIRST, job)
    assert run.params == {"lr": "0.1", "depth": "3"}
    assert run.metrics == {"loss": 1.0, "acc": 0.5}
    assert (run.tags["stage"], run.status, run.experiment) == ("train", "FINISHED", "probe")
    children = client.run(
        f"return len(mlflow.search_runs(filter_string=\"tags.mlflow.parentRunId = '{job}'\", "
        "experiment_names=['probe']))"
    )
    assert children == 1


def test_making_a_jobs_run_again_changes_nothing(served: Served) -> None:
    served.job("made-twice", tags={"a": "1"})
    served.job("made-twice", tags={"a": "2"})
    assert served.tracking.get_run(FIRST, "made-twice").tags["a"] == "1"


def test_two_workspaces_may_have_a_job_of_the_same_name(served: Served, client: Client) -> None:
    for workspace, tag in ((FIRST, "one"), (SECOND, "two")):
        served.job("same-name", workspace=workspace, tags={"in": tag})
    read = "return mlflow.get_run('same-name').data.tags['in']"
    assert [client.run(read, workspace=FIRST), client.run(read, workspace=SECOND)] == ["one", "two"]
    served.job("only-second", workspace=SECOND)
    with pytest.raises(Refused) as refused:
        client.run("mlflow.get_run('only-second')", workspace=FIRST)
    assert refused.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_the_default_workspace_answers_at_plain_mlflow(served: Served) -> None:
    served.job("at-plain-mlflow")
    status, body, _ = served.call("GET", "/api/2.0/mlflow/runs/get?run_id=at-plain-mlflow", workspace=None)
    assert (status, json.loads(body)["run"]["info"]["run_id"]) == (200, "at-plain-mlflow")


def test_a_workspace_that_does_not_exist_is_refused_by_name(served: Served) -> None:
    nowhere = Workspace(FIRST.subscription, "group", "nowhere")
    status, body, _ = served.call("GET", "/api/2.0/mlflow/runs/get?run_id=x", workspace=nowhere)
    assert status == 404
    assert "nowhere" in json.loads(body)["message"]
    assert not served.home.tracking_database(nowhere.key).exists()


def test_a_deleted_experiment_takes_a_new_job_again(served: Served, client: Client) -> None:
    served.tracking.create_run(FIRST, run_id="before-delete", experiment="thrown away", who="me")
    client.run("client.delete_experiment(client.get_experiment_by_name('thrown away').experiment_id)")
    served.tracking.create_run(FIRST, run_id="after-delete", experiment="thrown away", who="me")
    assert client.run("return client.get_experiment_by_name('thrown away').lifecycle_stage") == "active"


@pytest.mark.parametrize(
    ("end", "status"), [("Completed", "FINISHED"), ("Failed", "FAILED"), ("Canceled", "KILLED")]
)
def test_the_end_of_a_job_ends_its_run_and_what_it_left_open(served: Served, end: str, status: str) -> None:
    parent, child, grandchild = (served.job(f"{end}-{part}") for part in ("parent", "child", "grandchild"))
    served.tracking.set_tags(FIRST, child, {"mlflow.parentRunId": parent})
    served.tracking.set_tags(FIRST, grandchild, {"mlflow.parentRunId": child})
    served.tracking.end_run(FIRST, parent, end)
    runs = [served.tracking.get_run(FIRST, run_id) for run_id in (parent, child, grandchild)]
    assert [run.status for run in runs] == [status] * 3
    assert all(run.ended_ms for run in runs)


def test_a_run_that_is_not_there_or_cannot_end_so_is_refused(served: Served) -> None:
    with pytest.raises(NotFound, match="no run 'missing'"):
        served.tracking.end_run(FIRST, "missing", "Completed")
    with pytest.raises(NotFound, match="no run 'missing'"):
        served.tracking.set_tags(FIRST, "missing", {"a": "b"})
    with pytest.raises(InvalidField, match="'Finished'"):
        served.tracking.end_run(FIRST, served.job("odd-end"), "Finished")
    with pytest.raises(InvalidField, match=r"'a\.b'"):
        served.job("a.b")


def test_the_display_name_of_a_run_follows_its_tag(served: Served, client: Client) -> None:
    job = served.job("to-be-renamed")
    served.tracking.set_tags(FIRST, job, {"mlflow.runName": "New name"})
    assert client.run(f"return mlflow.get_run('{job}').info.run_name") == "New name"


def test_a_long_job_name_is_a_run_id(served: Served, client: Client) -> None:
    job = served.job("long-" + "x" * 200)
    client.run("mlflow.log_metric('a', 1)", job=job)
    assert served.tracking.metrics(FIRST, job) == {"a": 1.0}


def test_tracking_works_before_mlflow_is_imported() -> None:
    code = "import sys, academy.experiments.tracking; print([m for m in sys.modules if m == 'mlflow'])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


# Logging


def test_metrics_keep_nan_infinity_and_their_history(served: Served, client: Client) -> None:
    job = served.job("odd-metrics")
    client.run(
        """
        mlflow.log_metric("nan", float("nan"))
        mlflow.log_metric("inf", float("-inf"))
        for step, value in ((2, 5.0), (1, 9.0), (2, 5.0)):
            client.log_metric("odd-metrics", "m", value, timestamp=1000 + step, step=step)
        """,
        job=job,
    )
    metrics = served.tracking.metrics(FIRST, job)
    assert math.isnan(metrics["nan"])
    assert metrics["inf"] == -1.7976931348623157e308
    assert metrics["m"] == 5.0
    history = client.run(f"return [[m.step, m.value] for m in client.get_metric_history('{job}', 'm')]")
    assert sorted(history) == [[1, 9.0], [2, 5.0]]


def test_a_parameter_that_would_change_is_refused_in_mlflows_words(served: Served, client: Client) -> None:
    job = served.job("params-change")
    with pytest.raises(Refused, match="Changing param values is not allowed") as refused:
        client.run("mlflow.log_param('a', 1); mlflow.log_param('a', 1); mlflow.log_param('a', 2)", job=job)
    assert refused.value.code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(Refused, match="Changing param values is not allowed"):
        client.run("mlflow.log_params({'b': 1, 'a': 3})", job=job)
    assert served.tracking.get_run(FIRST, job).params == {"a": "1"}


@pytest.mark.parametrize(
    "snippet",
    [
        "mlflow.log_metric('../up', 1)",
        "mlflow.log_metric('a' * 251, 1)",
        "mlflow.log_metric('semi;colon', 1)",
        "client.log_metric('no-such-run', 'm', 1)",
        "client.set_tag('no-such-run', 'm', 1)",
    ],
)
def test_what_mlflow_refuses_is_refused(served: Served, client: Client, snippet: str) -> None:
    job = served.job(f"refused-{abs(hash(snippet))}")
    with pytest.raises(Refused) as refused:
        client.run(snippet, job=job)
    assert refused.value.code in ("INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST")


def test_values_that_are_too_long_are_cut_as_by_mlflow(served: Served, client: Client) -> None:
    job = served.job("long-values")
    client.run("mlflow.log_param('p', 'x' * 7000); mlflow.set_tag('t', 'y' * 9000)", job=job)
    run = served.tracking.get_run(FIRST, job)
    assert (len(run.params["p"]), len(run.tags["t"])) == (6000, 8000)


def test_a_deleted_run_takes_no_metric(served: Served, client: Client) -> None:
    job = served.job("deleted-run")
    client.run(f"client.delete_run('{job}')")
    with pytest.raises(Refused, match="must be in the 'active' state"):
        client.run(f"client.log_metric('{job}', 'm', 1)")


def test_setting_the_name_tag_renames_the_run(served: Served, client: Client) -> None:
    job = served.job("name-by-tag")
    client.run("mlflow.set_tag('mlflow.runName', 'Renamed')", job=job)
    assert served.tracking.get_run(FIRST, job).name == "Renamed"


def test_the_fast_path_leaves_the_same_rows_as_mlflows_own_handler(served: Served) -> None:
    metrics = [
        {"key": "m", "value": value, "timestamp": stamp, "step": step}
        for value, stamp, step in [(1.5, 10, 3), (7.0, 20, 1), (1.5, 10, 3), (2.5, 10, 3), ("NaN", 10, 3)]
    ]
    batches: list[dict[str, Any]] = [
        {"metrics": metrics, "params": [{"key": "p", "value": ""}], "tags": [{"key": "t", "value": "1"}]},
        {"metrics": [{"key": "m", "value": "Infinity", "timestamp": 5, "step": 3}], "params": []},
        {"tags": [{"key": "t", "value": "2"}, {"key": "t", "value": "3"}]},
        {"metrics": [{"key": "a/b c", "value": -1, "timestamp": 0, "step": -5}]},
    ]
    # A field that MLflow does not know is ignored by it, and leaves the call to it.
    handlers: dict[str, dict[str, int]] = {"by-us": {}, "by-mlflow": {"unknown": 1}}
    for job, more in handlers.items():
        served.job(job)
        for batch in batches:
            status, body, _ = served.call("POST", f"{_RUNS}/log-batch", {"run_id": job, **batch, **more})
            assert status == 200, body
    assert _rows(served, "by-us") == _rows(served, "by-mlflow")
    assert len(_rows(served, "by-us")["metrics"]) == 6


def _rows(served: Served, run_id: str) -> dict[str, list[Any]]:
    columns = 'FROM {} WHERE run_uuid = :run ORDER BY "key", value'
    queries = {
        "metrics": '"key", value, timestamp, step, is_nan',
        "latest_metrics": '"key", value, timestamp, step, is_nan',
        "params": '"key", value',
        "tags": '"key", value',
    }
    database = served.tracking.scope(FIRST, "me").database

    def of(table: str, what: str) -> list[Any]:
        query = f"SELECT {what} {columns.format(table)}"
        return database.read(lambda session: session.rows(query, {"run": run_id}))

    found = {table: of(table, what) for table, what in queries.items()}
    found["tags"] = [row for row in found["tags"] if not row[0].startswith("mlflow.")]
    return found


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    tracking, versions = open_tracking(tmp_path)
    database = tracking.scope(FIRST, "me").database

    def make(number: int) -> None:
        tracking.create_run(FIRST, run_id=f"job-{number}", experiment=f"e{number % 3}", who="me")
        with pytest.raises(NotFound):
            tracking.end_run(FIRST, f"missing-{number}", "Completed")
        tracking.end_run(FIRST, f"job-{number}", "Completed")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(make, range(200)))
    ended = database.read(lambda session: session.rows("SELECT run_uuid FROM runs WHERE status = 'FINISHED'"))
    assert len(ended) == 200
    assert len(database.read(lambda session: session.rows("SELECT name FROM experiments"))) == 4
    tracking.close()
    versions.documents.engine.dispose()


def test_a_killed_service_has_kept_every_metric_it_took(tmp_path: Path, client: Client) -> None:
    server, address = serve(tmp_path)
    own = Served(Home(tmp_path), address, *open_tracking(tmp_path))
    job = own.job("killed-service")
    for step in range(20):
        body = {"run_id": job, "key": "m", "value": step, "timestamp": step, "step": step}
        assert own.call("POST", f"{_RUNS}/log-metric", body)[0] == 200
    server.end()  # with SIGKILL
    assert own.tracking.metrics(FIRST, job) == {"m": 19.0}
    own.tracking.close()
    own.versions.documents.engine.dispose()


# Artifacts


def test_artifacts_lie_where_azure_puts_them(served: Served, client: Client) -> None:
    job = served.job("with-artifacts")
    listed = client.run(
        """
        mlflow.log_text("hello", "notes/deep/a.txt")
        mlflow.log_dict({"a": 1}, "b.json")
        run = mlflow.active_run().info.run_id
        folders = [[f.path for f in client.list_artifacts(run, path)] for path in (None, "notes")]
        return [*folders, mlflow.artifacts.load_text(f"runs:/{run}/notes/deep/a.txt")]
        """,
        job=job,
    )
    assert (served.artifacts(job) / "notes" / "deep" / "a.txt").read_text() == "hello"
    assert listed == [["b.json", "notes"], ["notes/deep"], "hello"]


def test_a_run_made_in_a_notebook_has_its_artifacts_there_too(served: Served, client: Client) -> None:
    run_id = client.run(
        """
        mlflow.set_experiment("from a notebook")
        with mlflow.start_run() as run:
            mlflow.log_text("hi", "a.txt")
        return run.info.run_id
        """
    )
    assert (served.artifacts(run_id) / "a.txt").read_text() == "hi"
    assert served.tracking.get_run(FIRST, run_id).experiment == "from a notebook"


def test_a_file_of_many_pieces_arrives_whole(served: Served, client: Client) -> None:
    job = served.job("large-file")
    client.run(
        """
        import tempfile, pathlib
        path = pathlib.Path(tempfile.mkdtemp()) / "large.bin"
        path.write_bytes(bytes(range(256)) * 20000)
        mlflow.log_artifact(path)
        """,
        job=job,
    )
    assert (served.artifacts(job) / "large.bin").read_bytes() == bytes(range(256)) * 20000
    status, body, _ = served.call(
        "GET", f"/api/2.0/mlflow-artifacts/artifacts/azureml/ExperimentRun/dcid.{job}/large.bin"
    )
    assert (status, len(body)) == (200, 256 * 20000)


_RUNS = "/api/2.0/mlflow/runs"
_PROXY = "/api/2.0/mlflow-artifacts/artifacts"


@pytest.mark.parametrize(
    "path",
    [
        "/azureml/../../../academy.db",
        "/azureml/%2e%2e/%2e%2e/%2e%2e/academy.db",
        "/azureml/..%2f..%2f..%2facademy.db",
        "/.properties/x",
        "//etc/passwd",
    ],
)
def test_a_path_that_leaves_the_artifacts_is_refused(served: Served, path: str) -> None:
    for method, body in (("GET", None), ("PUT", b"x"), ("DELETE", None)):
        status, _, _ = served.call(method, _PROXY + path, body)
        assert status in (400, 403, 404), (method, path)
    assert served.home.database_file.stat().st_size > 1


def test_a_link_that_leads_outside_is_not_followed(served: Served) -> None:
    job = served.job("with-a-link")
    served.artifacts(job).mkdir(parents=True)
    (served.artifacts(job) / "out").symlink_to(served.home.root)
    status, _, _ = served.call("GET", f"{_PROXY}/azureml/ExperimentRun/dcid.{job}/out/token")
    assert status == 400


def test_only_the_artifact_container_can_be_written(served: Served) -> None:
    blobs = f"azureml-blobstore-{FIRST.guid}"
    status, body, _ = served.call("PUT", f"{_PROXY}/{blobs}/x.txt", b"x")
    assert (status, json.loads(body)["error_code"]) == (403, "PERMISSION_DENIED")
    served.files(blobs).mkdir(parents=True, exist_ok=True)
    (served.files(blobs) / "y.txt").write_text("y")
    assert served.call("GET", f"{_PROXY}/{blobs}/y.txt")[1] == b"y"


@pytest.mark.parametrize(
    "path",
    [
        "azureml",
        "azureml/ExperimentRun",
        "azureml/ExperimentRun/dcid.kept",
        "azureml/ExperimentRun/dcid.kept/.",
        "azureml/ExperimentRun/dcid.kept/user_logs",
        "azureml/ExperimentRun/dcid.kept/user_logs/std_log.txt",
        "azureml/ExperimentRun/dcid.kept/System_Logs",
        "azureml/ExperimentRun/dcid.kept/azureml-logs/a.txt",
        "azureml/ExperimentRun/dcid.linked/way/user_logs",
        "azureml/ExperimentRun/dcid.linked/up/dcid.kept",
        "azureml/LoggedModels/m-1",
        "azureml/Experiments/0",
        "azureml/elsewhere/a/b",
    ],
)
def test_more_than_the_inside_of_a_run_and_its_logs_cannot_be_deleted(served: Served, path: str) -> None:
    log = served.artifacts("kept") / "user_logs" / "std_log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("kept")
    linked = served.artifacts("linked")
    if not linked.exists():
        linked.mkdir()
        (linked / "way").symlink_to(served.artifacts("kept"))
        (linked / "up").symlink_to(linked.parent)
    before = audited(served, "delete artifacts")
    status, body, _ = served.call("DELETE", f"{_PROXY}/{path}")
    assert (status, json.loads(body)["error_code"]) == (403, "PERMISSION_DENIED")
    assert log.read_text() == "kept"
    assert audited(served, "delete artifacts") == before


def test_what_a_client_deletes_is_in_the_audit_log(served: Served, client: Client) -> None:
    job = served.job("to-be-deleted")
    kept = served.artifacts(job) / "outputs"
    kept.mkdir(parents=True)
    (kept / "a.txt").write_text("a")
    path = f"azureml/ExperimentRun/dcid.{job}/outputs"
    assert served.call("DELETE", f"{_PROXY}/{path}")[0] == 200
    assert not kept.exists()
    assert audited(served, "delete artifacts")[-1] == ("someone", FIRST.child("artifacts", path))
    number = client.run(
        f"""
        number = client.create_experiment("deleted and back")
        client.delete_experiment(number)
        client.restore_experiment(number)
        client.delete_run("{job}")
        client.restore_run("{job}")
        return number
        """
    )
    for action in ("delete", "restore"):
        assert audited(served, action)[-2:] == [
            ("someone", FIRST.child("experiments", number)),
            ("someone", FIRST.child("runs", job)),
        ]


def audited(served: Served, action: str) -> list[tuple[str, str]]:
    """Return who did that to what, oldest first."""
    entries = AuditLog(served.versions.documents.engine).read(resource_prefix=FIRST.id)
    return [(entry.who, entry.resource) for entry in entries if entry.action == action]


@pytest.mark.parametrize("path", [f"{_RUNS}/log-batch", f"{_RUNS}/search", "/v1/traces"])
def test_a_body_that_is_too_large_is_refused(served: Served, path: str) -> None:
    status, body, _ = served.call("POST", path, b" " * (16 * 1024 * 1024 + 1))
    assert (status, json.loads(body)["error_code"]) == (413, "INVALID_PARAMETER_VALUE")
    assert "larger than 16 MB" in json.loads(body)["message"]


def test_an_artifact_may_be_larger_than_any_other_body(served: Served) -> None:
    path = "azureml/ExperimentRun/dcid.large-upload/a.bin"
    assert served.call("PUT", f"{_PROXY}/{path}", b"x" * (17 * 1024 * 1024))[0] == 200
    assert served.files(path).stat().st_size == 17 * 1024 * 1024


def test_errors_of_the_database_do_not_show_what_was_logged(tmp_path: Path) -> None:
    database = TrackingDatabase(sqlite_url(tmp_path / "a.db"))
    with database.engine.connect() as connection, pytest.raises(OperationalError) as raised:
        connection.execute(text("INSERT INTO nowhere VALUES (:value)"), {"value": "a secret"})
    assert "a secret" not in str(raised.value)
    database.close()


def test_artifacts_are_answered_as_attachments(served: Served) -> None:
    job = served.job("a-page")
    served.artifacts(job).mkdir(parents=True)
    (served.artifacts(job) / "page.html").write_text("<script>alert(1)</script>")
    for path in (
        f"{_PROXY}/azureml/ExperimentRun/dcid.{job}/page.html",
        f"/get-artifact?run_id={job}&path=page.html",
    ):
        status, _, headers = served.call("GET", path)
        assert status == 200
        assert headers["Content-Disposition"].startswith("attachment")
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_a_file_cannot_be_put_below_a_file(served: Served) -> None:
    base = f"{_PROXY}/azureml/ExperimentRun/dcid.clash"
    assert served.call("PUT", f"{base}/a", b"x")[0] == 200
    assert served.call("PUT", f"{base}/a/b", b"x")[0] == 409
    assert served.call("PUT", f"{base}/c/d", b"x")[0] == 200
    assert served.call("PUT", f"{base}/c", b"x")[0] == 409
    staging = served.home.blob_staging(account_name(FIRST))
    assert not list(staging.glob("artifact.*"))


def test_an_upload_that_breaks_off_leaves_nothing(served: Served) -> None:
    import socket

    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        path = f"/mlflow{_PROXY}/azureml/ExperimentRun/dcid.broken/a.bin"
        connection.sendall(
            f"PUT {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\nhalf".encode()
        )
    staging = served.home.blob_staging(account_name(FIRST))
    _await(lambda: not list(staging.glob("artifact.*")))
    assert not served.artifacts("broken").exists()


def _await(condition: Callable[[], bool]) -> None:
    import time

    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# MLflow's server


def test_mlflows_page_opens(served: Served) -> None:
    status, page, _ = served.call("GET", "/")
    assert (status, b"<title>MLflow</title>" in page) == (200, True)
    assert b"assistant.fab.autoOpenedOnFirstLoad" in page
    script = page.decode().split('src="')[1].split('"')[0]
    assert served.call("GET", f"/{script}")[0] == 200
    status, info, _ = served.call("GET", "/ajax-api/3.0/mlflow/server-info")
    assert json.loads(info)["store_type"] == "SqlStore"


def test_the_page_is_in_a_folder_so_that_its_links_work(served: Served) -> None:
    request = urllib.request.Request(f"{served.address}/mlflow/v1.0{FIRST.id}")
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.url.endswith(f"{FIRST.id}/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/2.0/mlflow/webhooks"),
        ("POST", "/ajax-api/3.0/mlflow/demo/generate"),
        ("GET", "/ajax-api/3.0/mlflow/jobs/1"),
        ("POST", "/ajax-api/3.0/mlflow/scorer/invoke"),
    ],
)
def test_what_calls_out_or_starts_processes_is_not_there(served: Served, method: str, path: str) -> None:
    status, body, _ = served.call(method, path, {})
    assert (status, "does not have" in json.loads(body)["message"]) == (400, True)


def test_an_experiment_cannot_have_a_place_of_its_own(served: Served, client: Client) -> None:
    with pytest.raises(Refused, match="artifact_location"):
        client.run("client.create_experiment('own place', artifact_location='s3://bucket/x')")


def test_spans_of_a_trace_are_kept(served: Served, client: Client) -> None:
    client.run(
        """
        mlflow.set_experiment("traced")
        @mlflow.trace
        def double(x):
            return 2 * x
        double(4)
        mlflow.flush_trace_async_logging()
        """
    )
    found = client.run(
        """
        experiment = client.get_experiment_by_name("traced").experiment_id
        trace = client.search_traces(locations=[experiment])[0]
        return [[span.name, span.inputs, span.outputs] for span in trace.data.spans]
        """
    )
    assert found == [["double", {"x": 4}, 8]]


# MLflow 2, as the curated environments have it


@pytest.fixture(scope="module")
def older(both: tuple[Served, Client]) -> Iterator[Client]:
    """A client in the environment that Azure calls sklearn-1.5."""
    environment = build(curated.find("sklearn-1.5", "latest"), log=print)
    client = Client(str(environment.python))
    version = client.start(both[0].address)
    assert version.startswith("2.")
    yield client
    client.end()


def test_an_mlflow_2_script_logs_to_the_jobs_run(served: Served, older: Client) -> None:
    job = served.job("by-mlflow-2")
    older.run(
        """
        with mlflow.start_run():
            mlflow.log_param("lr", 0.1)
            mlflow.log_metrics({"loss": 1.5, "nan": float("nan")})
            mlflow.set_tags({"a": "b"})
            mlflow.log_text("hello", "notes/a.txt")
            with mlflow.start_run(nested=True):
                mlflow.log_metric("fold", 1)
        """,
        job=job,
    )
    run = served.tracking.get_run(FIRST, job)
    assert (run.params, run.metrics["loss"], run.tags["a"], run.status) == (
        {"lr": "0.1"},
        1.5,
        "b",
        "FINISHED",
    )
    assert (served.artifacts(job) / "notes" / "a.txt").read_text() == "hello"
    found = older.run("return sorted(mlflow.search_runs(experiment_names=['probe'])['tags.a'].dropna())")
    assert "b" in found
    with pytest.raises(Refused, match="Changing param values is not allowed"):
        older.run(f"client.log_param('{job}', 'lr', 2)")


def test_an_mlflow_2_model_is_registered_and_loaded_by_both(
    served: Served, client: Client, older: Client
) -> None:
    job = served.job("model-by-mlflow-2")
    predictions = older.run(
        f"""
        import pandas
        from sklearn.linear_model import LinearRegression
        mlflow.sklearn.autolog(log_models=False, log_datasets=False)
        with mlflow.start_run():
            model = LinearRegression().fit(pandas.DataFrame({{"x": [0.0, 1.0, 2.0]}}), [0.0, 2.0, 4.0])
            mlflow.sklearn.log_model(model, "model", pip_requirements=["scikit-learn"])
        mlflow.sklearn.autolog(disable=True)
        mlflow.register_model("runs:/{job}/model", "by-mlflow-2")
        uris = ["runs:/{job}/model", "models:/by-mlflow-2/1"]
        x = pandas.DataFrame({{"x": [5.0]}})
        return [float(mlflow.pyfunc.load_model(uri).predict(x)[0]) for uri in uris]
        """,
        job=job,
    )
    assert predictions == pytest.approx([10.0, 10.0])
    assert served.tracking.get_run(FIRST, job).params["fit_intercept"] == "True"
    assert (served.artifacts(job) / "model" / "MLmodel").is_file()
    document = served.versions.get(FIRST.child("models", "by-mlflow-2"), "1")
    assert (document.properties["jobName"], document.properties["modelType"]) == (job, "mlflow_model")
    assert document.properties["modelUri"].endswith(f"/paths/ExperimentRun/dcid.{job}/model")
    assert client.run("return client.get_model_version('by-mlflow-2', '1').run_id") == job
