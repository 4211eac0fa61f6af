"""Program text as words and statements, and which of them tell one program from another."""

from __future__ import annotations

import builtins
import keyword
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

Words = tuple[str, ...]

# Quotes, commas, brackets and comment signs are left out: they change when code is copied or reformatted.
_WORD = re.compile(r"\w+|[-+*/%<>=!@&|^~.]")
# Python's own names.
COMMON = frozenset(keyword.kwlist) | frozenset(dir(builtins)) | {"self", "_"}
_IMPORT = re.compile(r"(from\s+\S+\s+)?import\b")
# A block's first line is like many others, unless it is long.
_LONG_HEADER = 8


@dataclass(frozen=True)
class Statement:
    """One statement (or line of prose) of a marked region.

    ``is_test`` says that it is of a hidden test. ``is_header``: it begins a block. ``is_prose``: it is a
    comment, or stands in text.
    """

    words: Words
    is_test: bool = False
    is_header: bool = False
    is_prose: bool = False
    is_import: bool = False

    @cached_property
    def telling_words(self) -> frozenset[str]:
        """The words that are neither Python's own nor operators."""
        return frozenset(
            word for word in self.words if word not in COMMON and (word[0].isalnum() or word[0] == "_")
        )

    @cached_property
    def own(self) -> tuple[int, ...]:
        """Where its telling words are, without the name that its value is given."""
        skipped = 1 if self.words[1:2] == ("=",) and self.words[2:3] != ("=",) else 0
        return tuple(at for at in range(skipped, len(self.words)) if self.words[at] in self.telling_words)

    @property
    def is_telling(self) -> bool:
        """Whether it says enough to be known again."""
        if self.is_import or not self.own:
            return False
        count = len(self.telling_words)
        if self.is_header:
            return count >= _LONG_HEADER
        if self.is_prose:
            return count >= 5
        return count >= 3 and len(self.words) >= (6 if self._asserts else 7)

    @property
    def is_long(self) -> bool:
        """Whether it is a leak on its own, however much more the region holds."""
        return self._asserts or len(self.telling_words) >= (7 if self.is_prose else 6)

    @property
    def _asserts(self) -> bool:
        return self.is_test and "assert" in self.words[:1]


def words(text: str) -> Words:
    """Return a text's words and operators."""
    return tuple(_WORD.findall(text))


def places_of_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield each of a text's words and operators with the place where it begins."""
    return ((found.start(), found[0]) for found in _WORD.finditer(text))


def statements(text: str, *, is_code: bool, is_test: bool = False) -> Iterator[Statement]:
    """Yield the statements of a text; one that begins a block also together with the one after it."""
    headers: Words = ()
    for part, is_comment in _parts(text) if is_code else ((line, True) for line in text.splitlines()):
        own = words(part)
        if not own:
            continue
        is_header = not is_comment and part.split("#")[0].rstrip().endswith(":")
        is_import = bool(_IMPORT.match(part.strip()))
        yield Statement(own, is_test, is_header, is_comment, is_import)
        if is_header:
            headers += own
        elif headers and not is_comment:
            yield Statement(headers + own, is_test)
            headers = ()


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each logical line of Python, and whether it is a comment; plain lines where it cannot be read."""
    lines = text.splitlines()
    found: list[tuple[str, bool]] = []
    began = 0
    source = iter([*(line + "\n" for line in lines), ""])
    try:
        for token in tokenize.generate_tokens(lambda: next(source)):
            row = token.start[0]
            if token.type == tokenize.COMMENT and not began:
                found.append((token.string, True))
            elif token.type == tokenize.NEWLINE:
                found.append(("\n".join(lines[began - 1 : row]), False))
                began = 0
            elif not began and token.type not in _BETWEEN:
                began = row
    except (tokenize.TokenError, IndentationError, StopIteration):
        found = [(line, line.lstrip().startswith("#")) for line in lines]
    yield from found


_BETWEEN = (tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER)
