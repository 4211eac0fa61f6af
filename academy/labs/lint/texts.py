"""Which texts the expressions of a notebook are, as far as its own text tells."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from academy.labs.lint.paths import assigned_once
from academy.labs.lint.source import Source
from academy.labs.parameters import TAG

_DEPTH = 9


@dataclass(frozen=True)
class Texts:
    """Names of a notebook that are bound once: its ``parameters`` with their defaults, and others."""

    parameters: Mapping[str, str]
    assigned: Mapping[str, ast.expr]

    def named(self, node: ast.expr | None) -> str | None:
        """Return the text as ``lab.yml`` names resources, with ``{name}`` for a parameter."""
        return self._text(node, "{{{}}}".format)

    def value(self, node: ast.expr | None) -> str | None:
        """Return the text that the parameters' defaults make; ``None`` when only a run tells."""
        return self._text(node, self.parameters.__getitem__)

    def _text(self, node: ast.expr | None, told: Callable[[str], str], depth: int = 0) -> str | None:
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else None
        if isinstance(node, ast.Name):
            if node.id in self.parameters:
                return told(node.id)
            return self._text(self.assigned.get(node.id), told, depth + 1) if depth < _DEPTH else None
        if isinstance(node, ast.JoinedStr):
            found = [self._text(part, told, depth) for part in node.values]
        elif isinstance(node, ast.FormattedValue):
            return self._text(node.value, told, depth) if node.format_spec is None else None
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            found = [self._text(part, told, depth) for part in (node.left, node.right)]
        else:
            return None
        parts = [part for part in found if part is not None]
        return "".join(parts) if len(parts) == len(found) else None


def texts_of(source: Source) -> Texts:
    """Read the names of a lab's notebook."""
    once = assigned_once(cell.tree for cell in source.cells if cell.is_code and cell.tree)
    given = {
        id(node.value)
        for cell in source.cells
        if cell.is_code and cell.tree and TAG in cell.tags
        for node in cell.tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
    }
    parameters = {
        name: str(value.value)
        for name, value in once.items()
        if id(value) in given and isinstance(value, ast.Constant)
    }
    return Texts(parameters, {name: value for name, value in once.items() if id(value) not in given})
