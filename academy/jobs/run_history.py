"""A job as run history tells of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from academy.datasets.datastores import ARTIFACT_STORE, run_prefix
from academy.datasets.ports import PortKind
from academy.errors import NotFound, choices
from academy.jobs.document import Progress
from academy.jobs.record import JobError, JobStatus
from academy.store.documents import Body, Document, timestamp

DEFAULT_OUTPUT = "default"
_FOLDER = PortKind.URI_FOLDER.value

_OUTPUT_ID = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)")


def run(found: Document, progress: Progress) -> Body:
    """Return the run of a job, with where it is, why it failed and what it warns of."""
    properties = found.properties
    system = found.body.get("systemData") or {}
    user = {"userName": system.get("createdBy"), "upn": system.get("createdBy")}
    started_at = progress.times.get(JobStatus.RUNNING.value)
    return {
        "runId": found.name,
        "runNumber": found.sequence,
        "rootRunId": found.name,
        "experimentId": properties["experimentName"],
        "runType": "azureml.commandjob",
        "runTypeV2": {"orchestrator": "Execution", "traits": [], "attribution": None},
        "status": progress.status.value,
        "displayName": properties["displayName"],
        "description": properties.get("description"),
        "hidden": found.archived,
        "tags": properties["tags"],
        "properties": properties["properties"],
        "parameters": {},
        "target": properties.get("computeId"),
        "compute": {"target": properties.get("computeId")},
        "createdUtc": timestamp(found.created_at),
        "createdTimeUtc": timestamp(found.created_at),
        "startTimeUtc": timestamp(started_at) if started_at else None,
        "endTimeUtc": timestamp(progress.ended_at) if progress.ended_at else None,
        "createdBy": user,
        "error": _error(progress.error),
        "warnings": [{"source": "academy", "message": text} for text in progress.warnings],
        "revision": found.revision,
        "inputs": {},
        "outputs": _outputs(found.name, properties.get("outputs") or {}),
        "inputDatasets": [],
        "outputDatasets": [],
    }


def parse_output_id(id: str) -> tuple[str, str]:
    """Return the job and the output of an id that ``run`` gave out."""
    match = _OUTPUT_ID.fullmatch(id)
    if match is None:
        raise NotFound(f"{id!r} is not the id of a job's output. Ids come from a run's 'outputs'.")
    return match["job"], match["output"]


def output_place(found: Document, name: str) -> tuple[str, str]:
    """Return the URI and the type of a job's output."""
    if name == DEFAULT_OUTPUT:
        # With a slash at the end: clients download what begins so, and a job "a" is not a job "ab".
        return f"azureml://datastores/{ARTIFACT_STORE}/paths/{run_prefix(found.name)}/", _FOLDER
    outputs: Mapping[str, Any] = found.properties.get("outputs") or {}
    if name not in outputs:
        raise NotFound(f"The job {found.name!r} has no output {name!r}. It has: {choices(outputs)}.")
    kind = _data_type(outputs[name])
    uri = str(outputs[name]["uri"])
    return (uri if kind != _FOLDER else f"{uri.rstrip('/')}/"), kind


def _outputs(job: str, outputs: Mapping[str, Any]) -> Body:
    return {
        name: {"assetId": f"azureml://jobs/{job}/outputs/{name}", "type": _data_type(output)}
        for name, output in outputs.items()
    }


def _data_type(output: Mapping[str, Any]) -> str:
    # Models are called folders here: the SDK asks another service about models, and cannot read its answer.
    kind = PortKind(output["jobOutputType"])
    return _FOLDER if kind.is_model else kind.value


def _error(error: JobError | None) -> Body | None:
    if error is None:
        return None
    inner = {"code": error.code, "innerError": None}
    return {"error": {"code": "UserError", "message": error.message, "details": [], "innerError": inner}}
