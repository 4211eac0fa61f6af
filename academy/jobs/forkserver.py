"""A small process that forks supervisors: it has imported what they need.

The service is large and has threads, so it must not fork; a new Python would cost more than many a
job. The fork server lives as long as the service's end of its socket is open. The supervisors outlive
both: each has a session of its own, and no parent but init.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.errors import AcademyError
from academy.evidence.evidence import Machine
from academy.evidence.machine import machine
from academy.jobs import supervisor
from academy.jobs.processes import ProcessId
from academy.jobs.signals import Interrupted
from academy.paths import JobFolder

# What the ready supervisor says before it closes its end of the pipe.
_TAKEN, _GONE = b"t", b"g"

# A supervisor that cannot even get ready will not the next time either.
_MOST_CRASHES = 3

# An answer takes a millisecond, and a few seconds where the fork server is just starting.
_ANSWER_S = 60.0
_END_S = 5.0

# About what a supervisor needs to start its command. A request that comes earlier ends the pause.
_PAUSE_S = 0.02


class SupervisorNotStarted(AcademyError):
    """The operating system refused to start a process for the job."""

    code = "SupervisorNotStarted"


@dataclass(frozen=True)
class Started:
    """A supervisor, and a descriptor that can be read (it is at its end) when the job's record is written.

    The end of the supervisor's process comes a little later, unless it is killed before.
    """

    supervisor: ProcessId
    ended: int


class ForkServer:
    """The service's end: starts the fork server when it is first needed, and again if it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None

    def warm(self) -> None:
        """Start the fork server now, so that the first job need not wait for its imports."""
        with self._lock:
            self._connected()

    def start(self, folder: JobFolder, *, accepted_at: float) -> Started:
        """Start a supervisor for the job in ``folder``.

        Raises
        ------
        SupervisorNotStarted
            When the operating system has no process or memory left.
        """
        request = json.dumps({"folder": str(folder.root), "acceptedAt": accepted_at}).encode() + b"\n"
        ended, ending = os.pipe()
        try:
            with self._lock:
                reply = self._ask(request, ending) or self._ask(request, ending)
        finally:
            os.close(ending)
        if reply is None:
            os.close(ended)
            raise SupervisorNotStarted(
                "No process could be started for the job: the machine is out of memory or of processes. "
                "The service's log says more (academy logs)."
            )
        return Started(ProcessId(reply["pid"], reply["birth"]), ended)

    def close(self) -> None:
        """Let the fork server end; supervisors go on."""
        with self._lock:
            self._disconnect()

    def _ask(self, request: bytes, ending: int) -> dict[str, Any] | None:
        connection = self._connected()
        try:
            socket.send_fds(connection, [request], [ending])
            reply = _read_line(connection)
        except OSError:
            reply = b""
        if not reply:
            self._disconnect()
            return None
        answer: dict[str, Any] = json.loads(reply)
        return answer

    def _connected(self) -> socket.socket:
        if self._connection is not None:
            return self._connection
        ours, theirs = socket.socketpair()
        ours.settimeout(_ANSWER_S)
        with theirs:
            command = [sys.executable, "-P", "-m", "academy.jobs.forkserver", str(theirs.fileno())]
            self._server = subprocess.Popen(
                command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._connection = ours
        return ours

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._server is not None:
            try:
                self._server.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
        self._connection = self._server = None


def serve(connection: socket.socket) -> None:
    """Keep one supervisor ready for the next request, until the service's end is closed.

    The ready one waits on the service's socket itself, so that a job does not wait for a fork.
    """
    # Once for all jobs, and before the signal of children is ignored: asking the driver takes a process.
    here = machine()
    # The first child of each pair ends at once; nobody needs its status.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    crashes = 0
    while crashes < _MOST_CRASHES:
        hearing, saying = os.pipe()
        if os.fork() == 0:
            os.close(hearing)
            _detach(connection, saying, here)
        os.close(saying)
        word = os.read(hearing, 1)
        os.close(hearing)
        if word == _GONE:
            return
        crashes = 0 if word == _TAKEN else crashes + 1
        # The job that was just taken goes first: forking the next one beside it would slow it down.
        select.select([connection], [], [], _PAUSE_S)


def _detach(connection: socket.socket, saying: int, here: Machine) -> None:
    """Fork again, so that the supervisor's parent is init; never return."""
    try:
        os.setsid()
        if os.fork() == 0:
            _stand_by(connection, saying, here)
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)


def _stand_by(connection: socket.socket, saying: int, here: Machine) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir("/")
    ready = supervisor.make_ready(here)
    # Until it has a job, it ends when it is asked to.
    with contextlib.suppress(Interrupted), ready.interrupting():
        line, received, _, _ = socket.recv_fds(connection, 65536, 1)
        if not line:
            os.write(saying, _GONE)
            return
        os.write(saying, _TAKEN)
    if ready.ending is not None:
        return
    os.close(saying)
    request = json.loads(line)
    os.set_inheritable(received[0], False)
    own = ProcessId.of(os.getpid())
    assert own is not None
    _write_line(connection, {"pid": own.pid, "birth": own.birth})
    connection.close()
    folder = JobFolder(Path(request["folder"]))
    _log_to(folder.supervisor_log)
    supervisor.supervise(folder, ready, here, accepted_at=request["acceptedAt"])
    os.close(received[0])


def _log_to(file: Path) -> None:
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for target in (1, 2):
        os.dup2(log, target)
    os.close(log)


def _write_line(connection: socket.socket, value: dict[str, Any]) -> None:
    connection.sendall(json.dumps(value).encode() + b"\n")


def _read_line(connection: socket.socket) -> bytes:
    # One request is under way at a time, so what has arrived is one line, or the end.
    received = b""
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            return b""
        received += part
    return received


if __name__ == "__main__":
    service = socket.socket(fileno=int(sys.argv[1]))
    service.set_inheritable(False)
    serve(service)
