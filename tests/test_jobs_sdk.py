"""Command jobs as learners see them: Microsoft's SDK against a real service."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import AmlCompute, Data, Environment, JupyterLabJobService, Model
from azure.ai.ml.exceptions import JobException
from azure.ai.ml.operations._run_history_constants import RunHistoryConstants
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from tests.conftest import Service

Submit = Callable[..., Any]

ENVIRONMENT = "azureml:academy:1"
BARE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
PATIENCE_S = 30.0
ENDED = ("Completed", "Failed", "Canceled")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``stream`` look again at once; it pauses two seconds between its looks."""
    monkeypatch.setattr(RunHistoryConstants, "_WAIT_COMPLETION_POLLING_INTERVAL_MIN", 0)


@pytest.fixture
def submit(ml_client: Any) -> Submit:
    """Submit a command with the environment that needs no building."""

    def submitted(line: str, **fields: Any) -> Any:
        job = command(command=line, environment=fields.pop("environment", ENVIRONMENT), **fields)
        return ml_client.jobs.create_or_update(job)

    return submitted


@pytest.fixture
def code(tmp_path: Path) -> Callable[[str], str]:
    """Write a script ``main.py`` into a folder of its own and return the folder."""

    def written(text: str) -> str:
        folder = tmp_path / "code"
        folder.mkdir(exist_ok=True)
        (folder / "main.py").write_text(text)
        return str(folder)

    return written


