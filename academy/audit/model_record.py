"""The record of a model version: what its files are, and which job it is from."""

from __future__ import annotations

import re
from collections.abc import Iterable

from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.sources import Sources, description_of, git_of, parameters_of
from academy.datasets import uris
from academy.datasets.datastores import ARTIFACT_STORE, BLOB_STORE, run_prefix
from academy.datasets.uris import DatastoreUri
from academy.errors import AcademyError
from academy.evidence.credentials import without_credentials
from academy.evidence.digests import tree
from academy.evidence.evidence import Tree
from academy.experiments.runs import Run
from academy.jobs.finish import JOB_PROPERTY
from academy.store.documents import Document, timestamp
from academy.store.ids import ResourceId, Workspace

REGISTERED = "Registered"

# Where jobs leave their files: artifacts in the one datastore, outputs in the other.
_FROM_JOB = {
    ARTIFACT_STORE: re.compile(re.escape(run_prefix("")) + r"(?P<job>[^/]+)(/|$)"),
    BLOB_STORE: re.compile(r"azureml/(?P<job>[^/]+)/[^/]+(/|$)"),
}


def of_model(sources: Sources, found: Document, who: str) -> Record:
    """Return the record of a model version that ``who`` registered."""
    workspace, path = ResourceId.parse(found.id).workspace, ResourceId.parse(found.id).path
    properties = found.properties
    files, unseen = _files(sources, workspace, str(properties.get("modelUri") or ""))
    run_id = _run_id(found)
    origin = sources.job_or_run(workspace, run_id) if run_id else None
    # The run of a job is on the job's record; one that MLflow made in a notebook has no other place.
    run, unread = sources.run(workspace, run_id) if run_id and origin == f"runs:/{run_id}" else (None, ())
    return Record(
        kind=Kind.MODEL,
        name=f"{path[1]}:{path[3]}",
        id=found.id,
        who=who,
        status=REGISTERED,
        created_at=timestamp(found.created_at),
        started_at=_time(run.started_ms) if run else None,
        ended_at=_time(run.ended_ms) if run else None,
        description=description_of(found),
        git=git_of(run.tags) if run else None,
        parameters=parameters_of(run),
        metrics=run.metrics if run else {},
        model=files,
        flavors=tuple(sorted(properties.get("flavors") or {})),
        links=tuple(_links(sources, workspace, origin, str(properties.get("modelUri") or ""))),
        notes=(*unseen, *unread, *_other_run(run_id, origin, run)),
    )


def _files(sources: Sources, workspace: Workspace, uri: str) -> tuple[Tree | None, tuple[str, ...]]:
    try:
        path = sources.locator.locate(workspace, uri, collection="models").path
    except AcademyError as error:
        return None, (f"The model's files cannot be found: {error.message}",)
    if path is None:
        return None, (f"The model's files are not on this machine: {without_credentials(uri)}.",)
    try:
        return tree(path), ()
    except (OSError, AcademyError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.message
        return None, (f"The model's files in {path} cannot be read: {reason}.",)


def _links(sources: Sources, workspace: Workspace, origin: str | None, uri: str) -> Iterable[Link]:
    if origin is not None:
        yield sources.link(Relation.FROM_JOB, origin)
    if uri.startswith(("http://", "https://")):
        yield sources.link(Relation.READ, without_credentials(uri))


def _run_id(found: Document) -> str | None:
    properties = found.properties
    named = properties.get("jobName") or (properties.get("properties") or {}).get(JOB_PROPERTY)
    if named:
        return str(named)
    try:
        place = uris.parse(str(properties.get("modelUri") or ""))
    except AcademyError:
        return None
    pattern = _FROM_JOB.get(place.datastore) if isinstance(place, DatastoreUri) else None
    match = pattern.match(place.path) if pattern and isinstance(place, DatastoreUri) else None
    return match["job"] if match else None


def _other_run(run_id: str | None, origin: str | None, run: Run | None) -> tuple[str, ...]:
    if origin is None:
        return ("It names no job that it is from.",)
    if origin == f"runs:/{run_id}" and run is None:
        return (f"There is no job and no MLflow run {run_id!r} in this workspace any more.",)
    return ()


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else timestamp(milliseconds / 1000)
