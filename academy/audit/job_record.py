"""The record of a job that has ended: from its document, its folder and its MLflow run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.sources import Sources, creator, description_of, git_of, parameters_of
from academy.evidence.credentials import without_credentials
from academy.evidence.evidence import Data, Evidence
from academy.jobs.fresh import REPRODUCES
from academy.jobs.record import Done
from academy.paths import JobFolder
from academy.store.audit import Entry
from academy.store.documents import Document, timestamp
from academy.store.ids import ResourceId, Workspace

# The output that Azure adds to every job: the folder of its artifacts, logs and all.
_ARTIFACTS = "default"


def of_job(sources: Sources, found: Document, entry: Entry) -> Record:
    """Return the record of a job, which has ended with ``entry``."""
    workspace = ResourceId.parse(found.id).workspace
    folder = sources.home.job(workspace.key, found.name)
    evidence, unseen = sources.evidence(folder.evidence_file)
    done, unread = _done(folder)
    run, untracked = sources.run(workspace, found.name)
    said: Mapping[str, Any] = found.properties.get("properties") or {}
    return Record(
        kind=Kind.JOB,
        name=found.name,
        id=found.id,
        who=creator(found),
        status=entry.action.capitalize(),
        created_at=timestamp(found.created_at),
        started_at=timestamp(done.started_at) if done and done.started_at else said.get("StartTimeUtc"),
        ended_at=timestamp(done.ended_at or done.done_at) if done else said.get("EndTimeUtc"),
        exit_code=done.exit_code if done else None,
        description=description_of(found),
        git=git_of(said) or (git_of(run.tags) if run else None),
        parameters=parameters_of(run),
        metrics=run.metrics if run else {},
        evidence=evidence,
        links=tuple(_links(sources, workspace, found, evidence, entry)),
        notes=(*unseen, *unread, *untracked, *_reason(done)),
    )


def _done(folder: JobFolder) -> tuple[Done | None, tuple[str, ...]]:
    try:
        return Done.read(folder), ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        return None, (f"{folder.done_file.name} cannot be read ({type(error).__name__}).",)


def _reason(done: Done | None) -> tuple[str, ...]:
    # The code alone: the message may hold lines that the job has printed, and whatever is in them.
    return (f"It ended with the error {done.error.code}.",) if done and done.error else ()


def _links(
    sources: Sources, workspace: Workspace, found: Document, evidence: Evidence | None, entry: Entry
) -> Iterable[Link]:
    seen: set[tuple[Relation, str]] = set()
    for link in (
        *_read(sources, workspace, found, evidence),
        *_written(sources, workspace, found, evidence),
        *_registered(sources, found, entry),
        *_repeated(sources, found),
    ):
        if (link.relation, link.target.lower()) not in seen:
            seen.add((link.relation, link.target.lower()))
            yield link


def _read(
    sources: Sources, workspace: Workspace, found: Document, evidence: Evidence | None
) -> Iterable[Link]:
    given = found.properties.get("inputs") or {}
    seen = _by_name(evidence.inputs if evidence else ())
    for name, port in given.items():
        uri = (port or {}).get("uri")
        if uri:
            collection = "models" if "model" in str(port.get("jobInputType")) else "data"
            target = sources.named(workspace, str(uri), collection)
            yield sources.link(Relation.READ, target, _sha256(seen.get(name)))


def _written(
    sources: Sources, workspace: Workspace, found: Document, evidence: Evidence | None
) -> Iterable[Link]:
    given = found.properties.get("outputs") or {}
    seen = _by_name(evidence.outputs if evidence else ())
    for name, port in given.items():
        if name == _ARTIFACTS or not (port or {}).get("uri"):
            continue
        target = without_credentials(str(port["uri"]))
        if port.get("assetName") and port.get("assetVersion"):
            collection = "models" if "model" in str(port.get("jobOutputType")) else "data"
            target = workspace.child(collection, port["assetName"], "versions", port["assetVersion"])
        yield sources.link(Relation.WROTE, target, _sha256(seen.get(name)))


def _registered(sources: Sources, found: Document, entry: Entry) -> Iterable[Link]:
    """Yield the model versions that the job registered while it ran, as MLflow does."""
    began = sources.log.newest(found.id, actions=("create",), before=entry.sequence)
    after = began.sequence if began else 0
    for sealed in sources.ledger.linked_to(found.id, Kind.MODEL, after=after, before=entry.sequence):
        model = sealed.body["model"]
        yield sources.link(Relation.WROTE, sealed.body["id"], model["sha256"] if model else None)


def _repeated(sources: Sources, found: Document) -> Iterable[Link]:
    original = (found.properties.get("properties") or {}).get(REPRODUCES)
    if original:
        yield sources.link(Relation.REPRODUCES, str(original))


def _by_name(seen: Iterable[Data]) -> Mapping[str, Data]:
    return {data.name: data for data in seen}


def _sha256(seen: Data | None) -> str | None:
    return seen.tree.sha256 if seen and seen.tree else None
