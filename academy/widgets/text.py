"""The widget as plain text and as a page without scripts: for a terminal, a saved notebook, no kernel."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from textwrap import indent, wrap

from academy.widgets.view import Fact, StepView, TaskView, View

_WIDTH = 90
_MARK = {"done": "[x]", "partly": "[~]", "tried": "[ ]", "open": "[ ]"}


def plain(view: View) -> str:
    """Return all that the widget shows, as lines of text."""
    labels = view.labels
    lines = [view.title, f"{view.about}. {view.state_text}.", ""]
    terms = max(len(fact.term) for fact in view.facts)
    for fact in view.facts:
        note = f". {fact.note}" if fact.note else ""
        lines += _wrapped(f"{fact.term:{terms}}  {fact.value}{note}", " " * (terms + 2))
        lines += [" " * (terms + 2) + detail for detail in fact.details]
    lines += ["", labels["steps"]]
    for step in view.steps:
        lines.append(f"  {step.title}: {step.state_text}")
        for task in step.tasks:
            lines += _plain_task(task, labels["solution.title"])
    return "\n".join(lines)


def static_page(view: View, at: str) -> str:
    """Return the same as HTML that reads well without style sheets; ``at`` says when it was so."""
    labels = view.labels
    facts = "".join(f"<dt>{escape(fact.term)}</dt><dd>{_fact(fact)}</dd>" for fact in view.facts)
    steps = "".join(_static_step(step, labels["solution.title"]) for step in view.steps)
    return (
        f'<section class="academy-lab-static" lang="{view.language}" aria-label="{escape(view.region)}">'
        f"<h3>{escape(view.title)}</h3>"
        f"<p>{escape(view.about)}. {escape(view.state_text)}.</p>"
        f"<dl>{facts}</dl><h4>{escape(labels['steps'])}</h4><ul>{steps}</ul>"
        f"<p><small>{escape(labels['static'].format(time=at))}</small></p></section>"
    )


def _plain_task(task: TaskView, solution_title: str) -> Iterator[str]:
    yield f"    {_MARK[task.state]} {task.title}: {_standing(task)}"
    for text in _said(task):
        yield from _wrapped(f"        {text}", " " * 8)
    if task.solution:
        yield f"        {solution_title}:"
        yield indent(task.solution, " " * 12)


def _wrapped(text: str, later: str) -> list[str]:
    return wrap(text, _WIDTH, subsequent_indent=later, drop_whitespace=True, break_long_words=False)


def _fact(fact: Fact) -> str:
    return "<br>".join(escape(text) for text in (fact.value, fact.note, *fact.details) if text)


def _static_step(step: StepView, solution_title: str) -> str:
    tasks = "".join(_static_task(task, solution_title) for task in step.tasks)
    inner = f"<ul>{tasks}</ul>" if tasks else ""
    return f"<li>{escape(step.title)}: {escape(step.state_text)}{inner}</li>"


def _static_task(task: TaskView, solution_title: str) -> str:
    said = "".join(f"<br>{escape(text)}" for text in _said(task))
    shown = f"<br>{escape(solution_title)}<pre>{escape(task.solution)}</pre>" if task.solution else ""
    return f"<li><strong>{escape(task.title)}</strong>: {escape(_standing(task))}{said}{shown}</li>"


def _standing(task: TaskView) -> str:
    return ", ".join(text for text in (task.state_text, task.points, task.checks) if text)


def _said(task: TaskView) -> list[str]:
    message = task.message if task.state != "done" else ""
    return [text for text in (message, *task.hints) if text]
