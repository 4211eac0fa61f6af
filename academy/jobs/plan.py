"""The plan of a command job: all that its supervisor needs, as one frozen value.

The service computes it from documents; the supervisor has no database and asks nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from academy.datasets.ports import InputPlan, OutputPlan
from academy.environments.spec import EnvironmentSpec
from academy.paths import ArtifactFolder, JobFolder, read_json, write_json

# The variable by which MLflow in the job's process finds the job's token.
TOKEN_VARIABLE = "MLFLOW_TRACKING_TOKEN"


@dataclass(frozen=True)
class CommandPlan:
    """What will run, in what, on what, and where its results go.

    ``code`` is the folder of the code asset (None: the job has no code). ``variables`` is what the
    job finds in its environment beside what its software environment and its ports bring.
    ``grace_s`` is the time between SIGTERM and SIGKILL. ``fresh_environment`` has the environment built
    anew, for this job alone, whatever the cache holds.
    """

    job_id: str
    name: str
    command: str
    environment: EnvironmentSpec
    artifacts: ArtifactFolder
    code: Path | None = None
    inputs: tuple[InputPlan, ...] = ()
    outputs: tuple[OutputPlan, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    grace_s: float = 5.0
    warnings: tuple[str, ...] = ()
    fresh_environment: bool = False

    def write(self, folder: JobFolder) -> None:
        """Write the plan, for the owner alone: its variables hold the job's token.

        It is not waited for on the disk: the document is, and gives the same plan again.
        """
        write_json(folder.plan_file, self.to_json(), mode=0o600, durable=False)

    def without_token(self) -> CommandPlan:
        """Return the plan as it may be kept when the job has ended."""
        kept = {name: value for name, value in self.variables.items() if name != TOKEN_VARIABLE}
        return replace(self, variables=kept)

    @classmethod
    def read(cls, folder: JobFolder) -> CommandPlan | None:
        """Return the plan in the folder, or None when there is none."""
        value = read_json(folder.plan_file)
        return None if value is None else cls.from_json(value)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as JSON values."""
        return {
            "job_id": self.job_id,
            "name": self.name,
            "command": self.command,
            "environment": self.environment.to_json(),
            "artifacts": str(self.artifacts.root),
            "code": str(self.code) if self.code else None,
            "inputs": [item.to_json() for item in self.inputs],
            "outputs": [item.to_json() for item in self.outputs],
            "variables": dict(self.variables),
            "timeout_s": self.timeout_s,
            "grace_s": self.grace_s,
            "warnings": list(self.warnings),
            "fresh_environment": self.fresh_environment,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> CommandPlan:
        """Return the plan that ``to_json`` wrote."""
        return cls(
            job_id=value["job_id"],
            name=value["name"],
            command=value["command"],
            environment=EnvironmentSpec.from_json(value["environment"]),
            artifacts=ArtifactFolder(Path(value["artifacts"])),
            code=Path(value["code"]) if value["code"] else None,
            inputs=tuple(InputPlan.from_json(item) for item in value["inputs"]),
            outputs=tuple(OutputPlan.from_json(item) for item in value["outputs"]),
            variables=value["variables"],
            timeout_s=value["timeout_s"],
            grace_s=value["grace_s"],
            warnings=tuple(value["warnings"]),
            # Plans of jobs that an earlier release accepted do not say.
            fresh_environment=value.get("fresh_environment", False),
        )
