"""Unmodified notebooks: in the Academy kernel, and after ``%load_ext academy``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbclient import NotebookClient

from academy.kernel import spec
from academy.paths import Home
from academy.service.process import down, status
from tests.conftest import Service

# As Microsoft's own notebooks begin; nothing in it knows of Academy.
UNMODIFIED = """
from azure.ai.ml import MLClient
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Data
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential

try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception as ex:
    credential = InteractiveBrowserCredential()

ml_client = MLClient(
    credential,
    subscription_id="00000000-0000-0000-0000-000000000001",
    resource_group_name="academy",
    workspace_name="academy",
)
print(type(credential).__name__, ml_client.workspaces.get(ml_client.workspace_name).location)
print(MLClient.from_config(credential=credential).workspace_name)

table = Data(name="table-of-the-kernel", path="table", type=AssetTypes.MLTABLE)
print(ml_client.data.create_or_update(table).version)

import mlflow

mlflow.set_experiment("in-the-kernel")
with mlflow.start_run() as run:
    mlflow.log_metric("answer", 42)
print(mlflow.get_run(run.info.run_id).data.metrics)
"""

# Refuses, and writes down, everything that would leave the machine.
OFFLINE = """
import os, socket

def _check(host):
    if str(host) not in ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", "None"):
        with open(os.environ["OUTSIDE_CALLS"], "a") as file:
            file.write(f"{host}\\n")
        raise OSError(f"offline: {host}")

def _guard(original):
    def call(self, address, *rest):
        if isinstance(address, tuple):
            _check(address[0])
        return original(self, address, *rest)
    return call

socket.socket.connect = _guard(socket.socket.connect)
socket.socket.connect_ex = _guard(socket.socket.connect_ex)
_resolve = socket.getaddrinfo

def getaddrinfo(host, *rest, **options):
    _check(host.decode() if isinstance(host, bytes) else host)
    return _resolve(host, *rest, **options)

socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kernel, installed where this test's Jupyter looks."""
    spec.install(tmp_path / "prefix")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "prefix" / "share" / "jupyter"))
    for name in (
        "ARM_CLOUD_METADATA_URL",
        "AZUREML_CURRENT_CLOUD",
        "IDENTITY_ENDPOINT",
        "MLFLOW_TRACKING_URI",
    ):
        monkeypatch.delenv(name, raising=False)
    return spec.NAME


def run(cells: list[str], kernel: str, folder: Path) -> list[Any]:
    """Run a notebook and return each cell's outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(
        notebook, kernel_name=kernel, timeout=120, resources={"metadata": {"path": str(folder)}}
    ).execute()
    return [cell.outputs for cell in notebook.cells]


def text(outputs: list[Any], stream: str = "stdout") -> str:
    return "".join(
        output.text for output in outputs if output.output_type == "stream" and output.name == stream
    )


def test_unmodified_notebook_runs_in_the_kernel_and_calls_nobody_outside(
    service: Service, kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "outside"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(OFFLINE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    monkeypatch.setenv("OUTSIDE_CALLS", str(calls))
    monkeypatch.setenv("ACADEMY_HOME", str(service.home.root))
    (tmp_path / "table").mkdir()
    (tmp_path / "table" / "MLTable").write_text(
        "paths:\n  - file: ./x.csv\ntransformations:\n  - read_delimited\n"
    )
    (tmp_path / "table" / "x.csv").write_text("a,b\n1,2\n")
    proof = (
        "import socket\n"
        "try:\n    socket.create_connection(('example.com', 80))\n"
        "except OSError as error:\n    print(error)"
    )

    session, offline = run([UNMODIFIED, proof], kernel, tmp_path)

    lines = text(session).splitlines()
    assert lines[0] == "DefaultAzureCredential local"
    assert lines[1] == "academy"
    assert lines[2] == "1"
    assert lines[-1] == "{'answer': 42.0}"
    assert text(offline) == "offline: example.com\n"
    assert calls.read_text() == "example.com\n"  # the proof, and nothing before it


def test_kernel_whose_service_cannot_start_runs_and_says_why(
    kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    monkeypatch.setenv("ACADEMY_HOME", str(tmp_path / "file" / "home"))
    first, second = run(["print(6 * 7)", "print('on')"], kernel, tmp_path)
    assert text(first) == "42\n"
    assert "cannot be written" in text(first, "stderr")
    assert "%load_ext academy" in text(first, "stderr")
    assert text(second) == "on\n"
    assert text(second, "stderr") == ""


def test_kernel_is_named_as_learners_look_for_it(tmp_path: Path) -> None:
    from jupyter_client.kernelspec import KernelSpecManager

    folder = spec.install(tmp_path)
    found = KernelSpecManager(kernel_dirs=[str(folder.parent)]).get_kernel_spec("academy")
    assert found.display_name == "Academy (Azure ML on this machine)"
    assert found.argv[0] == sys.executable
    assert spec.uninstall(tmp_path)
    assert not spec.uninstall(tmp_path)


@pytest.fixture
def shell() -> Any:
    from traitlets.config import Config

    return InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))


def test_load_ext_starts_the_service_and_says_so_in_one_line(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = Home(tmp_path / "home")
    monkeypatch.setenv("ACADEMY_HOME", str(home.root))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")  # as of a JupyterLab that was started from elsewhere
    try:
        shell.run_line_magic("load_ext", "academy")
        for program in ("academy", "python"):
            assert shutil.which(program) == str(Path(sys.executable).with_name(program))
        running = status(home)
        assert running.info is not None
        said = capsys.readouterr().out
        assert said.count("\n") == 1
        assert running.info.address in said
        assert str(home.root) in said
        assert "'academy'" in said
        shell.run_line_magic("unload_ext", "academy")
        assert os.environ["PATH"] == "/usr/bin:/bin"
        assert status(home).state == "running"
    finally:
        down(home)


def test_load_ext_says_why_the_service_cannot_start(
    shell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ACADEMY_HOME", str(tmp_path / "file" / "home"))
    result = shell.run_cell("%load_ext academy")
    assert type(result.error_in_exec).__name__ == "UsageError"
    shown = capsys.readouterr()
    assert "cannot be written" in shown.out + shown.err
    assert "Traceback" not in shown.out + shown.err
