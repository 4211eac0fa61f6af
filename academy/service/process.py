"""The service's process: one a home, on 127.0.0.1, started and ended from outside.

Whoever holds the lock of a home is its service. ``service.json`` says where it answers; when nobody
holds the lock, that file is left from a service that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import psutil

from academy import __version__
from academy.errors import AcademyError, Conflict, ServiceUnavailable
from academy.paths import Home, read_json

# Starts the service's process: the home, the port if one is asked for, and where the process reports.
Spawn = Callable[[Home, int | None, int], None]

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class ServiceInfo:
    """What a running service says of itself."""

    pid: int
    address: str
    home: str
    version: str
    started_at: float

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])


@dataclass(frozen=True)
class Status:
    """``state`` is ``running``, ``stopped``, or ``stale`` after a service that was killed."""

    state: str
    home: str
    info: ServiceInfo | None

    def to_json(self) -> dict[str, Any]:
        """Return what ``academy status --json`` prints."""
        info = self.info
        return {
            "state": self.state,
            "pid": info.pid if info else None,
            "address": info.address if info else None,
            "home": self.home,
            "version": info.version if info else __version__,
        }


def status(home: Home) -> Status:
    """Tell whether the home's service runs, without starting anything."""
    info = _read_info(home)
    if _locked(home):
        return Status("running" if info else "starting", str(home.root), info)
    return Status("stale" if info else "stopped", str(home.root), info)


def up(
    home: Home,
    *,
    port: int | None = None,
    timeout_s: float = START_TIMEOUT_S,
    spawn: Spawn | None = None,
) -> ServiceInfo:
    """Start the home's service unless it runs; return when it answers.

    Parameters
    ----------
    port
        The port to listen on. Left out, it is the one used last, or a free one.
    spawn
        What starts the process; left out, a new Python that is nobody's child.

    Raises
    ------
    HomeError
        The home cannot be written.
    Conflict
        The port is taken, or the service runs already on another one.
    ServiceUnavailable
        The service ended or did not answer in time; the message carries the end of its log.
    """
    running = _running(home, port, timeout_s)
    if running is not None:
        return running
    home.prepare()
    deadline = time.monotonic() + timeout_s
    read_end, write_end = os.pipe()
    with open(read_end, "rb", buffering=0) as ready:
        (spawn or _spawn)(home, port, write_end)
        os.close(write_end)
        report = _await_report(ready, deadline)
    if report is None:
        raise ServiceUnavailable(
            f"The service did not answer within {timeout_s:.0f} seconds; it may still come up. "
            f"Its log is {home.log_file}:\n" + _last_lines(home.log_file)
        )
    if "error" in report:
        if report["code"] == "ServiceRuns":
            running = _running(home, port, timeout_s)
            if running is not None:
                return running
        raise _reported(report)
    info = _read_info(home)
    if info is None:
        raise ServiceUnavailable(
            f"The service ended while it started. Its log is {home.log_file}:\n" + _last_lines(home.log_file)
        )
    # A job that it took up again may have written the file anew; what the service itself said holds.
    return replace(info, address=report["address"])


def down(home: Home, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """End the home's service; return whether one ran. Jobs that run go on without it."""
    now = _settled(home, timeout_s)
    if now.state != "running" or now.info is None:
        if now.state != "starting":
            home.service_file.unlink(missing_ok=True)
        return False
    try:
        process = psutil.Process(now.info.pid)
        if process.create_time() > now.info.started_at + 1:
            raise psutil.NoSuchProcess(now.info.pid)  # the number was given to another process since
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout_s)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(timeout_s)
    except psutil.NoSuchProcess:
        pass  # it ended by itself in between, which is what was asked for
    home.service_file.unlink(missing_ok=True)
    return True


def take_lock(home: Home) -> IO[bytes]:
    """Take the home's lock for the life of the returned file; ``Conflict`` when a service holds it."""
    file = home.lock_file.open("ab")
    for _attempt in range(20):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)  # `status` holds it for a moment to see whether it is free
        else:
            return file
    file.close()
    raise ServiceRuns(f"A service runs already in {home.root}.")


class ServiceRuns(Conflict):
    """Another process is this home's service."""

    code = "ServiceRuns"


class PortTaken(Conflict):
    """The port asked for is in use."""

    code = "PortTaken"
    exit_status = 6


def _running(home: Home, port: int | None, timeout_s: float) -> ServiceInfo | None:
    now = _settled(home, timeout_s)
    if now.state != "running" or now.info is None:
        return None
    if port not in (None, 0, now.info.port):
        raise Conflict(
            f"The service of {home.root} runs on port {now.info.port}, not {port}. "
            "Leave --port out, or run 'academy down' first."
        )
    return now.info


def _settled(home: Home, timeout_s: float) -> Status:
    """Return the status when nobody is just starting the service."""
    deadline = time.monotonic() + timeout_s
    while (now := status(home)).state == "starting" and time.monotonic() < deadline:
        time.sleep(0.05)  # its file appears when it answers
    return now


def _spawn(home: Home, port: int | None, report_fd: int) -> None:
    command = [sys.executable, "-P", "-m", "academy.service", "--detach", "--home", str(home.root)]
    command += ["--report-fd", str(report_fd)]
    if port is not None:
        command += ["--port", str(port)]
    with home.log_file.open("ab") as log:
        # Returns at once: the process that is started here only forks the service off.
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[report_fd],
            cwd=home.root,
            check=True,
        )


def _await_report(ready: IO[bytes], deadline: float) -> dict[str, Any] | None:
    received = b""
    while not received.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([ready], [], [], left)[0]:
            return None
        chunk = ready.read(65536)
        if not chunk:  # the process ended without a word
            return {}
        received += chunk
    report: dict[str, Any] = json.loads(received)
    return report


def _reported(report: dict[str, Any]) -> AcademyError:
    """Rebuild the error that the service's process reported, with its exit status."""
    error = AcademyError(report["error"])
    error.code, error.exit_status = report["code"], report["exit_status"]
    error.http_status = report["http_status"]
    return error


def _read_info(home: Home) -> ServiceInfo | None:
    found = read_json(home.service_file)
    if found is None:
        return None
    return ServiceInfo(**{key: found[key] for key in ServiceInfo.__dataclass_fields__})


def _locked(home: Home) -> bool:
    try:
        with home.lock_file.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return False
    except (FileNotFoundError, NotADirectoryError):
        return False
    except BlockingIOError:
        return True


def _last_lines(log: Path, count: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-count:])
    except OSError:
        return "(there is no log)"
