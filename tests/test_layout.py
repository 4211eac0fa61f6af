"""The rooms import one way, at the top of the module, and stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

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


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_module_imports_only_from_rooms_before_its_own(path: Path) -> None:
    own = room_of(path)
    assert own in ROOMS, f"{own} has no place in the order of the rooms"
    for node, name in imports(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "academy" and len(parts) > 1:
            assert ROOMS.index(parts[1]) <= ROOMS.index(own), f"{path}:{node.lineno} imports {name}"
        if name.startswith("azure.ai.ml"):
            assert own in SDK_ROOMS, f"{path}:{node.lineno}: the service never imports azure-ai-ml"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_own_modules_are_imported_at_the_top(path: Path) -> None:
    if room_of(path) == "cli":
        return  # commands import where they need it, so that --help is fast
    tree = ast.parse(path.read_text())
    top = {id(node) for node in tree.body}
    inner = [
        f"{path}:{node.lineno} {name}"
        for node, name in imports(tree)
        if name.split(".")[0] == "academy" and id(node) not in top
    ]
    assert not inner


def code_lines(source: list[str], node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring, comments and blank lines."""
    first = node.body[0]
    docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    start = (first.end_lineno or 0) if docstring else node.lineno
    lines = [line.strip() for line in source[start : node.end_lineno]]
    return sum(1 for line in lines if line and not line.startswith("#"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    source = path.read_text().splitlines()
    assert len(source) <= MODULE_LINES, f"{path} has {len(source)} lines"
    for node in ast.walk(ast.parse("\n".join(source))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = code_lines(source, node)
            assert lines <= FUNCTION_LINES, f"{path}:{node.lineno} {node.name} has {lines} code lines"
