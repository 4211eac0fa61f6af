"""Which kernels have a lab open, so that a check from outside can look at the values in one of them."""

from __future__ import annotations

import atexit
import contextlib
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from academy.labs.collection import Lab
from academy.paths import Home, read_json, write_json

# Between the process's start as the system has it, and as psutil rounds it.
_SAME_START_S = 1.0


@dataclass(frozen=True)
class LiveKernel:
    """One kernel: its process, how to reach it, and which lab in which folder its notebook is."""

    pid: int
    process_started_at: float
    connection_file: str
    lab: str
    folder: str
    noted_at: float

    def lives(self) -> bool:
        """Tell whether the process is there still, and not another that was given its number."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.process_started_at) < _SAME_START_S
            return same and process.status() != psutil.STATUS_ZOMBIE and Path(self.connection_file).is_file()
        except psutil.NoSuchProcess:
            return False


def note(home: Home, lab: Lab, connection_file: Path) -> None:
    """Note that this process has a lab open. A note that cannot be written costs nothing but that."""
    pid = os.getpid()
    started = psutil.Process(pid).create_time()
    found = LiveKernel(pid, started, str(connection_file), lab.id, str(lab.folder), time.time())
    with contextlib.suppress(OSError):
        home.kernels.mkdir(mode=0o700, exist_ok=True)
        write_json(home.kernels / f"{pid}.json", asdict(found), mode=0o600, durable=False)
        atexit.register(forget, home, pid)


def forget(home: Home, pid: int | None = None) -> None:
    """Take this process's note back. A fork of it, which has another number, has none."""
    if pid in (None, os.getpid()):
        with contextlib.suppress(OSError):
            (home.kernels / f"{os.getpid()}.json").unlink(missing_ok=True)


def live_kernels(home: Home, lab_id: str, folder: Path | None = None) -> list[LiveKernel]:
    """Return the live kernels of a lab: those of the copy in ``folder`` first, the latest first.

    What a kernel left that was killed is removed on the way.
    """
    found = []
    for file in home.kernels.glob("*.json"):
        try:
            kernel = LiveKernel(**(read_json(file) or {}))
        except (TypeError, ValueError):
            continue  # half a note, or one of another version
        if not kernel.lives():
            file.unlink(missing_ok=True)
        elif kernel.lab == lab_id:
            found.append(kernel)
    return sorted(found, key=lambda kernel: (kernel.folder == str(folder), kernel.noted_at), reverse=True)
