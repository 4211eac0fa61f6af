"""What is moved, from the service's documents and the model's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.datasets import trees
from academy.environments.spec import EnvironmentSpec
from academy.errors import AcademyError, InvalidField
from academy.evidence.credentials import without_credentials
from academy.migration import mlflow_model
from academy.migration.mlflow_model import MlflowModel
from academy.migration.report import DataUse, Subject, SubjectKind
from academy.migration.shelf import Shelf, reason
from academy.store.ids import ResourceId


@dataclass(frozen=True)
class Found:
    """The subject, and what it brings along: its own environment, and what could not be read.

    ``came_with`` says in words where ``environment`` is from.
    """

    subject: Subject
    environment: EnvironmentSpec | None = None
    came_with: str = ""
    model: MlflowModel | None = None
    notes: tuple[str, ...] = ()


def find(shelf: Shelf, kind: SubjectKind, reference: str) -> Found:
    """Return what ``reference`` names.

    Raises
    ------
    NotFound
        There is no such model, job or environment; the message has the nearest names.
    """
    if kind is SubjectKind.MODEL:
        return _model(shelf, reference)
    if kind is SubjectKind.JOB:
        return _job(shelf, reference)
    spec, id = shelf.environment(reference)
    subject = Subject(kind, spec.label, id, requirements=spec.requirements)
    return Found(subject, spec, f"the document of the environment {spec.label}", notes=spec.notes)


def _model(shelf: Shelf, reference: str) -> Found:
    name, version, document = shelf.version("models", reference)
    properties = document["properties"]
    uri = str(properties.get("modelUri") or "")
    stored = shelf.stored(uri, "models")
    uri = without_credentials(uri)
    label = f"{name}:{version}"
    if stored.path is None or not stored.path.exists():
        subject = Subject(
            SubjectKind.MODEL, label, document["id"], flavors=_flavors(properties), job=_job_of(properties)
        )
        return Found(subject, notes=(f"The model's files are not on this machine: they are at {uri}.",))
    model = mlflow_model.read(stored.path) if stored.path.is_dir() else None
    subject = Subject(
        kind=SubjectKind.MODEL,
        name=label,
        id=str(document["id"]),
        folder=stored.path,
        flavors=tuple(model.flavors) if model else (),
        requirements=model.requirements if model else (),
        pickled=model.pickled if model else None,
        mlflow_version=model.mlflow_version if model else None,
        size_bytes=size_bytes(stored.path),
        example=model.example if model else None,
        data=(DataUse("the model's files", uri, stored.path, stored.credentials),),
        job=_job_of(properties),
    )
    if model is None:
        return Found(
            subject, notes=("It is no MLflow model: its files do not say which packages they need.",)
        )
    spec, notes = _own_environment(model, name, version)
    return Found(
        subject, spec, f"the environment that MLflow recorded with {label}", model, (*model.notes, *notes)
    )


def _own_environment(
    model: MlflowModel, name: str, version: str
) -> tuple[EnvironmentSpec | None, tuple[str, ...]]:
    try:
        return model.environment(name, version), ()
    except AcademyError as error:
        return None, (reason(error),)


def _job(shelf: Shelf, reference: str) -> Found:
    document = shelf.job(reference)
    properties = document["properties"]
    notes: tuple[str, ...] = ()
    spec: EnvironmentSpec | None = None
    environment = str(properties.get("environmentId") or "")
    try:
        spec, _ = shelf.environment(environment)
    except AcademyError as error:
        notes = (f"The job's environment {environment!r} cannot be read: {reason(error)}",)
    subject = Subject(
        kind=SubjectKind.JOB,
        name=str(document["name"]),
        id=str(document["id"]),
        requirements=spec.requirements if spec else (),
        data=tuple(_inputs(shelf, properties.get("inputs") or {})),
        variables=tuple(sorted(properties.get("environmentVariables") or {})),
        job=str(document["id"]),
    )
    label = spec.label if spec else environment
    return Found(subject, spec, f"the environment {label} that the job's document names", notes=notes)


def _inputs(shelf: Shelf, inputs: Mapping[str, Any]) -> Iterator[DataUse]:
    for name, given in inputs.items():
        uri = given.get("uri")
        if not uri:
            continue  # a literal travels with the document
        kind = "models" if str(given.get("jobInputType", "")).endswith("_model") else "data"
        try:
            stored = shelf.stored(str(uri), kind)
            yield DataUse(name, without_credentials(str(uri)), stored.path, stored.credentials)
        except (AcademyError, KeyError):
            yield DataUse(name, without_credentials(str(uri)))


def _flavors(properties: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(properties.get("flavors") or {})


def _job_of(properties: Mapping[str, Any]) -> str | None:
    """Return the name of the job that a model's document says it is from."""
    named = properties.get("jobName")
    if not named:
        return None
    try:
        return ResourceId.parse(str(named)).path[-1]
    except InvalidField:
        return str(named)


def size_bytes(path: Path) -> int:
    """Return how much the files hold that are there."""
    return sum(entry.size_bytes for entry in trees.entries(path))
