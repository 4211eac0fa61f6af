"""Reproducing what a service ran: real jobs in real environments, built anew from a folder of wheels."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from azure.ai.ml import Input, Output, command
from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
)

from academy.audit.record import Record, Relation
from academy.jobs.processes import MARK
from academy.paths import JobFolder, writable_environment_cache
from academy.reproduction.repetition import names
from academy.service.kept_records import KeptRecords
from academy.service.process import down
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import start
from tests.reproduction_jobs import PATIENCE_S, Bench, begun, code, only_wheels, until, venv, wheel

OWN = "azureml:academy:1"
STEADY = """
import pathlib, sys
import counting
log(accuracy=0.9375, loss=1 / 3, packages=float(counting.VERSION))
pathlib.Path(sys.argv[1], "weights.txt").write_text("1 2 3")
"""
READING = """
import pathlib, sys
log(total=float(sum(map(float, pathlib.Path(sys.argv[1]).read_text().split()))))
"""
# Ends at once when it is the original, and not at all when it is repeated.
WAITING = """
import os, time
log(loss=1.0)
if "reproduced" in os.environ["MLFLOW_RUN_ID"]:
    print("waiting", flush=True)
    time.sleep(600)
"""
SCORE = "def init():\n    pass\n\ndef run(data):\n    return 1\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service that finds packages in one folder alone, and keeps its environments apart."""
    root = tmp_path_factory.mktemp("reproduction")
    wheels = root / "wheels"
    wheels.mkdir()
    wheel(wheels, "counting", "1.5")
    wheel(wheels, "counting", "2.0")
    with pytest.MonkeyPatch.context() as patch:
        only_wheels(patch, wheels, root / "cache")
        running = start(root / "home")
        yield Bench(running, wheels, running.client())
        down(running.home)


