"""The commands of ``az ml``, through the real SDK against a real service."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from academy.cli.root import academy
from tests.conftest import Service

pytestmark = pytest.mark.xdist_group("cli")

# An image without a conda file is a bare Python: what is quickest to build.
IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"

Az = Callable[..., Result]


@pytest.fixture
def attempt(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Az:
    """Run a command in a folder of the test's own, and return whatever comes of it."""
    monkeypatch.setenv("ACADEMY_HOME", str(service.home.root))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(academy, list(arguments))

    return run


@pytest.fixture
def az(attempt: Az) -> Callable[..., Any]:
    """Run a command that must succeed, and return its JSON."""

    def run(*arguments: str) -> Any:
        result = attempt(*arguments)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if result.stdout else None

    return run


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder / name)


def test_data_verbs(az: Any, attempt: Az, tmp_path: Path) -> None:
    written(tmp_path, "x.csv", "a,b\n1,2\n")
    created = az("data", "create", "-n", "cli-data", "-p", "x.csv", "-t", "uri_file", "--tags", "k=v", "l=w")
    assert (created["version"], created["tags"]) == ("1", {"k": "v", "l": "w"})
    file = written(tmp_path, "data.yml", "name: cli-data\npath: ./x.csv\ntype: uri_file\n")
    assert az("data", "create", "-f", file, "--set", "description=second")["version"] == "2"

    assert az("data", "show", "-n", "cli-data")["version"] == "2"
    assert az("data", "show", "-n", "cli-data", "-v", "1", "--query", "tags.k") == "v"
    assert az("data", "show", "-n", "cli-data", "-l", "latest")["description"] == "second"
    assert az("data", "list", "-n", "cli-data", "--query", "[].version") == ["2", "1"]
    assert az("data", "list", "-n", "cli-data", "-r", "1", "--query", "[].version") == ["2"]
    assert {"name": "cli-data", "latest version": "2"}.items() <= _named(
        az("data", "list"), "cli-data"
    ).items()

    changed = az("data", "update", "-n", "cli-data", "-v", "1", "--set", "tags.k=new", "description=first")
    assert (changed["tags"]["k"], changed["description"]) == ("new", "first")

    az("data", "archive", "-n", "cli-data", "-v", "1")
    assert az("data", "list", "-n", "cli-data", "--query", "[].version") == ["2"]
    assert az("data", "list", "-n", "cli-data", "--archived-only", "--query", "[].version") == ["1"]
    az("data", "restore", "-n", "cli-data", "-v", "1")
    assert len(az("data", "list", "-n", "cli-data")) == 2

    missing = attempt("data", "show", "-n", "cli-data", "-v", "9")
    assert missing.exit_code == 3
    assert missing.stderr.startswith("academy: (")
    assert missing.stderr.count("\n") == 1


def test_model_verbs(az: Any, tmp_path: Path) -> None:
    written(tmp_path, "model/weights.txt", "0.5")
    assert (
        az("model", "create", "-n", "cli-model", "-v", "7", "-p", "model", "-t", "custom_model")["version"]
        == "7"
    )
    assert az("model", "list", "-n", "cli-model", "--query", "[0].version") == "7"
    assert az("model", "update", "-n", "cli-model", "-v", "7", "--set", "tags.stage=prod")["tags"] == {
        "stage": "prod"
    }
    az("model", "download", "-n", "cli-model", "-v", "7", "-p", "fetched")
    assert [path.read_text() for path in (tmp_path / "fetched").rglob("weights.txt")] == ["0.5"]


def test_environment_verbs(az: Any, tmp_path: Path) -> None:
    conda = written(tmp_path, "conda.yml", "dependencies:\n  - python=3.11\n  - pip:\n    - packaging\n")
    created = az("environment", "create", "-n", "cli-env", "--image", IMAGE, "--conda-file", conda)
    assert created["conda_file"]["dependencies"][0] == "python=3.11"
    assert az("environment", "show", "-n", "cli-env", "-l", "latest")["image"] == IMAGE
    az("environment", "archive", "-n", "cli-env")
    assert "cli-env" not in az("environment", "list", "--query", "[].name")
    assert "cli-env" in az("environment", "list", "--include-archived", "--query", "[].name")


def test_component_verbs(az: Any, tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "component.yml",
        f"""
        name: cli_component
        version: "3"
        type: command
        command: echo hello
        environment:
          image: {IMAGE}
        """,
    )
    assert az("component", "create", "-f", file)["version"] == "3"
    assert az("component", "show", "-n", "cli_component", "-v", "3")["command"] == "echo hello"
    assert az("component", "list", "-n", "cli_component", "--query", "[].version") == ["3"]


