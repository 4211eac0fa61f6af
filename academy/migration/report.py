"""What a migration's report says, as frozen values. Everything else in this room makes or shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from academy.evidence.evidence import Gpu
from academy.matrix.catalogue import CellId, Move


class SubjectKind(StrEnum):
    """What can be moved."""

    MODEL = "model"
    JOB = "job"
    ENVIRONMENT = "environment"


class Area(StrEnum):
    """What a difference is about."""

    PYTHON = "python"
    SYSTEM = "system"
    HARDWARE = "hardware"
    PACKAGE = "package"
    DATA = "data"
    SECRET = "secret"
    SKILL = "skill"


class Severity(StrEnum):
    """What a difference means for the move."""

    BLOCKS = "blocks"  # it does not work, or those who made it say that it is not supported
    RETEST = "retest"  # it may work; a test has to show it
    NOTE = "note"  # to be known


class Verdict(StrEnum):
    """Whether the move can be made as things are."""

    READY = "ready"
    AFTER_TESTS = "ready after tests"
    BLOCKED = "blocked"


@dataclass(frozen=True)
class Host:
    """The machine at one end; None is not known."""

    system: str | None = None
    distribution: str | None = None
    architecture: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    gpus: tuple[Gpu, ...] | None = None


def gigabytes(size: int) -> str:
    """Return a size in whole gigabytes; of less than ten in two digits."""
    amount = size / 1e9
    return f"{amount:.2g}" if amount < 9.5 else f"{amount:.0f}"


@dataclass(frozen=True)
class End:
    """One end of the move: where something was made, or where it is to run.

    ``packages`` maps names as PEP 503 spells them to versions; ``asked`` those of which only a condition is
    known (``>=1.2``). ``complete`` says that these are all packages there are. ``data`` and ``secrets`` are
    what can be reached and what is set there, None when nobody says. ``sources`` tell where the facts are
    from, ``unknown`` what is not known. ``on_record`` False: no record tells what ran, so that the facts are
    the subject's own.
    """

    cell: CellId
    name: str
    sources: tuple[str, ...]
    python: str | None = None
    host: Host = Host()
    packages: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    data: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    skills: tuple[str, ...] | None = None
    service: str | None = None
    unknown: tuple[str, ...] = ()
    is_this_machine: bool = False
    on_record: bool = True


@dataclass(frozen=True)
class Pickled:
    """How a model's objects were written: ``format`` in MLflow's word, and which packages' objects they are.

    ``by_value`` says that code of the author's own is in the file (a custom Python model), not only names.
    """

    format: str
    packages: tuple[str, ...]
    by_value: bool = False


@dataclass(frozen=True)
class DataUse:
    """Data that the subject reads. ``path`` is where it lies on this machine, if it does."""

    name: str
    uri: str
    path: Path | None = None
    credentials: str | None = None


@dataclass(frozen=True)
class Subject:
    """What is moved, and what it needs wherever it runs.

    ``requirements`` are lines as pip reads them. ``example`` is the name of the saved input example.
    ``variables`` are names of environment variables that the document sets.
    """

    kind: SubjectKind
    name: str
    id: str
    folder: Path | None = None
    flavors: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()
    pickled: Pickled | None = None
    mlflow_version: str | None = None
    size_bytes: int | None = None
    example: str | None = None
    data: tuple[DataUse, ...] = ()
    variables: tuple[str, ...] = ()
    job: str | None = None


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same at both ends; None at an end: it is not there, or not known.

    ``needed`` says that the subject asks for it. ``settled`` says that the trial answered what a test
    would have had to.
    """

    area: Area
    name: str
    origin: str | None
    goal: str | None
    severity: Severity
    text: str
    next_step: str = ""
    needed: bool = False
    settled: bool = False


@dataclass(frozen=True)
class Retest:
    """Something to test again, and which differences ask for it; ``done`` when the trial was that test."""

    name: str
    why: str
    done: bool = False


class TrialOutcome(StrEnum):
    """How scoring the sample at both ends ended."""

    EQUAL = "equal"
    DIFFERENT = "different"
    GOAL_FAILED = "failed at the goal"
    ORIGIN_FAILED = "failed at the origin"
    BOTH_FAILED = "failed at both ends"
    NOT_INSTALLABLE = "not installable at the goal"
    NOT_BUILT = "not built"
    LEFT_OUT = "left out"


@dataclass(frozen=True)
class Scored:
    """What happened at one end: the answer, or the stage that failed and the last lines.

    ``where`` is the Python that it ran in; ``note`` says what of it is not as at the end itself.
    """

    where: str
    python: str
    seconds: float
    answer: Any = None
    failed: str | None = None
    lines: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    note: str | None = None


@dataclass(frozen=True)
class Trial:
    """The sample input scored at both ends. ``text`` says the result in a sentence.

    ``largest`` is the largest difference of two numbers, ``differing`` the first places where the answers
    are not the same.
    """

    outcome: TrialOutcome
    text: str
    tolerance: float
    origin: Scored | None = None
    goal: Scored | None = None
    compared: int = 0
    largest: float | None = None
    differing: tuple[str, ...] = ()
    next_step: str = ""


@dataclass(frozen=True)
class Migration:
    """The whole report."""

    subject: Subject
    move: Move
    origin: End
    goal: End
    differences: tuple[Difference, ...]
    retests: tuple[Retest, ...]
    trial: Trial
    verdict: Verdict
    reasons: tuple[str, ...]
    next_steps: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def of(self, severity: Severity) -> tuple[Difference, ...]:
        """Return the differences of one severity, those that the trial settled left out."""
        return tuple(one for one in self.differences if one.severity is severity and not one.settled)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values; where it begins with the verdict."""
        content = {"verdict": self.verdict, "reasons": self.reasons, **asdict(self)}
        plain: dict[str, Any] = _plain(content)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):  # JSON has none of them
        return str(value)
    if isinstance(value, Path | StrEnum):
        return str(value)
    return value
