"""What the learner's commands print: the table of labs, a status, checks, a submission."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from academy.labs.language import Texts, texts
from academy.labs.learning.cards import Card
from academy.labs.learning.progress import Progress, TaskProgress

if TYPE_CHECKING:
    from academy.labs.learning.asking import Answers
    from academy.labs.learning.submit import Submitted


def table(cards: Sequence[Card], width: int | None = None) -> str:
    """Return the labs as a table; a title for which ``width`` leaves no room comes on a line of its own."""
    say = texts()
    names = ("lab", "level", "minutes", "cell", "state", "score", "before", "title")
    rows = [[say(f"cli.column-{name}") for name in names], *(_row(card, say) for card in cards)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    fits = width is None or sum(widths) + 2 * (len(widths) - 1) <= width
    lines = []
    for *facts, title in rows:
        shown = [cell.ljust(width) for cell, width in zip(facts, widths, strict=False)]
        lines.append("  ".join([*shown, title] if fits else shown).rstrip())
        if not fits and len(lines) > 1:
            lines.append(f"  {title}")
    return "\n".join(lines)


def status(card: Card) -> str:
    """Return one lab's progress, and a line for each task."""
    say, now, lab = texts(), card.progress, card.lab.manifest
    facts = [
        (say("cli.status-state"), say(f"cli.state-{now.shown_as}")),
        (say("cli.status-points"), _score(now, say)),
        (say("cli.status-time"), say("cli.status-minutes", count=round(now.minutes))),
        (say("cli.status-copy"), str(card.copy or say("cli.status-no-copy", lab=lab.id))),
    ]
    width = max(len(name) for name, _ in facts) + 1
    lines = [say("cli.status-heading", lab=lab.id, title=lab.title)]
    lines += [f"  {name + ':':<{width}} {value}" for name, value in facts]
    return "\n".join([*lines, *(f"  {_task_line(task, say)}" for task in now.tasks)])


def answers(where: str, found: Answers) -> str:
    """Return what checks found, where they were made, and what went wrong before."""
    say = texts()
    lines = [where]
    if found.errors:
        lines.append(say("cli.check-errors", count=len(found.errors)))
        lines += [f"  {say('cli.check-error', number=one.number, error=one.error)}" for one in found.errors]
    lines += ["", found.text, ""]
    passed = sum(result.passed for result in found.results)
    points, most = (
        say.number(sum(getattr(result, name) for result in found.results))
        for name in ("points", "max_points")
    )
    lines.append(say("cli.check-summary", done=passed, all=len(found.results), points=points, most=most))
    return "\n".join(lines)


def submitted(found: Submitted) -> str:
    """Return where the submission is, what it holds, and what is not passed yet."""
    say, now = texts(), found.progress
    done = len(now.tasks) - len(now.open_tasks)
    points, most = say.number(now.points), say.number(now.max_points)
    lines = [
        say("cli.submitted", file=found.file),
        say("cli.submitted-files", files=", ".join(found.files)),
        say("cli.submitted-points", points=points, most=most, done=done, all=len(now.tasks)),
    ]
    if now.open_tasks:
        lines.append(say("cli.submitted-open", tasks=", ".join(task.task.id for task in now.open_tasks)))
    if found.links:
        lines.append(say("cli.submitted-links", links=", ".join(found.links)))
    return "\n".join(lines)


def plain_card(card: Card) -> dict[str, Any]:
    """Return a lab and its progress as plain data; names and states are the same in every language."""
    lab, now = card.lab.manifest, card.progress
    return {
        "id": lab.id,
        "title": lab.title,
        "level": lab.level,
        "minutes": lab.minutes,
        "cell": lab.cell,
        "objectives": list(lab.objectives),
        "prerequisites": list(lab.prerequisites),
        "state": str(now.state),
        "worked_on_since": now.worked_on_since,
        "points": now.points,
        "max_points": now.max_points,
        "minutes_spent": now.minutes,
        "started_at": now.started_at,
        "copy": str(card.copy) if card.copy else None,
        "tasks": [_plain_task(task) for task in now.tasks],
    }


def plain_answers(lab_id: str, found: Answers, in_notebook: bool) -> dict[str, Any]:
    """Return what checks found as plain data."""
    return {
        "lab": lab_id,
        "where": "open notebook" if in_notebook else "saved copy",
        "passed": all(result.passed for result in found.results),
        "points": sum(result.points for result in found.results),
        "max_points": sum(result.max_points for result in found.results),
        "errors": [{"cell": one.number, "error": one.error} for one in found.errors],
        "results": [result.to_json() for result in found.results],
    }


def _row(card: Card, say: Texts) -> list[str]:
    lab = card.lab.manifest
    return [
        lab.id,
        str(lab.level),
        str(lab.minutes),
        lab.cell,
        say(f"cli.state-{card.progress.shown_as}"),
        _score(card.progress, say),
        " ".join(name.partition("-")[0] for name in lab.prerequisites) or say("cli.none"),
        lab.title,
    ]


def _score(now: Progress, say: Texts) -> str:
    return say("cli.score", points=say.number(now.points), most=say.number(now.max_points))


def _task_line(task: TaskProgress, say: Texts) -> str:
    state = "done" if task.passed else "not-yet" if task.attempts else "open"
    score = say("cli.score", points=say.number(task.points), most=say.number(task.task.points))
    line = say(
        "cli.task-line",
        state=say(f"cli.task-{state}"),
        points=score,
        task=task.task.id,
        title=task.task.title,
    )
    counted = ", ".join(_counted(task, say))
    return f"{line} ({counted})" if counted else line


def _counted(task: TaskProgress, say: Texts) -> Iterator[str]:
    if task.attempts:
        yield say("cli.task-checks", count=task.attempts)
    if task.hints:
        yield say("cli.task-hints", count=task.hints)
    if task.solution_shown:
        yield say("cli.task-solution")


def _plain_task(task: TaskProgress) -> dict[str, Any]:
    return {
        "id": task.task.id,
        "title": task.task.title,
        "step": task.task.step,
        "passed": task.passed,
        "points": task.points,
        "max_points": task.task.points,
        "attempts": task.attempts,
        "hints": task.hints,
        "solution_shown": task.solution_shown,
        "last_message": task.last_message,
    }
