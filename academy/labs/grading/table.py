"""The points of a class as a table: a row a learner, a column a task, one sheet a lab."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from academy.labs.grading.scores import Graded, TaskScore
from academy.labs.manifest import Manifest

NOT_GRADED = "\u2013"
NO_LAB = "Not known which lab"
_LEAST_WIDTH_OF_NOTES = 32


@dataclass(frozen=True)
class Row:
    """One learner: what grading gave, what reading the hand-in said, and who Moodle and Canvas know."""

    graded: Graded
    said: tuple[str, ...] = ()
    moodle_id: str = ""
    canvas_id: str = ""

    @property
    def learner(self) -> str:
        return self.graded.submission.learner

    @property
    def lab(self) -> str:
        return self.graded.submission.lab

    @property
    def notes(self) -> tuple[str, ...]:
        """All that the instructor should know of this row, the reason why it was not graded first."""
        graded = self.graded
        # A note on the cell that was cut says the same of it.
        known = "\n".join(graded.notes)
        cut = [
            f"Task {task.task} was cut: {task.cut}"
            for task in graded.tasks
            if task.cut and task.cut not in known
        ]
        if graded.error:
            return (f"Not graded: {graded.error}", *self.said, *graded.notes)
        faults = [f"The check of {t.task} failed: {t.check.error}" for t in graded.tasks if t.check.error]
        return (*self.said, *graded.notes, *cut, *faults)


@dataclass(frozen=True)
class Column:
    """One task, as a heading."""

    task: str
    title: str
    max_points: float
    hidden_points: float = 0.0


@dataclass(frozen=True)
class Sheet:
    """The rows of one lab. ``lab`` is empty where nothing says which lab a hand-in is of."""

    lab: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @property
    def max_points(self) -> float:
        return sum(column.max_points for column in self.columns)

    @property
    def count(self) -> str:
        """How many handed in, and how many of them were graded."""
        several = "submission" if len(self.rows) == 1 else "submissions"
        return f"{len(self.rows)} {several}, {len(self.graded)} graded"

    @property
    def worth(self) -> str:
        """What the lab is worth, in words; learners see the points of its checks alone."""
        hidden = sum(column.hidden_points for column in self.columns)
        most = f"{points(self.max_points)} {'point' if self.max_points == 1 else 'points'}"
        return f"{most}, of which {points(hidden)} from hidden tests" if hidden else most

    @property
    def graded(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.graded.error)

    def score(self, row: Row, column: Column) -> TaskScore | None:
        """Return how one learner did one task, or None where it was not graded."""
        return next((task for task in row.graded.tasks if task.task == column.task), None)

    def means(self) -> tuple[float | None, ...]:
        """Return the mean of each task, and of the total, over the rows that could be graded."""
        graded = self.graded
        if not graded:
            return (None,) * (len(self.columns) + 1)
        each = [[self.score(row, column) for row in graded] for column in self.columns]
        sums = [sum(score.points for score in scores if score) for scores in each]
        return tuple(total / len(graded) for total in (*sums, sum(row.graded.points for row in graded)))


def sheets(rows: Iterable[Row], manifests: Mapping[str, Manifest]) -> list[Sheet]:
    """Return one sheet a lab, in order of labs; rows keep their order."""
    by_lab: dict[str, list[Row]] = {}
    for row in rows:
        by_lab.setdefault(row.lab, []).append(row)
    made = []
    for lab in sorted(by_lab):
        manifest = manifests.get(lab)
        tasks = manifest.tasks if manifest else ()
        columns = tuple(Column(task.id, task.title, task.max_points, task.hidden_points) for task in tasks)
        title = manifest.title if manifest else ""
        made.append(Sheet(lab, title, columns, tuple(by_lab[lab])))
    return made


def points(value: float | None) -> str:
    """Return points as people write them: 2, 1.5, 0.67."""
    return NOT_GRADED if value is None else f"{round(value, 2):g}"


def as_text(sheet: Sheet, width: int = 100) -> str:
    """Return the sheet as a table of text; notes are wrapped to what is left of ``width``."""
    head = ["learner", *(column.task for column in sheet.columns)]
    lines = [[row.learner, *_cells(sheet, row)] for row in sheet.rows]
    if sheet.columns:
        head.append("total")
        tops = [column.max_points for column in sheet.columns] + [sheet.max_points]
        means = zip(sheet.means(), tops, strict=True)
        lines.append(["mean", *(_of(mean, top) for mean, top in means)])
    widths = [max(map(len, cells)) for cells in zip(head, *lines, strict=True)]
    notes = [*(sentences(row.notes) for row in sheet.rows), ""]
    left = max(_LEAST_WIDTH_OF_NOTES, width - sum(widths) - 2 * len(widths))
    indent = " " * (sum(widths) + 2 * len(widths))
    title = f"{sheet.lab}  {sheet.title}".rstrip() if sheet.lab else NO_LAB
    worth = [sheet.worth] if sheet.columns else []
    text = [
        title,
        *worth,
        "",
        _line([*head, "notes"], widths),
        _line(["-" * size for size in [*widths, 5]], widths),
    ]
    for cells, note in zip(lines, notes, strict=False):
        first, *rest = textwrap.wrap(note, left) or [""]
        text += [_line([*cells, first], widths), *(indent + line for line in rest)]
    return _printable("\n".join(text))


def one_line(row: Row) -> str:
    """Return what is said of a submission as soon as it is done."""
    graded = row.graded
    found = f"{points(graded.points)}/{points(graded.max_points)}" if not graded.error else "not graded"
    notes = sentences(row.notes).removeprefix("Not graded: ")
    return _printable(f"{row.learner}  {row.lab or '?'}  {found}  {notes}".rstrip())


def sentences(notes: Iterable[str]) -> str:
    """Return notes as running text."""
    return " ".join(note if note.endswith(".") else f"{note}." for note in notes)


def as_json(made: Sequence[Sheet]) -> dict[str, Any]:
    """Return all that grading found, hidden tests included: for the instructor."""
    return {"labs": [_sheet_json(sheet) for sheet in made]}


def _sheet_json(sheet: Sheet) -> dict[str, Any]:
    means = sheet.means()
    return {
        "lab": sheet.lab,
        "title": sheet.title,
        "max_points": sheet.max_points,
        "mean": means[-1],
        "tasks": [
            {"task": column.task, "title": column.title, "max_points": column.max_points, "mean": mean}
            for column, mean in zip(sheet.columns, means, strict=False)
        ],
        "submissions": [_row_json(row) for row in sheet.rows],
    }


def _row_json(row: Row) -> dict[str, Any]:
    graded = row.graded
    return {
        "learner": row.learner,
        "points": None if graded.error else graded.points,
        "max_points": None if graded.error else graded.max_points,
        "error": graded.error,
        "notes": list(row.notes),
        "seconds": round(graded.seconds, 2),
        "moodle_id": row.moodle_id,
        "canvas_id": row.canvas_id,
        "tasks": [_task_json(task) for task in graded.tasks],
    }


def _task_json(task: TaskScore) -> dict[str, Any]:
    hidden = task.hidden
    return {
        "task": task.task,
        "points": task.points,
        "max_points": task.max_points,
        "cut": task.cut,
        "check": task.check.to_json(),
        "hidden": hidden
        and {
            "points": hidden.points,
            "max_points": hidden.max_points,
            "passed": hidden.passed,
            "failed": hidden.failed,
            "details": list(hidden.details),
        },
    }


def _cells(sheet: Sheet, row: Row) -> list[str]:
    if not sheet.columns:
        return []
    if row.graded.error:
        return [NOT_GRADED] * (len(sheet.columns) + 1)
    scores = [sheet.score(row, column) for column in sheet.columns]
    each = [_of(score.points, score.max_points) if score else NOT_GRADED for score in scores]
    return [*each, _of(row.graded.points, row.graded.max_points)]


def _of(reached: float | None, most: float) -> str:
    return NOT_GRADED if reached is None else f"{points(reached)}/{points(most)}"


def _printable(text: str) -> str:
    # A name may hold what a terminal takes for an order.
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in text)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell.ljust(size) for cell, size in zip(cells, widths, strict=False)]
    return "  ".join([*padded, *cells[len(widths) :]]).rstrip()
