"""A durable job that does nothing, from acceptance to Completed on disk, against the bare process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx

from academy.paths import Home, read_json
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE
from bench.pairs import Result, in_turns, timed

COMMAND = "python -c pass"


def measure(home: Home, info: ServiceInfo) -> Result:
    """Read the times that the supervisor wrote into the job's folder: from acceptance to the durable end."""
    headers = {"Authorization": f"Bearer {home.token_file.read_text().strip()}"}
    client = httpx.Client(base_url=info.address + DEFAULT_WORKSPACE.id, headers=headers, timeout=30)
    body = {
        "properties": {
            "jobType": "Command",
            "command": COMMAND,
            "environmentId": "azureml:academy@latest",
            "experimentName": "bench",
        }
    }

    def job() -> float:
        name = f"noop_{uuid.uuid4().hex[:16]}"
        client.put(f"/jobs/{name}", json=body).raise_for_status()
        folder = home.job(DEFAULT_WORKSPACE.key, name)
        while (done := read_json(folder.done_file)) is None:
            time.sleep(0.005)
        if done["status"] != "Completed":
            raise RuntimeError(f"the job {name} ended as {done['status']}: {done.get('error')}")
        return float(done["doneAt"]) - float(done["acceptedAt"])

    # The same line in the same shell, with the same interpreter first on its path.
    path = f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ['PATH']}"

    def bare() -> float:
        return timed(
            lambda: subprocess.run(["bash", "-c", COMMAND], check=True, env={**os.environ, "PATH": path})
        )

    ours, other = in_turns(40, job, bare)
    return Result("no-op job, accepted to Completed / process", ours, other, "1.5 x")
