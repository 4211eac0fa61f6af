"""What a record of events adds up to."""

from __future__ import annotations

from typing import Any

from academy.labs.learning.progress import Progress, State, progress
from academy.labs.manifest import Manifest, Task
from academy.store.lab_event import Event, EventKind

HINTS = ("one", "two", "three")
LAB = Manifest(
    id="05-track-experiments",
    title="Track",
    level=100,
    minutes=20,
    cell="hosted",
    objectives=("o",),
    tasks=(
        Task("log", "Log", 2, "first", HINTS),
        Task("find", "Find", 1, "second", HINTS, hidden_points=1),
    ),
)


def fold(*happened: Any) -> Progress:
    """Fold ``(minute, kind, task, data)``."""
    events = []
    for sequence, (minute, kind, *rest) in enumerate(happened, start=1):
        task, data = [*rest, None, {}][:2] if len(rest) < 2 else rest
        events.append(Event(sequence, 1000.0 + 60 * minute, LAB.id, EventKind(kind), task, data or {}))
    return progress(LAB, events)


def checked(minute: float, task: str, points: float, *, passed: bool = False, message: str = "") -> Any:
    return (minute, "checked", task, {"points": points, "passed": passed, "message": message})


def test_a_lab_that_nothing_happened_in_is_not_started() -> None:
    found = fold()
    assert found.state is State.NOT_STARTED
    assert (found.points, found.max_points, found.minutes, found.started_at) == (0, 3, 0, None)
    assert [task.task.id for task in found.open_tasks] == ["log", "find"]


def test_best_points_count_and_every_attempt_is_counted() -> None:
    found = fold(
        (0, "started"),
        checked(1, "log", 1, message="half"),
        checked(2, "log", 2, passed=True, message="done"),
        checked(3, "log", 0, message="broken since"),
    )
    log = found.task("log")
    assert (log.passed, log.points, log.attempts, log.last_message) == (True, 2, 3, "broken since")
    assert found.state is State.STARTED
    assert found.points == 2


def test_a_lab_is_done_when_every_task_is_passed_and_submitted_when_handed_in() -> None:
    done = [checked(1, "log", 2, passed=True), checked(2, "find", 1, passed=True)]
    assert fold(*done).state is State.DONE
    assert fold(*done, (3, "submitted")).state is State.SUBMITTED
    assert fold((3, "submitted")).state is State.SUBMITTED  # handed in as it was


def test_work_after_the_last_time_it_was_handed_in_is_told_and_looking_is_no_work() -> None:
    handed_in = [checked(1, "log", 1), (2, "submitted")]
    looked = [(3, "opened"), (4, "hinted", "log", {"level": 1}), (5, "solution_shown", "log")]
    found = fold(*handed_in, *looked)
    assert (found.worked_on_since, found.shown_as) == (False, "submitted")
    for work in (checked(6, "log", 2, passed=True), (6, "reset", None, {"step": "first"})):
        found = fold(*handed_in, *looked, work)
        assert (found.state, found.worked_on_since) == (State.SUBMITTED, True)
        assert found.shown_as == "submitted-worked-on"
        assert not fold(*handed_in, work, (7, "submitted")).worked_on_since
    assert fold(*handed_in, (6, "reset"), checked(7, "log", 1)).shown_as == "started"


def test_hints_and_solution_are_counted_by_task() -> None:
    found = fold(
        (0, "hinted", "log", {"level": 1}),
        (1, "hinted", "log", {"level": 2}),
        (2, "hinted", "log", {"level": 2}),
        (3, "solution_shown", "find"),
    )
    assert (found.task("log").hints, found.task("log").solution_shown) == (2, False)
    assert (found.task("find").hints, found.task("find").solution_shown) == (0, True)


def test_time_spent_is_the_gaps_between_events_and_a_pause_counts_fifteen_minutes() -> None:
    assert fold((0, "started"), (4, "opened"), (4.5, "opened")).minutes == 4.5
    overnight = fold((0, "started"), (10, "opened"), (10 + 14 * 60, "opened"), (12 + 14 * 60, "opened"))
    assert overnight.minutes == 10 + 15 + 2
    assert overnight.started_at == 1000.0


def test_a_reset_of_a_step_sets_its_tasks_back_and_no_others() -> None:
    before = [
        checked(1, "log", 2, passed=True),
        checked(2, "find", 1, passed=True),
        (3, "hinted", "log", {"level": 1}),
    ]
    found = fold(*before, (4, "reset", None, {"step": "first"}))
    assert not found.task("log").passed
    assert found.task("log").attempts == 0
    assert found.task("log").hints == 1  # it was seen
    assert found.task("find").passed
    assert found.state is State.STARTED


def test_a_reset_of_the_lab_sets_all_back_the_submission_too() -> None:
    before = [checked(1, "log", 2, passed=True), checked(2, "find", 1, passed=True), (3, "submitted")]
    found = fold(*before, (4, "reset"), checked(5, "find", 1, passed=True))
    assert found.state is State.STARTED
    assert (found.points, found.task("log").passed) == (1, False)
    assert found.minutes == 4  # the time was spent all the same


def test_events_of_other_labs_and_of_tasks_that_are_gone_change_nothing() -> None:
    other = Event(1, 1.0, "06-run-command-jobs", EventKind.STARTED, None, {})
    assert progress(LAB, [other]).state is State.NOT_STARTED
    assert fold(checked(1, "a-task-of-last-year", 5, passed=True)).points == 0


def test_points_that_the_lab_no_longer_gives_are_not_counted() -> None:
    assert fold(checked(1, "log", 10, passed=True)).points == 2
    assert fold((1, "checked", "log", {"points": "many"})).points == 0