def test_datastore_verbs(az: Any, attempt: Az, tmp_path: Path) -> None:
    names = az("datastore", "list", "--query", "[].name")
    assert {"workspaceblobstore", "workspaceartifactstore"} <= set(names)
    file = written(
        tmp_path,
        "store.yml",
        """
        name: cli_store
        type: azure_blob
        account_name: someaccount
        container_name: somecontainer
        """,
    )
    assert az("datastore", "create", "-f", file)["name"] == "cli_store"
    assert az("datastore", "show", "-n", "cli_store")["container_name"] == "somecontainer"
    asked = attempt("datastore", "delete", "-n", "cli_store")
    assert asked.exit_code == 1  # nobody said yes
    az("datastore", "delete", "-n", "cli_store", "--yes")
    assert attempt("datastore", "show", "-n", "cli_store").exit_code == 3


def test_compute_verbs(az: Any) -> None:
    created = az(
        "compute", "create", "-n", "cli-cluster", "--type", "AmlCompute", "--size", "STANDARD_DS3_V2",
        "--max-instances", "3",
    )  # fmt: skip
    assert created["max_instances"] == 3
    assert az("compute", "update", "-n", "cli-cluster", "--max-instances", "2")["max_instances"] == 2
    assert "cli-cluster" in az("compute", "list", "--query", "[].name")
    assert az("compute", "list-nodes", "-n", "cli-cluster") == []
    assert "STANDARD_DS3_V2" in [size.upper() for size in az("compute", "list-sizes", "--query", "[].name")]
    az("compute", "delete", "-n", "cli-cluster", "-y")
    assert "cli-cluster" not in az("compute", "list", "--query", "[].name")


def test_compute_instance_starts_and_stops(az: Any) -> None:
    az("compute", "create", "-n", "cli-ci", "-t", "ComputeInstance", "--size", "STANDARD_DS3_V2")
    az("compute", "stop", "-n", "cli-ci")
    assert az("compute", "show", "-n", "cli-ci", "--query", "state") == "Stopped"
    az("compute", "start", "-n", "cli-ci")
    assert az("compute", "show", "-n", "cli-ci", "--query", "state") == "Running"
    az("compute", "restart", "-n", "cli-ci")
    az("compute", "delete", "-n", "cli-ci", "-y")


def test_workspace_verbs(az: Any) -> None:
    assert az("workspace", "show")["name"] == "academy"
    assert az("workspace", "create", "-n", "cli-workspace", "--tags", "a=b")["tags"]["a"] == "b"
    assert "cli-workspace" in az("workspace", "list", "--query", "[].name")
    assert az("data", "list", "-w", "cli-workspace") == []


@pytest.fixture
def job_file(tmp_path: Path) -> str:
    return written(
        tmp_path,
        "job.yml",
        f"""
        command: sleep 0.5; echo "greeting ${{{{inputs.word}}}}"
        inputs:
          word: hello
        environment:
          image: {IMAGE}
        experiment_name: cli
        """,
    )


def test_job_verbs(az: Any, attempt: Az, job_file: str, tmp_path: Path) -> None:
    assert az("job", "validate", "-f", job_file) == {"passed": True}
    submitted = attempt(
        "job", "create", "-f", job_file, "-n", "cli-job", "--set", "inputs.word=howdy", "--stream"
    )
    assert submitted.exit_code == 0, submitted.output
    assert "greeting howdy" in submitted.stderr  # stdout holds the job alone
    shown = json.loads(submitted.stdout)
    assert (shown["name"], shown["status"], shown["experiment_name"]) == ("cli-job", "Completed", "cli")

    streamed = attempt("job", "stream", "-n", "cli-job")
    assert streamed.exit_code == 0
    assert "RunId: cli-job" in streamed.stdout

    assert "cli-job" in az("job", "list", "--query", "[].name")
    changed = az("job", "update", "-n", "cli-job", "--set", "tags.a=1", "display_name=A job")
    assert (changed["tags"]["a"], changed["display_name"]) == ("1", "A job")
    az("job", "archive", "-n", "cli-job")
    assert "cli-job" not in az("job", "list", "--query", "[].name")
    az("job", "restore", "-n", "cli-job")
    assert "cli-job" in az("job", "list", "--query", "[].name")
    az("job", "show-services", "-n", "cli-job")

    az("job", "download", "-n", "cli-job", "-p", "fetched", "--all")
    log = tmp_path / "fetched" / "artifacts" / "user_logs" / "std_log.txt"
    assert "greeting howdy" in log.read_text()


