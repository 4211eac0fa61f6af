"""What grading one submission gives; tables, feedback and files for gradebooks are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from academy.labs.checks import CheckResult

# The ``error`` of a submission whose turn did not come; its learner gets no feedback, and did nothing wrong.
NOT_REACHED = "not reached: it was interrupted"


@dataclass(frozen=True)
class Submission:
    """What one learner handed in for one lab: the folder of their edition, as they left it."""

    learner: str
    lab: str
    folder: Path


@dataclass(frozen=True)
class HiddenResult:
    """How the hidden tests of one task went. ``details`` are for the instructor, never for the feedback."""

    points: float
    max_points: float
    passed: int
    failed: int
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskScore:
    """One task of one submission.

    ``cut`` says in words what ended it early: time, memory, processes. ``blank`` is one for which nothing
    was written, or whose tests met what stands for a solution in the release.
    """

    task: str
    title: str
    check: CheckResult
    hidden: HiddenResult | None = None
    cut: str = ""
    blank: bool = False

    @property
    def points(self) -> float:
        return self.check.points + (self.hidden.points if self.hidden else 0.0)

    @property
    def max_points(self) -> float:
        return self.check.max_points + (self.hidden.max_points if self.hidden else 0.0)


@dataclass(frozen=True)
class Graded:
    """One submission, graded.

    ``notes`` say what was put back or set right, ``details`` the same cell by cell where a note tells of
    many; ``executed`` is the notebook as it ran, outputs and all; ``error`` says why nothing could be graded
    (no notebook, not a notebook), and is empty else; with it there are no ``tasks``.
    """

    submission: Submission
    tasks: tuple[TaskScore, ...]
    notes: tuple[str, ...] = ()
    details: tuple[str, ...] = ()
    executed: Path | None = None
    seconds: float = 0.0
    error: str = ""

    @property
    def points(self) -> float:
        return sum(task.points for task in self.tasks)

    @property
    def max_points(self) -> float:
        return sum(task.max_points for task in self.tasks)
