"""The record of one generation of an online deployment: what serves, on what, and which model."""

from __future__ import annotations

from collections.abc import Iterable

from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.sources import Sources, creator, description_of
from academy.endpoints.record import Generations
from academy.evidence.evidence import Evidence
from academy.paths import DeploymentFolder, ReplicaFolder
from academy.store.audit import Entry
from academy.store.documents import Document, timestamp
from academy.store.ids import ResourceId, Workspace

_PUT = ("create", "update")


def of_deployment(sources: Sources, found: Document, entry: Entry) -> Record:
    """Return the record of the generation that was put last, which succeeded or failed with ``entry``."""
    workspace, path = ResourceId.parse(found.id).workspace, ResourceId.parse(found.id).path
    folder = sources.home.online_deployment(workspace.key, path[1], path[3])
    replicas, unread = _generation(folder)
    evidence, unseen = sources.evidence(replicas.evidence_file) if replicas else (None, unread)
    put = sources.log.newest(entry.resource, actions=_PUT, before=entry.sequence)
    return Record(
        kind=Kind.DEPLOYMENT,
        name=f"{path[1]}/{path[3]}",
        id=found.id,
        who=put.who if put else creator(found),
        status=entry.action.capitalize(),
        created_at=timestamp(found.created_at),
        started_at=timestamp(put.at) if put else None,
        ended_at=timestamp(entry.at),
        description=description_of(found),
        evidence=evidence,
        links=tuple(_links(sources, workspace, found, evidence)),
        notes=unseen,
    )


def _generation(folder: DeploymentFolder) -> tuple[ReplicaFolder | None, tuple[str, ...]]:
    try:
        generations = Generations.read(folder)
    except (OSError, ValueError, TypeError) as error:
        return None, (f"{folder.record_file.name} cannot be read ({type(error).__name__}).",)
    if generations is None:
        return None, (f"There is no evidence: {folder.record_file} is not there.",)
    return folder.generation(generations.newest), ()


def _links(
    sources: Sources, workspace: Workspace, found: Document, evidence: Evidence | None
) -> Iterable[Link]:
    model = found.properties.get("model")
    if model:
        sha256 = evidence.model.sha256 if evidence and evidence.model else None
        yield sources.link(Relation.MODEL, sources.named(workspace, str(model), "models"), sha256)
    # An endpoint has no record of its own until it is deleted; that would be one of an earlier endpoint.
    yield Link(Relation.ENDPOINT, found.id.rsplit("/", 2)[0])
