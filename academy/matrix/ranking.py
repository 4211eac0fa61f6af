"""Choosing: all that the rules say of cells and services, put in order. Reads no clock and no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from academy.matrix.catalogue import Billing, Catalogue, Cell, CellId, Compute, Operator, Traits
from academy.matrix.needs import Needs
from academy.matrix.notes import NEEDS, candidates, unknown_languages, unsaid_traffic, ways_out
from academy.matrix.ranked import RankedCell, RankedService, Reason, Weight
from academy.matrix.reading import load
from academy.matrix.recommendation import Recommendation
from academy.matrix.rules import CELL_RULES, SERVICE_RULES
from academy.matrix.rules.reason import Candidate, listed, refused


def recommend(needs: Needs, catalogue: Catalogue | None = None) -> Recommendation:
    """Return all cells and services with reasons: those that fit, best first, and those refused.

    The same needs and the same catalogue (by default this checkout's) have the same answer. Of two with
    the same score, the one with fewer points against it comes first, then the one that leaves less to run
    (platform, shared, owner), that asks for fewer skills, that costs less when idle, that is made for this
    stage alone; then the one that the catalogue has first. What is refused is in order of how little
    refuses it.
    """
    if catalogue is None:
        catalogue = load()
    found = _ranked(needs, catalogue)
    fitting = [cell for cell in found if not cell.is_refused]
    fitting.sort(key=lambda cell: (*_merit(cell), cell.id.compute is Compute.HYBRID))
    said = [*unknown_languages(needs, catalogue), *unsaid_traffic(needs)]
    notes = [*said, *([] if fitting else ways_out(needs, catalogue))]
    out = tuple(cell for cell in found if cell.is_refused)
    return Recommendation(needs, tuple(fitting), out, tuple(notes))


def _ranked(needs: Needs, catalogue: Catalogue) -> list[RankedCell]:
    return [_cell(needs, catalogue.cells[cell], candidates(catalogue, cell)) for cell in CellId]


def _cell(needs: Needs, cell: Cell, met: Sequence[Candidate]) -> RankedCell:
    judged = [(_service(needs, one), one.traits) for one in met]
    fitting = [pair for pair in judged if not pair[0].is_refused]
    fitting.sort(key=lambda pair: (*_merit(pair[0]), *_burden(pair[1])))
    out = sorted((one for one, _ in judged if one.is_refused), key=lambda one: len(_refusals(one.reasons)))
    reasons = [reason for rule in CELL_RULES if (reason := rule(needs, cell)) is not None]
    if not fitting and not _refusals(reasons):
        reasons.append(_all_refused(out))
    in_order = _in_order(reasons)
    score = 0.0 if _refusals(in_order) else fitting[0][0].score + _score(in_order)
    return RankedCell(cell.id, cell.name, score, in_order, tuple(one for one, _ in fitting), tuple(out))


def _service(needs: Needs, one: Candidate) -> RankedService:
    reasons = _in_order(reason for rule in SERVICE_RULES if (reason := rule(needs, one)) is not None)
    score = 0.0 if _refusals(reasons) else _score(reasons)
    return RankedService(one.service.id, one.service.name, one.cell, score, reasons)


def _all_refused(services: Sequence[RankedService]) -> Reason:
    """Say in sum which needs refused all services of a cell; the one that refused most is the reason's."""
    needs = Counter(
        need for one in services for need in dict.fromkeys(reason.need for reason in _refusals(one.reasons))
    )
    # By number, then in the order of the needs' fields, whatever order the services come in.
    order = list(NEEDS)
    most = sorted(needs.items(), key=lambda item: (-item[1], order.index(item[0])))
    count = len(services)
    for_each = listed(f"{'all' if number == count else number} for {NEEDS[need]}" for need, number in most)
    text = f"Each of its {count} services is refused: {for_each}."
    return refused(most[0][0], text)


def _in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Refusals first, then what is for, then what is against; the weighty before the light."""
    order = {Weight.REFUSED: 0, Weight.FOR: 1, Weight.AGAINST: 2}
    return tuple(sorted(reasons, key=lambda reason: (order[reason.weight], -reason.points)))


def _score(reasons: Iterable[Reason]) -> float:
    signs = {Weight.FOR: 1, Weight.AGAINST: -1, Weight.REFUSED: 0}
    return float(sum(signs[reason.weight] * reason.points for reason in reasons))


def _merit(one: RankedCell | RankedService) -> tuple[float, float]:
    against = sum(reason.points for reason in one.reasons if reason.weight is Weight.AGAINST)
    return (-one.score, against)


def _burden(traits: Traits) -> tuple[int, ...]:
    """Return what decides between equals: who runs it, what to know, what it costs, what else it is for."""
    operator = (Operator.PLATFORM, Operator.SHARED, Operator.OWNER).index(traits.operator)
    return operator, len(traits.skills), list(Billing).index(traits.billing), len(traits.stages)


def _refusals(reasons: Iterable[Reason]) -> list[Reason]:
    return [reason for reason in reasons if reason.weight is Weight.REFUSED]
