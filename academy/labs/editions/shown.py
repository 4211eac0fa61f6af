"""Cells that give on purpose what a solution holds too: ``metadata.academy.shows`` names its task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import own
from academy.labs.editions.readable import Line


@dataclass(frozen=True)
class Shown:
    """The tasks that each cell of a notebook shows, by the cell's id."""

    notebook: str
    tasks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def cell_of(self, line: Line) -> str:
        """Return the id of the notebook's cell in whose source the line stands; empty for all other lines."""
        return line.source_of if line.file == self.notebook else ""

    def excuses(self, line: Line, task: str) -> bool:
        """Whether the line stands in a cell that shows the task."""
        return bool(self.tasks) and task in self.tasks.get(self.cell_of(line), ())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Yield each cell with each task that it shows."""
        return ((cell, task) for cell, tasks in self.tasks.items() for task in tasks)


def shown_in(lab: Lab) -> Shown:
    """Return what the cells of the lab's source say that they show."""
    cells = ipynb.read(lab.notebook).cells
    shows = {cell.id: tuple(own(cell).get("shows", ())) for cell in cells}
    return Shown(lab.notebook.name, {cell: tasks for cell, tasks in shows.items() if tasks})
