"""What a learner wrote: their code without what the lab gave to everyone, as tokens that renaming keeps."""

from __future__ import annotations

import builtins
import io
import keyword
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from academy.errors import AcademyError
from academy.labs.editions import ipynb
from academy.labs.grading.hidden import NO_PYTHON

_SKIPPED = frozenset(
    {tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER, tokenize.NEWLINE, tokenize.INDENT}
)
_TEXTS = frozenset(
    getattr(tokenize, name)
    for name in ("STRING", "FSTRING_START", "FSTRING_MIDDLE", "FSTRING_END")
    if hasattr(tokenize, name)
)
# What is called so is called so by everyone: folding it would make all short code alike.
_KNOWN = frozenset(keyword.kwlist) | frozenset(dir(builtins))
_MAGIC = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)
# More than anyone writes by hand; what is beyond is not compared, and said to be so.
MOST_TOKENS = 20_000
_MOST_CHARACTERS = 1_000_000
_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Token:
    """``text`` is folded: a name of the learner's own is N, a text is S. Lines and cells count from 0."""

    text: str
    line: int
    cell: int = 0


@dataclass(frozen=True)
class OwnCode:
    """One learner's own lines, and the tokens in them; ``cut`` when these are not all of them."""

    learner: str
    lines: tuple[str, ...]
    tokens: tuple[Token, ...]
    cut: bool = False


def own_code(learner: str, notebook: Path, given: Path) -> OwnCode:
    """Return what ``notebook`` has beyond the release ``given``: cells and lines that are not there.

    A notebook that cannot be read has no code of its own.
    """
    try:
        written, released = _code(notebook), _code(given)
    except AcademyError:
        return OwnCode(learner, (), ())
    # A line that the release has anywhere is nobody's own: given cells may be copied, moved or taken apart.
    known = {_bare(line) for cell in released for line in cell.splitlines()}
    names = frozenset(_names(released))
    lines: list[str] = []
    tokens: list[Token] = []
    written, cut = _within(written, _MOST_CHARACTERS)
    for place, cell in enumerate(written):
        own = [line for line in cell.splitlines() if line.strip()]
        kept = {number for number, line in enumerate(own) if _bare(line) not in known}
        for token in _tokens("\n".join(own), names):
            if token.line in kept:
                tokens.append(Token(token.text, len(lines) + token.line, place))
        lines += own
    cut, tokens = cut or len(tokens) > MOST_TOKENS, tokens[:MOST_TOKENS]
    shown = sorted({token.line for token in tokens})
    places = {line: place for place, line in enumerate(shown)}
    moved = (replace(token, line=places[token.line]) for token in tokens)
    return OwnCode(learner, tuple(lines[line] for line in shown), tuple(moved), cut)


def _within(cells: list[str], most: int) -> tuple[list[str], bool]:
    """Return the cells up to so many characters, and whether that leaves some out."""
    kept: list[str] = []
    for cell in cells:
        kept.append(cell[:most])
        most -= len(kept[-1])
    return kept, sum(map(len, kept)) < sum(map(len, cells))


def _code(notebook: Path) -> list[str]:
    return [cell.source for cell in ipynb.read(notebook).cells if cell.cell_type == "code"]


def _tokens(source: str, known: frozenset[str]) -> Iterator[Token]:
    plain = _MAGIC.sub("pass", source)
    try:
        found = list(tokenize.generate_tokens(io.StringIO(plain).readline))
    except (tokenize.TokenError, *NO_PYTHON):
        yield from _words(plain, known)  # it does not compile: it can be copied all the same
        return
    before = ""
    for token in found:
        if token.type in _SKIPPED or token.type == tokenize.DEDENT or not token.string.strip():
            continue
        yield Token(_folded(token, before, known), token.start[0] - 1)
        before = token.string


def _folded(token: tokenize.TokenInfo, before: str, known: frozenset[str]) -> str:
    if token.type in _TEXTS:
        return "S"
    # What follows a dot belongs to a library; names of the lab are given to everyone.
    if token.type != tokenize.NAME or before == "." or token.string in _KNOWN or token.string in known:
        return token.string
    return "N"


def _words(source: str, known: frozenset[str]) -> Iterator[Token]:
    for number, line in enumerate(source.splitlines()):
        for word in _WORD.findall(line.partition("#")[0]):
            own = word.isidentifier() and word not in _KNOWN and word not in known
            yield Token("N" if own else word, number)


def _names(cells: Iterable[str]) -> Iterator[str]:
    for cell in cells:
        yield from re.findall(r"\b[A-Za-z_]\w*", cell)


def _bare(line: str) -> str:
    return "".join(line.split())
