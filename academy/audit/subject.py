"""Which acts of the audit log are worth a record, and what the record is about."""

from __future__ import annotations

from dataclasses import dataclass

from academy.audit.record import Kind
from academy.endpoints.online import DEPLOYMENTS, ENDPOINTS
from academy.errors import AcademyError
from academy.jobs.record import JobStatus
from academy.store.audit import Entry
from academy.store.ids import ResourceId

# The audit log's words for the end of a job and of a generation of a deployment.
JOB_ENDS = tuple(status.value.lower() for status in JobStatus if status.is_finished())
DEPLOYMENT_ENDS = ("succeeded", "failed")

_ACTIONS = frozenset({*JOB_ENDS, *DEPLOYMENT_ENDS, "create", "delete"})
_COLLECTIONS = frozenset({"jobs", "models", ENDPOINTS.lower()})


@dataclass(frozen=True)
class Subject:
    """What a record is about; of a deletion, what was deleted may hold several things with records."""

    kind: Kind
    id: str


def subject_of(entry: Entry) -> Subject | None:
    """Return what an act asks to be recorded, or None."""
    if entry.action not in _ACTIONS:
        return None
    try:
        path = ResourceId.parse(entry.resource).path
    except AcademyError:
        return None
    shape = tuple(part.lower() for part in path[::2])
    if entry.action == "delete":
        wanted = not shape or shape[0] in _COLLECTIONS
        return Subject(Kind.DELETION, entry.resource) if wanted else None
    if len(path) % 2 == 0 and entry.action in _of_shape(shape):
        return Subject(_KINDS[shape], entry.resource)
    return None


def name_of(id: str) -> str:
    """Return how people call what has this id: as in its records, or the last part of its id."""
    path = ResourceId.parse(id).path
    kind = _KINDS.get(tuple(part.lower() for part in path[::2]))
    separator = {Kind.MODEL: ":", Kind.DEPLOYMENT: "/"}.get(kind) if kind else None
    return separator.join(path[1::2]) if separator else id.rsplit("/", 1)[1]


_JOB, _MODEL = ("jobs",), ("models", "versions")
_DEPLOYMENT = (ENDPOINTS.lower(), DEPLOYMENTS)
_KINDS = {_JOB: Kind.JOB, _MODEL: Kind.MODEL, _DEPLOYMENT: Kind.DEPLOYMENT}


def _of_shape(shape: tuple[str, ...]) -> tuple[str, ...]:
    return {_JOB: JOB_ENDS, _MODEL: ("create",), _DEPLOYMENT: DEPLOYMENT_ENDS}.get(shape, ())
