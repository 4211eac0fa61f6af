"""Labs for nbgrader: a course folder's ``source/NN-verb-noun/`` that its own commands take from there.

A check gives partial credit, because nbgrader takes a number that a graded cell ends with for its points.
Hidden tests stand in a cell of their own, which earns all of its points or none.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from academy.errors import Conflict
from academy.labs.collection import MANIFEST, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import hidden_tests, learner_edition, own, solved_edition, write_files
from academy.labs.editions.layout import as_text
from academy.labs.editions.markers import Kind, replaced
from academy.labs.editions.release import examine, refuse_lab, workshop
from academy.labs.editions.stubs import STUB_COMMENT, STUB_TEXT, without_stubs
from academy.labs.manifest import LAB_ID, Manifest, read_manifest
from academy.paths import write_atomic

SCHEMA_VERSION = 3
CONFIG = "nbgrader_config.py"

# nbgrader gives nothing for a cell that writes to stderr, as libraries do when they warn.
_QUIET = "%%capture --no-stdout --no-display"
_CONFIG_TEXT = """# Written by 'academy lab release --format nbgrader'. It is yours: nothing overwrites it.
from pathlib import Path

from academy.labs.editions.nbgrader_format import configure

c = get_config()
# Time for long cells, a service of its own for each submission, and files that learners edit.
configure(c, Path(__file__).parent)
"""


def to_nbgrader(lab: Lab, course: Path) -> Path:
    """Write the lab into the course folder, and return its folder there; a configuration too, if missing.

    Raises
    ------
    Conflict
        The course has the lab already.
    LeakFound, InvalidField
        The lab is not fit to be released.
    UserError
        The course folder is a lab itself.
    """
    refuse_lab(course.absolute(), "--to")
    folder = course.absolute() / "source" / lab.id
    if os.path.lexists(folder):
        raise Conflict(f"{folder} is there already, and is left as it is. Move it away to write it anew.")
    with workshop(folder.parent) as place:
        examine([lab], place)
        shutil.rmtree(place / lab.id)
        (place / lab.id).mkdir()
        notebook = nbgrader_notebook(ipynb.read(lab.notebook), lab.id, lab.manifest)
        ipynb.write(notebook, place / lab.id / f"{lab.id}.ipynb")
        write_files(lab, place / lab.id)
        (place / lab.id).rename(folder)
    if not (course / CONFIG).exists():
        write_atomic(course / CONFIG, _CONFIG_TEXT)
    return folder


def nbgrader_notebook(notebook: NotebookNode, lab_id: str, manifest: Manifest) -> NotebookNode:
    """Return the notebook as nbgrader's source: with its metadata, and solutions between their markers."""
    made = solved_edition(notebook, lab_id, markers=True)
    released = {cell.id: cell for cell in learner_edition(notebook, lab_id).cells}
    hidden = hidden_tests(notebook)
    cells: list[NotebookNode] = []
    counted: dict[str, int] = {}
    for cell in made.cells:
        cell.pop("attachments", None)  # nbgrader leaves the pictures of answers in
        if "attachments" in released.get(cell.id, {}):
            cell["attachments"] = released[cell.id].attachments
        checked, task = own(cell).get("check"), own(cell).get("task")
        if checked:
            cells += _graded_cells(cell, checked, manifest, hidden)
            continue
        if task:
            counted[task] = counted.get(task, 0) + 1
            name = task if counted[task] == 1 else f"{task}-{counted[task]}"
            # nbgrader has no answers in text that nobody grades, so these are graded by hand, with no points.
            by_hand = {} if cell.cell_type == "code" else {"grade": True, "points": 0}
            _mark(cell, name, solution=True, **by_hand)
        elif cell.cell_type == "code":
            _mark(cell, f"given-{cell.id}", locked=True)
        cells.append(cell)
    made["cells"] = cells
    return made


def configure(config: Any, course: Path) -> None:
    """Set what nbgrader needs to grade the labs of a course.

    Time for the longest cell that a lab allows; one home, and so one service, for each submission, because
    one learner's resources would pass another's checks; files that learners edit stay as they handed them in;
    deleted checks come back.
    """
    found = sorted((course / "source").glob(f"*/{MANIFEST}"))
    labs = [path for path in found if LAB_ID.fullmatch(path.parent.name)]
    longest_s = max((read_manifest(path).limits.cell_s for path in labs), default=30.0)
    config.Execute.timeout = int(longest_s)
    config.Autograde.pre_convert_hook = "academy.labs.editions.nbgrader_homes.begin"
    config.Autograde.post_convert_hook = "academy.labs.editions.nbgrader_homes.end"
    config.Autograde.exclude_overwriting = {path.parent.name: list(_edited(path.parent)) for path in labs}
    config.OverwriteCells.add_missing_cells = True
    config.ClearSolutions.code_stub = {
        "python": f'{STUB_COMMENT}\nraise NotImplementedError("Your code is missing here.")'
    }
    config.ClearSolutions.text_stub = STUB_TEXT


def _graded_cells(
    cell: NotebookNode, task_id: str, manifest: Manifest, hidden: dict[str, str]
) -> Iterator[NotebookNode]:
    task = manifest.task(task_id)
    source = replaced(cell.source, cell.id, lambda region: [] if region.kind is Kind.HIDDEN_TESTS else None)
    call = r"^(\s*)(check\(\s*['\"][^'\"]+['\"]\s*\))"
    cell["source"] = "\n".join(
        (
            _QUIET,
            re.sub(call, r"\1check_result = \2", source.rstrip(), count=1, flags=re.MULTILINE),
            "assert check_result.points > 0, check_result.message",
            "check_result.points",
        )
    )
    _mark(cell, f"check-{task_id}", grade=True, locked=True, points=task.points)
    yield cell
    if task_id in hidden:
        lines = (
            _QUIET,
            "# Hidden tests run here when the notebook is graded.",
            "### BEGIN HIDDEN TESTS",
            hidden[task_id],
            "### END HIDDEN TESTS",
        )
        tests = new_code_cell("\n".join(lines), id=f"hidden-{task_id}"[:64])
        yield _mark(tests, f"hidden-{task_id}", grade=True, locked=True, points=task.hidden_points)


def _mark(cell: NotebookNode, grade_id: str, **fields: Any) -> NotebookNode:
    cell.metadata["nbgrader"] = {
        "schema_version": SCHEMA_VERSION,
        "grade_id": grade_id,
        "grade": False,
        "solution": False,
        "locked": False,
        "task": False,
        **fields,
    }
    return cell


def _edited(folder: Path) -> Iterator[str]:
    """Yield the files in which a learner is to write: they hold what stands for a solution."""
    for path in sorted(folder.rglob("*")):
        text = as_text(path.read_bytes()) if path.is_file() and path.suffix != ".ipynb" else None
        if text and without_stubs(text).splitlines() != text.splitlines():
            yield str(path.relative_to(folder))
