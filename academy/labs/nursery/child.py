"""A child of the nursery, as its owner sees it."""

from __future__ import annotations

import json
import os
import select
import signal
import threading
import time
from pathlib import Path
from typing import Any

from academy.errors import AcademyError
from academy.jobs.processes import ProcessId

# From SIGKILL until the last process of a tree is reaped.
_END_S = 20.0

# How long one thread listens before another gets its turn.
_TURN_S = 0.2


class NurseryError(AcademyError):
    """A child could not be started, or it failed; the message carries the end of its log."""

    code = "NurseryError"


class Child:
    """A process that the nursery forked.

    ``pid`` is the child's, ``root`` the one above all that it starts: its keeper, or its namespace's
    first process when it is confined.
    """

    def __init__(self, hearing: int, returned: Path, log: Path, name: str) -> None:
        self._hearing = hearing
        self._returned = returned
        self._lock = threading.Lock()
        self._received = b""
        self._status: int | None = None
        self._gone = False
        self.log = log
        self.name = name
        self.pid = self.root = self._keeper = 0
        self._identity: ProcessId | None = None

    def __repr__(self) -> str:
        return f"Child({self.name!r}, pid={self.pid})"

    def await_birth(self, timeout_s: float) -> None:
        """Wait until the child has its process id; ``NurseryError`` when it gets none."""
        deadline = time.monotonic() + timeout_s
        while not self.pid and not self._gone and (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        if not self.pid:
            why = "ended" if self._gone else f"did not start within {timeout_s:.0f} seconds"
            raise NurseryError(f"The process for {self.name} {why}. Its log {self.log} ends:\n{self.tail()}")

    def poll(self) -> int | None:
        """Return the exit status (negative for a signal), or None while the child runs."""
        if self._status is None:
            self._listen(0)
        return self._status

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Wait for the child's end and return its exit status; None when the time is over before."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while self._status is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return self.poll()
            self._listen(left)
        return self._status

    def result(self, timeout_s: float | None = None) -> Any:
        """Return what the child's function returned, when it has ended.

        Raises
        ------
        NurseryError
            It failed, was killed, or has not ended in time.
        """
        status = self.wait(timeout_s)
        if status is None:
            raise NurseryError(f"{self.name} has not ended within {timeout_s} seconds.")
        content = self._returned.read_bytes()
        if status or not content:
            how = f"was killed by signal {-status}" if status < 0 else f"failed with exit status {status}"
            raise NurseryError(f"{self.name} {how}. Its log {self.log} ends:\n{self.tail()}")
        return json.loads(content)

    def send(self, number: int) -> None:
        """Send a signal to the child's process group, unless the child has ended."""
        if self.poll() is not None:
            return
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            pass  # it ended just now

    def kill(self) -> None:
        """End the child and everything that it started; return when all of it is gone."""
        if self._identity is not None:
            self._identity.send(signal.SIGTERM)
        deadline = time.monotonic() + _END_S
        while not self._gone and (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        if not self._gone:
            raise NurseryError(f"{self.name} (process {self.pid}) cannot be ended. Look at: ps -f {self.pid}")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of the log."""
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(there is no log)"

    def _listen(self, timeout_s: float | None) -> None:
        """Take in what the child's keeper says, waiting for it at most that long, or a little."""
        wait_s = _TURN_S if timeout_s is None else min(timeout_s, _TURN_S)
        if not self._lock.acquire(timeout=wait_s):
            return  # another thread listens, and all see what it hears
        try:
            if self._gone or not select.select([self._hearing], [], [], wait_s)[0]:
                return
            part = os.read(self._hearing, 4096)
            if not part:
                self._gone = True
                os.close(self._hearing)
                if self._status is None:
                    self._status = -signal.SIGKILL  # the keeper was killed, and the child with it
                return
            *lines, self._received = (self._received + part).split(b"\n")
            for line in lines:
                self._hear(json.loads(line))
        finally:
            self._lock.release()

    def _hear(self, said: dict[str, int]) -> None:
        if "pid" in said:
            self.root, self._keeper = said["root"], said["keeper"]
            self._identity = ProcessId.of(self._keeper)
            self.pid = said["pid"]
        if "status" in said:
            self._status = said["status"]
