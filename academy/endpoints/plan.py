"""The plan of one generation of an online deployment: all that its supervisor needs, as a frozen value.

The service computes it from documents; the supervisor has no database and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from academy.environments.spec import EnvironmentSpec
from academy.paths import ReplicaFolder, read_json, write_json


@dataclass(frozen=True)
class ModelPlan:
    """The model to serve: ``source`` is a file or a folder, ``is_mlflow`` when no script serves it."""

    name: str
    version: str
    source: Path
    is_mlflow: bool = False


@dataclass(frozen=True)
class Probe:
    """How often a replica is asked whether it is well, and how often it may say nothing; Azure's defaults."""

    initial_delay_s: float = 10.0
    period_s: float = 10.0
    timeout_s: float = 2.0
    failure_threshold: int = 30
    success_threshold: int = 1

    @property
    def limit_s(self) -> float:
        """How long a replica may take until it first answers."""
        return self.initial_delay_s + self.period_s * self.failure_threshold


@dataclass(frozen=True)
class DeploymentPlan:
    """What the replicas run, in what, and under which limits.

    ``code`` is the folder of the code asset and ``script`` the scoring script below it; both are None
    for an MLflow model that is served as it is. ``secret`` is what a replica wants to see on each
    request, so that only the router can call it.
    """

    endpoint: str
    deployment: str
    environment: EnvironmentSpec
    secret: str = field(repr=False)
    model: ModelPlan | None = None
    code: Path | None = None
    script: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    instances: int = 1
    timeout_s: float = 5.0
    max_concurrent: int = 1
    liveness: Probe = Probe()
    readiness: Probe = Probe()
    warnings: tuple[str, ...] = ()

    def runs_same(self, other: DeploymentPlan) -> bool:
        """Whether replicas of the other plan do what replicas of this one do."""
        return replace(self, secret="") == replace(other, secret="")

    def write(self, folder: ReplicaFolder) -> None:
        """Write the plan, for the owner alone: it holds a secret."""
        write_json(folder.plan_file, self.to_json(), mode=0o600)

    @classmethod
    def read(cls, folder: ReplicaFolder) -> DeploymentPlan | None:
        """Return the plan in the folder, or None when there is none."""
        value = read_json(folder.plan_file)
        return None if value is None else cls.from_json(value)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        value = {**asdict(self), "environment": self.environment.to_json(), "warnings": list(self.warnings)}
        value["code"] = str(self.code) if self.code else None
        if self.model:
            value["model"]["source"] = str(self.model.source)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> DeploymentPlan:
        """Return the plan that ``to_json`` wrote."""
        model = value["model"]
        return cls(
            **{
                **value,
                "environment": EnvironmentSpec.from_json(value["environment"]),
                "model": ModelPlan(**{**model, "source": Path(model["source"])}) if model else None,
                "code": Path(value["code"]) if value["code"] else None,
                "liveness": Probe(**value["liveness"]),
                "readiness": Probe(**value["readiness"]),
                "warnings": tuple(value["warnings"]),
            }
        )
