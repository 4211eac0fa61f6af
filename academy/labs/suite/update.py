"""Write the outputs of a run into the source notebook, and touch nothing else of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode
from nbval.plugin import coalesce_streams

from academy.labs.editions import ipynb
from academy.labs.suite.judge import Ran
from academy.labs.suite.report import CellReport, Status


def write_outputs(notebook: Path, ran: Ran, cells: tuple[CellReport, ...]) -> bool:
    """Write the outputs that differ, or that are not compared; return whether the file was written.

    Outputs that are the same but for the tolerance stay as they are stored. A run in which a cell failed,
    or was not reached, writes nothing. The file is replaced whole; metadata and cell ids stay.
    """
    if any(cell.status.is_fault and cell.status is not Status.DIFFERS for cell in cells):
        return False
    made = copy.deepcopy(ran.source)
    known = {cell.id: cell for cell in cells}
    count = 0
    for cell in made.cells:
        if cell.cell_type != "code" or known[cell.id].status is Status.SKIPPED or not cell.source.strip():
            continue
        count += 1
        _renew(cell, ran, known[cell.id], count)
    if made == ran.source:
        return False
    ipynb.write(made, notebook)
    return True


def _renew(cell: NotebookNode, ran: Ran, report: CellReport, count: int) -> None:
    fresh = coalesce_streams(copy.deepcopy(ran.outputs(cell.id)))
    same = report.status is Status.PASSED and report.compared and _kinds(fresh) == _kinds(cell.outputs)
    cell.outputs = cell.outputs if same else fresh
    cell.execution_count = count
    for output in cell.outputs:
        if output.output_type == "execute_result":
            output.execution_count = count


def _kinds(outputs: Sequence[NotebookNode]) -> list[tuple[str, ...]]:
    """Return what kinds of output there are; the suite compares fewer of them than are stored."""
    return [(output.output_type, *sorted(output.get("data", ()))) for output in outputs]
