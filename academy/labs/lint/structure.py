"""What a lab's notebook is made of: its parameters, tasks, checks and markers."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from academy.errors import AcademyError, choices
from academy.labs.checks import load_checks
from academy.labs.editions import edition
from academy.labs.editions.ipynb import place
from academy.labs.editions.markers import BadMarkers, Kind, Region, regions
from academy.labs.editions.metadata_schema import metadata_faults
from academy.labs.lint.source import Cell, Finding, Rule, Source, called, sentence
from academy.labs.parameters import TAG, parameters_of


def _metadata(source: Source) -> Iterator[Finding]:
    for fault in metadata_faults(source.notebook):
        cell = next((one for one in source.cells if fault.startswith(place(one.node, one.index))), None)
        yield source.in_notebook("metadata", sentence(fault), "Mend it in the property inspector.", cell)
    named = source.notebook.metadata.get("academy", {}).get("lab")
    if named != source.lab.id:
        yield source.in_notebook(
            "metadata",
            f"metadata.academy.lab is {named!r}.",
            f"Set it to {source.lab.id!r}: a copy of another name is known by it.",
        )


def _cell_ids(source: Source) -> Iterator[Finding]:
    raw = json.loads(source.lab.notebook.read_text(encoding="utf-8-sig"))
    for cell, found in zip(source.cells, raw["cells"], strict=True):
        if "id" not in found:
            yield source.in_notebook(
                "cell-ids", "The cell has no id.", "Save the notebook with JupyterLab 3 or later.", cell
            )


def _parameters(source: Source) -> Iterator[Finding]:
    tagged = [cell for cell in source.cells if TAG in cell.tags]
    if len(tagged) != 1:
        yield source.in_notebook(
            "parameters",
            f"{len(tagged)} cells are tagged {TAG!r}.",
            "Tag one: papermill puts its values below it.",
            tagged[1] if tagged[1:] else None,
        )
        return
    cell = tagged[0]
    try:
        untyped = [one.name for one in parameters_of(source.notebook) if one.type == "object"]
    except AcademyError as error:
        yield source.in_notebook("parameters", sentence(error.message), "Mend the cell.", cell)
        return
    others = [node for node in cell.tree.body if not _assigns(node)] if cell.tree else []
    if untyped or others:
        yield source.in_notebook(
            "parameters",
            f"{', '.join(untyped) or ast.unparse(others[0])} is not a name with a value of a plain type.",
            "Assign numbers, texts, True or False, or lists of these; annotate what may be None.",
            cell,
        )


def _assigns(node: ast.stmt) -> bool:
    documents = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Assign | ast.AnnAssign) or documents


def _check_functions(source: Source) -> Iterator[Finding]:
    tasks = {task.id for task in source.manifest.tasks}
    file = source.lab.checks_file
    try:
        found = set(load_checks(file))
    except AcademyError as error:
        yield source.in_file("checks", file, sentence(error.message), "Mend it.")
        return
    for task in sorted(tasks - found):
        yield source.in_file(
            "checks", file, f"The task {task} has no check.", f'Write a function below @check("{task}").'
        )
    for name in sorted(found - tasks):
        yield source.in_file(
            "checks", file, f"It checks {name!r}, which is no task.", f"Tasks in lab.yml: {choices(tasks)}."
        )


def _check_cells(source: Source) -> Iterator[Finding]:
    tasks = [task.id for task in source.manifest.tasks]
    cells = {cell.own("check"): cell for cell in source.cells if cell.own("check")}
    for task in tasks:
        if task not in cells:
            yield source.in_notebook(
                "check-cells",
                f"No cell checks the task {task}.",
                f'Write check("{task}") in a cell of its own, with metadata.academy.check set to the task.',
            )
        elif task not in _checked(cells[task]):
            yield source.in_notebook(
                "check-cells",
                f'The cell that checks {task} does not call check("{task}").',
                "Call it before any hidden tests.",
                cells[task],
            )
    for cell in source.cells:
        for name in [cell.own("check"), *_checked(cell)]:
            if name and name not in tasks:
                yield source.in_notebook(
                    "check-cells", f"{name!r} is no task.", f"Tasks in lab.yml: {choices(tasks)}.", cell
                )
                break


def _checked(cell: Cell) -> list[str]:
    calls = (call for call in cell.calls() if called(call) == "check" and call.args)
    return [str(call.args[0].value) for call in calls if isinstance(call.args[0], ast.Constant)]


def _markers(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        try:
            regions(cell.source, "The cell")
        except BadMarkers as error:
            yield source.in_notebook("markers", sentence(error.message), "Balance them.", cell)
    for path, text in source.texts:
        try:
            regions(text, path.name)
        except BadMarkers as error:
            yield source.in_file("markers", path, sentence(error.message), "Balance them.")


def _solutions(source: Source) -> Iterator[Finding]:
    for task in source.manifest.tasks:
        cells = [cell for cell in source.cells if cell.own("task") == task.id]
        if not cells:
            yield source.in_notebook(
                "solutions",
                f"No cell is of the task {task.id}.",
                "Set metadata.academy.task where it is solved.",
            )
        elif not any(_holds(cell.source, Kind.SOLUTION) for cell in cells) and not _solved_in_file(source):
            yield source.in_notebook(
                "solutions",
                f"The task {task.id} has no solution between markers.",
                "Put '### BEGIN SOLUTION' and '### END SOLUTION' around it.",
                cells[0],
            )
    for cell in source.cells:
        if _holds(cell.source, Kind.SOLUTION) and not cell.own("task"):
            yield source.in_notebook(
                "solutions",
                "A solution stands in a cell of no task.",
                "Set the cell's metadata.academy.task.",
                cell,
            )


def _shows(source: Source) -> Iterator[Finding]:
    tasks = [task.id for task in source.manifest.tasks]
    for cell in source.cells:
        shown = edition.own(cell.node).get("shows", ())
        for name in shown if isinstance(shown, list) else ():
            if name not in tasks:
                yield source.in_notebook(
                    "shows",
                    f"metadata.academy.shows names {name!r}, which is no task.",
                    f"Tasks in lab.yml: {choices(tasks)}.",
                    cell,
                )


def _hidden_tests(source: Source) -> Iterator[Finding]:
    tested = {cell.own("check") for cell in source.cells if _holds(cell.source, Kind.HIDDEN_TESTS)}
    for task in source.manifest.tasks:
        if bool(task.hidden_points) != (task.id in tested):
            there = "hidden tests that earn nothing" if task.id in tested else "none"
            points = f"{task.hidden_points:g} hidden point{'' if task.hidden_points == 1 else 's'}"
            yield source.in_manifest(
                "hidden-tests",
                f"The task {task.id} has {points}, and {there} in the notebook.",
                "Let both agree: tests between '### BEGIN HIDDEN TESTS' and '### END HIDDEN TESTS' in the "
                "check cell, and hidden_points in lab.yml.",
            )


def _holds(text: str, kind: Kind) -> bool:
    return any(region.kind is kind for region in _regions(text))


def _regions(text: str) -> tuple[Region, ...]:
    try:
        return regions(text, "")
    except BadMarkers:
        return ()  # the rule `markers` says what is wrong


def _solved_in_file(source: Source) -> bool:
    return any(_holds(text, Kind.SOLUTION) for _, text in source.texts)


RULES = (
    Rule("metadata", "metadata.academy is as its schema says", _metadata),
    Rule("cell-ids", "each cell has an id", _cell_ids),
    Rule("parameters", "one cell is tagged parameters, and each has a plain type", _parameters),
    Rule("checks", "checks.py has a check for each task, and no other", _check_functions),
    Rule("check-cells", "a cell calls the check of each task", _check_cells),
    Rule("markers", "markers are balanced", _markers),
    Rule("solutions", "each task has its solution between markers", _solutions),
    Rule("shows", "a cell that shows what a solution holds names a task", _shows),
    Rule("hidden-tests", "hidden tests and hidden points go together", _hidden_tests),
)
