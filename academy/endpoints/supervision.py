"""Starting, watching and ending the supervisors of replicas, which outlive the service."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterable

from academy.datasets.trees import remove
from academy.endpoints.record import State
from academy.jobs.processes import ProcessId
from academy.paths import ReplicaFolder, write_atomic

# A supervisor that ends its replicas takes their grace, and a little.
END_S = 6.0

_POLL_S = 0.02

# A supervisor that is gone is replaced; one that keeps going away is not.
_MOST_STARTS = 5
_FORGIVEN_AFTER_S = 60.0


class Supervisors:
    """The supervisors that this service has started or found."""

    def __init__(self) -> None:
        self._known: dict[ReplicaFolder, ProcessId] = {}
        self._starts: dict[ReplicaFolder, list[float]] = {}

    def tend(self, folder: ReplicaFolder) -> bool:
        """Make sure that a supervisor runs; return False when it keeps going away."""
        if self._running(folder) is not None:
            return True
        now = time.monotonic()
        recent = [at for at in self._starts.get(folder, []) if now - at < _FORGIVEN_AFTER_S]
        if len(recent) >= _MOST_STARTS:
            return False
        self._starts[folder] = [*recent, now]
        self._start(folder)
        return True

    def reap(self) -> None:
        """Take note of supervisors that have ended by themselves."""
        for folder in list(self._known):
            self._running(folder)

    def end(self, folders: Iterable[ReplicaFolder], timeout_s: float = END_S) -> None:
        """End the supervisors and all replicas of some generations, at the same time."""
        everyone = list(folders)
        for folder in everyone:
            if folder.root.is_dir():
                write_atomic(folder.stop_file, b"", durable=False)
            running = self._running(folder)
            if running is not None:
                running.send(signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        for folder in everyone:
            while self._running(folder) is not None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
            self._kill(folder)
            self._known.pop(folder, None)
            self._starts.pop(folder, None)

    def remove(self, folders: Iterable[ReplicaFolder]) -> None:
        """End generations and delete their folders."""
        everyone = list(folders)
        self.end(everyone)
        for folder in everyone:
            remove(folder.root)

    def _start(self, folder: ReplicaFolder) -> None:
        folder.stop_file.unlink(missing_ok=True)
        pid = os.posix_spawn(
            sys.executable,
            # Without the current folder on its path, which may hold anything.
            [sys.executable, "-P", "-m", "academy.endpoints.replica", str(folder.root)],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (
                    os.POSIX_SPAWN_OPEN,
                    1,
                    folder.supervisor_log,
                    os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                    0o644,
                ),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            # A session of its own: closing the terminal or ending the service does not end it.
            setsid=True,
        )
        self._known[folder] = ProcessId.of(pid) or ProcessId(pid, "")

    def _running(self, folder: ReplicaFolder) -> ProcessId | None:
        known = self._known.get(folder)
        if known is None:
            state = State.read(folder)
            known = state.supervisor if state else None
        if known is None or known.is_alive():
            return known
        self._reap(known)
        self._known.pop(folder, None)
        return None

    def _kill(self, folder: ReplicaFolder) -> None:
        """End by force what is left: a supervisor that hangs, replicas whose supervisor was killed."""
        running, state = self._running(folder), State.read(folder)
        replicas = [replica.process for replica in state.replicas if replica.process] if state else []
        for process in (running, *replicas):
            # Each of them leads a group of its own, with all that it started.
            if process is not None and process.is_alive():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _reap(self, process: ProcessId) -> None:
        # One that an earlier service has started is not our child.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
