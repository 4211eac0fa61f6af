"""``academy matrix migrate`` as a learner meets it: a real service, real environments, a real conflict."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import Input, command
from azure.ai.ml.entities import Model
from click.testing import CliRunner

from academy.cli.root import academy
from academy.migration.text import WIDTH
from tests.conftest import Service

ACADEMY = str(Path(sys.executable).with_name("academy"))

# scikit-learn 1.3 gave trees a further field: an earlier one cannot load them.
CONFLICT = ["mlflow-skinny==3.17.2", "scikit-learn==1.2.2", "numpy==1.26.4", "pandas==2.3.3"]
SAME = [f"{name}=={version(name)}" for name in ("mlflow-skinny", "scikit-learn", "numpy", "pandas", "scipy")]

TRAIN = """
import mlflow.sklearn
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

table = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})
model = RandomForestRegressor(3, random_state=0).fit(table, [0.1, 1.1, 2.1, 3.1])
mlflow.sklearn.save_model(
    model, "out/model", input_example=table.head(3), serialization_format="cloudpickle",
    pip_requirements=["mlflow-skinny", "scikit-learn", "numpy", "pandas"],
)
import mlflow.pyfunc
from pathlib import Path

Path("out/code").mkdir()
Path("out/code/waits.py").write_text('''
import os, subprocess, time
from pathlib import Path

class Waits:
    def predict(self, sample):
        child = subprocess.Popen(["sleep", "600"])
        file = Path(os.environ["SEEN"], str(os.getpid()))
        file.with_suffix(".new").write_text(str(child.pid))
        file.with_suffix(".new").rename(file)
        time.sleep(600)

def _load_pyfunc(path):
    return Waits()
''')
mlflow.pyfunc.save_model(
    "out/waits", loader_module="waits", code_paths=["out/code/waits.py"], pip_requirements=["mlflow-skinny"],
    data_path="train.py", input_example=table, signature=mlflow.models.infer_signature(table, [1.0]),
)
mlflow.sklearn.save_model(model, "bare", serialization_format="cloudpickle", pip_requirements=[])
"""

Migrate = Callable[..., Any]


def is_running(pid: int) -> bool:
    """Say whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture(scope="module")
