"""What the matrix's widget shows of a recommendation."""

from __future__ import annotations

from dataclasses import dataclass

from academy.labs.language import Texts
from academy.matrix.recommendation import RankedCell, RankedService, Reason, Recommendation, Weight


@dataclass(frozen=True)
class ReasonView:
    """A reason; ``weight`` is ``for``, ``against`` or ``refused``, ``said`` the same in words.

    Both are empty of what is only said, and counts for nothing.
    """

    weight: str
    said: str
    text: str


@dataclass(frozen=True)
class RankedView:
    """A cell or a service: ``state`` is ``best``, ``fits`` or ``refused``, ``badge`` the same in words."""

    id: str
    name: str
    state: str
    badge: str
    reasons: tuple[ReasonView, ...]
    services: tuple[RankedView, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came of the needs: a sentence, the cells in order, what else to say; or why there is no answer."""

    summary: str = ""
    cells: tuple[RankedView, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


def answer_of(found: Recommendation, say: Texts) -> Answer:
    """Return what there is to show of a recommendation."""
    fitting = [_cell(cell, rank, say) for rank, cell in enumerate(found.cells, start=1)]
    refused = [_cell(cell, 0, say) for cell in found.refused]
    return Answer(_summary(found, say), (*fitting, *refused), found.notes)


def _summary(found: Recommendation, say: Texts) -> str:
    if found.best is None:
        return say("matrix.answer.none")
    said = [say("matrix.answer.best", name=found.best.name)]
    others = {
        "also": [cell.name for cell in found.cells[1:] if cell.score >= 0],
        "hardly": [cell.name for cell in found.cells[1:] if cell.score < 0],
        "refused": [cell.name for cell in found.refused],
    }
    said += [say(f"matrix.answer.{how}", names=", ".join(names)) for how, names in others.items() if names]
    return " ".join(said)


def _cell(cell: RankedCell, rank: int, say: Texts) -> RankedView:
    fitting = [_ranked(one, place, say) for place, one in enumerate(cell.services, start=1)]
    # Of a cell for the other stage, all services are refused because the cell is.
    for_other_stage = any(one.need == "stage" and one.weight is Weight.REFUSED for one in cell.reasons)
    refused = () if for_other_stage else cell.refused_services
    return _ranked(cell, rank, say, (*fitting, *(_ranked(one, 0, say) for one in refused)))


def _ranked(
    one: RankedCell | RankedService, rank: int, say: Texts, services: tuple[RankedView, ...] = ()
) -> RankedView:
    state = "refused" if rank == 0 else "best" if rank == 1 else "fits"
    badge = say(f"matrix.badge.{state}", rank=rank)
    return RankedView(
        one.id, one.name, state, badge, tuple(_reason(reason, say) for reason in one.reasons), services
    )


def _reason(reason: Reason, say: Texts) -> ReasonView:
    if reason.weight is Weight.FOR and not reason.points:
        return ReasonView("", "", reason.text)
    return ReasonView(reason.weight, say(f"matrix.weight.{reason.weight}"), reason.text)
