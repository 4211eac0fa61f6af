"""What replicas run on, as their supervisor sees it before it starts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.environments.built import BuiltEnvironment
from academy.environments.definition import EnvironmentSpec
from academy.evidence import digests, software
from academy.evidence.credentials import printable
from academy.evidence.evidence import Evidence, Machine, Tree
from academy.evidence.hashes import Hasher
from academy.evidence.notes import Notes


@dataclass(frozen=True)
class Placed:
    """A copy that replicas use, and what it is a copy of: that stays when the deployment is deleted."""

    copy: Path
    origin: Path

    def is_made_since(self, path: Path) -> bool:
        """Return whether Python made a folder of the copy: replicas that ran before have left it."""
        return path.name == "__pycache__" and not (self.origin / path.relative_to(self.copy)).exists()


@dataclass(frozen=True)
class Serving:
    """What is there for the replicas; ``built`` is None when their environment could not be built."""

    spec: EnvironmentSpec
    built: BuiltEnvironment | None = None
    model: Placed | None = None
    code: Placed | None = None
    variables: Sequence[str] = ()


def evidence(serving: Serving, here: Machine, stop: Callable[[], bool] = lambda: False) -> Evidence:
    """Return the evidence; when ``stop`` says so, what is not read yet stays unread, with a note."""
    notes, hasher = Notes(), Hasher(stop=stop)

    def tree(what: str, placed: Placed | None) -> Tree | None:
        if placed is None or not placed.copy.exists():
            return None
        return notes.tried(
            what,
            lambda: digests.tree(
                placed.copy, leave_out=placed.is_made_since, hasher=hasher, shown_as=str(placed.origin)
            ),
        )

    return Evidence(
        machine=here,
        software=software.known(serving.built, serving.spec, notes),
        code=tree("The code", serving.code),
        model=tree("The model", serving.model),
        variables=tuple(sorted(map(printable, serving.variables))),
        notes=notes.texts,
    )
