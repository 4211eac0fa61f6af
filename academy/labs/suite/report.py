"""What running a lab found: frozen values that travel between processes as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any


class Status(StrEnum):
    """How a cell ended."""

    PASSED = "passed"
    DIFFERS = "differs"
    UPDATED = "updated"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    CUT = "cut"
    SKIPPED = "skipped"
    NOT_REACHED = "not reached"

    @property
    def is_fault(self) -> bool:
        return self not in (Status.PASSED, Status.UPDATED, Status.SKIPPED)


class Verdict(StrEnum):
    """What a check said."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    NO_RESULT = "no result"
    MISSING = "missing"


@dataclass(frozen=True)
class CellReport:
    """One code cell of the solved run.

    ``number`` counts all cells from 1, and ``place`` is what messages call the cell: its id and number.
    ``line`` is the source's first line. ``difference`` is a unified
    diff of the stored output (``-``) and the new one (``+``). ``reason`` says in words why the cell is
    not ``PASSED``. ``compared`` tells whether outputs were looked at. ``reached`` is the
    end of what a cell had shown that was cut.
    """

    number: int
    id: str
    place: str
    line: str
    status: Status
    seconds: float = 0.0
    difference: str = ""
    traceback: str = ""
    reason: str = ""
    stderr: str = ""
    compared: bool = True
    reached: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What the check of one task said on one edition; ``fault`` says why that is not as it should be."""

    task: str
    title: str
    verdict: Verdict
    points: float = 0.0
    max_points: float = 0.0
    message: str = ""
    seconds: float = 0.0
    fault: str = ""


@dataclass(frozen=True)
class EditionReport:
    """One run of one edition: ``executed`` is the notebook as it ran, as far as it got.

    ``problems`` are those of the run as a whole: a kernel that did not start, a limit that was reached.
    """

    lab: str
    cells: tuple[CellReport, ...] = ()
    checks: tuple[CheckReport, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0
    executed: str = ""
    updated: bool = False

    @property
    def faults(self) -> tuple[str, ...]:
        """All that is not as it should be, in words."""
        cells = (f'{cell.place} "{cell.line}": {cell.reason}' for cell in self.first_faults)
        return (*self.problems, *cells, *(check.fault for check in self.checks if check.fault))

    @property
    def first_faults(self) -> tuple[CellReport, ...]:
        """The cells with faults of their own: not those behind the one that ended the run."""
        return tuple(
            cell for cell in self.cells if cell.status.is_fault and cell.status is not Status.NOT_REACHED
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class LabReport:
    """One lab: its solved edition compared and checked, and the learner's edition, on which checks must fail.

    ``learner`` is ``None`` when that edition was not run.
    """

    lab: str
    title: str
    solved: EditionReport
    learner: EditionReport | None = None

    @property
    def cells(self) -> tuple[CellReport, ...]:
        return self.solved.cells

    @property
    def checks(self) -> tuple[CheckReport, ...]:
        """The checks on the solved edition; each has to pass."""
        return self.solved.checks

    @property
    def learner_checks(self) -> tuple[CheckReport, ...]:
        """The checks on the learner's edition; each has to fail."""
        return self.learner.checks if self.learner else ()

    @property
    def problems(self) -> tuple[str, ...]:
        """All that is wrong with the lab, in words; none when it passed."""
        found = [*self.solved.faults, *(self.learner.faults if self.learner else ())]
        return tuple(dict.fromkeys(found))  # what is wrong with both editions is said once

    @property
    def passed(self) -> bool:
        return not self.problems

    @property
    def seconds(self) -> float:
        """The longer of both runs, which go side by side."""
        return max(self.solved.seconds, self.learner.seconds if self.learner else 0.0)


def edition_report(found: Mapping[str, Any]) -> EditionReport:
    """Rebuild what ``to_json`` took apart."""
    cells = (CellReport(**{**cell, "status": Status(cell["status"])}) for cell in found["cells"])
    checks = (CheckReport(**{**check, "verdict": Verdict(check["verdict"])}) for check in found["checks"])
    known = {field.name: found[field.name] for field in fields(EditionReport)}
    return EditionReport(
        **{**known, "cells": tuple(cells), "checks": tuple(checks), "problems": tuple(found["problems"])}
    )