@pytest.fixture(scope="module")
def steady(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job that logs and writes the same each time; nothing of it may be changed."""
    place = "azureml://datastores/workspaceblobstore/paths/mine/"
    return bench.submit(
        code(tmp_path_factory.mktemp("code") / "src", STEADY),
        bench.environment("counting", "counting>=1,<2"),
        name="steady",
        line="python main.py ${{outputs.model}}",
        outputs={"model": Output(type="custom_model", path=place, mode="upload")},
    )


@pytest.fixture(scope="module")
def waiting(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job that ends at once; repeated, it does not."""
    return bench.submit(code(tmp_path_factory.mktemp("code") / "src", WAITING), OWN, name="waiting")


@pytest.fixture
def reading(bench: Bench, tmp_path: Path) -> str:
    """A job with data of its own, which may be changed."""
    (tmp_path / "numbers.txt").write_text("1 2 3")
    return bench.submit(
        code(tmp_path / "src", f"# {tmp_path}\n{READING}"),
        OWN,
        line="python main.py ${{inputs.numbers}}",
        inputs={"numbers": Input(type="uri_file", path=str(tmp_path / "numbers.txt"))},
    )


def record(bench: Bench, name: str) -> Record:
    """Return the newest record of a job."""
    id = DEFAULT_WORKSPACE.child("jobs", name)
    return KeptRecords(bench.service.info).read(id=id)[-1].record


def folder(bench: Bench, name: str) -> JobFolder:
    return bench.service.home.job(DEFAULT_WORKSPACE.key, name)


def nothing_left(bench: Bench, before: list[str]) -> bool:
    """Say whether a refusal left no job, no folder and no environment behind."""
    jobs = {path.name for path in bench.service.home.jobs(DEFAULT_WORKSPACE.key).iterdir()}
    return bench.jobs() == before and jobs == set(before) and not trials()


def trials() -> list[Path]:
    """Return what a trial of an environment leaves in the cache when it is not taken away."""
    return list(writable_environment_cache().glob("reproduction-*"))


def test_a_job_is_run_again_in_an_environment_built_anew(bench: Bench, steady: str) -> None:
    found = bench.reproduced("--job", steady)
    assert (found["verdict"], found["mismatches"]) == ("reproduced", [])
    assert [one["name"] for one in found["metrics"] if one["matches"]] == ["accuracy", "loss", "packages"]
    assert found["environment"]["built"]
    assert found["environment"]["differences"] == []
    again = record(bench, found["repeated"]["name"])
    assert [link.target for link in again.linked(Relation.REPRODUCES)] == [record(bench, steady).id]
    assert again.evidence is not None
    assert str(folder(bench, again.name).fresh_environments) in again.evidence.software.site
    assert not trials()
    # Its output lay at an address of the user's choice, and still is the original's alone.
    outputs = {one["name"]: one["same"] for one in found["outputs"]}
    assert outputs["model"] is True
    assert "/paths/mine" in bench.client.jobs.get(steady).outputs["model"].path
    assert f"/{again.name}/" in bench.client.jobs.get(again.name).outputs["model"].path


def test_a_result_by_chance_is_found(bench: Bench, tmp_path: Path) -> None:
    script = "import random; log(accuracy=0.5, loss=random.random())\n"
    name = bench.submit(code(tmp_path / "src", script), OWN)
    done = bench.academy("audit", "reproduce", "--job", name)
    assert done.returncode == 1
    assert "The metric 'loss' was 0." in done.stdout
    assert "Not reproduced." in done.stdout
    assert "'accuracy'" not in done.stdout
    assert "Academy's own Python" in done.stdout


def test_data_and_code_that_changed_are_found_before_anything_runs(bench: Bench, reading: str) -> None:
    evidence = record(bench, reading).evidence
    assert evidence is not None
    assert evidence.code is not None
    data = evidence.inputs[0].tree
    assert data is not None
    before = bench.jobs()
    Path(data.path).write_text("1 2 4")
    done = bench.academy("audit", "reproduce", "--job", reading)
    assert done.returncode == 1
    assert f"The input 'numbers' differs: {data.path} was changed." in done.stderr
    assert nothing_left(bench, before)
    found = bench.reproduced("--job", reading, "--anyway", status=1)
    assert [one["found"] for one in found["metrics"]] == [7.0]
    assert "was changed" in found["beforehand"][0]
    shutil.rmtree(evidence.code.path)
    done = bench.academy("audit", "reproduce", "--job", reading)
    assert f"The code is gone: {evidence.code.path} is not there." in done.stderr


@pytest.mark.parametrize(
    ("offered", "index", "said"),
    [
        (None, "http://127.0.0.1:9/simple", r"counting.* http://127\.0\.0\.1:9/simple"),
        ("2.0", None, r"the package counting==1\.5 cannot be had"),
    ],
    ids=["no index answers", "the version is gone"],
)
def test_a_package_that_cannot_be_had_is_named_and_nothing_is_left(
    bench: Bench, steady: str, tmp_path: Path, offered: str | None, index: str | None, *, said: str
) -> None:
    (tmp_path / "wheels").mkdir()
    if offered:
        wheel(tmp_path / "wheels", "counting", offered)
    before = bench.jobs()
    done = bench.academy(
        "audit",
        "reproduce",
        "--job",
        steady,
        PIP_FIND_LINKS=str(tmp_path / "wheels"),
        PIP_NO_INDEX="" if index else "1",
        UV_DEFAULT_INDEX=index or "http://user:secret@127.0.0.1:9/simple",
        UV_CACHE_DIR=str(tmp_path / "uv"),
        UV_HTTP_RETRIES="0",
    )
    assert done.returncode == 1
    assert re.search(said, done.stderr), done.stderr
    assert "secret" not in done.stderr
    assert nothing_left(bench, before)


def test_a_package_with_other_content_is_found_before_anything_runs(
    bench: Bench, steady: str, tmp_path: Path
) -> None:
    wheel(tmp_path, "counting", "1.5", "VERSION = '1.5'  # mended\n")
    before = bench.jobs()
    done = bench.academy("audit", "reproduce", "--job", steady, PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 1
    assert "The package counting 1.5 holds other files than on record." in done.stderr
    assert nothing_left(bench, before)


def test_a_package_that_was_edited_in_the_installer_s_cache_is_found(
    bench: Bench, steady: str, tmp_path: Path
) -> None:
    variables = {"UV_CACHE_DIR": str(tmp_path / "uv"), "UV_LINK_MODE": "hardlink"}
    bench.academy("audit", "reproduce", "--job", steady, **variables)
    before = bench.jobs()
    (cached,) = (tmp_path / "uv").rglob("counting.py")
    cached.write_text("VERSION = '1.5'  # tampered")
    done = bench.academy("audit", "reproduce", "--job", steady, **variables)
    assert done.returncode == 1
    assert "with files that are not its own: 'counting.py'" in done.stderr
    assert nothing_left(bench, before)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption_ends_the_new_job(
    bench: Bench, waiting: str, number: signal.Signals, status: int
) -> None:
    name = next(name for name in names(waiting) if name not in bench.jobs())
    home = str(bench.service.home.root)
    with begun("audit", "reproduce", "--job", waiting, "--home", home) as process:
        until(lambda: "waiting" in bench.log(name))
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == status, said
    assert f"Job {name} was ended." in said
    assert bench.client.jobs.get(name).status == "Canceled"
    assert not [one for one in psutil.process_iter() if marked(one, folder(bench, name).root)]


def test_models_and_deployments_lead_to_the_job_that_they_come_from(
    bench: Bench, steady: str, tmp_path: Path
) -> None:
    path = f"azureml://jobs/{steady}/outputs/model/paths/weights.txt"
    bench.client.models.create_or_update(Model(name="weights", version="1", path=path, type="custom_model"))
    found = bench.reproduced("--model", "weights:1")
    assert found["original"]["name"] == steady
    assert found["notes"][0] == f"The model 'weights:1' is from the job {steady!r}."
    (tmp_path / "score.py").write_text(SCORE)
    bench.client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="weighing")).result()
    blue = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="weighing",
        model="azureml:weights:1",
        environment=OWN,
        code_configuration=CodeConfiguration(code=str(tmp_path), scoring_script="score.py"),
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    bench.client.online_deployments.begin_create_or_update(blue).result()
    found = bench.reproduced("--deployment", "weighing/blue")
    assert found["original"]["name"] == steady
    assert found["notes"][0] == "The deployment 'weighing/blue' serves 'weights:1'."


