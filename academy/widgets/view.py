"""What the widget shows, in words of the learner's language: made from the manifest and the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from academy.labs.checks import CheckResult
from academy.labs.language import Texts
from academy.labs.learning.progress import Progress, TaskProgress
from academy.labs.manifest import Manifest
from academy.widgets.outline import Step


@dataclass(frozen=True)
class Fact:
    """A line of the overview: ``Points``, ``2 of 4``, and what there is to say of it."""

    term: str
    value: str
    note: str = ""
    details: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskView:
    """A task. ``state`` is ``done``, ``partly``, ``tried`` or ``open``; ``state_text`` says it in words.

    ``result`` are the parts of the last check as pairs of term and text, or its message alone.
    """

    id: str
    title: str
    state: str
    state_text: str
    points: str
    checks: str
    message: str
    result: tuple[tuple[str, str], ...]
    hints: tuple[str, ...]
    more_hints: bool
    hint_name: str
    check_name: str
    solution_name: str
    solution: str
    solution_seen: bool


@dataclass(frozen=True)
class StepView:
    """A step, and its tasks. ``state`` is ``done``, ``begun``, ``open``, or ``free`` when it has no task."""

    id: str
    title: str
    state: str
    state_text: str
    tasks: tuple[TaskView, ...]


@dataclass(frozen=True)
class View:
    """All that the widget shows. ``share`` is the part of the points that is reached, from 0 to 1."""

    lab: str
    language: str
    title: str
    region: str
    about: str
    state: str
    state_text: str
    share: float
    share_text: str
    facts: tuple[Fact, ...]
    steps: tuple[StepView, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Seen:
    """What this session has seen and the record does not hold: whole results, and texts of solutions."""

    results: Mapping[str, CheckResult] = field(default_factory=dict)
    solutions: Mapping[str, str] = field(default_factory=dict)


def view_of(
    manifest: Manifest, steps: Sequence[Step], progress: Progress, say: Texts, seen: Seen = Seen()
) -> View:
    """Return what there is to show of a lab."""
    tasks = {task.task.id: _task(task, say, seen) for task in progress.tasks}
    number = say.number
    return View(
        lab=manifest.id,
        language=say.language,
        title=manifest.title,
        region=say("widget.region", title=manifest.title),
        about=say("widget.about", level=manifest.level, minutes=manifest.minutes),
        state=progress.state,
        state_text=say(f"widget.state.{progress.shown_as}"),
        share=progress.points / progress.max_points if progress.max_points else 0.0,
        share_text=say(
            "widget.points.value", earned=number(progress.points), most=number(progress.max_points)
        ),
        facts=_facts(manifest, progress, say),
        steps=tuple(_step(step, manifest, tasks, say) for step in steps),
        labels=say.area("widget"),
    )


def duration(minutes: float, say: Texts) -> str:
    """Return minutes in words: ``12 minutes``, from an hour and a half on ``1 h 35 min``."""
    whole = round(minutes)
    if not whole:
        return say("widget.minutes.none")
    if whole < 90:
        return say("widget.minutes", count=whole)
    return say("widget.hours", hours=whole // 60, minutes=whole % 60)


def _facts(manifest: Manifest, progress: Progress, say: Texts) -> tuple[Fact, ...]:
    number = say.number
    hidden = manifest.points - progress.max_points
    done = sum(task.passed for task in progress.tasks)
    points = say("widget.points.value", earned=number(progress.points), most=number(progress.max_points))
    return (
        Fact(
            say("widget.points"),
            points,
            say("widget.points.note", count=number(hidden)) if hidden else "",
        ),
        Fact(say("widget.tasks"), say("widget.tasks.value", done=done, all=len(progress.tasks))),
        Fact(say("widget.time"), duration(progress.minutes, say)),
        *_on_azure(manifest, say),
    )


def _on_azure(manifest: Manifest, say: Texts) -> tuple[Fact, ...]:
    azure, number = manifest.azure, say.number
    if not (azure.minutes or azure.costs):
        return ()
    time = duration(azure.minutes, say)
    costs = tuple(
        say(
            "widget.azure.cost",
            what=cost.what,
            size=cost.size,
            hours=number(cost.hours),
            price=number(cost.usd_per_hour),
            usd=number(cost.usd, 2),
        )
        for cost in azure.costs
    )
    value = say("widget.azure.value", usd=number(azure.usd, 2)) if azure.usd else say("widget.azure.free")
    note = say("widget.azure.note", time=time, as_of=azure.as_of)
    if not (azure.usd and azure.as_of):
        note = say("widget.azure.time", time=time)
    return (Fact(say("widget.azure"), value, note, costs),)


def _step(step: Step, manifest: Manifest, tasks: Mapping[str, TaskView], say: Texts) -> StepView:
    own = tuple(tasks[task.id] for task in manifest.tasks if task.step == step.id)
    states = {task.state for task in own}
    state = "begun" if states - {"open"} else "open"
    if not own or states == {"done"}:
        state = "done" if own else "free"
    return StepView(step.id, step.title, state, say(f"widget.step.{state}"), own)


def _task(found: TaskProgress, say: Texts, seen: Seen) -> TaskView:
    task, number = found.task, say.number
    state = "done" if found.passed else "partly" if found.points else "tried" if found.attempts else "open"
    hints = enumerate(task.hints[: found.hints], start=1)
    of = len(task.hints)
    return TaskView(
        id=task.id,
        title=task.title,
        state=state,
        state_text=say(f"widget.task.{state}"),
        points=say("widget.task.points", earned=number(found.points), count=number(task.points)),
        checks=say("widget.task.checks", count=found.attempts) if found.attempts else "",
        message=found.last_message,
        result=_result(seen.results.get(task.id), found.last_message, say),
        hints=tuple(say("widget.hint.shown", level=level, of=of, text=text) for level, text in hints),
        more_hints=found.hints < of,
        hint_name=say("widget.hint.name", title=task.title, used=found.hints, all=of),
        check_name=say("widget.check.name", title=task.title),
        solution_name=say("widget.solution.name", title=task.title),
        solution=seen.solutions.get(task.id, ""),
        solution_seen=found.solution_shown,
    )


def _result(found: CheckResult | None, newest: str, say: Texts) -> tuple[tuple[str, str], ...]:
    """Return the parts of the newest result if this session has seen it; the record holds its message."""
    if found is None or found.passed or found.message != newest:
        return ()
    parts = (("expected", found.expected), ("found", found.found), ("advice", found.advice))
    return tuple((say(f"widget.result.{name}"), text) for name, text in parts if text)
