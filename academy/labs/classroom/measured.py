"""What was measured: processes, disks, the machine; and the figure that stands for several measurements."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from academy.labs.classroom.memory import Memory, of_processes, processor_s


@dataclass(frozen=True)
class Measured:
    """One thing that a learner has running: its memory, and the processor time that its start took.

    ``not_measured`` says why there is neither.
    """

    name: str
    memory: Memory = field(default_factory=Memory)
    processor_s: float = 0.0
    not_measured: str = ""

    @classmethod
    def of(cls, name: str, pids: Sequence[int]) -> Measured:
        return cls(name, of_processes(pids), processor_s(pids))

    @classmethod
    def median(cls, samples: Sequence[Measured]) -> Measured:
        """Return one thing as it was in the middle; a sample in which it did not start counts for nothing."""
        found = [one for one in samples if not one.not_measured]
        if not found:
            return samples[0]
        memory = Memory(
            median(one.memory.shared_mb for one in found), median(one.memory.own_mb for one in found)
        )
        return cls(found[0].name, memory, median(one.processor_s for one in found))


@dataclass(frozen=True)
class Disk:
    """One thing on disk; ``shared`` is there once for all learners."""

    name: str
    mb: float
    shared: bool
    where: str


@dataclass(frozen=True)
class Machine:
    """What there is to share out."""

    processors: int
    memory_mb: float
    memory_free_mb: float
    disk_free_mb: float
    disk: str

    @classmethod
    def this(cls, folder: Path) -> Machine:
        """Look at this machine; the disk is the one that ``folder`` lies on."""
        memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return cls(cores, memory.total / 2**20, memory.available / 2**20, disk.free / 2**20, str(folder))


@dataclass(frozen=True)
class Measurement:
    """All that was measured, and how long that took. Each sample holds the same things, in one order."""

    machine: Machine
    samples: tuple[tuple[Measured, ...], ...]
    disks: tuple[Disk, ...]
    seconds: float

    @property
    def running(self) -> tuple[Measured, ...]:
        return tuple(Measured.median(same) for same in zip(*self.samples, strict=True))

    @property
    def memory(self) -> Memory:
        return sum((one.memory for one in self.running), Memory())

    @property
    def processor_s(self) -> float:
        """Processor time that a learner's start takes: service, kernel, one job, JupyterLab."""
        return median(self._processor_sums)

    @property
    def processor_range_s(self) -> tuple[float, float]:
        """The least and the most of ``processor_s`` among the samples."""
        return min(self._processor_sums), max(self._processor_sums)

    @property
    def whole(self) -> list[tuple[Measured, ...]]:
        """The samples in which as much started as in the fullest one; only these can be compared."""
        counts = [sum(not one.not_measured for one in sample) for sample in self.samples]
        return [sample for sample, count in zip(self.samples, counts, strict=True) if count == max(counts)]

    @property
    def _processor_sums(self) -> list[float]:
        return [sum(one.processor_s for one in sample) for sample in self.whole]

    def disk_mb(self, *, shared: bool) -> float:
        return sum(disk.mb for disk in self.disks if disk.shared is shared)
