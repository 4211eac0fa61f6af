"""One record of the audit trail, as a frozen value and as JSON (``record.schema.json`` is its schema).

Times are ISO 8601 in UTC, hashes SHA-256 in hexadecimal, sizes bytes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from enum import StrEnum
from typing import Any

from academy.evidence.evidence import Evidence, Git, Tree

# Raised when a field changes its meaning; readers refuse formats that they do not know.
FORMAT = 1


class Kind(StrEnum):
    """What a record is about."""

    JOB = "job"
    MODEL = "model"
    DEPLOYMENT = "deployment"
    RUN = "run"  # a plain local script, outside the service
    DELETION = "deletion"


class Relation(StrEnum):
    """What a record has to do with the thing that a link names."""

    READ = "read"  # a run read this data
    WROTE = "wrote"  # a run wrote this data or model
    FROM_JOB = "from_job"  # a model is from this job (or local run)
    MODEL = "model"  # a deployment serves this model
    ENDPOINT = "endpoint"  # a deployment is behind this endpoint
    REPRODUCES = "reproduces"  # a run repeats this one
    DELETED = "deleted"  # a deletion is of this


@dataclass(frozen=True)
class Link:
    """A step of the chain from data to job to model to endpoint.

    ``target`` is an ARM id, ``run:NAME`` for a local run, or a URI. ``sha256`` is the content's, where it was
    looked at; ``record`` the hash of the newest record of the target at that moment, where there was one.
    """

    relation: Relation
    target: str
    sha256: str | None = None
    record: str | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Link:
        return cls(**{**value, "relation": Relation(value["relation"])})


@dataclass(frozen=True)
class Record:
    """What is known of one job, model, deployment or local run.

    ``name`` is how people call it: ``JOB``, ``MODEL:VERSION``, ``ENDPOINT/DEPLOYMENT``, ``RUN``. ``id`` is
    its ARM id, or ``run:NAME``. ``status`` is the status in Azure ML's words. ``model`` is the content of a
    model record's files (a deployment's are in its evidence). ``parameters`` and ``metrics`` are those of
    the MLflow run; a metric that is no finite number is a string (``"NaN"``).
    """

    kind: Kind
    name: str
    id: str
    who: str
    status: str
    created_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    description: str | None = None
    git: Git | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    model: Tree | None = None
    flavors: tuple[str, ...] = ()
    evidence: Evidence | None = None
    links: tuple[Link, ...] = ()
    notes: tuple[str, ...] = ()
    format: int = FORMAT

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return {**_plain(self), "metrics": {name: finite(value) for name, value in self.metrics.items()}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Record:
        """Return the record that ``to_json`` wrote."""
        return cls(
            **{
                **value,
                "kind": Kind(value["kind"]),
                "git": Git(**value["git"]) if value["git"] else None,
                "model": Tree.from_json(value["model"]) if value["model"] else None,
                "flavors": tuple(value["flavors"]),
                "evidence": Evidence.from_json(value["evidence"]) if value["evidence"] else None,
                "links": tuple(Link.from_json(link) for link in value["links"]),
                "notes": tuple(value["notes"]),
            }
        )

    def linked(self, relation: Relation) -> tuple[Link, ...]:
        """Return the links of one kind."""
        return tuple(link for link in self.links if link.relation is relation)


def finite(value: float | str) -> float | str:
    """Return a number that JSON can hold, or its name: ``NaN``, ``Infinity``, ``-Infinity``."""
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _plain(value: Any) -> Any:
    # A record is made while the next job starts, and asdict takes four times as long.
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {name: _plain(item) for name, item in vars(value).items()}
    return value
