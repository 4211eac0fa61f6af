"""Comparing two answers: numbers within a tolerance, everything else exactly, and their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Of the places that differ, this many are named.
NAMED = 5


@dataclass(frozen=True)
class Comparison:
    """``compared`` values; ``largest`` is the largest difference of two numbers, None when there are none."""

    equal: bool
    compared: int
    largest: float | None
    differing: tuple[str, ...]


def compare(origin: Mapping[str, Any], goal: Mapping[str, Any], tolerance: float) -> Comparison:
    """Return how two answers differ.

    Two numbers are the same when they are apart by at most ``tolerance``, or by that share of the larger one
    where it is above 1. Not-a-number is the same as not-a-number.
    """
    for name in ("shape", "columns"):
        one, two = origin.get(name), goal.get(name)
        if one != two:
            return Comparison(False, 0, None, (f"{name}: {one} at the origin, {two} at the goal",))
    seen = _Seen(tolerance)
    for place, one, two in _pairs(origin.get("values"), goal.get("values"), ""):
        seen.add(place, one, two)
    return Comparison(not seen.count, seen.compared, seen.largest, tuple(seen.differing))


class _Seen:
    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.compared = self.count = 0
        self.largest: float | None = None
        self.differing: list[str] = []

    def add(self, place: str, one: Any, two: Any) -> None:
        self.compared += 1
        if _is_number(one) and _is_number(two):
            apart = _apart(one, two)
            self.largest = apart if self.largest is None else max(self.largest, apart)
            same = apart <= self.tolerance * max(1.0, _size(one), _size(two))
        else:
            same = type(one) is type(two) and one == two
        if not same:
            self.count += 1
            if self.count <= NAMED:
                self.differing.append(f"{place or 'the value'}: {one!r} at the origin, {two!r} at the goal")


def _pairs(one: Any, two: Any, place: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, list) and isinstance(two, list) and len(one) == len(two):
        for index, (first, second) in enumerate(zip(one, two, strict=True)):
            yield from _pairs(first, second, f"{place}[{index}]" if place else f"row {index}")
    elif isinstance(one, dict) and isinstance(two, dict) and one.keys() == two.keys():
        for name in one:
            yield from _pairs(one[name], two[name], f"{place}.{name}" if place else str(name))
    else:
        yield place, one, two


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _apart(one: float, two: float) -> float:
    if math.isnan(one) or math.isnan(two):
        return 0.0 if math.isnan(one) and math.isnan(two) else math.inf
    return 0.0 if one == two else abs(one - two)


def _size(value: float) -> float:
    return abs(value) if math.isfinite(value) else 1.0