def workshop(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where a model was trained with a record; it is registered, and one without a sample is."""
    folder = tmp_path_factory.mktemp("workshop")
    (folder / "train.py").write_text(TRAIN)
    audited = [ACADEMY, "audit", "run", "--output", "out", "--"]
    done = subprocess.run(
        [*audited, sys.executable, "train.py"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    client = service.client()
    for name, path in (("tree", "out/model"), ("bare", "bare"), ("waits", "out/waits")):
        client.models.create_or_update(
            Model(name=name, version="1", path=str(folder / path), type="mlflow_model")
        )
    for name, lines in (("production", CONFLICT), ("mended", SAME)):
        python = "3.10" if lines is CONFLICT else f"{sys.version_info[0]}.{sys.version_info[1]}"
        content = {"name": name, "python": python, "system": "Linux", "packages": lines}
        (folder / f"{name}.yml").write_text(json.dumps(content))  # JSON is YAML
    return folder


@pytest.fixture
def migrate(service: Service, workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Migrate:
    """Run the command in the folder of the run."""
    monkeypatch.chdir(workshop)

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(
            academy, ["matrix", "migrate", "--home", str(service.home.root), *arguments]
        )

    return run


def test_conflict_is_found_beforehand_shown_by_the_trial_and_mended(migrate: Migrate) -> None:
    way = ("--from", "developer", "--to", "unmanaged", "--model", "tree:1")
    before = migrate(*way, "--target", "production.yml", "--no-trial", "-o", "json")
    found = json.loads(before.stdout)
    assert (before.exit_code, found["verdict"]) == (1, "blocked")
    (block,) = (one for one in found["differences"] if one["severity"] == "blocks")
    assert (block["name"], block["origin"], block["goal"]) == (
        "scikit-learn",
        version("scikit-learn"),
        "1.2.2",
    )
    assert f"Install scikit-learn=={version('scikit-learn')}" in found["next_steps"][0]
    assert "local run train-1" in found["origin"]["sources"][0]

    tried = migrate(*way, "--target", "production.yml")
    assert tried.exit_code == 1
    assert tried.stdout.startswith("Blocked: model tree:1 from developer to unmanaged")
    assert "node array from the pickle has an incompatible dtype" in " ".join(tried.stdout.split())
    assert "Trying to unpickle estimator" in " ".join(tried.stdout.split())
    assert "Building environment" in tried.stderr or "Scoring the model's sample" in tried.stderr
    assert max(len(line) for line in tried.stdout.splitlines() if "/" not in line) <= WIDTH

    mended = migrate(*way, "--target", "mended.yml", "-o", "json")
    report = json.loads(mended.stdout)
    explained = migrate("--help").stdout
    for fields in (report, report["differences"][0], report["move"].keys() - {"origin", "goal"}):
        assert [name for name in fields if name not in explained] == []
    assert (mended.exit_code, report["verdict"]) == (0, "ready"), report["reasons"]
    assert (report["trial"]["outcome"], report["trial"]["compared"]) == ("equal", 3)
    assert report["trial"]["largest"] == 0.0


def test_ended_in_its_trial_the_command_leaves_no_process(
    service: Service, workshop: Path, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    seen.mkdir()
    way = ("--from", "developer", "--to", "developer", "--model", "waits:1")
    with subprocess.Popen(
        [ACADEMY, "matrix", "migrate", "--home", service.home.root, *way],
        cwd=workshop,
        env={**os.environ, "SEEN": str(seen), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 120
        while len(list(seen.glob("*[0-9]"))) < 2:
            assert process.poll() is None, process.stderr and process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (128 + signal.SIGINT, b"")
    pids = [int(pid) for file in seen.iterdir() for pid in (file.name, file.read_text())]
    assert len(pids) == 4
    assert not any(is_running(pid) for pid in pids)
    assert list(tmp_path.glob("academy-migrate-*")) == []


def test_trial_ends_after_the_given_time(
    migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEEN", str(tmp_path))
    way = ("--from", "developer", "--to", "developer", "--model", "waits:1")
    result = migrate(*way, "--timeout", "0.5")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (
        1,
        "Blocked: model waits:1 from developer to developer (the same cell at both ends)",
    )
    assert "did not end within 0.5 seconds" in " ".join(result.stdout.split())
    assert "fails at both ends" in result.stdout


def test_model_is_followed_to_the_record_of_its_job(
    migrate: Migrate, service: Service, workshop: Path
) -> None:
    client = service.client()
    job = client.jobs.create_or_update(
        command(command="cp -r model outputs/", code=str(workshop / "out"), environment="azureml:academy:1")
    )
    client.jobs.stream(job.name)
    path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/outputs/model/"
    client.models.create_or_update(Model(name="ofjob", version="1", path=path, type="mlflow_model"))
    way = ("--from", "hosted", "--to", "unmanaged", "--model", "ofjob:1", "--no-trial", "-o", "json")
    report = json.loads(migrate(*way).stdout)
    assert report["origin"]["sources"][0].startswith(f"The audit record of job {job.name} ")
    assert report["origin"]["packages"]["scikit-learn"] == version("scikit-learn")
    assert (report["origin"]["complete"], report["move"]["kind"]) == (True, "crossing")


def test_goal_that_cannot_be_installed_blocks_and_one_that_is_out_of_reach_does_not(
    migrate: Migrate, workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(cache))
    target = workshop / "goal.yml"
    way = ("--from", "developer", "--to", "unmanaged", "--model", "tree:1", "--target", "goal.yml")
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    same = json.dumps(SAME)
    target.write_text(f"python: '{minor}'\npackages: {[*json.loads(same), 'six==99.1']}\n")
    result = migrate(*way)
    said = " ".join(result.stdout.split())
    assert (result.exit_code, result.stdout.partition(":")[0]) == (1, "Blocked")
    assert "What the goal asks for cannot be installed" in said
    assert "At fault: six==99.1" in said
    assert "choose versions that are there and fit" in said

    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    result = migrate(*way, "-o", "json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["verdict"], report["trial"]["outcome"]) == (
        0,
        "ready after tests",
        "not built",
    )
    assert any(
        "the package index http://127.0.0.1:9/simple cannot be reached" in one for one in report["reasons"]
    )
    assert "Run this command again where the package index can be reached" in report["next_steps"][-2]
    assert [one for one in cache.iterdir() if one.is_dir()] == []


def test_crossing_over_without_a_sample_is_reported_with_its_price(migrate: Migrate) -> None:
    result = migrate("--from", "developer", "--to", "managed", "--model", "bare", "--into", "academy")
    text = " ".join(result.stdout.split())
    assert result.exit_code == 0, result.stderr
    assert "crossing over to the other side" in text
    assert "Software versions differ." in text
    assert "Trial: left out The model was saved without a sample input" in text
    assert "input_example=table.head(5)" in text


def test_away_from_the_run_the_verdict_says_what_it_rests_on(
    migrate: Migrate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workshop: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    way = ("--from", "developer", "--to", "unmanaged", "--model", "tree:1", "--no-trial")
    away = " ".join(migrate(*way).stdout.split())
    assert away.startswith(
        "Ready after tests, as far as the model's own list of packages tells: model tree:1"
    )
    assert (
        "No record tells what it was made with, so this rests on the model's own list of packages alone."
        in away
    )
    assert "(--ledger DIR names the folder where 'academy audit run' was used)" in away
    assert "1. Run this command again with --ledger DIR" in away
    known = " ".join(migrate(*way, "--ledger", str(workshop)).stdout.split())
    assert "as far as" not in known.partition(":")[0]
    assert "No record tells" not in known
    assert "--ledger DIR" not in known


def test_job_is_compared_by_its_record_and_no_secret_is_told(
    migrate: Migrate, service: Service, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text("a\n1\n")
    client = service.client()
    job = client.jobs.create_or_update(
        command(
            command="cat ${{inputs.table}}",
            environment="azureml:academy:1",
            inputs={
                "table": Input(type="uri_file", path=str(tmp_path / "t.csv")),
                "web": Input(type="uri_file", path="https://example.org/t.csv?sig=sesame", mode="direct"),
            },
            environment_variables={"DB_PASSWORD": "hunter2"},
        )
    )
    client.jobs.stream(job.name)
    target = tmp_path / "server.yml"
    target.write_text("python: '3.12'\ncores: 1\ndata: [/srv]\nsecrets: []\n")
    way = ("--from", "hosted", "--to", "unmanaged", "--job", job.name)
    result = migrate(*way, "--target", str(target), "-o", "json")
    assert "hunter2" not in result.output
    assert "sesame" not in result.output
    report = json.loads(result.stdout)
    blocks = {one["name"] for one in report["differences"] if one["severity"] == "blocks"}
    assert (result.exit_code, blocks) == (1, {"table", "web", "DB_PASSWORD"})
    assert f"audit record of job {job.name}" in report["origin"]["sources"][0]
    assert report["origin"]["host"]["cores"] == os.cpu_count()
    assert (report["move"]["kind"], report["trial"]["outcome"]) == ("crossing", "left out")
    here = migrate("--from", "hosted", "--to", "hosted", "--job", job.name, "--no-trial")
    assert here.stdout.startswith(f"Ready: job {job.name} from hosted to hosted")


def test_environment_is_compared_by_its_packages_and_the_report_goes_to_a_file(
    migrate: Migrate, tmp_path: Path
) -> None:
    file = tmp_path / "reports" / "move.txt"
    way = ("--from", "hosted", "--to", "managed", "--environment", "sklearn-1.5", "--into", "sklearn-1.1")
    result = migrate(*way, "--no-trial", "--to-file", str(file))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"The report is in {file}" in result.stderr
    text = file.read_text()
    assert "scikit-learn 1.5.2 becomes 1.1.3" in text
    assert "appnope" not in text  # the lock has it for another operating system


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (
            ["--model", "treee:1"],
            3,
            "There is no model 'treee' in the workspace 'academy'. Did you mean 'tree'?",
        ),
        (["--model", "tree:7"], 3, "The model 'tree' has no version '7'. Its versions: '1'."),
        (["--model", "tree:"], 1, "'tree:' names no model. Write NAME:VERSION"),
        (["--job", "brave_sail"], 3, "There is no job 'brave_sail'"),
        (["--environment", "sklearn-1.6"], 3, "Did you mean 'sklearn-1.5'?"),
        (["--model", "tree", "--into", "sklern-1.5"], 3, "Did you mean 'sklearn-1.5'?"),
        (["--model", "tree", "--target", "prodction.yml"], 3, "Did you mean 'production.yml'?"),
        (["--model", "tree", "--target", "wrong.yml"], 1, "has no field 'pakages'. Did you mean 'packages'?"),
        (["--model", "tree", "--ledger", "/nowhere"], 3, "There is no .academy-audit in /nowhere"),
        (
            ["--model", "tree", "--to", "managd"],
            2,
            "is not one of 'developer', 'hosted', 'unmanaged', 'managed'",
        ),
        (["--model", "tree", "--job", "a"], 2, "one of --model NAME:VERSION, --job NAME, --environment"),
        ([], 2, "Say what is to be moved"),
        (["--model", "tree", "--tolerance", "-1"], 2, "x>=0"),
        (["--model", "tree", "--tolerance", "nan"], 2, "nan is no number to compare with"),
        (
            ["--model", "tree", "--target", "mended.yml", "--into", "a"],
            2,
            "Give --target or --into, not both",
        ),
        (["--model", "tree", "--no-trial", "--to-file", "."], 1, "is a folder"),
        (["--model", "tree", "--no-trial", "--to-file", "train.py/x"], 1, "cannot be written"),
    ],
)
def test_what_does_not_exist_is_named_with_what_there_is(
    migrate: Migrate, workshop: Path, arguments: list[str], status: int, said: str
) -> None:
    (workshop / "wrong.yml").write_text("pakages: [a]")
    result = migrate("--from", "developer", "--to", "unmanaged", *arguments)
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in " ".join(result.stderr.split())
