"""Small labs for the tests of the suite: no jobs, one task, what is wrong with each chosen by the test."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from academy.labs.collection import Collection, Lab

TASK = "count-long"
SOLUTION = "### BEGIN SOLUTION\nlong = 7\n### END SOLUTION"
DONE = "Count: done. 1 of 1 points."

MANIFEST = """\
title: Count the long months
level: 100
minutes: 5
cell: hosted
objectives: [Count.]
tasks:
  - {{id: count-long, title: Count, step: count, points: 1, hints: [one, two, three]}}
limits: {limits}
"""
CHECKS = """\
from academy.labs.checks import Facts, check


@check("count-long")
def count_long(facts: Facts) -> None:
    facts.expect(facts.value("long") == 7, expected="7", found=facts.value("long"))
"""


def cell(source: str, *outputs: NotebookNode, tags: Sequence[str] = (), **academy: Any) -> NotebookNode:
    """Return a code cell that was run; ``academy`` is its own metadata."""
    made = new_code_cell(dedent(source).strip())
    if tags:
        made.metadata["tags"] = list(tags)
    if academy:
        made.metadata["academy"] = academy
    made.outputs = list(outputs)
    return made


def printed(text: str, name: str = "stdout") -> NotebookNode:
    return new_output("stream", name=name, text=text)


def displayed(text: str) -> NotebookNode:
    return new_output("display_data", data={"text/plain": text}, metadata={})


def task_cells(solution: str = SOLUTION, *, done: str = DONE, hidden: str = "") -> list[NotebookNode]:
    """Return the cell of the task, and the one that checks it."""
    check = f'check("{TASK}")'
    if hidden:
        check += f"\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
    return [
        cell(solution, step="count", task=TASK),
        cell(check, displayed(done), step="count", check=TASK),
    ]


def write_lab(
    root: Path,
    lab_id: str,
    cells: Sequence[NotebookNode],
    *,
    checks: str = CHECKS,
    limits: str = "{cell_s: 30, lab_s: 60}",
) -> Lab:
    """Write a lab: the parameters and the line that loads the extension stand before ``cells``."""
    folder = root / "labs" / lab_id
    folder.mkdir(parents=True)
    (folder / "lab.yml").write_text(MANIFEST.format(limits=limits))
    (folder / "checks.py").write_text(checks)
    first = [
        cell("limit = 30", tags=["parameters"]),
        cell("%load_ext academy", tags=["nbval-ignore-output"]),
    ]
    notebook = new_notebook(cells=[*first, *cells])
    notebook.metadata["academy"] = {"lab": lab_id}
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    for number, one in enumerate(notebook.cells, start=1):
        one["id"], one.execution_count = f"cell-{number}", number
    (root / "notebooks").mkdir(exist_ok=True)
    nbformat.write(notebook, root / "notebooks" / f"{lab_id}.ipynb")
    return Collection(root).lab(lab_id)
