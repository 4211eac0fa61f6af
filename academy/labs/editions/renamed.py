"""Code known again under other names: the statements of a region, whatever its variables are called.

Only regions of some size have such a shape. What one calls, sets or reads by name (functions, attributes,
keywords, texts, numbers) has to be the same; two lines that any program of the kind has are no shape.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from academy.labs.editions.statements import COMMON, Statement, places_of_words

_STATEMENTS = 2
_WORDS = 24
_FIXED = 6
# So many other words may stand between two statements: a comment, or a line that was put in.
_GAP = 30


@dataclass(frozen=True)
class Word:
    """A word of a statement; a variable's stands for any name, the same one throughout."""

    text: str
    is_variable: bool


Part = tuple[Word, ...]


@dataclass(frozen=True)
class Shape:
    """The statements of one region."""

    parts: tuple[Part, ...]

    @cached_property
    def fixed(self) -> frozenset[str]:
        return frozenset(word.text for part in self.parts for word in part if not word.is_variable)

    def places_in(self, text: Sequence[str]) -> Iterator[int]:
        """Yield where it begins in a list of words, all its statements standing there in their order."""
        first, *rest = self.parts
        known = next(index for index, word in enumerate(first) if not word.is_variable)
        for at in range(len(text) - known):
            names = _fitting(first, text, at, {}) if text[at + known] == first[known].text else None
            if names is not None and _follow(rest, text, at + len(first), names):
                yield at


def shape_of(source: str) -> Shape | None:
    """Return the shape of a region of Python; ``None`` where it is small, or cannot be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    variables = set(_variables(tree, source))
    held = [
        tuple(Word(text, at in variables) for at, text in places_of_words(source) if begin <= at < end)
        for begin, end in _spans(tree, source)
    ]
    parts = tuple(part for part in held if _fixed(part))
    fixed = {word for part in parts for word in _fixed(part)}
    large = len(parts) >= _STATEMENTS and sum(map(len, parts)) >= _WORDS and len(fixed) >= _FIXED
    return Shape(parts) if large else None


def _fixed(part: Part) -> frozenset[str]:
    return Statement(tuple(word.text for word in part if not word.is_variable)).telling_words


def _spans(tree: ast.Module, source: str) -> Iterator[tuple[int, int]]:
    """Yield where each statement begins and ends, its block aside, imports and docstrings left out."""
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node, ast.Import | ast.ImportFrom) or _is_text(node):
            continue
        begin = _offset(source, node.lineno, node.col_offset)
        block = getattr(node, "body", None)
        if block:
            yield begin, _offset(source, block[0].lineno, block[0].col_offset)
        elif node.end_lineno is not None and node.end_col_offset is not None:
            yield begin, _offset(source, node.end_lineno, node.end_col_offset)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _variables(tree: ast.Module, source: str) -> Iterator[int]:
    """Yield where the names of variables stand: those that are neither called, nor classes, nor Python's."""
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.arg) or node in called:
            continue
        name = node.id if isinstance(node, ast.Name) else node.arg
        at = _offset(source, node.lineno, node.col_offset)
        # Names in f-strings are not always where Python says.
        if name not in COMMON and not name[0].isupper() and source.startswith(name, at):
            yield at


def _offset(source: str, line: int, column: int) -> int:
    """Return where a place that Python names by line, and by column in bytes, is in the text."""
    lines = source.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + len(lines[line - 1].encode()[:column].decode())


def _fitting(part: Part, text: Sequence[str], at: int, names: Mapping[str, str]) -> dict[str, str] | None:
    """Return the names that variables have where a statement stands at a place; ``None`` if it does not."""
    found = dict(names)
    if at + len(part) > len(text):
        return None
    for word, other in zip(part, text[at : at + len(part)], strict=True):
        if not word.is_variable:
            if word.text != other:
                return None
        elif word.text in found:
            if found[word.text] != other:
                return None
        elif other in found.values() or other in COMMON or not other.isidentifier():
            return None
        else:
            found[word.text] = other
    return found


def _follow(parts: Sequence[Part], text: Sequence[str], at: int, names: Mapping[str, str]) -> bool:
    """Whether the statements stand one after the other from a place on, with the names that are known."""
    for part in parts:
        tried = ((start, _fitting(part, text, start, names)) for start in range(at, at + _GAP + 1))
        start, found = next(((start, found) for start, found in tried if found is not None), (0, None))
        if found is None:
            return False
        at, names = start + len(part), found
    return True
