"""How far a learner is: a fold of what happened, with no clock, file or service."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from academy.labs.manifest import Manifest, Task
from academy.store.lab_event import Event, EventKind

# What happens between two events counts as work on the lab for so long at most; then it was a pause.
LONGEST_GAP_S = 15 * 60


class State(enum.StrEnum):
    """Where a learner is with a lab."""

    NOT_STARTED = "not_started"
    STARTED = "started"
    DONE = "done"
    SUBMITTED = "submitted"

    def is_finished(self) -> bool:
        return self in (State.DONE, State.SUBMITTED)


@dataclass(frozen=True)
class TaskProgress:
    """One task: ``points`` are the best that a check of it gave, ``hints`` how many were asked for (0 to 3).

    A reset of the task's step, or of the lab, sets ``passed``, ``points``, ``attempts`` and ``last_message``
    back, since the work that earned them is gone; hints and the solution stay seen.
    """

    task: Task
    passed: bool = False
    points: float = 0.0
    attempts: int = 0
    hints: int = 0
    solution_shown: bool = False
    last_message: str = ""


@dataclass(frozen=True)
class Progress:
    """One lab. ``max_points`` are those of the checks; hidden tests are counted when it is graded.

    ``minutes`` is the time spent: the gaps between one event and the next, each counted as fifteen minutes
    at most, because a longer one was a pause. What comes after the last event is not known, so not counted.

    ``worked_on_since`` tells of a lab that is handed in whether a task was checked, or a step reset, after
    the last time: what was handed in is older then than the work.
    """

    lab: str
    state: State
    points: float
    max_points: float
    tasks: tuple[TaskProgress, ...]
    minutes: float
    started_at: float | None
    worked_on_since: bool = False

    @property
    def shown_as(self) -> str:
        """What the state is called in texts: ``state``, or that there was work after it was handed in."""
        return f"{self.state}-worked-on" if self.worked_on_since else str(self.state)

    def task(self, task_id: str) -> TaskProgress:
        """Return how far the learner is with one task of the lab."""
        return next(task for task in self.tasks if task.task.id == task_id)

    @property
    def open_tasks(self) -> tuple[TaskProgress, ...]:
        """What is not passed yet."""
        return tuple(task for task in self.tasks if not task.passed)


def progress(manifest: Manifest, events: Iterable[Event]) -> Progress:
    """Return what ``events``, oldest first, add up to; those of other labs are left out."""
    own = [event for event in events if event.lab == manifest.id]
    tasks = tuple(_task(task, own) for task in manifest.tasks)
    return Progress(
        lab=manifest.id,
        state=_state(tasks, own),
        points=sum(task.points for task in tasks),
        max_points=sum(task.points for task in manifest.tasks),
        tasks=tasks,
        minutes=round(sum(min(later.at - event.at, LONGEST_GAP_S) for event, later in pairwise(own)) / 60, 1),
        started_at=own[0].at if own else None,
        worked_on_since=_worked_on_since(own),
    )


def _task(task: Task, events: Sequence[Event]) -> TaskProgress:
    since = _since_reset(events, task.step)
    checks = [event.data for event in since if event.kind is EventKind.CHECKED and event.task == task.id]
    own = [event for event in events if event.task == task.id]
    levels = [int(event.data.get("level", 1)) for event in own if event.kind is EventKind.HINTED]
    return TaskProgress(
        task=task,
        passed=any(data.get("passed") for data in checks),
        points=max((_points(task, data.get("points", 0.0)) for data in checks), default=0.0),
        attempts=len(checks),
        hints=min(max(levels, default=0), len(task.hints)),
        solution_shown=any(event.kind is EventKind.SOLUTION_SHOWN for event in own),
        last_message=str(checks[-1].get("message", "")) if checks else "",
    )


def _points(task: Task, given: object) -> float:
    """Return points as the lab has them now: a lab may be worth less since they were recorded."""
    return min(float(given), task.points) if isinstance(given, int | float) else 0.0


def _state(tasks: Sequence[TaskProgress], events: Sequence[Event]) -> State:
    if not events:
        return State.NOT_STARTED
    if any(event.kind is EventKind.SUBMITTED for event in _since_reset(events, None)):
        return State.SUBMITTED
    if tasks and all(task.passed for task in tasks):
        return State.DONE
    return State.STARTED


def _worked_on_since(events: Sequence[Event]) -> bool:
    kinds = [event.kind for event in _since_reset(events, None)]
    if EventKind.SUBMITTED not in kinds:
        return False
    later = kinds[len(kinds) - kinds[::-1].index(EventKind.SUBMITTED) :]
    return EventKind.CHECKED in later or EventKind.RESET in later


def _since_reset(events: Sequence[Event], step: str | None) -> Sequence[Event]:
    """Return what came after the last reset of the lab, or of the step if one is given."""
    undone = [
        index
        for index, event in enumerate(events)
        if event.kind is EventKind.RESET and event.data.get("step") in (None, step)
    ]
    return events[undone[-1] + 1 :] if undone else events
