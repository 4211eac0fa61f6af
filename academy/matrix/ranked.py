"""Services and cells with what is said of them: each reason is one sentence on one need."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from academy.matrix.catalogue import CellId


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
