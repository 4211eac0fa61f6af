"""Processes: telling one life of a process id from the next, and ending whole trees.

On Linux the supervisor is the subreaper of all that its job starts, so also a process that has
daemonised itself is found below it. Where the supervisor itself is gone, what is left is found by the
mark that every process of a job inherits in its environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

# In the environment of every process of a job: the job's folder, which no other job has.
MARK = "ACADEMY_JOB_FOLDER"

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class ProcessId:
    """A process id together with when it was born, so that a reused id is not taken for it."""

    pid: int
    birth: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Return the identity of a living process, or None."""
        birth = _birth(pid)
        return None if birth is None else cls(pid, birth)

    def is_alive(self) -> bool:
        """Whether this very process still runs; one that waits to be reaped does not."""
        return _birth(self.pid) == self.birth

    def send(self, number: signal.Signals) -> bool:
        """Send a signal if this very process still runs; say whether it was sent."""
        if sys.platform == "linux":
            return self._send_by_descriptor(number)
        return self.is_alive() and send(self.pid, number)

    def _send_by_descriptor(self, number: signal.Signals) -> bool:
        # The descriptor is opened before the birth is compared, so the id cannot be reused in between.
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.is_alive():
                return False
            signal.pidfd_send_signal(descriptor, number)
        except (ProcessLookupError, PermissionError):
            return False
        finally:
            os.close(descriptor)
        return True


def send(pid: int, number: signal.Signals) -> bool:
    """Send a signal; say whether there was such a process, and one of ours."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def become_subreaper() -> None:
    """Make orphans below this process its own children (Linux; elsewhere the mark must do)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid: int) -> list[psutil.Process]:
    """Return all living processes below ``pid``."""
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def marked(folder: Path) -> list[psutil.Process]:
    """Return all living processes that were started by the job in ``folder``."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(folder):
                found.append(process)
    return found


def end_all(processes: Iterable[psutil.Process], *, grace_s: float) -> None:
    """End processes that are not our children: SIGTERM, and SIGKILL for those that outlast the grace."""
    everyone = list(processes)
    for process in everyone:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(everyone, timeout=grace_s)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=grace_s)


def _birth(pid: int) -> str | None:
    if sys.platform != "linux":
        return _portable_birth(pid)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc(5): the name in parentheses may hold anything, so count the fields after the last one.
    fields = stat[stat.rindex(")") + 2 :].split()
    if fields[0] in "ZX":
        return None
    return f"{_boot()}:{fields[19]}"


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _portable_birth(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
    except psutil.NoSuchProcess:
        return None
