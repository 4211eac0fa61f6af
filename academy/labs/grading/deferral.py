"""When hidden tests run: after the last cell, wherever that makes no difference.

A function of the learner's sees the arguments that hidden tests call it with. A cell that runs later could
print them, and its output is in the feedback. So hidden tests wait for the end, unless the lab's own
notebook later changes what they look at; then the outputs after them are withheld.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from nbformat import NotebookNode

from academy.labs.edition import own
from academy.labs.grading.hidden import parsed


def can_wait(tests: str, after: Sequence[str]) -> bool:
    """Return whether hidden tests find the same after the cells ``after``, by the names that they use.

    Those that ask the service do not wait: what it holds is deleted in the end.
    """
    used = {
        node.id
        for node in ast.walk(parsed(tests))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return "ml_client" not in used and not used & {name for source in after for name in _changed(source)}


def waiting(source: NotebookNode, hidden: dict[str, str]) -> frozenset[str]:
    """Return the tasks whose hidden tests can wait until the lab's own notebook has run to its end."""
    found: set[str] = set()
    cells = [cell for cell in source.cells if cell.cell_type == "code"]
    for place, cell in enumerate(cells):
        task = own(cell).get("check")
        if task in hidden and can_wait(hidden[task], [later.source for later in cells[place + 1 :]]):
            found.add(task)
    return frozenset(found)


def _changed(source: str) -> set[str]:
    """Return the names that a cell sets, deletes, or sets something of."""
    found: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Name) and isinstance(
            node.ctx, ast.Store | ast.Del
        ):
            base: ast.AST = node
            while isinstance(base, ast.Attribute | ast.Subscript | ast.Starred):
                base = base.value
            found |= {base.id} if isinstance(base, ast.Name) else set()
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return found
