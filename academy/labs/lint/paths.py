"""Which files the code of a notebook reads, and which it writes itself, as far as the text tells."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from academy.labs.lint.source import SHELL, Cell, called, shell_line

# Calls whose first argument, or whose object, is a file that has to be there.
_READING = re.compile(
    r"read_(?:csv|table|fwf|json|excel|parquet|feather|pickle|xml|html|file)"
    r"|open|load|loadtxt|genfromtxt|fromfile|ZipFile|load_\w+"
)
_READING_OF_PATH = ("read_text", "read_bytes", "open", "iterdir", "stat")
# Arguments of Azure's entities that name what is sent there.
_SENT = ("path", "code", "conda_file", "source", "request_file", "schema_path")
_SENDING = re.compile(
    r"Data|Model|Input|command|spark|CodeConfiguration|Environment|BuildContext|load_\w+|invoke"
)
_WRITING = re.compile(
    r"(?:to_|write|save|dump|mk|make|touch|copy|move|rename|replace|download|extract|unpack|symlink|link)\w*"
    r"|url(?:retrieve|open)|unlink|rmtree|remove|TarFile"
)
_TELLING = ("print", "display", "check", "hint", "solution")
# What may put files anywhere: what is read after that is let be.
_OPAQUE = ("system", "getoutput", "extractall", "unpack_archive", "download", "download_artifacts", "chdir")
_OPAQUE_MODULES = ("subprocess",)


@dataclass
class Paths:
    """Relative paths in code: what is ``read``, by cell; what is ``written``; what is otherwise ``named``.

    A ``*`` stands for what only a run tells. ``opaque`` says that the notebook makes files in ways that its
    text does not show.
    """

    read: list[tuple[Cell, str]] = field(default_factory=list)
    written: set[str] = field(default_factory=set)
    named: set[str] = field(default_factory=set)
    opaque: bool = False

    def is_written(self, path: str) -> bool:
        return _covered(path, self.written)

    def is_named(self, path: str) -> bool:
        """Tell whether the notebook names the file, or a folder that it is in, where it does not read it."""
        return _covered(path, self.written | self.named)


def paths_of(cells: Iterable[Cell]) -> Paths:
    """Look through the code of a notebook, in its order."""
    trees = [(cell, cell.tree) for cell in cells if cell.is_code and cell.tree]
    reader = _Reader(Paths(), assigned_once(tree for _, tree in trees))
    for cell, tree in trees:
        reader.look(cell, tree)
    return reader.found


@dataclass
class _Reader:
    found: Paths
    values: dict[str, ast.expr]

    def look(self, cell: Cell, node: ast.AST) -> None:
        if isinstance(node, ast.Assign | ast.AnnAssign) and self._is_kept(node):
            return  # what it is for shows where the name is used
        path = self._path(node)
        if path is not None:
            self.found.named.add(path)
        elif isinstance(node, ast.Call):
            self._call(cell, node)
        elif not isinstance(node, ast.JoinedStr):
            for child in ast.iter_child_nodes(node):
                self.look(cell, child)

    def _is_kept(self, node: ast.Assign | ast.AnnAssign) -> bool:
        return node.value in self.values.values() and self._path(node.value) is not None

    def _call(self, cell: Cell, call: ast.Call) -> None:
        name = called(call)
        owner = getattr(call.func, "value", None)
        self.found.opaque |= name in _OPAQUE or getattr(owner, "id", "") in _OPAQUE_MODULES
        if name in _TELLING:
            return
        if name in SHELL:
            self.found.written |= {word for word in shell_line(call).split() if _is_relative(word)}
            return
        writes = _writes(call, name)
        for node, reads in self._parts(call, name, owner):
            path = self._path(node)
            if path is None:
                self.look(cell, node)
            elif writes:
                self.found.written.add(path)
            elif reads:
                self.found.read.append((cell, path))
            else:
                self.found.named.add(path)

    def _parts(self, call: ast.Call, name: str, owner: ast.expr | None) -> Iterator[tuple[ast.expr, bool]]:
        """Yield what a call is of and takes, and whether it would read that."""
        if owner is not None:
            yield owner, name in _READING_OF_PATH
        of_path = owner is not None and self._path(owner) is not None
        for at, argument in enumerate(call.args):
            yield argument, at == 0 and not of_path and bool(_READING.fullmatch(name))
        for keyword in call.keywords:
            yield keyword.value, keyword.arg in _SENT and bool(_SENDING.search(name))

    def _path(self, node: ast.AST | None, depth: int = 0) -> str | None:
        """Return the path that an expression is, with ``*`` for what is not in the text."""
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) and _is_relative(node.value) else None
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "*" for part in node.values]
            text = "".join(map(str, parts))
            return text if re.search(r"\w", text) and _is_relative(text) else None
        if isinstance(node, ast.Name) and depth < 9:
            return self._path(self.values.get(node.id), depth + 1)
        joined: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            joined = [node.left, node.right]
        elif isinstance(node, ast.Call) and called(node) in ("Path", "PurePath", "join") and node.args:
            joined = node.args
        found = [self._path(part, depth) for part in joined]
        if found and all(part is not None for part in found):
            return posixpath.join(*(part for part in found if part is not None))
        return None


def _writes(call: ast.Call, name: str) -> bool:
    if name == "open":
        given = [*call.args, *(one.value for one in call.keywords if one.arg == "mode")]
        modes = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        return any(re.fullmatch(r"[wax]b?t?\+?b?|r\+b?|rb\+", mode) for mode in modes)
    return bool(_WRITING.fullmatch(name))


def assigned_once(trees: Iterable[ast.AST]) -> dict[str, ast.expr]:
    """Return the values of names that are bound in one place only."""
    values: dict[str, ast.expr] = {}
    bound: list[str] = []
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                bound.append(node.id)
            elif isinstance(node, ast.arg):
                bound.append(node.arg)
            target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
            target = node.target if isinstance(node, ast.AnnAssign) else target
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name) and node.value:
                values[target.id] = node.value
    return {name: value for name, value in values.items() if bound.count(name) == 1}


def _is_relative(text: str) -> bool:
    return bool(text) and len(text) < 200 and not re.search(r"[\n\r:;$<>|?\"'{}]|^[/~\\%-]|^\s|\s$", text)


def _covered(path: str, patterns: set[str]) -> bool:
    parts = posixpath.normpath(path).split("/")
    above = ["/".join(parts[: end + 1]) for end in range(len(parts)) if parts[end] not in (".", "..")]
    known = {posixpath.normpath(pattern) for pattern in patterns}
    return any(fnmatchcase(one, pattern) for one in above for pattern in known)
