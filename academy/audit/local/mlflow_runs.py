"""MLflow runs that a script made, and the one that stands for them.

They are read from MLflow's own files, whatever version wrote them. MLflow itself is not imported: its version
here need not be the script's, and importing it takes seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from academy.errors import AcademyError

_MODEL_FILE = "MLmodel"


class NotReadable(AcademyError):
    """MLflow's database cannot be read."""


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run logged. ``folder`` is None when ``location`` is not on this machine."""

    name: str
    location: str
    folder: Path | None


@dataclass(frozen=True)
class TrackedRun:
    """One MLflow run. Times are Unix milliseconds."""

    id: str
    name: str
    status: str
    started_ms: int
    ended_ms: int | None
    parent: str | None
    metrics: dict[str, float] = field(default_factory=dict)
    parameters: dict[str, str] = field(default_factory=dict)
    models: tuple[LoggedModel, ...] = ()


def chosen(runs: Sequence[TrackedRun]) -> TrackedRun | None:
    """Return the run whose metrics stand for all: the last that finished and is inside no other."""
    ids = {run.id for run in runs}
    outer = [run for run in runs if run.parent not in ids]
    finished = [run for run in outer if run.status == "FINISHED"]
    return max(finished or outer, key=lambda run: (run.ended_ms or 0, run.started_ms), default=None)


def models_in(artifacts: Path | None) -> Iterator[LoggedModel]:
    """Yield the models among a run's artifacts, where MLflow before 3.0 puts them."""
    if artifacts is None:
        return
    for above, below, names in os.walk(artifacts):
        below.sort()
        if _MODEL_FILE in names:
            below.clear()
            folder = Path(above)
            yield LoggedModel(folder.relative_to(artifacts).as_posix(), folder.as_uri(), folder)


def local(location: str) -> Path | None:
    """Return the path of an artifact's address on this machine; None for any other address."""
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    return Path(location) if not parts.scheme and location.startswith("/") else None
