"""A lab, and results of grading it, made up for tests of what an instructor sees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from academy.labs.checks import CheckResult
from academy.labs.grading.scores import Graded, HiddenResult, Submission, TaskScore
from academy.labs.grading.table import Row

LAB = "90-count-days"
TASKS = (
    ("register-table", "Register the table", 2.0, 0.0),
    ("count-long-months", "Count the long months", 1.0, 1.0),
)


def graded(
    learner: str,
    points: tuple[float, float, float] = (2.0, 1.0, 1.0),
    *,
    lab: str = LAB,
    cut: str = "",
    details: tuple[str, ...] = (),
    folder: Path = Path("nowhere"),
    **more: Any,
) -> Graded:
    """Return a result: points of the first check, of the second, and of the second's hidden test."""
    checks = [
        _check(task, title, most, reached)
        for (task, title, most, _), reached in zip(TASKS, points, strict=False)
    ]
    hidden = HiddenResult(points[2], 1.0, int(points[2]), 1 - int(points[2]), details)
    scores = (
        TaskScore(TASKS[0][0], TASKS[0][1], checks[0]),
        TaskScore(TASKS[1][0], TASKS[1][1], checks[1], hidden, cut),
    )
    return Graded(Submission(learner, lab, folder), scores, **more)


def refused(learner: str, reason: str, lab: str = LAB) -> Graded:
    return Graded(Submission(learner, lab, Path("nowhere")), (), error=reason)


def row(found: Graded, *said: str, **ids: str) -> Row:
    return Row(found, said, **ids)


def notebook(*cells: str | dict[str, Any], lab: str = LAB) -> dict[str, Any]:
    """Return a notebook of code cells; a cell that is a mapping stands as it is."""
    made = [
        cell
        if isinstance(cell, dict)
        else {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "source": cell,
            "outputs": [],
            "execution_count": None,
        }
        for number, cell in enumerate(cells)
    ]
    return {"cells": made, "metadata": {"academy": {"lab": lab}}, "nbformat": 4, "nbformat_minor": 5}


def write_notebook(path: Path, *cells: str | dict[str, Any], lab: str = LAB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*cells, lab=lab)))
    return path


def _check(task: str, title: str, most: float, reached: float) -> CheckResult:
    if reached >= most:
        return CheckResult(task, True, reached, most, f"{title}: done.")
    return CheckResult(
        task,
        False,
        reached,
        most,
        f"{title}: not yet.",
        expected="2 for four days",
        found="<script>alert(1)</script>",
        advice="Count them.",
    )
