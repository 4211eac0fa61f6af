"""The record of a local run, from what was noted before, during and after it."""

from __future__ import annotations

import getpass
import os
import shlex
from collections.abc import Iterator, Sequence

from academy.audit.local import command_line, mlflow_elsewhere, mlflow_runs
from academy.audit.local.data import LocalData
from academy.audit.local.foreground import End
from academy.audit.local.mlflow_runs import TrackedRun
from academy.audit.local.request import Before, Ended, Request
from academy.audit.local.surroundings import Surroundings
from academy.audit.record import Kind, Link, Record, Relation
from academy.evidence import secrecy
from academy.evidence.credentials import printable
from academy.evidence.evidence import Evidence
from academy.evidence.secrecy import Masked
from academy.evidence.sightings import named


def record_of(request: Request, before: Before, local: LocalData, around: Surroundings, end: Ended) -> Record:
    """Return the record, reading the data, the outputs and MLflow's runs as they are now."""
    masked = secrecy.masked([printable(word) for word in request.command])
    tracked, unread = before.mlflow.runs(before.began_ms)
    run = mlflow_runs.chosen(tracked)
    metrics = {**(run.metrics if run else {}), **local.metrics(before.metrics)}
    arguments = command_line.script(masked.command)[1]
    logged = masked.masked(run.parameters if run else {})
    evidence = _evidence(before, local, around, masked, tracked)
    elsewhere = [] if tracked or unread or metrics else mlflow_elsewhere.notes(request, before)
    local.warnings.extend(elsewhere)
    return Record(
        kind=Kind.RUN,
        name=before.name,
        id=f"run:{before.name}",
        who=_who(),
        status="Completed" if end.end.code == 0 else "Canceled" if end.end.was_canceled else "Failed",
        created_at=before.created_at,
        started_at=end.started_at,
        ended_at=end.ended_at,
        exit_code=end.end.status,
        git=around.git,
        parameters={**command_line.parameters(arguments), **logged},
        metrics=metrics,
        evidence=evidence,
        links=tuple(_links(evidence)),
        notes=(*_of_end(end.end), *_of_secrets(masked), *unread, *elsewhere, *_of_runs(run, tracked)),
    )


def _evidence(
    before: Before, local: LocalData, around: Surroundings, masked: Masked, tracked: Sequence[TrackedRun]
) -> Evidence:
    inputs = tuple(local.inputs(before.data))
    outputs = tuple(local.outputs(before.outputs))
    models = tuple(
        local.models([model for run in tracked for model in run.models], [data.name for data in outputs])
    )
    return Evidence(
        machine=around.machine,
        software=around.software,
        command=shlex.join(masked.command),
        code=before.code.tree,
        inputs=inputs,
        outputs=(*outputs, *models, *local.metrics_file(before.metrics)),
        notes=(*before.code.notes, *around.notes, *local.notes),
        variables=before.variables,
    )


def _links(evidence: Evidence) -> Iterator[Link]:
    for relation, several in ((Relation.READ, evidence.inputs), (Relation.WROTE, evidence.outputs)):
        yield from (
            Link(relation, data.uri, data.tree.sha256 if data.tree else None)
            for data in several
            if data.tree is not None or relation is Relation.READ
        )


def _of_end(end: End) -> Iterator[str]:
    if end.asked:
        yield f"It was asked to end: {', '.join(number.name for number in end.asked)}."
    if end.killed_by is not None:
        why = " The system does that when memory runs out." if end.killed_by == "SIGKILL" else ""
        yield f"It was ended by {end.killed_by}.{why}"


def _of_secrets(masked: Masked) -> Iterator[str]:
    if masked.names:
        yield (
            f"Masked on the command line, since it looks like a secret: {', '.join(masked.names)}. To run it "
            "again, the value is needed. Environment variables are a better place for it."
        )


def _of_runs(run: TrackedRun | None, tracked: Sequence[TrackedRun]) -> Iterator[str]:
    if run is None:
        return
    if len(tracked) > 1:
        others = [f"{other.name} ({other.id})" for other in tracked if other is not run]
        yield (
            f"{len(tracked)} MLflow runs were made. Metrics and parameters are those of {run.name} "
            f"({run.id}); the others: {named(others)}."
        )
    if run.status == "RUNNING":
        yield f"The MLflow run {run.name} was not ended: its metrics may not be its last."


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return f"uid-{os.getuid()}"
