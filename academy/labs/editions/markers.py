"""The markers of solutions and hidden tests, in notebook cells and in text files.

They are nbgrader's: ``### BEGIN SOLUTION`` … ``### END SOLUTION``, and the same with ``HIDDEN TESTS``. A
marker stands alone on its line, behind any comment sign. What nearly is a marker is refused, because
what it means to hide would go out to learners.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent
from typing import NoReturn

from academy.errors import InvalidField


class Kind(StrEnum):
    """What a region holds."""

    SOLUTION = "SOLUTION"
    HIDDEN_TESTS = "HIDDEN TESTS"


@dataclass(frozen=True)
class Region:
    """The lines between two markers.

    ``first`` and ``last`` are the numbers of the markers' own lines, from 1; ``indent`` is that of BEGIN.
    """

    kind: Kind
    first: int
    last: int
    indent: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """What stands between the markers, without the indentation that all of it has."""
        return dedent("\n".join(self.lines)).strip("\n")


class BadMarkers(InvalidField):
    """Markers that are unbalanced, nested, crossed, or not spelled as they should be."""


_NAMES = "|".join(Kind)
# Signs around the words are the comment's: `### BEGIN SOLUTION`, `<!-- ### BEGIN SOLUTION -->`.
_MARKER = re.compile(rf"[^\w\"'`]*\b(BEGIN|END) ({_NAMES})\b[^\w\"'`]*")
# nbgrader takes any line that holds the words for a marker, so they may not stand in other text.
_WORDS = re.compile(rf"\b(BEGIN|END) ({_NAMES})")
_NEARLY = re.compile(
    r"\W*\b(begin|end)[\s_-]*(of[\s_-]*)?(solutions?|hidden[\s_-]*tests?)\b\W*", re.IGNORECASE
)
_COMMENTED = re.compile(r"\s*(#|//|--|<!--|%|/\*)")


def regions(text: str, where: str) -> tuple[Region, ...]:
    """Return the marked regions of a text, in their order.

    Parameters
    ----------
    where
        The file or cell that the text is, for the messages.

    Raises
    ------
    BadMarkers
        A region is not closed, not opened, inside another one, or a marker is misspelled.
    """
    lines = text.split("\n")
    found: list[Region] = []
    opened: tuple[Kind, int] | None = None
    for number, line in enumerate(lines, start=1):
        marker = _marker(line, where, number)
        if marker is None:
            continue
        begins, kind = marker
        if begins and opened:
            _refuse(where, number, f"### BEGIN {kind} stands inside the region that line {opened[1]} begins")
        if not begins and not opened:
            _refuse(where, number, f"### END {kind} has no ### BEGIN {kind} before it")
        if begins:
            opened = kind, number
        elif opened:
            if opened[0] is not kind:
                _refuse(where, number, f"### END {kind} ends what line {opened[1]} began as {opened[0]}")
            first = opened[1]
            indent = lines[first - 1][: len(lines[first - 1]) - len(lines[first - 1].lstrip())]
            found.append(Region(kind, first, number, indent, tuple(lines[first : number - 1])))
            opened = None
    if opened:
        _refuse(where, opened[1], f"### BEGIN {opened[0]} has no ### END {opened[0]} after it")
    return tuple(found)


def replaced(text: str, where: str, put: Callable[[Region], list[str] | None]) -> str:
    """Return the text with each region, its markers included, exchanged for the lines that ``put`` gives.

    A region for which ``put`` gives ``None`` stays as it is.
    """
    lines = text.split("\n")
    for region in reversed(regions(text, where)):
        new = put(region)
        if new is not None:
            lines[region.first - 1 : region.last] = new
    return "\n".join(lines)


def is_marker(line: str) -> bool:
    """Tell whether the line is a marker."""
    return _MARKER.fullmatch(line) is not None


def _marker(line: str, where: str, number: int) -> tuple[bool, Kind] | None:
    """Return whether the line begins a region (or ends one), and of what kind; ``None`` for other lines."""
    exact = _MARKER.fullmatch(line)
    if exact:
        return exact[1] == "BEGIN", Kind(exact[2])
    held = _WORDS.search(line)
    if held:
        _refuse(where, number, f"{line.strip()!r} holds the words {held[0]!r} among others")
    if _NEARLY.fullmatch(line) and _COMMENTED.match(line):
        _refuse(where, number, f"{line.strip()!r} is nearly a marker, but not spelled as one")
    return None


def _refuse(where: str, number: int, what: str) -> NoReturn:
    raise BadMarkers(
        f"{where}, line {number}: {what}. A region is '### BEGIN SOLUTION' … '### END SOLUTION' or "
        "'### BEGIN HIDDEN TESTS' … '### END HIDDEN TESTS', each alone on its line, none inside another."
    )
