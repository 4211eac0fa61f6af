"""``mlflow.log_metric`` over HTTP, against ``mlflow server`` on SQLite, from the same client."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from academy.paths import Home
from academy.service.process import ServiceInfo
from bench.pairs import Result

COUNT = 300

# Prints the seconds for COUNT calls; the first calls, which look the experiment up, do not count.
CLIENT = f"""
import time, mlflow
with mlflow.start_run():
    for step in range(20): mlflow.log_metric("warm", step, step=step)
    began = time.perf_counter()
    for step in range({COUNT}): mlflow.log_metric("loss", 1 / (step + 1), step=step)
    print(time.perf_counter() - began)
"""


def measure(home: Home, info: ServiceInfo) -> Result:
    """Run the same client against both, three times in turns: ours with the variables that a job has."""
    tracking_uri = f"{info.address}/mlflow"
    in_a_job = {
        "MLFLOW_TRACKING_URI": tracking_uri,
        "MLFLOW_REGISTRY_URI": tracking_uri,
        "MLFLOW_TRACKING_TOKEN": home.token_file.read_text().strip(),
        "NO_PROXY": "127.0.0.1",
    }
    ours, other = [], []
    with _mlflow_server() as address:
        for _ in range(3):
            ours.append(_run(in_a_job) / COUNT)
            other.append(_run({"MLFLOW_TRACKING_URI": address, "NO_PROXY": "127.0.0.1"}) / COUNT)
    rate = COUNT / (sum(ours) / len(ours) * COUNT)
    return Result("log_metric / mlflow server", ours, other, "0.1 x", f"{rate:.0f} a second")


def _run(variables: dict[str, str]) -> float:
    environment = {**os.environ, **variables, "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", CLIENT]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[0])


@contextmanager
def _mlflow_server() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
        environment = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as server:
            address = f"http://127.0.0.1:{port}"
            _await_health(server, address)
            yield address
            server.terminate()


def _await_health(server: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise RuntimeError("mlflow server ended while it started")
        try:
            if httpx.get(f"{address}/health").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise RuntimeError("mlflow server did not answer within two minutes")
