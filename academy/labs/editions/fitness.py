"""Whether a lab is fit to be released: each task hides its solution, and the edition is whole without it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from academy.errors import choices
from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import hidden_tests, own, solutions
from academy.labs.editions.markers import Kind, regions
from academy.labs.editions.stubs import ending_of
from academy.labs.manifest import Task

_CHECK = re.compile(r"""\bcheck\(\s*(['"])(?P<task>[^'"]+)\1\s*\)""")
_ELSEWHERE = re.compile(r"(?:\.\./)+(?:labs|notebooks)/[\w./-]*")


def faults(lab: Lab, edition: Lab) -> Iterator[str]:
    """Yield why the lab cannot be released, in words; ``edition`` is the learner's, as it would go out."""
    source, made = ipynb.read(lab.notebook), ipynb.read(edition.notebook)
    yield from _in_tasks(lab, source)
    yield from _in_cells(lab, source)
    for index, cell in enumerate(made.cells):
        where = ipynb.place(cell, index)
        if cell.get("outputs") or cell.get("execution_count"):
            yield f"{where} holds what running it has left."
        if cell.cell_type == "code" and not _parses(cell) and _parses(_source_of(cell, source)):
            yield (
                f"{where} cannot run in the learner's edition: without the solution it is not Python. "
                "Let the markers hold whole statements."
            )
        for match in _ELSEWHERE.finditer(cell.source):
            yield f"{where} names {match[0]}, and an edition has only its own lab's files."


def _in_tasks(lab: Lab, source: NotebookNode) -> Iterator[str]:
    solved, tested = solutions(lab), hidden_tests(source)
    checked = {own(cell).get("check") for cell in source.cells}
    known = {task.id: task for task in lab.manifest.tasks}
    for task in known.values():
        yield from _in_task(task, task.id in solved, task.id in tested, task.id in checked)
    for name in sorted({*solved, *tested, *filter(None, checked)} - set(known)):
        yield f"the notebook has a task {name!r} that lab.yml does not have."


def _in_task(task: Task, is_solved: bool, is_tested: bool, is_checked: bool) -> Iterator[str]:
    if not is_solved:
        yield (
            f"the task {task.id} has no solution between markers, so learners would get it as it stands. "
            "Put '### BEGIN SOLUTION' and '### END SOLUTION' around it."
        )
    if not is_checked:
        yield f"the task {task.id} has no cell with metadata.academy.check, so nobody could check it."
    if task.hidden_points and not is_tested:
        yield (
            f"the task {task.id} has {task.hidden_points:g} points for hidden tests, but the notebook has "
            "none between markers. Put '### BEGIN HIDDEN TESTS' and '### END HIDDEN TESTS' around them, in "
            "its check cell."
        )
    if is_tested and not task.hidden_points:
        yield f"the task {task.id} has hidden tests that earn nothing. Give it hidden_points in lab.yml."


def _in_cells(lab: Lab, source: NotebookNode) -> Iterator[str]:
    in_files = {task for task, text in solutions(lab).items() if text.startswith("# In ")}
    for index, cell in enumerate(source.cells):
        where = ipynb.place(cell, index)
        task, checked = own(cell).get("task"), own(cell).get("check")
        marked = regions(cell.source, where)
        if task and task not in in_files and not any(region.kind is Kind.SOLUTION for region in marked):
            yield (
                f"{where} is of the task {task}, and holds no solution between markers: learners would get "
                "it as it stands. Put the markers in, or take metadata.academy.task away."
            )
        if checked:
            called = [match["task"].rpartition("/")[2] for match in _CHECK.finditer(cell.source)]
            if called != [checked]:
                said = choices(called)
                yield f'{where} has to call check("{checked}"), once, and for no other task; it calls {said}.'


def _source_of(cell: NotebookNode, source: NotebookNode) -> NotebookNode:
    return next(other for other in source.cells if other.id == cell.id)


def _parses(cell: NotebookNode) -> bool:
    if ending_of(cell) != ".py":
        return True
    try:
        ast.parse(TransformerManager().transform_cell(cell.source))
    except SyntaxError:
        return False
    return True
