"""How rules say what they found: a candidate in, a reason out, in words that a manager understands."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from academy.matrix.catalogue import Cell, CellId, Service, Traits
from academy.matrix.needs import Needs
from academy.matrix.ranked import Reason, Weight


@dataclass(frozen=True)
class Candidate:
    """A service in one of the cells that it can be met in."""

    service: Service
    cell: CellId

    @property
    def traits(self) -> Traits:
        return self.service.traits


# Judges one need of one candidate, or of one cell; None where it has nothing to say.
Rule = Callable[[Needs, Candidate], Reason | None]
CellRule = Callable[[Needs, Cell], Reason | None]


def speaks_for(need: str, points: float, text: str) -> Reason:
    return Reason(Weight.FOR, need, text, points)


def speaks_against(need: str, points: float, text: str) -> Reason:
    return Reason(Weight.AGAINST, need, text, points)


def refused(need: str, text: str) -> Reason:
    return Reason(Weight.REFUSED, need, text)


def listed(words: Iterable[str], last: str = "and") -> str:
    """Return ``a, b and c``."""
    *before, end = words
    return f"{', '.join(before)} {last} {end}" if before else end


@functools.cache  # of the catalogue's texts, which are few
def first_sentence(text: str) -> str:
    """Return a text up to its first full stop that a new sentence follows."""
    return re.split(r"(?<=[.!?])\s+(?=[A-Z])", text.strip(), maxsplit=1)[0]
