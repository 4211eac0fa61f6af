"""What the tests of reproducing share: packages whose files have hashes, and jobs that log without MLflow."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.entities import Environment
from click.testing import CliRunner
from uv import find_uv_bin

from academy.cli.root import academy as root
from academy.service.loopback import Loopback
from tests.conftest import Service

COMMAND = str(Path(sys.executable).with_name("academy"))
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"
PATIENCE_S = 60.0
ENDED = ("Completed", "Failed", "Canceled")

# Logs numbers to the job's run by HTTP: an environment with MLflow in it takes long to build.
LOG = """
import json, os, urllib.request

def log(**metrics):
    for name, value in metrics.items():
        body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": name, "value": value, "timestamp": 1, "step": 0}
        address = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
        headers = {
            "Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"],
            "Content-Type": "application/json",
        }
        request = urllib.request.Request(address, json.dumps(body).encode(), headers)
        urllib.request.urlopen(request).close()
"""


def wheel(folder: Path, name: str, version: str, text: str = "") -> Path:
    """Put a wheel with one module of its name into ``folder``, its files listed with their hashes."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": text or f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    target = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        lines = [f"{path},sha256={_digest(content)},{len(content)}\n" for path, content in files.items()]
        archive.writestr(f"{info}/RECORD", "".join([*lines, f"{info}/RECORD,,\n"]))
    return target


def _digest(content: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True)
class Bench:
    """A service of its own, whose environments come from a folder of wheels."""

    service: Service
    wheels: Path
    client: Any

    def environment(self, name: str, *packages: str) -> Environment:
        """Return an environment with packages from the folder."""
        conda = {"dependencies": [f"python={THIS}", "pip", {"pip": list(packages)}]}
        image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
        return Environment(name=name, version="1", image=image, conda_file=conda)

    def submit(self, code: Path, environment: Any, **fields: Any) -> str:
        """Submit ``main.py`` of a folder, wait for its end, and return the job's name."""
        line = fields.pop("line", "python main.py")
        job = self.client.jobs.create_or_update(
            command(command=line, code=str(code), environment=environment, **fields)
        )
        self.ended(job.name)
        return str(job.name)

    def ended(self, name: str, status: str = "Completed") -> Any:
        deadline = time.monotonic() + PATIENCE_S
        while (job := self.client.jobs.get(name)).status not in ENDED:
            assert time.monotonic() < deadline, f"{name} is {job.status}"
            time.sleep(0.05)
        assert job.status == status, self.log(name)
        return job

    def log(self, name: str) -> str:
        found = sorted(self.service.home.root.rglob(f"dcid.{name}/**/*.txt"))
        return "\n".join(file.read_text() for file in found)

    def jobs(self) -> list[str]:
        return [str(job.name) for job in self.client.jobs.list()]

    def service_call(self, method: str, path: str) -> Mapping[str, Any]:
        """Ask the service for what the SDK has no method for."""
        return Loopback(self.service.info).send(method, path)

    def academy(self, *arguments: str, **variables: str) -> Said:
        """Run the command in the service's home."""
        return academy(self.service.home.root, *arguments, **variables)

    def reproduced(self, *arguments: str, status: int = 0) -> Mapping[str, Any]:
        """Run ``audit reproduce -o json`` and return what it prints."""
        done = self.academy("audit", "reproduce", *arguments, "-o", "json")
        assert done.returncode == status, done.stderr + done.stdout
        found: Mapping[str, Any] = json.loads(done.stdout)
        return found


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


def academy(home: Path, *arguments: str, **variables: str) -> Said:
    """Run the command in this process: a new one would import for seconds each time."""
    done = CliRunner(env={**variables, "ACADEMY_HOME": str(home)}).invoke(root, arguments)
    return Said(done.exit_code, done.stdout, done.stderr)


@contextlib.contextmanager
def begun(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command as a process that heeds Ctrl-C, also where the tests run in the background."""
    process = subprocess.Popen(
        ["env", "--default-signal=INT", COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def venv(folder: Path, *packages: str) -> Path:
    """Make a virtual environment as a user does, with packages of PIP_FIND_LINKS; return its Python."""
    uv, links = find_uv_bin(), os.environ["PIP_FIND_LINKS"]
    subprocess.run([uv, "venv", "--quiet", "--python", THIS, folder], check=True)
    source = ["--no-index", "--find-links", links]
    install: list[str | Path] = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        folder / "bin" / "python",
        *source,
        *packages,
    ]
    subprocess.run(install, check=True)
    return folder / "bin" / "python"


def only_wheels(patch: pytest.MonkeyPatch, wheels: Path, cache: Path) -> None:
    """Let packages come from a folder alone, and environments be built into a cache of their own."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
        patch.delenv(name, raising=False)
    patch.setenv("PIP_NO_INDEX", "1")
    patch.setenv("PIP_FIND_LINKS", str(wheels))
    patch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(cache))


def code(folder: Path, script: str) -> Path:
    """Write ``main.py`` into a folder of code, beside what it logs with."""
    folder.mkdir(exist_ok=True)
    (folder / "logging_by_http.py").write_text(LOG)
    (folder / "main.py").write_text(f"from logging_by_http import log\n{script}")
    return folder


def until(condition: Callable[[], Any]) -> None:
    """Wait for something to come about."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
