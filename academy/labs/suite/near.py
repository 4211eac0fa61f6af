"""Texts that are the same but for numbers that are nearly the same."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from academy.errors import InvalidField

# A number of its own: not the end of a name, nor a part of a version such as 1.2.3.
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\.?\d)")
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True)
class Tolerance:
    """How far two numbers may lie apart: ``rtol`` relative to the larger one, or ``atol`` absolutely."""

    rtol: float = 1e-6
    atol: float = 0.0

    def near(self, one: str, other: str) -> bool:
        """Compare two numbers as they are written; whole ones (counts, versions, dates) exactly."""
        if one == other:
            return True
        if one.lstrip("+-").isdigit() and other.lstrip("+-").isdigit():
            return int(one) == int(other)
        return math.isclose(float(one), float(other), rel_tol=self.rtol, abs_tol=self.atol)

    def same(self, one: str, other: str) -> bool:
        """Tell whether two texts say the same.

        A number that is written longer moves what stands behind it, so blanks count as one where texts
        differ at all.
        """
        if one == other:
            return True
        ones, others = _NUMBER.findall(one), _NUMBER.findall(other)
        if len(ones) != len(others) or not all(map(self.near, ones, others)):
            return False
        between, between_others = _NUMBER.split(one), _NUMBER.split(other)
        if ones == others:
            return False  # what differs is not a number
        return [_BLANKS.sub(" ", text) for text in between] == [
            _BLANKS.sub(" ", text) for text in between_others
        ]


def tolerance_of(metadata: Any, default: Tolerance) -> Tolerance:
    """Return the tolerance that a cell asks for in ``metadata.academy.tolerance``, or the default.

    It is a number (relative), or ``{"rtol": …, "atol": …}``.

    Raises
    ------
    InvalidField
        It is neither.
    """
    wanted = metadata.get("academy", {}).get("tolerance")
    if wanted is None:
        return default
    parts = wanted if isinstance(wanted, dict) else {"rtol": wanted}
    if not set(parts) <= {"rtol", "atol"} or not all(map(_is_tolerance, parts.values())):
        raise InvalidField(
            f"metadata.academy.tolerance is {wanted!r}; it takes a number from 0 up (relative), "
            'or {"rtol": …, "atol": …}.',
            target="metadata.academy.tolerance",
        )
    return Tolerance(parts.get("rtol", default.rtol), parts.get("atol", default.atol))


def _is_tolerance(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