def test_job_that_fails_says_why_in_one_line(attempt: Az, job_file: str) -> None:
    attempt("job", "create", "-f", job_file, "-n", "cli-failing", "--set", "command=echo broken; exit 7")
    streamed = attempt("job", "stream", "-n", "cli-failing")
    assert streamed.exit_code == 1
    assert "exit code 7" in streamed.stderr
    assert streamed.stderr.count("\n") == 1


def test_job_is_cancelled(az: Any, job_file: str) -> None:
    az("job", "create", "-f", job_file, "-n", "cli-endless", "--set", "command=sleep 600")
    az("job", "cancel", "-n", "cli-endless")
    assert az("job", "show", "-n", "cli-endless", "--query", "status") == "Canceled"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command: 3\nfoo: bar\n", "command: Not a valid string"),
        ("- a list\n", "Expect dict"),
        ("command: [a\n", "Error while parsing yaml file"),
        (f"command: echo\ncompute: nowhere\nenvironment:\n  image: {IMAGE}\n", "'nowhere'"),
    ],
)
def test_job_file_that_is_not_valid_is_told_in_one_line(
    attempt: Az, tmp_path: Path, text: str, said: str
) -> None:
    refused = attempt("job", "create", "-f", written(tmp_path, "bad.yml", text))
    assert refused.exit_code in (1, 3)
    assert said in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert "Traceback" not in refused.output


def test_online_endpoint_and_deployment_verbs(az: Any, attempt: Az, tmp_path: Path) -> None:
    written(
        tmp_path,
        "src/score.py",
        """
        import json

        def init():
            print("the model is loaded")

        def run(data):
            return {"doubled": [2 * value for value in json.loads(data)["values"]]}
        """,
    )
    deployment = written(
        tmp_path,
        "blue.yml",
        f"""
        name: blue
        endpoint_name: cli-endpoint
        code_configuration:
          code: ./src
          scoring_script: score.py
        environment:
          image: {IMAGE}
        instance_type: Standard_DS3_v2
        instance_count: 1
        """,
    )
    request = written(tmp_path, "request.json", '{"values": [1, 2]}')
    created = az("online-endpoint", "create", "-n", "cli-endpoint", "--auth-mode", "key", "--tags", "a=b")
    assert created["provisioning_state"] == "Succeeded"
    assert az("online-deployment", "create", "-f", deployment, "--all-traffic")["name"] == "blue"
    assert az("online-endpoint", "show", "-n", "cli-endpoint", "--query", "traffic") == {"blue": 100}

    for extra in ([], ["-d", "blue"]):
        answer = attempt("online-endpoint", "invoke", "-n", "cli-endpoint", "-r", request, *extra)
        assert json.loads(answer.stdout) == {"doubled": [2, 4]}, answer.output

    logs = attempt("online-deployment", "get-logs", "-n", "blue", "-e", "cli-endpoint", "--lines", "50")
    assert "the model is loaded" in logs.stdout
    assert az("online-deployment", "list", "-e", "cli-endpoint", "--query", "[].name") == ["blue"]
    assert az("online-deployment", "show", "-n", "blue", "-e", "cli-endpoint")["instance_count"] == 1

    keys = az("online-endpoint", "get-credentials", "-n", "cli-endpoint")
    assert sorted(keys) == ["primaryKey", "secondaryKey"]
    az("online-endpoint", "regenerate-keys", "-n", "cli-endpoint", "--key-type", "secondary")
    renewed = az("online-endpoint", "get-credentials", "-n", "cli-endpoint")
    assert renewed["primaryKey"] == keys["primaryKey"]
    assert renewed["secondaryKey"] != keys["secondaryKey"]

    updated = az(
        "online-endpoint", "update", "-n", "cli-endpoint", "--traffic", "blue=0", "--set", "tags.c=d"
    )
    assert (updated["traffic"].get("blue", 0), updated["tags"]) == (0, {"a": "b", "c": "d"})
    assert "cli-endpoint" in az("online-endpoint", "list", "--query", "[].name")
    az("online-deployment", "delete", "-n", "blue", "-e", "cli-endpoint", "-y")
    az("online-endpoint", "delete", "-n", "cli-endpoint", "-y")
    assert attempt("online-endpoint", "show", "-n", "cli-endpoint").exit_code == 3


def _named(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"] == name)
