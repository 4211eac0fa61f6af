"""The processes that the tests of tracking talk to: MLflow clients, and a server."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from academy.store.ids import Workspace
from tests.experiments_service import FIRST

TESTS = Path(__file__).parent


class Refused(Exception):
    """MLflow's client was told no."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class Process:
    """A child that answers each line it is sent with one line."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [*command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=TESTS.parent,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def send(self, line: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.line()

    def end(self) -> None:
        # Not asked to end: an interpreter with MLflow in it takes a second to take leave.
        self.process.kill()
        self.process.wait(20)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


class Client(Process):
    """A process with MLflow in it."""

    def __init__(self, python: str) -> None:
        super().__init__(python, str(TESTS / "experiments_client.py"))
        self.address = ""
        self.token = "someone"
        self.workspace = FIRST

    def start(self, address: str) -> str:
        """Wait until MLflow is imported; return its version."""
        self.address = address
        return str(json.loads(self.line())["value"])

    def run(
        self,
        code: str,
        *,
        job: str | None = None,
        workspace: Workspace | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Any:
        """Return what the snippet returns, run as a job's script where ``job`` is given."""
        uri = f"{self.address}/mlflow/v1.0{(workspace or self.workspace).id}"
        variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_TOKEN": self.token, **(environment or {})}
        if job is not None:
            variables |= {"MLFLOW_RUN_ID": job, "MLFLOW_TRACKING_TOKEN": f"job/{job}"}
        request = {"code": textwrap.dedent(code), "environment": variables}
        answer = json.loads(self.send(json.dumps(request)))
        if "error" in answer:
            raise Refused(answer["error"], answer["code"])
        assert "failed" not in answer, answer["failed"]
        return answer["value"]
