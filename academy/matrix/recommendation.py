"""What choosing answers: cells and services in order, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from academy.matrix.catalogue import CellId
from academy.matrix.needs import Needs
from academy.matrix.plain import plain


class Weight(StrEnum):
    """What a reason does."""

    FOR = "for"
    AGAINST = "against"
    REFUSED = "refused"


@dataclass(frozen=True)
class Reason:
    """One sentence on one need; ``need`` is the field of ``Needs`` that it is about.

    A service that ends is refused for ``retiring``, which is no field: it is so whatever the needs are.

    ``points`` say how much it counts: from 0 (only said) to 3 (weighs heavily); those for are added,
    those against are taken away. A refusal has none: it is not outweighed.
    """

    weight: Weight
    need: str
    text: str
    points: float = 0.0


@dataclass(frozen=True)
class RankedService:
    """A service with its reasons; one that is refused has a reason that says so, and no rank.

    ``score`` is the sum of its reasons' points; 0 when it is refused.
    """

    id: str
    name: str
    cell: CellId
    score: float
    reasons: tuple[Reason, ...]

    @property
    def is_refused(self) -> bool:
        return any(reason.weight is Weight.REFUSED for reason in self.reasons)


@dataclass(frozen=True)
class RankedCell:
    """A cell with its reasons, and its services: those that fit in order, then those that are refused.

    ``score`` is the sum of its own reasons' points and the score of its best service; 0 when it is refused.
    """

    id: CellId
    name: str
    score: float
    reasons: tuple[Reason, ...]
    services: tuple[RankedService, ...]
    refused_services: tuple[RankedService, ...]

    @property
    def is_refused(self) -> bool:
        return any(reason.weight is Weight.REFUSED for reason in self.reasons)


@dataclass(frozen=True)
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

    def to_mapping(self) -> dict[str, Any]:
        """Return all of it as plain values, as JSON and YAML have them."""
        return {
            "needs": self.needs.to_mapping(),
            "notes": list(self.notes),
            "cells": plain(self.cells),
            "refused": plain(self.refused),
        }
