"""One HTML page of a run of the suite: it needs nothing else, and no network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from academy import __version__
from academy.labs.suite.report import CellReport, CheckReport, LabReport, Status
from academy.paths import write_atomic

_TEMPLATES = Path(__file__).parent
_SLOWEST = 10
# Symbols beside the words, so that no colour is needed to tell them apart.
_SYMBOLS = {
    Status.PASSED: "✓",
    Status.SKIPPED: "-",
    Status.NOT_REACHED: "·",
    Status.DIFFERS: "≠",
    Status.UPDATED: "✓",
}
_FAULT = "✗"


@dataclass(frozen=True)
class Line:
    """A line of a diff, and what it is: ``added``, ``removed`` or ``same``."""

    kind: str
    text: str


@dataclass(frozen=True)
class Task:
    """One task's check on both editions."""

    title: str
    solved: CheckReport | None
    learner: CheckReport | None


def write_page(labs: Sequence[LabReport], file: Path, *, seconds: float, jobs: int) -> None:
    """Write the page; links to executed notebooks are relative to it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(symbol=_symbol, diff=_diff, tasks=_tasks, beside=_beside(file), took=_took)
    text = environment.get_template("report.html").render(
        labs=labs,
        seconds=seconds,
        jobs=jobs,
        version=__version__,
        at=time.strftime("%Y-%m-%d %H:%M:%S"),
        slowest=_slowest(labs),
    )
    write_atomic(file, text)


def _symbol(status: Status) -> str:
    return _SYMBOLS.get(status, _FAULT)


def _diff(difference: str) -> Iterator[Line]:
    kinds = {"+": "added", "-": "removed"}
    for line in difference.splitlines():
        yield Line(kinds.get(line[:1], "same"), line)


def _tasks(lab: LabReport) -> list[Task]:
    solved = {check.task: check for check in lab.checks}
    learner = {check.task: check for check in lab.learner_checks}
    return [
        Task((solved.get(task) or learner[task]).title, solved.get(task), learner.get(task))
        for task in dict.fromkeys([*solved, *learner])
    ]


def _slowest(labs: Sequence[LabReport]) -> list[tuple[LabReport, CellReport]]:
    cells = [(lab, cell) for lab in labs for cell in lab.cells if cell.seconds >= 0.05]
    return sorted(cells, key=lambda pair: -pair[1].seconds)[:_SLOWEST]


def _took(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _beside(page: Path) -> Callable[[str], str]:
    folder = page.absolute().parent

    def relative(path: str) -> str:
        found = Path(path)
        return str(found.relative_to(folder)) if found.is_relative_to(folder) else found.as_uri()

    return relative
