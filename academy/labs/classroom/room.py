"""From what one learner takes to what a room does: how many a machine carries, and what runs out first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from academy.labs.classroom.measured import Measurement

# What the machine itself and JupyterHub keep; not measured.
RESERVED_MB = 1024.0
# Processors are shared well as long as they are busy half of the time.
BUSY = 0.5
# In how many seconds each learner does once what was measured: starts all of it, and runs one job.
EACH_S = 300.0


@dataclass(frozen=True)
class Room:
    """A number of learners on the machine that was measured."""

    measured: Measurement
    learners: int

    @property
    def memory_mb(self) -> float:
        """Return the memory for all of them, what is shared counted once."""
        memory = self.measured.memory
        return memory.shared_mb + memory.own_mb * self.learners

    @property
    def disk_mb(self) -> float:
        measured = self.measured
        return measured.disk_mb(shared=True) + measured.disk_mb(shared=False) * self.learners

    @property
    def limits(self) -> dict[str, int]:
        """Return how many learners each resource is enough for."""
        measured, machine = self.measured, self.measured.machine
        memory = machine.memory_mb - RESERVED_MB - measured.memory.shared_mb
        # What is shared lies on the disk already: free is what is left for learners.
        found = {
            "memory": _times(memory, measured.memory.own_mb),
            "disk": _times(machine.disk_free_mb, measured.disk_mb(shared=False)),
            "processors": _times(machine.processors * BUSY * EACH_S, measured.processor_s),
        }
        return {name: count for name, count in found.items() if count is not None}

    @property
    def most(self) -> int:
        """Return how many learners the machine carries."""
        return min(self.limits.values())

    @property
    def first(self) -> str:
        """Return what runs out first."""
        return min(self.limits, key=lambda name: self.limits[name])

    @property
    def learner_memory_gb(self) -> float:
        """Return a memory limit for one learner: twice what was measured, and in steps of half a gigabyte."""
        return max(2.0, math.ceil(self.measured.memory.total_mb * 2 / 512) / 2)


def as_text(room: Room) -> str:
    """Return the room as a table, with what was measured and what was reckoned."""
    measured, machine = room.measured, room.measured.machine
    lines = [
        f"Measured on this machine in {measured.seconds:.0f} s: {machine.processors} processors, "
        f"{machine.memory_mb / 1024:.1f} GB memory, {machine.disk_free_mb / 1024:.0f} GB free disk.",
        "",
        *_table("Memory, MB", [_memory_row(room, one.name, one.memory) for one in measured.running], room),
        "",
        *_table(
            "Disk, MB", [_disk_row(room, disk.name, disk.mb, disk.shared) for disk in measured.disks], room
        ),
        "",
        *(f"Not measured: {one.name}: {one.not_measured}." for one in measured.running if one.not_measured),
        _verdict(room),
        *_how(room),
    ]
    return "\n".join(lines)


def as_json(room: Room) -> dict[str, Any]:
    """Return the room as plain data."""
    measured, machine = room.measured, room.measured.machine
    return {
        "learners": room.learners,
        "machine": {
            "processors": machine.processors,
            "memory_mb": round(machine.memory_mb),
            "disk_free_mb": round(machine.disk_free_mb),
        },
        "memory": [
            {
                "name": one.name,
                "shared_mb": round(one.memory.shared_mb, 1),
                "per_learner_mb": round(one.memory.own_mb, 1),
                "processor_s": round(one.processor_s, 2),
                "not_measured": one.not_measured or None,
            }
            for one in measured.running
        ],
        "disk": [
            {"name": disk.name, "mb": round(disk.mb, 1), "shared": disk.shared, "where": disk.where}
            for disk in measured.disks
        ],
        "memory_mb": round(room.memory_mb),
        "disk_mb": round(room.disk_mb),
        "samples": len(measured.whole),
        "processor_s": round(measured.processor_s, 2),
        "processor_range_s": [round(end, 2) for end in measured.processor_range_s],
        "enough_for": room.limits,
        "most_learners": room.most,
        "runs_out_first": room.first,
        "memory_limit_gb": room.learner_memory_gb,
    }


def _verdict(room: Room) -> str:
    fits = "fit" if room.learners <= room.most else "do not fit"
    each = ", ".join(f"{name} for {count}" for name, count in room.limits.items())
    return (
        f"{room.learners} learners at once {fits} on this machine. It carries about {room.most}: "
        f"first to run out: {room.first} (enough {each})."
    )


def _how(room: Room) -> list[str]:
    return [
        "Reckoned: memory and disk from the tables, with 1 GB of memory left to the system; processors from "
        f"the {_processor_time(room)} of processor time that a start and one job took, once in "
        f"{EACH_S / 60:.0f} minutes for each learner, with processors half busy.",
        "Not in it: what a lab's own training takes. A learner with large tables or several jobs at once "
        f"needs more; a limit of {room.learner_memory_gb:g} GB for each learner keeps one from taking all.",
    ]


def _processor_time(room: Room) -> str:
    """Return the median of the samples, and how far they lie apart."""
    measured, count = room.measured, len(room.measured.whole)
    if count == 1:
        return f"{measured.processor_s:.1f} s"
    least, most = measured.processor_range_s
    return f"{measured.processor_s:.1f} s (median of {count} starts, {least:.1f} to {most:.1f} s)"


def _memory_row(room: Room, name: str, memory: Any) -> tuple[str, float, float, float]:
    return name, memory.shared_mb, memory.own_mb, memory.shared_mb + memory.own_mb * room.learners


def _disk_row(room: Room, name: str, mb: float, shared: bool) -> tuple[str, float, float, float]:
    return (name, mb, 0.0, mb) if shared else (name, 0.0, mb, mb * room.learners)


def _table(title: str, rows: list[tuple[str, float, float, float]], room: Room) -> list[str]:
    total = ("in all", sum(row[1] for row in rows), sum(row[2] for row in rows), sum(row[3] for row in rows))
    cells = [[title, "shared once", "per learner", f"for {room.learners}"]]
    cells += [[row[0], _mb(row[1]), _mb(row[2]), _mb(row[3])] for row in [*rows, total]]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    rule = ["-" * width for width in widths]
    return [_line(line, widths) for line in [cells[0], rule, *cells[1:-1], rule, cells[-1]]]


def _line(cells: list[str], widths: list[int]) -> str:
    name, *numbers = cells
    return "  ".join([name.ljust(widths[0]), *(n.rjust(w) for n, w in zip(numbers, widths[1:], strict=True))])


def _mb(value: float) -> str:
    return "-" if value == 0 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _times(whole: float, part: float) -> int | None:
    return max(0, int(whole // part)) if part > 0 else None
