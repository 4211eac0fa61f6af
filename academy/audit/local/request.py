"""What is to be run with a record, and what was noted before it started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.audit.local.data import Watched
from academy.audit.local.foreground import End
from academy.audit.local.mlflow_place import MLflowPlace
from academy.audit.local.snapshot import Snapshot


@dataclass(frozen=True)
class Request:
    """What to run and what to note of it. Paths are as given, relative to ``folder``, the working folder."""

    command: tuple[str, ...]
    folder: Path
    name: str | None = None
    data: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    metrics_file: str | None = None


@dataclass(frozen=True)
class Before:
    """What was noted before the command started; ``began_ms`` is Unix time.

    ``variables`` are the names of those that the person set and that say where its results go.
    """

    name: str
    created_at: str
    began_ms: int
    code: Snapshot
    data: Sequence[Watched]
    outputs: Sequence[Watched]
    metrics: Watched | None
    mlflow: MLflowPlace
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ended:
    """How the command ended, and when it ran: ISO 8601 in UTC."""

    end: End
    started_at: str
    ended_at: str
