"""A lab's steps, as its notebook has them: ``metadata.academy.step``, under the heading that precedes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from academy.labs.editions import ipynb
from academy.labs.learning.reset import step_of


@dataclass(frozen=True)
class Step:
    """Some cells of the notebook that belong together; ``title`` is the heading above them."""

    id: str
    title: str


def steps_of(notebook: Path) -> tuple[Step, ...]:
    """Return the steps in the order of the notebook."""
    found: dict[str, Step] = {}
    heading = ""
    for cell in ipynb.read(notebook).cells:
        if cell.cell_type == "markdown":
            heading = _heading(cell.source) or heading
        step = step_of(cell)
        if step and step not in found:
            found[step] = Step(step, heading or step)
    return tuple(found.values())


def _heading(markdown: str) -> str:
    headings = [line.lstrip("#").strip() for line in markdown.splitlines() if line.startswith("#")]
    return headings[-1] if headings else ""
