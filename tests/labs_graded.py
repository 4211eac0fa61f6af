"""Hand-ins of a small lab, made from its solved edition, for the tests of grading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from academy.labs.collection import Collection, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import write_edition
from academy.labs.editions.pack import Pack, make_pack
from academy.labs.grading.scores import Graded, Submission
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
TABLE, COUNT = "register-table", "count-long-months"

SOLUTION = """def long_months(days, limit):
    return sum(1 for number in days if number > limit)
"""

# Of the hidden tests: nothing of a learner's may ever hold this.
SECRET = "long_months([28, 29, 30], 28)"

Change = Callable[[NotebookNode], None]


@dataclass(frozen=True)
class Class:
    """A lab, its pack, and a folder of submissions."""

    root: Path
    lab: Lab
    pack: Pack

    def hand_in(self, learner: str, change: Change | None = None) -> Submission:
        """Hand in the solved edition, changed."""
        folder = self.root / "handed-in" / learner
        made = write_edition(self.lab, folder, solved=True)
        notebook = ipynb.read(made.notebook)
        if change is not None:
            change(notebook)
            ipynb.write(notebook, made.notebook)
        return Submission(learner, LAB, folder)


def new_class(root: Path) -> Class:
    lab = new_lab(Collection(root / "collection"), LAB)
    return Class(root, lab, make_pack(lab, root / "packs"))


def cell(notebook: NotebookNode, cell_id: str) -> NotebookNode:
    return next(one for one in notebook.cells if one.id == cell_id)


def written(cell_id: str, source: str) -> Change:
    """Return a change that writes this into a cell."""

    def change(notebook: NotebookNode) -> None:
        cell(notebook, cell_id).source = source

    return change


def added(source: str, *, behind: str = "count-table") -> Change:
    """Return a change that adds a cell of the learner's own."""

    def change(notebook: NotebookNode) -> None:
        place = [one.id for one in notebook.cells].index(behind)
        notebook.cells.insert(place + 1, new_code_cell(source))

    return change


def points(graded: Graded) -> dict[str, float]:
    return {task.task: task.points for task in graded.tasks}


def printed(graded: Graded) -> str:
    """Return all that the notebook printed and showed when it was graded."""
    assert graded.executed is not None, graded.error
    return str([one.get("outputs") for one in ipynb.read(graded.executed).cells])
