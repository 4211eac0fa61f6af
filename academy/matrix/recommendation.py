"""What choosing answers: cells and services in order, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from academy.matrix.needs import Needs
from academy.matrix.plain import plain
from academy.matrix.ranked import RankedCell, RankedService, Reason, Weight
from academy.matrix.recommendation_text import Lines

__all__ = ["RankedCell", "RankedService", "Reason", "Recommendation", "Weight"]


@dataclass(frozen=True, repr=False)
class Recommendation:
    """All four cells: those that fit, best first, and those that were refused. ``cells`` may be empty.

    ``notes`` say what is true of the needs as a whole: a language that nothing names, or, when nothing fits,
    which need stands in the way.
    """

    needs: Needs
    cells: tuple[RankedCell, ...]
    refused: tuple[RankedCell, ...]
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> RankedCell | None:
        return self.cells[0] if self.cells else None

    def text(self, width: int = 80, *, everything: bool = False) -> str:
        """Return it in lines of at most ``width`` characters: what fits, best first, then what is refused.

        Without ``everything``, the best service has all its reasons, the next few the weightiest, the rest
        are named in order, and services refused for the same reason are named together.
        """
        lines = Lines(width, everything)
        parts = [
            lines.asked(self.needs),
            *map(lines.note, self.notes),
            *(lines.cell(cell, place) for place, cell in enumerate(self.cells, start=1)),
            *map(lines.refused_cell, self.refused),
            lines.points() if self.cells else (),
            lines.end(),
        ]
        return "\n".join(line for part in parts for line in part).rstrip()

    def __repr__(self) -> str:
        names = ", ".join(str(cell.id) for cell in self.cells) or "nothing fits"
        return f"<Recommendation: {names}; print() shows the reasons>"

    def __str__(self) -> str:
        return self.text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the text as the result of a notebook's cell."""
        printer.text(str(self))

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values, as JSON and YAML have them."""
        return {
            "needs": self.needs.to_mapping(),
            "notes": list(self.notes),
            "cells": plain(self.cells),
            "refused": plain(self.refused),
        }
