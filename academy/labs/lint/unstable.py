"""Which cells print what another run has not: the clock, a random number, an id of a process."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from academy.labs.lint.source import Cell

_UNSTABLE = re.compile(
    r"time\.(?:time|perf_counter|monotonic|process_time|thread_time)(?:_ns)?"
    r"|datetime\.datetime\.(?:now|utcnow|today)|datetime\.date\.today|pandas\.Timestamp\.(?:now|utcnow|today)"
    r"|uuid\.uuid[14]|os\.(?:getpid|urandom)|secrets\.\w+"
)
_RANDOM = re.compile(r"(random|numpy\.random)\.(?!seed$|set_?state$|get_?state$|Generator$)\w+")
_SEEDED_BY_ARGUMENT = ("Random", "default_rng", "RandomState", "SystemRandom")
# Functions whose result shows what they are given.
_SHOWING = (
    "str",
    "repr",
    "int",
    "float",
    "round",
    "abs",
    "format",
    "list",
    "tuple",
    "sorted",
    "min",
    "max",
    "sum",
)
_PRINTING = ("print", "display", "pprint")


def unstable_calls(cells: Iterable[Cell]) -> Iterator[tuple[Cell, str]]:
    """Yield each cell that shows what an unstable call returned, with the call."""
    kept = [cell for cell in cells if cell.is_code and cell.tree]
    notebook = _Notebook()
    for cell in kept:
        for node in ast.walk(cell.tree) if cell.tree else ():
            notebook.learn(node)
    for cell in kept:
        body = cell.tree.body if cell.tree else []
        shown = list(notebook.run(body))
        if body and isinstance(body[-1], ast.Expr):
            shown.append(notebook.unstable(body[-1].value))
        for call in dict.fromkeys(filter(None, shown)):
            yield cell, call


@dataclass
class _Notebook:
    """What names stand for: modules and functions, and what came out of an unstable call."""

    imported: dict[str, str] = field(default_factory=dict)
    seeded: set[str] = field(default_factory=set)
    tainted: dict[str, str] = field(default_factory=dict)

    def learn(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.partition(".")[0]
                self.imported[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                self.imported[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call):
            name = self._dotted(node.func)
            if name.endswith("random.seed") and node.args:
                self.seeded.add(name.removesuffix(".seed"))

    def run(self, body: Iterable[ast.stmt]) -> Iterator[str]:
        """Go through statements in their order, and yield the unstable calls that they print."""
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    self._assign(target, node.value)
            elif isinstance(node, ast.AnnAssign | ast.AugAssign) and node.value:
                kept = self.unstable(node.target) if isinstance(node, ast.AugAssign) else ""
                self._assign(node.target, node.value, kept)
            elif isinstance(node, ast.For | ast.AsyncFor):
                self._assign(node.target, node.iter)
            elif isinstance(node, ast.Expr):
                yield from self._printed(node.value)
            for name in ("body", "orelse", "finalbody"):
                yield from self.run(getattr(node, name, []))
            for handler in getattr(node, "handlers", []):
                yield from self.run(handler.body)

    def unstable(self, node: ast.AST | None) -> str:
        """Return the unstable call whose result an expression shows, or nothing."""
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Name):
            return self.tainted.get(node.id, "")
        if isinstance(node, ast.Attribute | ast.Subscript | ast.FormattedValue | ast.Starred | ast.NamedExpr):
            return self.unstable(node.value)
        parts: list[ast.AST] = []
        if isinstance(node, ast.IfExp):
            parts = [node.body, node.orelse]
        elif isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp):
            parts = [node.elt]
        elif isinstance(
            node, ast.BinOp | ast.UnaryOp | ast.JoinedStr | ast.Tuple | ast.List | ast.Set | ast.Dict
        ):
            parts = list(ast.iter_child_nodes(node))
        return next(filter(None, map(self.unstable, parts)), "")

    def _call(self, call: ast.Call) -> str:
        name = self._dotted(call.func)
        if self._is_imported(call.func) and self._is_unstable(name, call):
            return f"{name}()"
        given = [*call.args, *(one.value for one in call.keywords)]
        if isinstance(call.func, ast.Name):
            return next(filter(None, map(self.unstable, given if name in _SHOWING else [])), "")
        if not isinstance(call.func, ast.Attribute):
            return ""
        of_text = isinstance(call.func.value, ast.Constant)
        return next(filter(None, map(self.unstable, given if of_text else [call.func.value])), "")

    def _is_unstable(self, name: str, call: ast.Call) -> bool:
        if _UNSTABLE.fullmatch(name):
            return True
        found = _RANDOM.fullmatch(name)
        if not found or found[1] in self.seeded:
            return False
        return not (name.rpartition(".")[2] in _SEEDED_BY_ARGUMENT and (call.args or call.keywords))

    def _is_imported(self, node: ast.AST) -> bool:
        while isinstance(node, ast.Attribute):
            node = node.value
        return isinstance(node, ast.Name) and node.id in self.imported

    def _printed(self, node: ast.expr) -> Iterator[str]:
        if not isinstance(node, ast.Call) or any(one.arg == "file" for one in node.keywords):
            return
        if self._dotted(node.func).rpartition(".")[2] in _PRINTING:
            yield from filter(None, map(self.unstable, node.args))

    def _assign(self, target: ast.expr, value: ast.expr, kept: str = "") -> None:
        if isinstance(target, ast.Tuple | ast.List) and isinstance(value, ast.Tuple | ast.List):
            for one, of in zip(target.elts, value.elts, strict=False):
                self._assign(one, of)
        elif isinstance(target, ast.Tuple | ast.List):
            for one in target.elts:
                self._assign(one, value)
        elif isinstance(target, ast.Name):
            self.tainted.pop(target.id, None)
            call = kept or self.unstable(value)
            if call:
                self.tainted[target.id] = call

    def _dotted(self, node: ast.AST) -> str:
        """Return what a name stands for: ``datetime.datetime.now`` of ``dt.now``."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        return f"{self._dotted(node.value)}.{node.attr}" if isinstance(node, ast.Attribute) else ""
