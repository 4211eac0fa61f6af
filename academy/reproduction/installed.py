"""What an environment holds, against what is on record of the one that it repeats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from academy.evidence import packages
from academy.evidence.evidence import Package
from academy.evidence.sightings import named
from academy.reproduction.environment import Rebuild
from academy.reproduction.result import Environment

# What every environment built here has, asked for or not.
_ALWAYS_THERE = frozenset({"pip", "setuptools"})


def compared(rebuild: Rebuild, site: Path, python: str) -> Environment:
    """Return how the packages in ``site`` compare with those on record; of new ones every file is read."""
    built, found = rebuild.fresh is not None, packages.packages(site)
    return Environment(
        text=rebuild.spec.label,
        python=python,
        packages=len(found),
        built=built,
        differences=tuple(differences(rebuild.recorded.packages, found)),
        altered=tuple(altered(site)) if built else (),
    )


def differences(recorded: Sequence[Package], found: Sequence[Package]) -> Iterator[str]:
    """Yield a sentence on each package that is not the one on record."""
    before = {package.name: package for package in recorded}
    now = {package.name: package for package in found}
    for name, package in before.items():
        other = now.get(name)
        if other is None:
            if name not in _ALWAYS_THERE:
                yield f"The package {name} {package.version} is not there."
        elif other.version != package.version:
            yield f"The package {name} was {package.version} and is {other.version}."
        elif None not in (package.sha256, other.sha256) and package.sha256 != other.sha256:
            yield f"The package {name} {package.version} holds other files than on record."
    for name, package in now.items():
        if name not in before and name not in _ALWAYS_THERE:
            yield f"The package {name} {package.version} is there and was not on record."


def altered(site: Path) -> Iterator[str]:
    """Yield a sentence on files of a new environment that are not as packages bring them.

    uv links files of its cache into each environment: what is edited in one of them is edited in all that
    are built later.
    """
    for name, files in packages.changed_in_all(site):
        if files:
            yield (
                f"The package {name} came out of uv's cache with files that are not its own: {named(files)}. "
                f"Somebody changed them there; 'uv cache clean {name}' has the next build download it."
            )
    if strange := packages.unlisted(site):
        yield (
            f"No package lists {named(strange)}, and Python finds it all the same. Somebody put it into uv's "
            "cache; 'uv cache clean' empties that."
        )
