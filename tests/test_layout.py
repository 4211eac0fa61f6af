"""The rooms import one way, at the top of the module, and stay small."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "academy"

# Each room imports only from rooms before it, and from itself.
ROOMS = (
    "errors",
    "paths",
    "signing",
    "matrix",
    "store",
    "environments",
    "blobs",
    "datasets",
    "compute",
    "experiments",
    "evidence",
    "jobs",
    "training",
    "endpoints",
    "audit",
    "service",
    "client",
    "reproduction",
    "migration",
    "labs",
    "widgets",
    "kernel",
    "jupyterlab",
    "studio",
    "cli",
)
# The service's own rooms are documents only: Microsoft's SDK belongs to its callers.
SDK_ROOMS = ("client", "kernel", "labs", "cli")

FACADE = PACKAGE / "__init__.py"  # offers the public names, each imported when it is asked for
MODULES = sorted(set(PACKAGE.rglob("*.py")) - {FACADE})
MODULE_LINES = 330
FUNCTION_LINES = 40


def room_of(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def test_modules_import_only_from_rooms_before_their_own() -> None:
    unknown = {room_of(path) for path in MODULES} - set(ROOMS)
    assert not unknown, "these have no place in the order of the rooms"
    faults = []
    for path in MODULES:
        own = room_of(path)
        for node, name in imports(parsed(path)):
            parts = name.split(".")
            if parts[0] == "academy" and len(parts) > 1 and ROOMS.index(parts[1]) > ROOMS.index(own):
                faults.append(f"{path}:{node.lineno} imports {name}")
            if name.startswith("azure.ai.ml") and own not in SDK_ROOMS:
                faults.append(f"{path}:{node.lineno}: the service never imports azure-ai-ml")
    assert not faults


def test_own_modules_are_imported_at_the_top() -> None:
    faults = []
    for path in MODULES:
        if room_of(path) == "cli":
            continue  # commands import where they need it, so that --help is fast
        tree = parsed(path)
        top = {id(node) for node in tree.body}
        faults += [
            f"{path}:{node.lineno} {name}"
            for node, name in imports(tree)
            if name.split(".")[0] == "academy" and id(node) not in top
        ]
    assert not faults


def code_lines(source: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring, comments and blank lines."""
    first = node.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = (first.end_lineno or 0) if docstring else node.lineno
    lines = [line.strip() for line in source[start : node.end_lineno]]
    return sum(1 for line in lines if line and not line.startswith("#"))


def test_modules_and_functions_stay_small() -> None:
    faults = []
    for path in MODULES:
        source = path.read_text().splitlines()
        if len(source) > MODULE_LINES:
            faults.append(f"{path} has {len(source)} lines")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = code_lines(source, node)
                if lines > FUNCTION_LINES:
                    faults.append(f"{path}:{node.lineno} {node.name} has {lines} code lines")
    assert not faults
