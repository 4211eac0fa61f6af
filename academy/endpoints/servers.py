"""One scoring server process: started, found again, asked whether it is well, and ended."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy import __version__
from academy.endpoints.plan import DeploymentPlan
from academy.jobs.processes import ProcessId
from academy.paths import ReplicaFolder, read_json, write_json

SECRET_HEADER = "x-academy-replica-key"
GRACE_S = 3.0

_SERVER = Path(__file__).parent / "scoring_server"
_END_POLL_S = 0.02


@dataclass(frozen=True)
class Launch:
    """What every scoring server of a generation is started with."""

    folder: ReplicaFolder
    plan: DeploymentPlan
    python: Path
    variables: Mapping[str, str]
    mlflow_model: Path | None

    def config(self, number: int) -> dict[str, Any]:
        """Return what the scoring server of one replica is told."""
        code = self.folder.code if self.plan.code else None
        return {
            "secret": self.plan.secret,
            "status_file": str(self.folder.server_status(number)),
            "plan_file": str(self.folder.plan_file),
            "code_root": str(code) if code else None,
            "script": self.plan.script,
            "mlflow_model": str(self.mlflow_model) if self.mlflow_model else None,
            "timeout_s": self.plan.timeout_s,
            "max_concurrent": self.plan.max_concurrent,
            "endpoint": self.plan.endpoint,
            "version": f"academy/{__version__}",
        }


class ScoringServer:
    """The process of one replica. ``started`` is when it was started or found, of ``time.monotonic()``."""

    def __init__(self, launch: Launch, number: int, process: ProcessId, *, is_child: bool) -> None:
        self.process = process
        self.started = time.monotonic()
        self._launch = launch
        self._number = number
        self._is_child = is_child

    @classmethod
    def start(cls, launch: Launch, number: int) -> ScoringServer:
        """Start the process in a session of its own, its output going to the deployment's log."""
        folder = launch.folder
        folder.server_status(number).unlink(missing_ok=True)
        write_json(folder.server_config(number), launch.config(number), mode=0o600, durable=False)
        command = [str(launch.python), str(_SERVER), str(folder.server_config(number))]
        # posix_spawn cannot change the directory for the child, so this process goes there and back.
        os.chdir(folder.code if launch.plan.code else folder.root)
        try:
            pid = os.posix_spawn(
                command[0],
                command,
                launch.variables,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, folder.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                    (os.POSIX_SPAWN_DUP2, 1, 2),
                ],
                setsid=True,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        finally:
            os.chdir("/")
        # One that has ended already has no identity left, and is not alive under this one either.
        return cls(launch, number, ProcessId.of(pid) or ProcessId(pid, ""), is_child=True)

    @classmethod
    def adopt(cls, launch: Launch, number: int, process: ProcessId | None) -> ScoringServer | None:
        """Return the server that an earlier supervisor left running, or None when it does not run."""
        if process is None or not process.is_alive():
            return None
        return cls(launch, number, process, is_child=False)

    @property
    def port(self) -> int | None:
        """Where the server listens; None until it is ready."""
        port = self._status().get("port")
        return int(port) if port else None

    @property
    def error(self) -> str | None:
        """Why the server cannot serve, in its own words."""
        error = self._status().get("error")
        return str(error) if error else None

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    def is_well(self, timeout_s: float) -> bool:
        """Ask the server whether it is healthy."""
        port = self.port
        if port is None:
            return False
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        try:
            connection.request("GET", "/", headers={SECRET_HEADER: self._launch.plan.secret})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def end(self, grace_s: float = GRACE_S) -> None:
        """End the process and what it started: SIGTERM, and SIGKILL after the grace."""
        if self.process.is_alive():
            self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while self.process.is_alive() and time.monotonic() < deadline:
            time.sleep(_END_POLL_S)
        # A child that has not been reaped keeps its id, so its group cannot be anybody else's.
        if self._is_child or self.process.is_alive():
            self._signal_group(signal.SIGKILL)
        if self._is_child:
            os.waitpid(self.process.pid, 0)
            self._is_child = False

    def _signal_group(self, number: signal.Signals) -> None:
        # The process leads a group of its own, with all that it started.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _status(self) -> dict[str, Any]:
        found = read_json(self._launch.folder.server_status(self._number)) or {}
        # A file that another life of this replica has left does not count.
        return found if found.get("pid") == self.process.pid else {}