def wait_for(ml_client: Any, name: str, *statuses: str) -> Any:
    """Wait until the job is in one of the statuses, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while (job := ml_client.jobs.get(name)).status not in statuses:
        assert time.monotonic() < deadline, f"{name} is {job.status}, not {statuses}"
        assert job.status not in ENDED, f"{name} ended as {job.status}"
        time.sleep(0.02)
    return job


def ended(ml_client: Any, job: Any) -> Any:
    """Wait until the job has ended, and return it."""
    return wait_for(ml_client, job.name, *ENDED)


def rest(service: Service, path: str, **options: Any) -> Any:
    """Ask run history over plain HTTP."""
    workspace = (
        "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/academy"
        "/providers/Microsoft.MachineLearningServices/workspaces/academy"
    )
    headers = {"Authorization": f"Bearer {service.token}"}
    url = f"{service.info.address}{path.replace('{ws}', workspace)}"
    answer = httpx.get(url, headers=headers, **options)
    answer.raise_for_status()
    return answer.json()


def test_a_job_goes_through_its_statuses_in_order(
    ml_client: Any, submit: Submit, service: Service, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    job = submit(f"while [ ! -e {gate} ]; do sleep 0.02; done", compute="cpu-cluster")
    assert job.status in ("NotStarted", "Queued", "Preparing", "Running")
    running = wait_for(ml_client, job.name, "Running")
    assert running.creation_context.created_at is not None
    gate.touch()
    assert ended(ml_client, job).status == "Completed"
    run = rest(service, f"/history/v1.0{{ws}}/runs/{job.name}/details")
    assert run["createdTimeUtc"] < run["startTimeUtc"] < run["endTimeUtc"]


def test_stream_shows_what_the_command_prints(
    ml_client: Any, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit("echo hello; sleep 0.3; echo world")
    ml_client.jobs.stream(job.name)
    shown = capsys.readouterr().out
    assert "Streaming user_logs/std_log.txt" in shown
    assert "hello\nworld" in shown
    assert "Execution Summary" in shown


def test_stream_shows_the_log_of_a_job_that_ended_before_the_first_look(
    ml_client: Any, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit("echo hello")
    ended(ml_client, job)
    ml_client.jobs.stream(job.name)
    assert "\nhello\n" in capsys.readouterr().out


def test_stream_raises_with_the_reason_when_the_job_failed(ml_client: Any, submit: Submit) -> None:
    job = submit("python -c 'import surely_not_there'")
    with pytest.raises(JobException) as failure:
        ml_client.jobs.stream(job.name)
    message = str(failure.value)
    assert "No module named 'surely_not_there'" in message
    assert "exit code 1" in message
    assert "std_log.txt" in message
    assert ml_client.jobs.get(job.name).status == "Failed"


NOWHERE = Input(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/no/such.csv")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"line": "no-such-command"}, "CommandNotFound"),
        ({"line": "cat ${{inputs.d}}", "inputs": {"d": NOWHERE}}, "InputUnavailable"),
        ({"line": "true", "outputs": {"o": Output(type="uri_file")}}, "OutputNotWritten"),
    ],
    ids=["command", "input", "output"],
)
def test_each_reason_to_fail_has_an_error_of_its_own(
    ml_client: Any, submit: Submit, service: Service, fields: dict[str, Any], code: str
) -> None:
    job = submit(**fields)
    assert ended(ml_client, job).status == "Failed"
    error = rest(service, f"/history/v1.0{{ws}}/runs/{job.name}/details")["error"]["error"]
    assert (error["code"], error["innerError"]["code"]) == ("UserError", code)
    assert error["message"]


def test_a_time_limit_fails_the_job(ml_client: Any, service: Service) -> None:
    job = command(command="sleep 60", environment=ENVIRONMENT)
    job.set_limits(timeout=1)
    job = ml_client.jobs.create_or_update(job)
    assert ended(ml_client, job).status == "Failed"
    run = rest(service, f"/history/v1.0{{ws}}/runs/{job.name}/details")
    assert "limits.timeout of 1 seconds" in run["error"]["error"]["message"]


def test_cancel_ends_the_job(ml_client: Any, submit: Submit) -> None:
    job = submit("sleep 60")
    wait_for(ml_client, job.name, "Running")
    began = time.monotonic()
    ml_client.jobs.begin_cancel(job.name).result()
    assert ml_client.jobs.get(job.name).status == "Canceled"
    assert time.monotonic() - began < 5
    ml_client.jobs.begin_cancel(job.name).result()
    assert ml_client.jobs.get(job.name).status == "Canceled"


def test_a_job_is_canceled_and_its_log_read_under_its_name_in_another_case(
    ml_client: Any, submit: Submit, service: Service
) -> None:
    # The SDK puts the names of its builders into lower case.
    submit("echo here; sleep 60", name="case-of-job")
    wait_for(ml_client, "case-of-job", "Running")
    began = time.monotonic()
    ml_client.jobs.begin_cancel("CASE-of-job").result()
    assert time.monotonic() - began < 5
    assert ml_client.jobs.get("CASE-of-job").status == "Canceled"
    assert user_log(service, "CASE-of-job") == "here\n"
    assert rest(service, "/history/v1.0{ws}/runs/CASE-of-job")["runId"] == "case-of-job"
    assert not list(service.home.root.rglob("*CASE-of-job*"))


def test_download_has_the_layout_of_the_sdk(
    ml_client: Any, submit: Submit, code: Callable[[str], str], tmp_path: Path
) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "Path('outputs/model.txt').write_text('m'); Path(sys.argv[1]).write_text('f')\n"
        "Path(sys.argv[2], 'deep').mkdir(); Path(sys.argv[2], 'deep', 'part').write_text('p')\n"
    )
    job = submit(
        "python main.py ${{outputs.file}} ${{outputs.folder}}",
        code=code(script),
        outputs={"file": Output(type="uri_file"), "folder": Output(type="uri_folder")},
        name="layout",
    )
    other = submit("echo other > outputs/other", name="layout2")
    assert ended(ml_client, job).status == "Completed"
    assert ended(ml_client, other).status == "Completed"

    def downloaded(into: str, **what: Any) -> set[str]:
        ml_client.jobs.download(job.name, download_path=tmp_path / into, **what)
        return {
            str(path.relative_to(tmp_path / into)) for path in (tmp_path / into).rglob("*") if path.is_file()
        }

    default = downloaded("default")
    assert {"artifacts/outputs/model.txt", "artifacts/user_logs/std_log.txt"} <= default
    assert not any("other" in name for name in default)
    assert downloaded("folder", output_name="folder") == {"named-outputs/folder/deep/part"}
    assert downloaded("file", output_name="file") == {"named-outputs/file/file"}
    assert downloaded("all", all=True) >= {
        "artifacts/outputs/model.txt",
        "named-outputs/file/file",
        "named-outputs/folder/deep/part",
    }


def test_download_of_a_job_that_runs_is_refused(ml_client: Any, submit: Submit) -> None:
    job = submit("sleep 60")
    with pytest.raises(JobException, match="Download is allowed only"):
        ml_client.jobs.download(job.name)
    ml_client.jobs.begin_cancel(job.name).result()


def test_optional_inputs_are_left_out_and_booleans_are_passed_as_azure_does(
    ml_client: Any, submit: Submit, service: Service
) -> None:
    job = submit(
        "echo [${{inputs.flag}}] $[[--rate ${{inputs.rate}}]] $[[--seed ${{inputs.seed}}]] end",
        inputs={"flag": True, "rate": 0.5},
    )
    assert ended(ml_client, job).status == "Completed"
    assert user_log(service, job.name) == "[True] --rate 0.5 end\n"


def test_the_job_knows_its_run_and_its_variables(ml_client: Any, submit: Submit, service: Service) -> None:
    job = submit(
        "echo $MINE $AZUREML_RUN_ID $MLFLOW_RUN_ID $AZUREML_ARM_WORKSPACE_NAME $AZUREML_EXPERIMENT_NAME",
        environment_variables={"MINE": "yes"},
        experiment_name="my-experiment",
    )
    assert ended(ml_client, job).status == "Completed"
    assert user_log(service, job.name) == f"yes {job.name} {job.name} academy my-experiment\n"


def test_a_job_in_a_bare_image_lacks_what_its_image_does_not_name(
    ml_client: Any, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = Environment(name="bare-image", image=BARE)
    job = submit("python -c 'import sklearn'", environment=bare)
    with pytest.raises(JobException, match="No module named 'sklearn'"):
        ml_client.jobs.stream(job.name)


def test_an_environment_that_cannot_be_built_fails_the_job_in_the_words_of_uv(
    ml_client: Any, submit: Submit, service: Service
) -> None:
    conda = {"dependencies": ["python=3.11", {"pip": ["--no-index", "nowhere==1.0"]}]}
    broken = Environment(name="broken", image=BARE, conda_file=conda)
    job = submit("true", environment=broken)
    assert ended(ml_client, job).status == "Failed"
    run = rest(service, f"/history/v1.0{{ws}}/runs/{job.name}/details")
    error = run["error"]["error"]
    assert error["innerError"]["code"] == "ImageBuildFailure"
    assert "nowhere" in error["message"]
    assert "azureml-logs/20_image_build_log.txt" in run["logFiles"]


def test_interactive_services_are_ignored_with_a_warning_in_the_log(
    ml_client: Any, submit: Submit, service: Service
) -> None:
    job = submit("true", services={"lab": JupyterLabJobService()})
    assert ended(ml_client, job).status == "Completed"
    assert "'lab' is not started" in user_log(service, job.name)


def test_a_job_on_local_or_serverless_compute_runs(ml_client: Any, submit: Submit) -> None:
    jobs = [submit("true", compute="local"), submit("true", compute="serverless"), submit("true")]
    assert [ended(ml_client, job).status for job in jobs] == ["Completed"] * 3


def test_an_unknown_compute_is_refused_with_those_there_are(submit: Submit) -> None:
    with pytest.raises(HttpResponseError, match=r"no compute 'nowhere'.*cpu-cluster"):
        submit("true", compute="nowhere")


def test_jobs_wait_for_room_on_their_compute_in_order(ml_client: Any, submit: Submit, tmp_path: Path) -> None:
    compute = AmlCompute(name="single", size="Standard_DS3_v2", min_instances=0, max_instances=1)
    ml_client.compute.begin_create_or_update(compute).result()
    gate, order = tmp_path / "gate", tmp_path / "order"
    first = submit(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo 1 >> {order}", compute="single")
    wait_for(ml_client, first.name, "Running")
    second, third, fourth = (submit(f"echo {n} >> {order}", compute="single") for n in (2, 3, 4))
    assert [ml_client.jobs.get(job.name).status for job in (second, third, fourth)] == ["Queued"] * 3
    ml_client.jobs.begin_cancel(third.name).result()
    assert ml_client.jobs.get(third.name).status == "Canceled"
    gate.touch()
    assert ended(ml_client, fourth).status == "Completed"
    assert order.read_text().split() == ["1", "2", "4"]


def test_an_output_with_a_name_becomes_an_asset_once(ml_client: Any, submit: Submit) -> None:
    job = submit(
        "echo a,b > ${{outputs.table}}; echo x > ${{outputs.parts}}/x",
        outputs={
            "table": Output(type="uri_file", name="job-table", version="7"),
            "parts": Output(type="uri_folder", name="job-parts"),
        },
    )
    assert ended(ml_client, job).status == "Completed"
    assert [item.version for item in ml_client.data.list("job-table")] == ["7"]
    (parts,) = ml_client.data.list("job-parts")
    assert (parts.version, parts.type) == ("1", "uri_folder")
    reader = submit(
        "cat ${{inputs.table}} ${{inputs.parts}}/x ${{inputs.direct}}/x",
        inputs={
            "table": Input(type="uri_file", path="azureml:job-table:7"),
            "parts": Input(type="uri_folder", path="azureml:job-parts@latest"),
            "direct": Input(type="uri_folder", path=f"azureml://jobs/{job.name}/outputs/parts"),
        },
    )
    assert ended(ml_client, reader).status == "Completed"


def test_inputs_come_from_everywhere_in_every_mode(
    ml_client: Any, submit: Submit, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "local.csv").write_text("local")
    table = tmp_path / "table"
    table.mkdir()
    (table / "part.csv").write_text("part")
    (table / "MLTable").write_text("paths:\n  - file: ./part.csv\n")
    maker = submit(
        "mkdir outputs/model; echo model > outputs/model/weights; echo placed > ${{outputs.o}}/placed",
        outputs={"o": Output(path="azureml://datastores/workspaceblobstore/paths/my/${{name}}/")},
    )
    assert ended(ml_client, maker).status == "Completed"
    model_path = f"azureml://jobs/{maker.name}/outputs/artifacts/paths/outputs/model"
    ml_client.models.create_or_update(
        Model(name="everywhere", version="1", path=model_path, type="custom_model")
    )
    ml_client.data.create_or_update(
        Data(name="everywhere", version="1", path=str(tmp_path / "local.csv"), type="uri_file")
    )
    blob = f"azureml://datastores/workspaceblobstore/paths/my/{maker.name}/"
    job = submit(
        "cat ${{inputs.local}}; cat ${{inputs.asset}}; ls ${{inputs.table}} ${{inputs.evaluated}};"
        " cat ${{inputs.model}}/weights; cat ${{inputs.store}}/placed; echo more >> ${{inputs.store}}/placed;"
        " echo ${{inputs.direct}}",
        inputs={
            "local": Input(type="uri_file", path=str(tmp_path / "local.csv")),
            "asset": Input(type="uri_file", path="azureml:everywhere:1", mode="download"),
            "table": Input(type="mltable", path=str(table), mode="ro_mount"),
            "evaluated": Input(type="mltable", path=str(table), mode="eval_mount"),
            "model": Input(type="custom_model", path="azureml:everywhere:1"),
            "store": Input(type="uri_folder", path=blob, mode="download"),
            "direct": Input(type="uri_folder", path=blob, mode="direct"),
        },
    )
    assert ended(ml_client, job).status == "Completed"
    shown = user_log(service, job.name)
    assert shown.startswith("locallocal")
    assert shown.count("part.csv") == 2
    assert shown.count("MLTable") == 1
    assert "model\nplaced\n" in shown
    assert f"/datastores/workspaceblobstore/paths/my/{maker.name}" in shown.splitlines()[-1]


def test_a_failed_job_registers_nothing(ml_client: Any, submit: Submit) -> None:
    job = submit(
        "echo x > ${{outputs.o}}; exit 1", outputs={"o": Output(type="uri_file", name="of-a-failed-job")}
    )
    assert ended(ml_client, job).status == "Failed"
    with pytest.raises(ResourceNotFoundError):
        ml_client.data.get("of-a-failed-job", version="1")


def test_tags_and_names_are_those_of_the_run_and_can_be_changed(ml_client: Any, submit: Submit) -> None:
    job = submit("true", tags={"team": "a"}, display_name="first try", experiment_name="tagged")
    ended(ml_client, job)
    changed = ml_client.jobs.update(
        job.name, tags={"grade": "b"}, display_name="second try", description="why"
    )
    assert changed.tags == {"team": "a", "grade": "b"}
    assert (changed.display_name, changed.description) == ("second try", "why")
    assert ml_client.jobs.get(job.name).tags == {"team": "a", "grade": "b"}


TAGGER = """
import json, os, urllib.request
run = os.environ["MLFLOW_RUN_ID"]
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/set-tag"
token = os.environ["MLFLOW_TRACKING_TOKEN"]
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
body = json.dumps({"run_id": run, "key": "from", "value": "within"}).encode()
urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
"""


def test_a_tag_that_the_job_gives_its_run_is_the_jobs(
    ml_client: Any, submit: Submit, code: Callable[[str], str]
) -> None:
    job = submit("python main.py", code=code(TAGGER), tags={"from": "outside", "other": "x"})
    assert ended(ml_client, job).status == "Completed"
    assert ml_client.jobs.get(job.name).tags == {"from": "within", "other": "x"}
    (listed,) = (item for item in ml_client.jobs.list() if item.name == job.name)
    assert listed.tags == {"from": "within", "other": "x"}


def test_archived_jobs_leave_the_list_and_come_back(ml_client: Any, submit: Submit) -> None:
    job = submit("true")
    ended(ml_client, job)

    def listed(view: str) -> bool:
        return job.name in {item.name for item in ml_client.jobs.list(list_view_type=view)}

    ml_client.jobs.archive(job.name)
    assert (listed("ActiveOnly"), listed("ArchivedOnly"), listed("All")) == (False, True, True)
    ml_client.jobs.restore(job.name)
    assert (listed("ActiveOnly"), listed("ArchivedOnly"), listed("All")) == (True, False, True)


def test_jobs_are_listed_newest_first_and_by_tag(ml_client: Any, submit: Submit) -> None:
    names = []
    for number in range(3):
        job = submit("true", tags={"batch": "listed"} if number else {})
        ended(ml_client, job)
        names.append(job.name)
    listed = [item.name for item in ml_client.jobs.list() if item.name in names]
    assert listed == names[::-1]
    assert {item.name for item in ml_client.jobs.list(tag="batch")} == set(names[1:])


def test_the_same_submission_twice_is_one_job(ml_client: Any, submit: Submit, tmp_path: Path) -> None:
    line = f"echo ran >> {tmp_path / 'times'}"
    job = submit(line, name="only-once")
    again = submit(line, name="only-once")
    ended(ml_client, job)
    assert again.name == job.name
    assert (tmp_path / "times").read_text() == "ran\n"


def test_another_command_under_the_same_name_is_a_conflict(ml_client: Any, submit: Submit) -> None:
    job = submit("true", name="taken")
    with pytest.raises(ResourceExistsError, match="command"):
        submit("false", name="taken")
    assert ended(ml_client, job).status == "Completed"


def test_what_is_not_supported_is_refused_by_name_and_nothing_is_kept(ml_client: Any, submit: Submit) -> None:
    with pytest.raises(HttpResponseError, match=r"instanceCount") as refusal:
        submit("true", name="too-wide", instance_count=2)
    assert refusal.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        ml_client.jobs.get("too-wide")


def test_a_deleted_job_is_gone_with_its_files(ml_client: Any, submit: Submit, service: Service) -> None:
    job = submit("echo x > outputs/x", name="to-delete")
    ended(ml_client, job)
    ml_client.jobs.begin_delete(job.name).result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.jobs.get(job.name)
    assert not list(service.home.root.rglob("*to-delete*"))


def test_services_of_a_job_are_shown_as_none(ml_client: Any, submit: Submit) -> None:
    job = submit("true")
    assert ml_client.jobs.show_services(job.name) is None
    assert ended(ml_client, job).studio_url.startswith("http://127.0.0.1:")


def user_log(service: Service, name: str) -> str:
    """Read a job's log through its signed URL, without a token."""
    url = rest(service, f"/history/v1.0{{ws}}/runs/{name}/details")["logFiles"]["user_logs/std_log.txt"]
    answer = httpx.get(url)
    answer.raise_for_status()
    return answer.text
