"""What a learner sees of a check, a hint and a solution: plain text, HTML and JSON of the same."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from academy.labs.checks import CheckResult
from academy.labs.language import texts
from academy.labs.learning.progress import TaskProgress
from academy.labs.manifest import Task

CHECK_MIME = "application/vnd.academy.check+json"
CHECKS_MIME = "application/vnd.academy.checks+json"

# Words say all, in the page's own colours; the bar beside them is decoration, and differs in form too.
# Its colours stand out 3:1 and more from white and from JupyterLab's dark grey (#111).
_BOX = "border-left: 4px {line} {colour}; padding: 2px 0 2px 12px; margin: 4px 0; max-width: 48em;"
_DONE, _NOT_YET, _NEUTRAL = ("solid", "#218739"), ("dashed", "#b35900"), ("dotted", "#6b7785")
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Hint:
    """One of the hints of a task; ``of`` is how many there are."""

    level: int
    of: int
    text: str


@dataclass(frozen=True)
class Feedback:
    """Something shown below a cell, as each kind of reader has it: ``data`` maps MIME types to contents.

    ``shown`` tells whether it stands below this very cell already, and so need not as the cell's value.
    """

    data: dict[str, Any]
    shown: Callable[[], bool] = field(default=lambda: False, kw_only=True, compare=False)

    @property
    def text(self) -> str:
        return str(self.data["text/plain"])

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        if not self.shown():
            raise NotImplementedError  # IPython's word for: show it as any other value

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return self.data


@dataclass(frozen=True, repr=False)
class Checked(Feedback):
    """A check's result as it was shown; true when the task is done."""

    result: CheckResult = field(kw_only=True)

    def __bool__(self) -> bool:
        return self.result.passed

    @property
    def passed(self) -> bool:
        return self.result.passed

    @property
    def points(self) -> float:
        return self.result.points

    @property
    def max_points(self) -> float:
        return self.result.max_points

    @property
    def message(self) -> str:
        return self.result.message


def of_check(result: CheckResult, task: TaskProgress, *, notes: Sequence[str] = ()) -> Checked:
    """Return the feedback for a check; nothing in it changes from one run to the next of the same work."""
    say = texts()
    shown = {
        "title": task.task.title,
        "points": say.number(result.points),
        "most": say.number(result.max_points),
    }
    heading = say("notebook.heading-done" if result.passed else "notebook.heading-not-yet", **shown)
    facts = [] if result.passed else _facts(result)
    footer = [*([] if result.passed else [_help(task)]), *notes]
    width = max((len(name) for name, _ in facts), default=0) + 2
    lines = [heading]
    for name, value in facts:
        lines.append(f"  {name + ':':<{width}}" + value.replace("\n", "\n" + " " * (width + 2)))
    lines += [f"  {line}" for line in footer]
    body = [f"<strong>{html.escape(heading)}</strong>", _definitions(facts)]
    body += [f'<p style="margin: 4px 0;">{_inline(line)}</p>' for line in footer]
    box = _box(say("notebook.label"), "".join(body), _DONE if result.passed else _NOT_YET, role="status")
    return Checked(
        {"text/plain": "\n".join(lines), "text/html": box, CHECK_MIME: stable(result)}, result=result
    )


def of_hint(hint: Hint, task: Task, *, notes: Sequence[str] = ()) -> Feedback:
    """Return the feedback for a hint; ``level`` 0 means that the task has none."""
    say = texts()
    if not hint.of:
        return _plain(say("notebook.hint-none", title=task.title), notes)
    heading = say("notebook.hint", level=hint.level, of=hint.of, title=task.title)
    last = hint.level == hint.of
    more = (
        say("notebook.hint-last", call=f'solution("{task.id}")')
        if last
        else say("notebook.hint-more", call=f'hint("{task.id}")')
    )
    text = "\n".join([heading, f"  {hint.text}", *(f"  {line}" for line in (more, *notes))])
    body = [f"<strong>{html.escape(heading)}</strong>"]
    body += [f'<p style="margin: 4px 0;">{_inline(line)}</p>' for line in (hint.text, more, *notes)]
    box = _box(say("notebook.hint-label"), "".join(body), _NEUTRAL, role="note")
    return Feedback({"text/plain": text, "text/html": box})


def of_solution(code: str, task: Task, *, notes: Sequence[str] = ()) -> Feedback:
    """Return the feedback for a solution; an empty one means that the lab came without."""
    say = texts()
    if not code:
        return _plain(say("notebook.solution-none", title=task.title, call=f'hint("{task.id}")'), notes)
    heading = say("notebook.solution", title=task.title)
    text = "\n".join([heading, "", code.rstrip(), *(["", *notes] if notes else [])])
    body = [
        f"<strong>{html.escape(heading)}</strong>",
        f'<pre tabindex="0" style="overflow-x: auto;"><code>{html.escape(code.rstrip())}</code></pre>',
        *(f'<p style="margin: 4px 0;">{_inline(line)}</p>' for line in notes),
    ]
    box = _box(say("notebook.solution-label"), "".join(body), _NEUTRAL, role="note")
    return Feedback({"text/plain": text, "text/html": box})


def stable(result: CheckResult) -> dict[str, Any]:
    """Return the result as JSON without its seconds: a stored output is compared with the next run's."""
    found = asdict(result)
    del found["seconds"]
    return found


def _facts(result: CheckResult) -> list[tuple[str, str]]:
    say = texts()
    named = (("expected", result.expected), ("found", result.found), ("try", result.advice))
    return [(say(f"notebook.{name}"), value) for name, value in named if value]


def _help(task: TaskProgress) -> str:
    say, own = texts(), task.task
    if task.hints == 0 and own.hints:
        return say("notebook.help", call=f'hint("{own.id}")')
    if task.hints < len(own.hints):
        return say("notebook.help-again", call=f'hint("{own.id}")')
    return say("notebook.help-solution", call=f'solution("{own.id}")')


def _plain(line: str, notes: Sequence[str]) -> Feedback:
    lines = [line, *notes]
    body = "".join(f'<p style="margin: 4px 0;">{_inline(one)}</p>' for one in lines)
    box = _box(texts()("notebook.hint-label"), body, _NEUTRAL, role="note")
    return Feedback({"text/plain": "\n".join(lines), "text/html": box})


def _definitions(facts: Sequence[tuple[str, str]]) -> str:
    if not facts:
        return ""
    rows = "".join(
        f'<dt style="font-weight: bold;">{html.escape(name)}</dt>'
        f'<dd style="margin: 0 0 2px 1.5em; white-space: pre-wrap;">{_inline(value)}</dd>'
        for name, value in facts
    )
    return f'<dl style="margin: 4px 0;">{rows}</dl>'


def _box(label: str, body: str, look: tuple[str, str], *, role: str) -> str:
    style = _BOX.format(line=look[0], colour=look[1])
    language = texts().language
    return (
        f'<div role="{role}" aria-label="{html.escape(label)}" lang="{language}" style="{style}">{body}</div>'
    )


def _inline(text: str) -> str:
    """Return a line as HTML; what stands between backticks, as in a lab's hints, is code."""
    return _CODE.sub(r"<code>\1</code>", html.escape(text))
