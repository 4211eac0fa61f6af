"""What choosing answers: cells and services in order, and the reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from academy.matrix.catalogue import CellId
from academy.matrix.needs import Needs


class Weight(StrEnum):
    """What a reason does."""

    FOR = "for"
    AGAINST = "against"
    REFUSED = "refused"


@dataclass(frozen=True)
class Reason:
    """One sentence on one need; ``need`` is the field of ``Needs`` that it is about."""

    weight: Weight
    need: str
    text: str


@dataclass(frozen=True)
class RankedService:
    """A service with its reasons; one that is refused has a reason that says so, and no rank."""

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
    """A cell with its reasons, and its services: those that fit in order, then those that are refused."""

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
    """All four cells: those that fit, best first, and those that were refused. ``cells`` may be empty."""

    needs: Needs
    cells: tuple[RankedCell, ...]
    refused: tuple[RankedCell, ...]

    @property
    def best(self) -> RankedCell | None:
        return self.cells[0] if self.cells else None
