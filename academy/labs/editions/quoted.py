"""Code that text quotes: code spans, fences and indented lines of markdown, and comments.

A small statement of a solution says nothing in a program, where many have it; quoted in a text about the task
it is an answer. What given code holds too is none.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from academy.errors import AcademyError
from academy.labs.editions import ipynb
from academy.labs.editions.layout import as_text
from academy.labs.editions.readable import Line, Passage
from academy.labs.editions.statements import Statement, Words, words

_SPAN = re.compile(r"(`+)(.+?)\1")
_FENCE = re.compile(r"\s*(```|~~~)")
_INDENTED = re.compile(r"(\t| {4})")
# The least words of a quoted statement, and the least names among them.
_WORDS = 4
_NAMES = 2


@dataclass(frozen=True)
class Quotes:
    """What the texts of an edition quote, and the code that it gives."""

    quoted: list[Passage] = field(default_factory=list)
    given: list[Words] = field(default_factory=list)

    def of(self, statement: Statement) -> Iterator[Line]:
        """Yield where a statement is quoted."""
        names = [word for word in statement.telling_words if word.isidentifier()]
        if len(statement.words) < _WORDS or len(names) < _NAMES or _is_other(statement):
            return
        if any(_held(statement.words, given) for given in self.given):
            return
        for passage in self.quoted:
            text = words("\n".join(line.text for line in passage))
            if _held(statement.words, text):
                yield passage[0]


def _is_other(statement: Statement) -> bool:
    return statement.is_header or statement.is_prose or statement.is_import or statement.is_test


def quotes_in(folder: Path) -> Quotes:
    """Read the notebooks, the markdown and the Python of an edition."""
    found = Quotes()
    for path in sorted(folder.rglob("*")):
        text = as_text(path.read_bytes()) if path.is_file() else None
        if text is None:
            continue
        file = str(path.relative_to(folder))
        if path.suffix == ".ipynb":
            _read_notebook(path, file, found)
        elif path.suffix == ".md":
            found.quoted.extend(_in_markdown(_lines(text, file)))
        elif path.suffix == ".py":
            _read_code(_lines(text, file), found)
    return found


def _read_notebook(path: Path, file: str, found: Quotes) -> None:
    try:
        cells = ipynb.read(path).cells
    except AcademyError:
        return
    for index, cell in enumerate(cells):
        lines = _lines(cell.source, file, ipynb.place(cell, index), str(cell.get("id", "")))
        if cell.cell_type == "markdown":
            found.quoted.extend(_in_markdown(lines))
        elif cell.cell_type == "code":
            _read_code(lines, found)


def _lines(text: str, file: str, cell: str = "", source_of: str = "") -> Passage:
    numbered = enumerate(text.splitlines(), start=1)
    return tuple(Line(file, cell, at, line, source_of) for at, line in numbered)


def _in_markdown(lines: Passage) -> Iterator[Passage]:
    """Yield what markdown quotes: each code span, and each block of fenced or indented lines."""
    block: list[Line] = []
    fence = ""
    for line in lines:
        mark = _FENCE.match(line.text)
        if mark and fence in ("", mark[1]):
            fence = "" if fence else mark[1]
        elif fence or _INDENTED.match(line.text):
            block.append(line)
            continue
        if block:
            yield tuple(block)
            block = []
        yield from _spans(line)
    if block:
        yield tuple(block)


def _spans(line: Line) -> Iterator[Passage]:
    return ((replace(line, text=span[2]),) for span in _SPAN.finditer(line.text))


def _read_code(lines: Passage, found: Quotes) -> None:
    """Add the comments of a piece of code, where they quote, and its lines without them."""
    comments = _comments("\n".join(line.text for line in lines))
    given: list[str] = []
    for line in lines:
        begin = comments.get(line.number, len(line.text))
        given.append(line.text[:begin])
        comment = replace(line, text=line.text[begin:].lstrip("#! "))
        whole = [(comment,)] if comment.text and _is_code(comment.text) else []
        found.quoted.extend(chain(whole, _spans(comment)))
    found.given.append(words("\n".join(given)))


def _comments(source: str) -> dict[int, int]:
    """Return the column at which each line's comment begins, where the source can be read."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        lines = enumerate(source.splitlines(), start=1)
        return {at: len(line) - len(line.lstrip()) for at, line in lines if line.lstrip().startswith("#")}
    return {token.start[0]: token.start[1] for token in tokens if token.type == tokenize.COMMENT}


def _is_code(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def _held(wanted: Words, text: Words) -> bool:
    size = len(wanted)
    return any(text[at : at + size] == wanted for at in range(len(text) - size + 1))
