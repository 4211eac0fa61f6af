"""The parts of a recommendation as lines of text: what fits with what is for and against, what is refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from textwrap import wrap

from academy.matrix.needs import Needs
from academy.matrix.ranked import RankedCell, RankedService, Reason, Weight
from academy.matrix.wording import STAGES

# So many services are shown with their reasons, in the best cell and in each other one.
_SHOWN_OF_BEST = 3
_SHOWN_OF_OTHERS = 1
# So many reasons for it are shown of a service that is not the best.
_FOR_OF_OTHERS = 3
_NARROWEST = 40

_OF_EQUALS = "Of those with equal points, the one that leaves less to run and to learn comes first."
_POINTS = (
    "Points are those of the reasons: for (+) less against (-). A cell's are its own and those of its best "
    "service."
)
_MARKS = {Weight.FOR: "+", Weight.AGAINST: "-", Weight.REFUSED: "x"}


@dataclass(frozen=True)
class Lines:
    """Makes lines of at most ``width`` characters; with ``everything``, of all services and reasons."""

    width: int
    everything: bool

    def asked(self, needs: Needs) -> Iterator[str]:
        """Give what was asked for: the needs that differ from saying nothing."""
        said, offline = needs.to_mapping(), ["offline"] if needs.offline else []
        parts = [
            f"{field.name} {', '.join(value) if isinstance(value, list) else value}"
            for field in fields(needs)
            if (value := said[field.name])
            and value != field.default
            and field.name not in ("stage", "offline")
        ]
        what = "; ".join([*parts, *offline])
        yield from self._wrapped(f"For {STAGES[needs.stage]}{' with ' if what else ''}{what}:")
        yield ""

    def note(self, text: str) -> Iterator[str]:
        yield from self._wrapped(text)
        yield ""

    def cell(self, cell: RankedCell, place: int) -> Iterator[str]:
        """Give a cell that fits, with its services: those that fit, then those that are refused."""
        first = _SHOWN_OF_BEST if place == 1 else _SHOWN_OF_OTHERS
        shown = len(cell.services) if self.everything else first
        yield from self._heading(f"{place}. {cell.name}", cell.score)
        yield from self._reasons(cell.reasons, 3)
        for number, service in enumerate(cell.services[:shown], start=1):
            yield ""
            yield from self._heading(f"   {place}.{number} {service.name}", service.score)
            in_full = self.everything or place == number == 1
            yield from self._reasons(service.reasons if in_full else _weightiest(service.reasons), 7)
        if rest := cell.services[shown:]:
            names = "; ".join(f"{service.name} ({service.score:g})" for service in rest)
            yield from ["", *self._wrapped(f"Then, in order: {names}.", 3)]
        if any(one.score == next_one.score for one, next_one in pairwise(cell.services)):
            yield from ["", *self._wrapped(_OF_EQUALS, 3)]
        if cell.refused_services:
            yield from ["", "   Refused in it:", *self._refused_services(cell.refused_services)]
        yield ""

    def refused_cell(self, cell: RankedCell) -> Iterator[str]:
        """Give a refused cell and its services, unless it is for the other stage, as they all are."""
        why = [reason for reason in cell.reasons if reason.weight is Weight.REFUSED]
        yield f"Refused: {cell.name}"
        yield from self._reasons(why, 3)
        if self.everything or all(reason.need != "stage" for reason in why):
            yield from self._refused_services(cell.refused_services)
        yield ""

    def points(self) -> Iterator[str]:
        yield from self._wrapped(_POINTS)

    def end(self) -> Iterator[str]:
        if not self.everything:
            yield from self._wrapped("'academy matrix recommend --all' shows all services with all reasons.")

    def _refused_services(self, services: Sequence[RankedService]) -> Iterator[str]:
        """Give refused services with all reasons, or those with the same first reason together."""
        if self.everything:
            for service in services:
                yield from self._wrapped(service.name, 5)
                yield from self._reasons(service.reasons, 7)
            return
        together: dict[str, list[str]] = {}
        for service in services:
            first = next(reason.text for reason in service.reasons if reason.weight is Weight.REFUSED)
            together.setdefault(first, []).append(service.name)
        for text, names in together.items():
            yield from self._marked("x", f"{', '.join(names)}: {text}", 3)

    def _heading(self, text: str, score: float) -> Iterator[str]:
        points = f"{score:g} point" if abs(score) == 1 else f"{score:g} points"
        if len(text) + len(points) + 2 <= self._width:
            yield f"{text}{points:>{self._width - len(text)}}"
        else:
            yield from self._wrapped(text.strip(), len(text) - len(text.lstrip()))
            yield f"{points:>{self._width}}"

    def _reasons(self, reasons: Iterable[Reason], by: int) -> Iterator[str]:
        for reason in reasons:
            only_said = reason.weight is Weight.FOR and not reason.points
            yield from self._marked("." if only_said else _MARKS[reason.weight], reason.text, by)

    def _marked(self, mark: str, text: str, by: int) -> list[str]:
        first, other = f"{' ' * by}{mark} ", " " * (by + 2)
        return wrap(text, self._width, initial_indent=first, subsequent_indent=other, break_on_hyphens=False)

    def _wrapped(self, text: str, by: int = 0) -> list[str]:
        left = " " * by
        return wrap(text, self._width, initial_indent=left, subsequent_indent=left, break_on_hyphens=False)

    @property
    def _width(self) -> int:
        return max(self.width, _NARROWEST)


def _weightiest(reasons: Sequence[Reason]) -> Iterator[Reason]:
    """Give the first few reasons for, which are the weightiest, and all against."""
    in_favour = [reason for reason in reasons if reason.weight is Weight.FOR and reason.points]
    yield from in_favour[:_FOR_OF_OTHERS]
    yield from (reason for reason in reasons if reason.weight is Weight.AGAINST)
