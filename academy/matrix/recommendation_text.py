"""A recommendation as text: what fits, best first, with what is for and against; then what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from academy.matrix.needs import Needs
from academy.matrix.recommendation import RankedCell, RankedService, Reason, Recommendation, Weight
from academy.matrix.wording import STAGES

# So many services are shown with their reasons, in the best cell and in each other one.
_SHOWN_OF_BEST = 3
_SHOWN_OF_OTHERS = 1
# So many reasons for it are shown of a service that is not the best.
_FOR_OF_OTHERS = 3
_NARROWEST = 40

_MARKS = {Weight.FOR: "+", Weight.AGAINST: "-", Weight.REFUSED: "x"}


def recommendation_text(found: Recommendation, width: int = 80, *, everything: bool = False) -> str:
    """Return a recommendation in lines of at most ``width`` characters.

    Without ``everything``, the best service has all its reasons, the next few the weightiest, the rest are
    named in order, and services refused for the same reason are named together.
    """
    width = max(width, _NARROWEST)
    lines = [*_wrapped(_asked(found.needs), width), ""]
    for note in found.notes:
        lines += [*_wrapped(note, width), ""]
    for place, cell in enumerate(found.cells, start=1):
        first = _SHOWN_OF_BEST if place == 1 else _SHOWN_OF_OTHERS
        lines += _cell(cell, place, width, len(cell.services) if everything else first, everything)
    for cell in found.refused:
        lines += _refused_cell(cell, width, everything)
    if not everything:
        lines += _wrapped("'--all' shows all services with all reasons.", width)
    return "\n".join(lines).rstrip()


def _asked(needs: Needs) -> str:
    """Return what was asked for: the needs that differ from saying nothing."""
    said, nothing = needs.to_mapping(), _nothing_said(needs)
    parts = [
        f"{name} {', '.join(value) if isinstance(value, list) else value}"
        for name, value in said.items()
        if value != nothing[name] and name not in ("stage", "offline")
    ]
    parts += ["offline"] if needs.offline else []
    return f"For {STAGES[needs.stage]}" + (f" with {'; '.join(parts)}:" if parts else ":")


def _nothing_said(needs: Needs) -> dict[str, object]:
    plain = {name: field.default for name, field in Needs.__dataclass_fields__.items()}
    return {name: [] if isinstance(value, frozenset) else value for name, value in plain.items()} | {
        "stage": needs.stage
    }


def _cell(cell: RankedCell, place: int, width: int, shown: int, everything: bool) -> Iterator[str]:
    yield from _heading(f"{place}. {cell.name}", cell.score, width)
    yield from _reasons(cell.reasons, width, 3)
    for number, service in enumerate(cell.services[:shown], start=1):
        yield ""
        yield from _heading(f"   {place}.{number} {service.name}", service.score, width)
        all_of_them = everything or place == number == 1
        yield from _reasons(service.reasons if all_of_them else _weightiest(service.reasons), width, 7)
    if rest := cell.services[shown:]:
        yield ""
        names = "; ".join(f"{service.name} ({service.score:g})" for service in rest)
        yield from _wrapped(f"Then, in order: {names}.", width, 3)
    if cell.refused_services:
        yield ""
        yield "   Refused in it:"
        yield from _refused_services(cell.refused_services, width, everything)
    yield ""


def _refused_cell(cell: RankedCell, width: int, everything: bool) -> Iterator[str]:
    yield f"Refused: {cell.name}"
    yield from _reasons([reason for reason in cell.reasons if reason.weight is Weight.REFUSED], width, 3)
    # Of a cell for the other stage it is the same with each service.
    if everything or "stage" not in {reason.need for reason in cell.reasons if _refuses(reason)}:
        yield from _refused_services(cell.refused_services, width, everything)
    yield ""


def _refused_services(services: Sequence[RankedService], width: int, everything: bool) -> Iterator[str]:
    """Name refused services with their reasons; without ``everything`` together, by the first reason."""
    if everything:
        for service in services:
            yield from _wrapped(service.name, width, 5)
            yield from _reasons(service.reasons, width, 7)
        return
    together: dict[str, list[str]] = {}
    for service in services:
        first = next(reason.text for reason in service.reasons if _refuses(reason))
        together.setdefault(first, []).append(service.name)
    for text, names in together.items():
        yield from wrap(
            f"{', '.join(names)}: {text}",
            width,
            initial_indent="   x ",
            subsequent_indent="     ",
            break_on_hyphens=False,
        )


def _weightiest(reasons: Sequence[Reason]) -> Iterator[Reason]:
    """Give the first few reasons for, which are the weightiest, and all against."""
    in_favour = [reason for reason in reasons if reason.weight is Weight.FOR and reason.points]
    yield from in_favour[:_FOR_OF_OTHERS]
    yield from (reason for reason in reasons if reason.weight is Weight.AGAINST)


def _heading(text: str, score: float, width: int) -> Iterator[str]:
    points = f"{score:g} {'point' if abs(score) == 1 else 'points'}"
    if len(text) + len(points) + 2 <= width:
        yield f"{text}{points:>{width - len(text)}}"
    else:
        yield from _wrapped(text.strip(), width, len(text) - len(text.lstrip()))
        yield f"{points:>{width}}"


def _reasons(reasons: Iterable[Reason], width: int, by: int) -> Iterator[str]:
    for reason in reasons:
        mark = "." if reason.weight is Weight.FOR and not reason.points else _MARKS[reason.weight]
        yield from wrap(
            reason.text,
            width,
            initial_indent=f"{' ' * by}{mark} ",
            subsequent_indent=" " * (by + 2),
            break_on_hyphens=False,
        )


def _wrapped(text: str, width: int, by: int = 0) -> list[str]:
    return wrap(text, width, initial_indent=" " * by, subsequent_indent=" " * by, break_on_hyphens=False)


def _refuses(reason: Reason) -> bool:
    return reason.weight is Weight.REFUSED
