"""Code known again under other names: the statements of a region, whatever its variables are called.

What one calls, sets or reads by name (functions, attributes, keywords, texts, numbers) has to be the same.
Only some regions have such a shape. Few statements need many words that stay the same. Many statements need
none beyond Python's own, and have to stand close together. A single expression has the names that it makes
itself as its only variables. Two lines that any program of the kind has are no shape.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

from academy.labs.editions.statements import COMMON, Statement, places_of_words

_STATEMENTS = 2
_WORDS = 24
_FIXED = 6
# So many other words may stand between two statements: a comment, or a line that was put in.
_GAP = 30
# A region of so many statements needs no words of its own; where it is copied, little is put in between.
_MANY = 4
_MANY_WORDS = 16
_NARROW_GAP = 8
# The least words of a single expression that makes names of its own, and the least names that it is given.
_EXPRESSION_WORDS = 10
_GIVEN = 2


@dataclass(frozen=True)
class Word:
    """A word of a statement; a variable's stands for any name, the same one throughout."""

    text: str
    is_variable: bool


Part = tuple[Word, ...]


@dataclass(frozen=True)
class Shape:
    """The statements of one region; ``gap`` is how many other words may stand between two of them."""

    parts: tuple[Part, ...]
    gap: int = _GAP

    @cached_property
    def fixed(self) -> frozenset[str]:
        return frozenset(word.text for part in self.parts for word in part if not word.is_variable)

    def places_in(self, text: Sequence[str]) -> Iterator[int]:
        """Yield where it begins in a list of words, all its statements standing there in their order."""
        first, *rest = self.parts
        known = next(index for index, word in enumerate(first) if not word.is_variable)
        for at in range(len(text) - known):
            names = _fitting(first, text, at, {}) if text[at + known] == first[known].text else None
            if names is not None and self._follows(rest, text, at + len(first), names):
                yield at

    def _follows(self, parts: Sequence[Part], text: Sequence[str], at: int, names: Mapping[str, str]) -> bool:
        """Whether the statements stand one after the other from a place on, with the names that are known."""
        for part in parts:
            tried = ((start, _fitting(part, text, start, names)) for start in range(at, at + self.gap + 1))
            start, found = next(((start, found) for start, found in tried if found is not None), (0, None))
            if found is None:
                return False
            at, names = start + len(part), found
        return True


def shape_of(source: str) -> Shape | None:
    """Return the shape of a region of Python; ``None`` where it is too small, or cannot be read."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return None
    variables = set(_variables(tree, source))
    held = [_part(source, begin, end, variables) for begin, end in _spans(tree, source)]
    telling = tuple(part for part in held if _fixed(part))
    fixed = {word for part in telling for word in _fixed(part)}
    if len(telling) >= _STATEMENTS and sum(map(len, telling)) >= _WORDS and len(fixed) >= _FIXED:
        return Shape(telling)
    every = tuple(part for part in held if any(not word.is_variable for word in part))
    if len(every) >= _MANY and sum(map(len, every)) >= _MANY_WORDS:
        return Shape(every, _NARROW_GAP)
    return _shape_of_expression(tree, source)


def _shape_of_expression(tree: ast.Module, source: str) -> Shape | None:
    """Return the shape of a region's only statement, without what becomes of its value."""
    value = getattr(tree.body[0], "value", None) if len(tree.body) == 1 else None
    if not isinstance(value, ast.expr) or value.end_lineno is None or value.end_col_offset is None:
        return None
    made = {node.id for node in ast.walk(value) if isinstance(node, ast.Name) and _is_made(node)}
    variables = [(at, name) for at, name in _named(tree, source) if name in made]
    begin = _offset(source, value.lineno, value.col_offset)
    end = _offset(source, value.end_lineno, value.end_col_offset)
    part = _part(source, begin, end, {at for at, _ in variables})
    is_large = len(part) >= _EXPRESSION_WORDS and len(_fixed(part)) >= _GIVEN
    return Shape((part,)) if variables and is_large else None


def _is_made(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _part(source: str, begin: int, end: int, variables: Set[int]) -> Part:
    return tuple(Word(text, at in variables) for at, text in places_of_words(source) if begin <= at < end)


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
    return (at for at, _ in _named(tree, source))


def _named(tree: ast.Module, source: str) -> Iterator[tuple[int, str]]:
    """Yield where the names of variables stand: those that are neither called, nor classes, nor Python's."""
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Name | ast.arg) or node in called:
            continue
        name = node.id if isinstance(node, ast.Name) else node.arg
        at = _offset(source, node.lineno, node.col_offset)
        # Names in f-strings are not always where Python says.
        if name not in COMMON and not name[0].isupper() and source.startswith(name, at):
            yield at, name


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
