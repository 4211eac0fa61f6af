"""Recording the end of a job: its outputs as assets, its run, its document, in this order.

Each step may be done again without harm, and the document is changed last. So when the service is
killed in between, it does the rest when it starts again, and a job that shows as finished is finished.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from academy.datasets.mlmodel import flavors
from academy.datasets.ports import OutputPlan, PortKind
from academy.errors import AcademyError, NotFound
from academy.experiments.tracking import Tracking
from academy.jobs.document import finished, visible_tags
from academy.jobs.plan import CommandPlan
from academy.jobs.record import Done, JobStatus
from academy.store.documents import Body, Document, Documents, ListView
from academy.store.ids import Workspace
from academy.store.versions import Versions

# Beside an asset version: the job and the output that it is from.
JOB_PROPERTY, OUTPUT_PROPERTY = "azureml.jobName", "azureml.outputName"

_REGISTRATION = "academy.outputRegistration"


@dataclass(frozen=True)
class Finisher:
    """Writes down how jobs ended."""

    documents: Documents
    versions: Versions
    tracking: Tracking

    def finish(self, workspace: Workspace, plan: CommandPlan, done: Done, *, who: str) -> Document:
        """Record the end of the job and return its document."""
        registered: dict[str, str] = {}
        notes: dict[str, str] = {}
        if done.status is JobStatus.COMPLETED:
            for output in plan.outputs:
                if output.asset_name is None:
                    continue
                try:
                    registered[output.name] = self._register(workspace, plan, output, who)
                except AcademyError as error:
                    # The job has run and its data is there; that it has no name yet can be mended by hand.
                    notes[f"{_REGISTRATION}.{output.name}"] = error.message
        # A run that was deleted from MLflow's database meanwhile keeps no job from ending.
        with contextlib.suppress(NotFound):
            self.tracking.end_run(workspace, plan.name, done.status.value)
        tags = self._run_tags(workspace, plan.name)
        return self.documents.update(
            plan.job_id,
            lambda body: finished(body, done, versions=registered, tags=tags, notes=notes),
            who=who,
            action=done.status.value.lower(),
        )

    def _register(self, workspace: Workspace, plan: CommandPlan, output: OutputPlan, who: str) -> str:
        assert output.asset_name is not None
        container = workspace.child(output.kind.collection, output.asset_name)
        body = {"properties": _asset(plan, output)}
        if output.asset_version is not None:
            return self.versions.put(container, output.asset_version, body, who=who).name
        earlier = self._registered_before(container, plan.name, output.name)
        return earlier or self.versions.add(container, body, who=who).name

    def _registered_before(self, container: str, job: str, output: str) -> str | None:
        source = {JOB_PROPERTY: job, OUTPUT_PROPERTY: output}
        for version in self.versions.list(container, view=ListView.ALL).items:
            given = version.properties.get("properties") or {}
            if source.items() <= given.items():
                return version.name
        return None

    def _run_tags(self, workspace: Workspace, job: str) -> Mapping[str, str]:
        run = self.tracking.find_run(workspace, job)
        return {} if run is None else visible_tags(run.tags)


def _asset(plan: CommandPlan, output: OutputPlan) -> Body:
    source = {JOB_PROPERTY: plan.name, OUTPUT_PROPERTY: output.name}
    common: Body = {"properties": source, "description": output.description}
    if not output.kind.is_model:
        return {**common, "dataType": output.kind.value, "dataUri": output.uri}
    model: Body = {**common, "modelType": output.kind.value, "modelUri": output.uri, "jobName": plan.name}
    is_mlflow = output.kind is PortKind.MLFLOW_MODEL
    # The SDK reads no model that says nothing of flavors, though it may have none.
    model["flavors"] = flavors(output.target, shown_as=f"the output {output.name!r}") if is_mlflow else {}
    return model
