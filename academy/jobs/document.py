"""The ARM document of a job as Azure answers it: what was sent, and what the service adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from academy.datasets.datastores import ARTIFACT_STORE, run_prefix
from academy.errors import Conflict, choices
from academy.experiments.runs import Run
from academy.jobs.command import CommandSpec
from academy.jobs.plan import CommandPlan
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.paths import JobFolder
from academy.store.documents import Body, Document, timestamp

# What may change when the job is there. Everything else is how it ran, and stays.
MUTABLE = frozenset({"description", "displayName", "tags", "isArchived", "properties"})

# What the service reports and a client only sends back.
_REPORTED = frozenset({"status", "services", "parameters", "creationContext"})


@dataclass(frozen=True)
class Progress:
    """Where a job is, from its document and its folder together."""

    status: JobStatus
    times: Mapping[str, float]
    error: JobError | None = None
    warnings: tuple[str, ...] = ()
    ended_at: float | None = None


def new_document(properties: Mapping[str, Any], spec: CommandSpec, plan: CommandPlan, studio: Body) -> Body:
    """Return the document of a job that has just been accepted; ``studio`` describes its pages."""
    given = {key: value for key, value in properties.items() if value is not None}
    added = {
        "status": JobStatus.NOT_STARTED.value,
        "displayName": given.get("displayName") or plan.name,
        "experimentName": spec.experiment,
        "services": studio,
        "outputs": _outputs(given.get("outputs") or {}, plan),
        "isArchived": False,
        "parameters": {},
    }
    empty: dict[str, Body] = {"tags": {}, "properties": {}, "inputs": {}, "environmentVariables": {}}
    return {"properties": {**empty, **given, **added}}


def services(workspace_id: str, *, tracking_uri: str, page: str) -> Body:
    """Return the entries of ``services`` that every job has: where its run is, and its page."""
    common = {"port": None, "status": None, "errorMessage": None, "properties": None, "nodes": None}
    return {
        "Tracking": {"jobServiceType": "Tracking", "endpoint": tracking_uri, **common},
        "Studio": {"jobServiceType": "Studio", "endpoint": f"{page}?wsid={workspace_id}", **common},
    }


def progress(document: Document, folder: JobFolder) -> Progress:
    """Return where a job is. The folder is ahead of the document until the end is recorded."""
    recorded = JobStatus(document.properties["status"])
    state, done = State.read(folder), Done.read(folder)
    times = dict(state.times) if state else {}
    warnings = state.warnings if state else ()
    if recorded.is_finished():
        error = done.error if done else None
        ended_at = (done.ended_at or done.done_at) if done else None
        return Progress(recorded, times, error, done.warnings if done else warnings, ended_at)
    ended_at = done.done_at if done else None
    if folder.cancel_file.exists():
        return Progress(JobStatus.CANCEL_REQUESTED, times, warnings=warnings, ended_at=ended_at)
    if done is not None:
        # Ended, but its outputs are not registered yet: it must not be seen as finished before.
        return Progress(JobStatus.FINALIZING, times, warnings=warnings, ended_at=ended_at)
    return Progress(state.status if state else recorded, times, warnings=warnings)


def is_recorded(document: Document) -> bool:
    """Say whether the document tells the job's end."""
    return JobStatus(document.properties["status"]).is_finished()


def shown(document: Document, status: JobStatus, run: Run | None = None) -> Document:
    """Return the document with the status of this moment, and the tags and name that its run has."""
    properties = {**document.properties, "status": status.value, "isArchived": document.archived}
    if run is not None:
        properties |= {"tags": visible_tags(run.tags), "displayName": run.name}
    return replace(document, body={**document.body, "properties": properties})


def finished(
    body: Body, done: Done, *, versions: Mapping[str, str], tags: Mapping[str, str], notes: Mapping[str, str]
) -> Body:
    """Return the document of a job that has ended.

    ``versions`` gives the version that each output was registered as, ``tags`` what the run has by now,
    ``notes`` what else there is to say, by property name.
    """
    properties = dict(body["properties"])
    times = {
        "StartTimeUtc": timestamp(done.started_at) if done.started_at else None,
        "EndTimeUtc": timestamp(done.ended_at or done.done_at),
    }
    said = {**properties["properties"], **times, **notes}
    properties["properties"] = {key: value for key, value in said.items() if value is not None}
    properties["outputs"] = {
        name: {**output, "assetVersion": versions[name]} if name in versions else output
        for name, output in properties["outputs"].items()
    }
    properties["tags"] = {**properties["tags"], **tags}
    properties["status"] = done.status.value
    return {**body, "properties": properties}


def visible_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a run that are the job's too: all but MLflow's own."""
    return {name: value for name, value in tags.items() if not name.startswith("mlflow.")}


def changed(old: Body, given: Mapping[str, Any], *, merge_tags: bool) -> Body:
    """Return the document with what may change of it replaced; properties are only ever added to.

    Raises
    ------
    Conflict
        When the caller wants to change what ran.
    """
    before = old["properties"]
    fixed = {
        key: value
        for key, value in given.items()
        if key not in MUTABLE | _REPORTED and not _is_within(value, before.get(key))
    }
    if fixed:
        raise Conflict(
            "A job with this name already exists. To create a new job, use a different name. To update "
            f"the existing one: its {choices(fixed)} cannot be changed; only description, displayName, "
            "tags and isArchived can.",
        )
    new = {key: given[key] for key in MUTABLE if given.get(key) is not None}
    if merge_tags and "tags" in new:
        new["tags"] = {**before["tags"], **new["tags"]}
    if "properties" in new:
        new["properties"] = {**before["properties"], **new["properties"]}
    return {**old, "properties": {**before, **new}}


def _outputs(given: Mapping[str, Any], plan: CommandPlan) -> Body:
    # Azure adds the folder of artifacts to the outputs, under this name and in this spelling.
    default = {
        "jobOutputType": "uri_folder",
        "uri": f"azureml://datastores/{ARTIFACT_STORE}/{run_prefix(plan.name)}",
        "mode": "ReadWriteMount",
    }
    filled = {
        item.name: {
            **{key: value for key, value in (given.get(item.name) or {}).items() if value is not None},
            "jobOutputType": item.kind.value,
            "uri": item.uri,
            "mode": item.mode.value,
        }
        for item in plan.outputs
    }
    return {"default": default, **filled}


def _is_within(given: Any, stored: Any) -> bool:
    """Say whether all that ``given`` says is what is stored; null says nothing."""
    if given in (None, {}, []):
        return True
    if isinstance(given, Mapping) and isinstance(stored, Mapping):
        return all(_is_within(value, stored.get(key)) for key, value in given.items())
    return bool(given == stored)
