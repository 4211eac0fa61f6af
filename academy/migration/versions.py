"""How far two versions are apart."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from academy.environments.built import normalised

# Their versions are dates: a new year is no break.
_CALENDAR = frozenset({"certifi", "pytz", "tzdata"})

_NUMBERS = re.compile(r"\d+(?:\.\d+)*")


class Apart(IntEnum):
    """The first part of a version in which two differ."""

    SAME = 0
    BUILD = 1  # the same release, built in another way (2.5.0 and 2.5.0+cpu)
    PATCH = 2
    MINOR = 3
    MAJOR = 4


def apart(name: str, first: str, second: str) -> Apart:
    """Return how far two versions of a package are apart; before 1.0 a minor version counts as major."""
    try:
        one, two = Version(first), Version(second)
    except InvalidVersion:
        return Apart.SAME if first == second else Apart.MAJOR
    if Version(one.public) == Version(two.public):
        return Apart.SAME if one == two else Apart.BUILD
    if normalised(name) in _CALENDAR:
        return Apart.PATCH
    if (one.epoch, one.major) != (two.epoch, two.major):
        return Apart.MAJOR
    return Apart.PATCH if one.minor == two.minor else Apart.MINOR if one.major else Apart.MAJOR


def is_older(first: str, second: str) -> bool:
    """Say whether ``first`` is the older version; False when one is no version at all."""
    try:
        return Version(first) < Version(second)
    except InvalidVersion:
        return False


def pins(lines: Iterable[str], *, python: str | None = None) -> tuple[dict[str, str], dict[str, str]]:
    """Return what requirement lines pin (name → version), and what they only limit (name → condition).

    Lines for other platforms, or other Pythons than ``python``, do not count.
    """
    where = {} if python is None else {"python_version": series(python), "python_full_version": python}
    pinned: dict[str, str] = {}
    limited: dict[str, str] = {}
    for line in lines:
        try:
            wanted = Requirement(line)
        except InvalidRequirement:
            continue  # a URL or a path: what it holds is known when it is built
        if wanted.marker is not None and not wanted.marker.evaluate(where):
            continue
        name = normalised(wanted.name)
        exact = [one.version for one in wanted.specifier if one.operator in ("==", "===")]
        if exact and not exact[0].endswith(".*"):
            pinned[name] = exact[0]
        else:
            limited[name] = str(wanted.specifier)
    return pinned, limited


def series(version: str) -> str:
    """Return ``3.10`` for ``3.10.13``."""
    found = _NUMBERS.match(version)
    return ".".join(found[0].split(".")[:2]) if found else version