def test_a_model_with_the_content_of_a_local_run_s_output_leads_to_that_run(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text("import counting; open('weights.txt', 'w').write(counting.VERSION)")
    python = venv(tmp_path / ".venv", "counting==2.0")
    assert (
        bench.academy("audit", "run", "--output", "weights.txt", "--", str(python), "train.py").returncode
        == 0
    )
    given = Model(name="local", version="1", path="weights.txt", type="custom_model")
    bench.client.models.create_or_update(given)
    found = bench.reproduced("--model", "local:1")
    assert (found["original"]["id"], found["verdict"]) == ("run:train-1", "reproduced")
    assert "'train-1' wrote files with the content of the model 'local:1'" in found["notes"][0]


def test_an_output_that_was_registered_is_registered_once(bench: Bench, tmp_path: Path) -> None:
    script = "import pathlib, sys; log(loss=float('nan')); pathlib.Path(sys.argv[1], 'w').write_text('1')\n"
    name = bench.submit(
        code(tmp_path / "src", script),
        OWN,
        line="python main.py ${{outputs.model}}",
        outputs={"model": Output(type="custom_model", name="once")},
    )
    assert bench.client.models.get("once", version="1").job_name == name
    found = bench.reproduced("--model", "once:1")
    assert (found["original"]["name"], found["verdict"]) == (name, "reproduced")
    assert found["metrics"][0]["found"] == "NaN"
    assert [model.version for model in bench.client.models.list(name="once")] == ["1"]


def test_a_model_without_a_run_says_what_can_be_done(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "weights.txt").write_text("from nowhere")
    given = Model(name="found", version="1", path=str(tmp_path / "weights.txt"), type="custom_model")
    bench.client.models.create_or_update(given)
    done = bench.academy("audit", "reproduce", "--model", "found:1")
    assert done.returncode == 1
    assert "The model 'found:1' has no run on record" in done.stderr
    assert "--job NAME or --run NAME" in done.stderr


def test_an_environment_that_was_deleted_is_named(bench: Bench, tmp_path: Path) -> None:
    name = bench.submit(code(tmp_path / "src", "log(a=1.0)\n"), bench.environment("passing", "counting"))
    environment = DEFAULT_WORKSPACE.child("environments", "passing")
    before = bench.jobs()
    bench.service_call("DELETE", f"{environment}/versions/1")
    done = bench.academy("audit", "reproduce", "--job", name)
    assert done.returncode == 1
    assert "'passing:1', which is not registered any more. Register 'passing:1' again" in done.stderr
    assert nothing_left(bench, before)


@pytest.mark.parametrize(
    ("line", "end"), [("exit 3", "Failed"), ("touch up; sleep 600", "Canceled")], ids=["failed", "canceled"]
)
def test_a_job_that_came_to_no_result_is_only_run_again_on_demand(bench: Bench, line: str, end: str) -> None:
    name = bench.client.jobs.create_or_update(command(command=line, environment=OWN)).name
    if end == "Canceled":
        until((folder(bench, name).work / "up").exists)
        bench.client.jobs.begin_cancel(name).result()
    bench.ended(name, end)
    before = bench.jobs()
    done = bench.academy("audit", "reproduce", "--job", name)
    assert done.returncode == 1
    assert f"ended as {end}: there are no results to come to again" in done.stderr
    assert nothing_left(bench, before)
    if end == "Failed":
        assert bench.reproduced("--job", name, "--anyway", status=1)["mismatches"] == []


def test_what_was_deleted_or_never_was_is_said(bench: Bench, reading: str) -> None:
    bench.service_call("DELETE", DEFAULT_WORKSPACE.child("jobs", reading))
    done = bench.academy("audit", "reproduce", "--job", reading)
    assert done.returncode == 1
    assert f"The job {reading!r} was deleted" in done.stderr
    done = bench.academy("audit", "reproduce", "--job", "never-there")
    assert done.returncode == 3
    assert "There is no record of job 'never-there'" in done.stderr


def marked(process: psutil.Process, root: Path) -> bool:
    """Say whether a process belongs to the job in a folder."""
    try:
        return process.environ().get(MARK) == str(root)
    except psutil.Error:
        return False
