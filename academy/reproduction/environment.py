"""Building the environment on record anew: the same versions, on the same Python, from the package index."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.environments import interpreters
from academy.environments.build import BuiltEnvironment, build
from academy.environments.definition import EnvironmentSpec
from academy.environments.errors import EnvironmentBuildError
from academy.errors import choices
from academy.evidence.credentials import without_credentials
from academy.evidence.evidence import Package, Software
from academy.jobs.fresh import FreshEnvironment
from academy.paths import writable_environment_cache
from academy.reproduction.errors import NotReproducible
from academy.reproduction.scratch import scratch

# Which of them names the index that packages are looked for in first; uv's own go first.
_INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")

_TRUE = frozenset({"1", "true", "yes", "on"})

_COMMIT = re.compile(r"@[0-9a-f]{40}$")

# How uv names the package that it cannot get.
_CULPRITS = (
    re.compile(r"there is no version of (?P<name>[A-Za-z0-9._-]+==\S+?)(?: and|,)"),
    re.compile(r"[Bb]ecause (?P<name>[A-Za-z0-9._-]+) was not found in the "),
    re.compile(r"Failed to (?:download|build) `(?P<name>[^`]+)`"),
    re.compile(r"Failed to fetch: \S+/simple/(?P<name>[A-Za-z0-9._-]+)/"),
    re.compile(r"Hash mismatch for `(?P<name>[^`]+)`"),
)


@dataclass(frozen=True)
class Rebuild:
    """An environment on record, and how it is built again.

    ``fresh`` None: it is Academy's own Python, and nothing is built. ``notes`` say what will not be the same.
    """

    recorded: Software
    spec: EnvironmentSpec
    fresh: FreshEnvironment | None
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, recorded: Software, like: EnvironmentSpec) -> Rebuild:
        """Return how to build what is on record; ``like`` is how it was asked for.

        Raises
        ------
        NotReproducible
            This machine has no Python of that release series.
        """
        if like.own:
            return cls(recorded, like, None)
        note = _python_note(recorded.python)
        fresh = FreshEnvironment(recorded.python, tuple(pinned(recorded.packages)))
        if recorded.lock_sha256 and like.lock is not None and like.lock.sha256 == recorded.lock_sha256:
            fresh = FreshEnvironment(recorded.python, lock_sha256=recorded.lock_sha256)
        elif not like.requirements and like.lock is None:
            fresh = FreshEnvironment(recorded.python)  # its packages came with the Python, from no index
        return cls(recorded, fresh.spec(like), fresh, (note,) if note else ())


def pinned(recorded: Sequence[Package]) -> Iterator[str]:
    """Yield the requirement of each package at the version on record, or from where it came."""
    for package in recorded:
        origin = package.origin
        yield f"{package.name}=={package.version}" if origin is None else _direct(package.name, origin)


@contextlib.contextmanager
def rebuilt(rebuild: Rebuild, what: str) -> Iterator[BuiltEnvironment]:
    """Build the environment in a folder that is gone after the block, in which it can be used.

    Raises
    ------
    NotReproducible
        It cannot be built; the message names the package and the index.
    """
    above = writable_environment_cache()
    above.mkdir(parents=True, exist_ok=True)
    # Beside the cache's own: uv links the files there instead of copying them.
    with scratch("reproduction-", above) as folder:
        yield _built(rebuild, what, folder)


def source(environment: Mapping[str, str]) -> str:
    """Return where packages are looked for first, in words, without a password in them."""
    if environment.get("PIP_NO_INDEX", "").lower() in _TRUE:
        links = map(without_credentials, environment.get("PIP_FIND_LINKS", "").split())
        folders = " and ".join(links) or "no folder at all"
        return f"{folders}; PIP_NO_INDEX has no index asked"
    address = next((environment[name] for name in _INDEX_VARIABLES if environment.get(name)), None)
    return "PyPI" if address is None else f"the package index {without_credentials(address.split()[0])}"


def _built(rebuild: Rebuild, what: str, folder: Path) -> BuiltEnvironment:
    try:
        return build(rebuild.spec, log=_unsaid, cache=folder)
    except EnvironmentBuildError as error:
        culprit = _culprit(error.message)
        named = f"the package {culprit}" if culprit else "a package"
        raise NotReproducible(
            f"The environment of {what} cannot be built anew: {named} cannot be had from "
            f"{source(os.environ)}. Nothing was run, and nothing is left behind.\n{error.message}"
        ) from error


def _unsaid(_line: str) -> None:
    """Take a line of the build, which is in the error if it fails."""


def _culprit(text: str) -> str | None:
    found = (match["name"] for pattern in _CULPRITS if (match := pattern.search(text)))
    return next(found, None)


def _direct(name: str, origin: str) -> str:
    # Evidence notes a repository by its address and commit, without the word for what kind it is.
    return f"{name} @ {'git+' if _COMMIT.search(origin) and '+' not in origin else ''}{origin}"


def _python_note(recorded: str) -> str | None:
    """Return what to say of the Python of this machine that comes nearest to the one on record."""
    there = interpreters.find(recorded)
    if interpreters.minor(there.version) != interpreters.minor(recorded):
        known = choices((item.version for item in interpreters.known()), in_order=True)
        raise NotReproducible(
            f"Python {recorded} is on record, and this machine has no Python {recorded.rpartition('.')[0]}. "
            f"There are {known}. Install it, or name it in the setting ACADEMY_PYTHONS."
        )
    if there.version == recorded:
        return None
    return f"Python {recorded} is on record; this machine has {there.version}, which is used."
