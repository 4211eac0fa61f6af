"""The page that a learner gets back: points by task, what was expected and found, the notebook as it ran.

Of the hidden tests it says how many points they gave, and nothing else: neither their text, nor their
details, nor what they look at. A notebook is written by whoever handed it in, so that all of it is shown
as text; only PNG pictures are pictures.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.errors import AcademyError
from academy.labs.editions import ipynb
from academy.labs.grading.page import page
from academy.labs.grading.scores import Graded, TaskScore
from academy.labs.language import Texts
from academy.labs.manifest import Manifest

_MOST_SHOWN = 20_000
_MOST_OF_AN_IMAGE = 2_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[@-_]")


@dataclass(frozen=True)
class _Task:
    """One line of the table of tasks, and what is said below it."""

    title: str
    state: str
    style: str
    check_points: float
    check_most: float
    hidden_points: float | None
    hidden_most: float | None
    points: float
    most: float
    expected: str
    found: str
    advice: str
    cut: str
    fault: bool
    hidden_lost: bool

    @property
    def detailed(self) -> bool:
        return bool(self.expected or self.found or self.advice or self.cut or self.fault or self.hidden_lost)


@dataclass(frozen=True)
class _Output:
    text: str = ""
    image: str = ""
    error: bool = False


@dataclass(frozen=True)
class _Cell:
    name: str
    number: int
    source: str
    outputs: tuple[_Output, ...]
    task: str = ""


def feedback(graded: Graded, manifest: Manifest | None, said: tuple[str, ...], say: Texts) -> str:
    """Return the page of one submission as HTML; ``said`` are notes from reading what was handed in."""
    submission = graded.submission
    return page(
        "feedback",
        language=say.language,
        skip=say("feedback.skip"),
        say=say,
        number=lambda value: say.number(round(value, 2)),
        sheet_title=manifest.title if manifest else submission.lab,
        learner=submission.learner,
        lab=submission.lab,
        error=graded.error,
        points=graded.points,
        most=graded.max_points,
        tasks=[_task(score) for score in graded.tasks],
        hidden_most=sum(score.hidden.max_points for score in graded.tasks if score.hidden),
        notes=(*said, *graded.notes),
        details=graded.details,
        cells=_cells(graded, manifest),
    )


def _task(score: TaskScore) -> _Task:
    check, hidden = score.check, score.hidden
    full = score.points >= score.max_points
    state = "full" if full else "partly" if score.points > 0 else "open"
    return _Task(
        title=score.title,
        state="cut_short" if score.cut else state,
        style="good" if full else "bad",
        check_points=check.points,
        check_most=check.max_points,
        hidden_points=hidden.points if hidden else None,
        hidden_most=hidden.max_points if hidden else None,
        points=score.points,
        most=score.max_points,
        expected=check.expected,
        found="" if check.error else check.found,
        advice="" if check.error else check.advice,
        cut=score.cut,
        fault=bool(check.error),
        hidden_lost=_is_lost(score),
    )


def _is_lost(score: TaskScore) -> bool:
    """Tell whether hidden tests ran on something that was written, and did not all pass."""
    hidden = score.hidden
    return bool(not score.blank and hidden and hidden.failed and hidden.points < hidden.max_points)


def _cells(graded: Graded, manifest: Manifest | None) -> list[_Cell]:
    if graded.executed is None:
        return []
    try:
        notebook = ipynb.read(graded.executed)
    except AcademyError:
        return []  # graded, but nothing of it can be shown: the points stand without it
    titles = {task.id: task.title for task in manifest.tasks} if manifest else {}
    return [
        _cell(cell, number, titles)
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "code" and cell.source.strip()
    ]


def _cell(cell: Mapping[str, Any], number: int, titles: Mapping[str, str]) -> _Cell:
    own = cell["metadata"].get("academy")
    task = str(own.get("task", "")) if isinstance(own, Mapping) else ""
    outputs = [_output(output) for output in cell.get("outputs", ()) if isinstance(output, Mapping)]
    shown = tuple(found for found in outputs if found)
    return _Cell(cell["id"], number, _short(cell["source"]), shown, titles.get(task, ""))


def _output(output: Mapping[str, Any]) -> _Output | None:
    kind = output.get("output_type")
    if kind == "stream":
        return _as_text(output.get("text"))
    if kind == "error":
        found = _as_text(output.get("traceback")) or _as_text(
            f"{output.get('ename')}: {output.get('evalue')}"
        )
        return _Output(found.text, error=True) if found else None
    data = output.get("data")
    if not isinstance(data, Mapping):
        return None
    image = _png(data.get("image/png"))
    if image:
        return _Output(image=image)
    # HTML, SVG and JavaScript could do things in the page that text cannot: their text form stands for them.
    return _as_text(data.get("text/plain")) or _as_text(data.get("text/html"))


def _as_text(value: Any) -> _Output | None:
    parts = value if isinstance(value, list) else [value]
    text = "\n".join(map(str, parts)) if value is not None else ""
    if isinstance(value, list) and all(str(part).endswith("\n") for part in value[:-1]):
        text = "".join(map(str, parts))  # nbformat keeps long texts as lines with their ends
    return _Output(_short(_ANSI.sub("", text))) if text.strip() else None


def _png(value: Any) -> str:
    """Return the base64 of a picture that is one, and small enough; else nothing."""
    encoded = "".join(value) if isinstance(value, list) else value
    if not isinstance(encoded, str) or len(encoded) > _MOST_OF_AN_IMAGE:
        return ""
    try:
        content = base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return base64.b64encode(content).decode() if content.startswith(_PNG) else ""


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + " …"
