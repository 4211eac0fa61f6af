"""Measuring two things in turns, so that a machine whose speed drifts treats both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """Seconds of ours and of the yardstick, pair by pair; ``target`` bounds the median ratio."""

    name: str
    ours_s: list[float]
    other_s: list[float]
    target: str
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median over the pairs of ours / other."""
        return statistics.median(ours / other for ours, other in zip(self.ours_s, self.other_s, strict=True))

    def line(self) -> str:
        """Return the row that is printed."""
        ours, other = statistics.median(self.ours_s), statistics.median(self.other_s)
        low, high = _range(self.ours_s, self.other_s)
        return (
            f"{self.name:<44} {ours * 1000:10.2f} ms {other * 1000:10.2f} ms   {self.ratio:6.2f} x "
            f"({low:.2f} to {high:.2f})   target {self.target}   {self.note}"
        )


@dataclass(frozen=True)
class Times:
    """Seconds of something whose target is a time, ``target_s``, and not a ratio."""

    name: str
    seconds: list[float]
    target_s: float
    note: str = ""

    def line(self) -> str:
        """Return the row that is printed: the median, and the least and the most."""
        low, high = min(self.seconds) * 1000, max(self.seconds) * 1000
        return (
            f"{self.name:<44} {statistics.median(self.seconds) * 1000:10.2f} ms {'':>13}   "
            f"({low:.0f} to {high:.0f} ms)   target {self.target_s * 1000:.0f} ms   {self.note}"
        )


def in_turns(
    count: int, ours: Callable[[], float], other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Run both ``count`` times in turns after one round that does not count; each returns its seconds."""
    ours(), other()
    pairs = [(ours(), other()) for _ in range(count)]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that ``work`` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _range(ours: list[float], other: list[float]) -> tuple[float, float]:
    ratios = [a / b for a, b in zip(ours, other, strict=True)]
    return min(ratios), max(ratios)
