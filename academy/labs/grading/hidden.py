"""Hidden tests: run here, outside the learner's kernel, which sees the arguments of calls and no more.

Every statement stands for itself: one that fails costs its own share, and those below it still run.
"""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from academy.labs.checks import Values
from academy.labs.grading.scores import HiddenResult
from academy.labs.manifest import Task
from academy.labs.time_limit import TooLate

# What the lab's own notebook imports of these is imported here too, and not taken from the kernel.
_OWN_MODULES = frozenset(
    (
        *("cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools", "itertools"),
        *("json", "math", "operator", "random", "re", "statistics", "string"),
        *("azure", "mlflow", "numpy", "pandas", "scipy", "sklearn"),
    )
)
_LEARNERS_ONLY = frozenset({"check", "hint", "solution", "get_ipython", "display"})
_MOST_DETAIL = 300

# What parsing a text raises that is none, or that is nested too deep.
NO_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)

Imports = Mapping[str, tuple[str, str | None]]


@dataclass(frozen=True)
class Own:
    """What hidden tests have of the grader: its imports by name, and its client."""

    imports: Imports
    connect: Callable[[], Any]


def run_hidden(source: str, task: Task, values: Values, own: Own) -> HiddenResult:
    """Run a task's hidden tests on the values of a notebook.

    The points are the share of the asserts that hold: an ``assert``, a call of a function whose name
    begins with ``assert``, a ``with`` block that expects an exception. An assert in a loop is one. When the
    caller's ``time_limit`` is over, what held until then counts.
    """
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        detail = f"The hidden tests are no Python: {error}"
        return HiddenResult(0.0, task.hidden_points, 0, 1, (detail,))
    weights = _weights(statements)
    names = _Names(values, own)
    passed = 0
    details: list[str] = []
    try:
        for statement, weight in zip(statements, weights, strict=True):
            problem = _run(statement, names)
            if problem:
                details.append(f"line {statement.lineno}: {problem}"[:_MOST_DETAIL])
                names.broken |= set(_stored([statement]))
            else:
                passed += weight
    except TooLate as late:
        details.append(f"line {statement.lineno}: {late}; what follows was not run")
    failed = sum(weights) - passed
    if not any(weights):  # nothing is asserted: they pass when nothing fails
        passed, failed = int(not details), int(bool(details))
    points = round(task.hidden_points * passed / (passed + failed), 4)
    return HiddenResult(points, task.hidden_points, passed, failed, tuple(details))


def imports_of(sources: Iterable[str]) -> dict[str, tuple[str, str | None]]:
    """Return what the code cells import of the grader's own modules: module and attribute, by name."""
    found: dict[str, tuple[str, str | None]] = {}
    for source in sources:
        for node in ast.walk(parsed(source)):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    module = alias.name if alias.asname else alias.name.partition(".")[0]
                    found[alias.asname or module] = (module, None)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return {name: target for name, target in found.items() if target[0].partition(".")[0] in _OWN_MODULES}


class _Names(dict[str, Any]):
    """The names of hidden tests: their own, then Python's, then the grader's, then the notebook's."""

    def __init__(self, values: Values, own: Own) -> None:
        super().__init__(__name__="hidden_tests")
        self._values, self._own = values, own
        self.broken: set[str] = set()

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name) or name in _LEARNERS_ONLY:
            raise KeyError(name)  # Python's own, whatever the notebook calls by that name
        if name in self.broken:
            raise NameError(f"{name} is not set, as a statement above failed")
        if name == "ml_client":
            return self._own.connect()
        if name in self._own.imports:
            module, attribute = self._own.imports[name]
            found = importlib.import_module(module)
            return getattr(found, attribute) if attribute else found
        return self._values.get(name)


def _run(statement: ast.stmt, names: _Names) -> str:
    """Run one statement; return what failed, or nothing."""
    try:
        exec(compile(ast.Module([statement], []), "<hidden tests>", "exec"), names)
    except Exception as error:  # noqa: BLE001  a test may raise anything, and so may what it calls
        text = ast.unparse(statement).splitlines()[0]
        return f"{text}: {type(error).__name__}: {error}"
    return ""


def _weights(statements: list[ast.stmt]) -> list[int]:
    """Return how many asserts each statement stands for; a function's count where it is called."""
    functions: dict[str, int] = {}
    for statement in statements:
        if isinstance(statement, ast.FunctionDef):
            functions[statement.name] = sum(_asserts(statement.body, functions))
    return [
        0 if isinstance(one, ast.FunctionDef | ast.ClassDef) else sum(_asserts([one], functions))
        for one in statements
    ]


def _asserts(nodes: Iterable[ast.AST], functions: Mapping[str, int]) -> Iterator[int]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Assert):
            yield 1
            continue
        if isinstance(node, ast.With) and any(_called(item.context_expr) == "raises" for item in node.items):
            yield 1
            continue
        name = _called(node)
        if name.startswith("assert"):
            yield 1
            continue
        yield functions.get(name, 0)
        yield from _asserts(ast.iter_child_nodes(node), functions)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _stored(statements: list[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield node.name


def parsed(source: str) -> ast.AST:
    """Return a cell's syntax; nothing where it is no Python."""
    try:
        return ast.parse(python_of(source))
    except NO_PYTHON:
        return ast.Module([], [])


def python_of(source: str) -> str:
    """Return a cell's text without the lines that are IPython's own."""
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
