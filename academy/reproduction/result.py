"""What reproducing a run showed, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from academy.audit.record import Record, finite

Metric = float | str  # a metric that is no finite number is a string, as in records


class Verdict(StrEnum):
    """What came of it."""

    REPRODUCED = "reproduced"
    DIFFERENT = "different"
    NOTHING_TO_COMPARE = "nothing to compare"


@dataclass(frozen=True)
class Tolerance:
    """How far apart two numbers may be: a share of the larger one, and never less than ``absolute``."""

    relative: float = 1e-6
    absolute: float = 1e-12


@dataclass(frozen=True)
class ComparedMetric:
    """One metric in both runs; None where a run has it not. ``matches`` None: left out of the comparison."""

    name: str
    recorded: Metric | None
    found: Metric | None
    matches: bool | None

    @property
    def difference(self) -> float | None:
        """How far the numbers are apart, or None where one of them is none."""
        if isinstance(self.recorded, float | int) and isinstance(self.found, float | int):
            return abs(self.found - self.recorded)
        return None


@dataclass(frozen=True)
class ComparedOutput:
    """One output's content in both runs, by hash. ``same`` None: one of them was not looked at.

    ``holds_model`` says that an MLflow model is in it: MLflow writes the model's own id and the time into its
    ``MLmodel``. ``is_dated`` says that only this differs, so that it cannot be the same; ``others`` are files
    beside it that differ.
    """

    name: str
    recorded: str | None
    found: str | None
    is_dated: bool = False
    holds_model: bool = False
    others: tuple[str, ...] = ()

    @property
    def same(self) -> bool | None:
        return None if self.recorded is None or self.found is None else self.recorded == self.found


@dataclass(frozen=True)
class Environment:
    """How the environment was built anew.

    ``built`` False: it is Academy's own Python, which is not built; its packages were compared.
    ``differences`` are sentences on what is not as recorded, ``altered`` on files that are not as packages
    bring them.
    """

    text: str
    python: str
    packages: int
    built: bool
    differences: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reproduction:
    """A run, the run that repeats it, and how they compare.

    ``target`` is what was asked for and ``origin`` the run that it comes from (they differ for models and
    deployments). ``repeated`` is the new run. ``beforehand`` are differences that were known before, and
    gone on with; ``notes`` what else there is to say.
    """

    target: str
    origin: Record
    repeated: Record
    verdict: Verdict
    tolerance: Tolerance
    metrics: tuple[ComparedMetric, ...]
    outputs: tuple[ComparedOutput, ...]
    environment: Environment
    mismatches: tuple[str, ...] = ()
    beforehand: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_reproduced(self) -> bool:
        return self.verdict is Verdict.REPRODUCED

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {
            "target": self.target,
            "original": _named(self.origin),
            "repeated": _named(self.repeated),
            "verdict": self.verdict.value,
            "reproduced": self.is_reproduced,
            "tolerance": asdict(self.tolerance),
            "metrics": [_metric(metric) for metric in self.metrics],
            "outputs": [{**asdict(output), "same": output.same} for output in self.outputs],
            "environment": asdict(self.environment),
            "mismatches": list(self.mismatches),
            "beforehand": list(self.beforehand),
            "notes": list(self.notes),
        }


def _named(record: Record) -> Mapping[str, Any]:
    return {"kind": record.kind.value, "name": record.name, "id": record.id, "status": record.status}


def _metric(metric: ComparedMetric) -> Mapping[str, Any]:
    difference = metric.difference
    shown = {name: None if value is None else finite(value) for name, value in (
        ("recorded", metric.recorded), ("found", metric.found), ("difference", difference)
    )}  # fmt: skip
    return {"name": metric.name, **shown, "matches": metric.matches}
