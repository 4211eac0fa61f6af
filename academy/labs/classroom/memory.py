"""How much memory processes take: what each learner adds, and what all share once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

_KB = re.compile(r"^(Pss_Anon|Pss_File|Pss_Shmem|Pss):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True)
class Memory:
    """Proportional set size (PSS), split by what a second learner's process would do with it.

    ``shared_mb`` is of files (programs and libraries): the machine holds it once, however many run them.
    ``own_mb`` is each process's own.
    """

    shared_mb: float = 0.0
    own_mb: float = 0.0

    @property
    def total_mb(self) -> float:
        return self.shared_mb + self.own_mb

    def __add__(self, other: Memory) -> Memory:
        return Memory(self.shared_mb + other.shared_mb, self.own_mb + other.own_mb)


def tree(pid: int) -> list[int]:
    """Return a process and all below it."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def processor_s(pids: Iterable[int]) -> float:
    """Return the processor time that processes have used so far, their ended children's included."""
    used = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        used += times.user + times.system + times.children_user + times.children_system
    return used


def of_processes(pids: Iterable[int]) -> Memory:
    """Return the memory of processes together; one that ended in between counts for nothing."""
    return sum((_of(pid) for pid in pids), Memory())


def _of(pid: int) -> Memory:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return _elsewhere(pid)
    except PermissionError:
        return Memory()
    found = {name: int(size) / 1024 for name, size in _KB.findall(text)}
    files = found.get("Pss_File", 0.0)
    return Memory(files, found.get("Pss", files) - files)


def _elsewhere(pid: int) -> Memory:
    # No Linux, or an old one: nothing tells what is shared, so that all counts as the learner's own.
    try:
        return Memory(0.0, psutil.Process(pid).memory_info().rss / 2**20)
    except psutil.NoSuchProcess:
        return Memory()
