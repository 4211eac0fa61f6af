"""When hidden tests run: after the last cell, wherever that makes no difference.

A function of the learner's sees the arguments that hidden tests call it with. A cell that runs later could
print them, and its output is in the feedback. So hidden tests wait for the end, unless the lab's own
notebook later changes what they look at; then the outputs after them are withheld.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from nbformat import NotebookNode

from academy.labs.editions.edition import own
from academy.labs.grading.hidden import parsed

_SERVICE = frozenset({"ml_client", "mlflow"})


def waiting(source: NotebookNode, hidden: Mapping[str, str]) -> frozenset[str]:
    """Return the tasks whose hidden tests can wait until the lab's own notebook has run to its end."""
    cells = [cell for cell in source.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in cells]
    tasks = [(place, own(cell).get("check")) for place, cell in enumerate(cells)]
    return frozenset(
        task
        for place, task in tasks
        if task in hidden and can_wait(hidden[task], sources[: place + 1], sources[place + 1 :])
    )


def can_wait(tests: str, before: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether hidden tests find the same after the cells ``after``, by the names that they use.

    The names are also those that the notebook's functions use, as ``before`` defines them. What asks the
    service does not wait: what it holds is deleted in the end.
    """
    used = _used(parsed(tests))
    functions = {name: names for source in before for name, names in _functions(source)}
    found: set[str] = set()
    while fresh := used - found:
        found |= fresh
        used |= {name for one in fresh for name in functions.get(one, ())}
    return not used & (_SERVICE | {name for source in after for name in _changed(source)})


def _functions(source: str) -> Iterator[tuple[str, set[str]]]:
    """Yield what a cell defines, and the names that each uses."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, _used(node)
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from ((one.id, _used(node.value)) for one in node.targets if isinstance(one, ast.Name))


def _used(tree: ast.AST) -> set[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}


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
