"""From what a document asks for to a plan: every reference in it found, nothing carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from academy.compute.computes import most_jobs
from academy.datasets.documents import plan_inputs, plan_outputs
from academy.datasets.locate import Locator
from academy.datasets.ports import InputPlan, OutputPlan
from academy.environments.definition import EnvironmentSpec
from academy.environments.resolve import resolve as resolve_environment
from academy.errors import NotFound, Unsupported, choices
from academy.experiments.tracking import Tracking
from academy.jobs.command import CommandSpec
from academy.jobs.expressions import Value, Values, check
from academy.jobs.plan import CommandPlan
from academy.jobs.variables import run_variables
from academy.paths import ArtifactFolder
from academy.signing import Signer
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions

# Computes that need no document: Azure makes serverless compute itself, and "local" is this machine.
SERVERLESS, LOCAL = "serverless", "local"


@dataclass(frozen=True)
class Resolver:
    """Finds what command jobs refer to."""

    documents: Documents
    versions: Versions
    locator: Locator
    tracking: Tracking
    signer: Signer
    address: Callable[[], str]

    def plan(self, workspace: Workspace, name: str, spec: CommandSpec) -> CommandPlan:
        """Return the plan of the job ``name``.

        Raises
        ------
        NotFound
            When the compute, the environment, the code or an asset does not exist.
        InvalidField, Unsupported
            When an input, an output or an expression in the command cannot stand.
        """
        self.compute(workspace, spec.compute_id)
        inputs = plan_inputs(self.locator, workspace, spec.inputs)
        outputs = plan_outputs(self.locator, workspace, name, spec.outputs)
        check(spec.command, _placeholders(inputs, outputs))
        return CommandPlan(
            job_id=workspace.child("jobs", name),
            name=name,
            command=spec.command,
            environment=self._environment(workspace, spec),
            artifacts=self.artifacts(workspace, name),
            code=self._code(workspace, spec.code_id),
            inputs=inputs,
            outputs=outputs,
            variables=self._variables(workspace, name, spec),
            timeout_s=spec.timeout_s,
            warnings=spec.warnings,
            fresh_environment=spec.fresh_environment is not None,
        )

    def compute(self, workspace: Workspace, compute_id: str | None) -> str:
        """Return the name of a compute that exists; ``NotFound`` lists those there are."""
        name = self.compute_name(compute_id)
        if name in (SERVERLESS, LOCAL) or self.documents.find(workspace.child("computes", name)) is not None:
            return name
        known = [*self.documents.names(workspace.child("computes")), SERVERLESS]
        raise NotFound(
            f"There is no compute {name!r}. There are: {choices(known)}.", target="properties.computeId"
        )

    def compute_name(self, compute_id: str | None) -> str:
        """Return the name in a compute's id; no id at all means serverless compute."""
        return (compute_id or SERVERLESS).removeprefix("azureml:").rsplit("/", 1)[-1]

    def most_jobs(self, workspace: Workspace, compute: str) -> int | None:
        """Return how many jobs run on a compute at the same time; None: as many as the machine can."""
        if compute in (SERVERLESS, LOCAL):
            return None
        document = self.documents.find(workspace.child("computes", compute))
        return None if document is None else most_jobs(document.body)

    def artifacts(self, workspace: Workspace, name: str) -> ArtifactFolder:
        """Return the folder of a job's artifacts."""
        location = self.locator.artifacts(workspace, name)
        assert location.path is not None
        return ArtifactFolder(location.path)

    def _environment(self, workspace: Workspace, spec: CommandSpec) -> EnvironmentSpec:
        named = resolve_environment(self.versions, workspace, spec.environment_id, find_context=self._context)
        return named if spec.fresh_environment is None else spec.fresh_environment.spec(named)

    def _context(self, workspace: Workspace, uri: str) -> Path | None:
        return self.locator.locate(workspace, uri).path

    def _code(self, workspace: Workspace, code_id: str | None) -> Path | None:
        if not code_id:
            return None
        location = self.locator.existing(workspace, code_id, what="The code of the job", collection="codes")
        if location.path is None:
            raise Unsupported(
                f"The code {code_id!r} is not on this machine. Give the SDK a local folder as code.",
                target="properties.codeId",
            )
        return location.path

    def _variables(self, workspace: Workspace, job: str, spec: CommandSpec) -> dict[str, str]:
        tracking = self.tracking.job_environment(
            workspace,
            run_id=job,
            experiment=spec.experiment,
            address=self.address(),
            token=self.signer.token(f"job/{job}"),
        )
        # What the learner sets wins, as on Azure.
        return {**run_variables(workspace, job=job, experiment=spec.experiment), **tracking, **spec.variables}


def _placeholders(inputs: tuple[InputPlan, ...], outputs: tuple[OutputPlan, ...]) -> Values:
    """Return stand-ins for the values that only the supervisor knows."""
    given = {item.name: Value(item.uri if item.value is None else item.value) for item in inputs}
    return Values(given, {item.name: Value(item.uri) for item in outputs})
