"""The chain as a picture: where the boxes and the lines between them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from academy.audit.lineage import Step

WIDTH = 600
_HEIGHT = 50
_BETWEEN = 38
_GAP = 16
_WIDEST = 280
_IN_A_ROW = 3
# How wide a letter of the names is, in the picture's units: what does not fit is cut.
_LETTER = 7.6
_PADDING = 14


@dataclass(frozen=True)
class Box:
    """One thing of the chain; ``here`` is the one that the page is about."""

    x: float
    y: float
    width: float
    height: float
    kind: str
    name: str
    whole_name: str
    facts: str
    here: bool


@dataclass(frozen=True)
class Line:
    """From the lower edge of a box to the upper edge of another."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def path(self) -> str:
        """The line as SVG's path data: a curve that leaves and arrives upright."""
        middle = (self.y1 + self.y2) / 2
        return (
            f"M{self.x1:g} {self.y1:g} C{self.x1:g} {middle:g} {self.x2:g} {middle:g} {self.x2:g} {self.y2:g}"
        )


@dataclass(frozen=True)
class Picture:
    """Boxes in rows from the top: data first, the endpoint last."""

    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    height: float
    width: float = WIDTH


def picture(steps: Sequence[Step], here: str) -> Picture:
    """Return the picture of a chain; ``here`` is the key of the thing that it is drawn for."""
    placed: dict[str, Box] = {}
    y = 1.0
    for row in _rows(steps):
        width = min(_WIDEST, (WIDTH - 2 - _GAP * (len(row) - 1)) / len(row))
        x = (WIDTH - width * len(row) - _GAP * (len(row) - 1)) / 2
        for step in row:
            placed[step.key] = _box(step, x, y, width, step.key == here)
            x += width + _GAP
        y += _HEIGHT + _BETWEEN
    lines = [
        Line(before.x + before.width / 2, before.y + _HEIGHT, after.x + after.width / 2, after.y - 5)
        for step in steps
        for before, after in ((placed.get(key), placed[step.key]) for key in step.before)
        if before is not None and before.y < after.y
    ]
    return Picture(tuple(placed.values()), tuple(lines), max(y - _BETWEEN + 1, _HEIGHT))


def _rows(steps: Sequence[Step]) -> list[list[Step]]:
    """Return the steps level by level, at most three beside one another."""
    rows = []
    for level in sorted({step.level for step in steps}):
        of_level = [step for step in steps if step.level == level]
        rows += [of_level[at : at + _IN_A_ROW] for at in range(0, len(of_level), _IN_A_ROW)]
    return rows


def _box(step: Step, x: float, y: float, width: float, here: bool) -> Box:
    room = int((width - 2 * _PADDING) / _LETTER)
    name = step.name if len(step.name) <= room else "…" + step.name[1 - room :]
    facts = []
    if step.sealed is not None:
        of_runs = " of the local runs" if step.place else ""
        facts.append(f"record {step.sealed.sequence}{of_runs}")
    if step.deleted is not None:
        facts.append("deleted since")
    return Box(x, y, width, _HEIGHT, step.kind, name, step.name, ", ".join(facts), here)
