"""A registered model as the workspace keeps it: the ARM documents under ``…/models`` are the one truth.

What MLflow knows of a version beyond Azure's own fields is kept in the version's ``properties``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.datasets.datastores import containers
from academy.datasets.mlmodel import MLMODEL, flavors
from academy.datasets.uris import JobOutputUri, datastore_uri, parse
from academy.errors import InvalidField, NotFound
from academy.experiments.artifacts import relative_path
from academy.experiments.scope import Scope
from academy.store.documents import Body, Document, ListView

COLLECTION = "models"

# The property in which Azure's studio shows where an MLflow model came from, and two of our own.
SOURCE = "mlflow.modelSourceUri"
MODEL_ID = "mlflow.modelId"
RUN_LINK = "mlflow.runLink"


@dataclass(frozen=True)
class Source:
    """Where a version's files are. ``uri`` is the long datastore form when ``path`` is on this machine."""

    uri: str
    path: Path | None
    run_id: str | None = None


def container_id(scope: Scope, name: str) -> str:
    """Return the ARM id of a registered model."""
    return scope.workspace.child(COLLECTION, name)


def locate(scope: Scope, source: str) -> Source:
    """Return where ``source`` lies, as MLflow and as Azure name it.

    Raises
    ------
    NotFound
        When nothing is there.
    """
    relative = relative_path(source)
    if relative is not None:
        return _existing(Source(_store_uri(scope, relative), scope.artifacts.path(relative)), source)
    if not source.startswith(("azureml:", "runs:")):
        return Source(source, None)
    found = scope.locator.existing(scope.workspace, source, what="The model's source", collection=COLLECTION)
    named = parse(source)
    run_id = named.job if isinstance(named, JobOutputUri) else None
    return Source(found.uri.rstrip("/"), found.path, run_id)


def version_properties(source: Source) -> Body:
    """Return ``modelUri``, ``modelType`` and ``flavors`` for the files at ``source``."""
    described: Body = {"modelUri": source.uri, "modelType": "custom_model"}
    if source.path is None or not (source.path / MLMODEL).is_file():
        return described
    held = flavors(source.path, shown_as=source.uri)
    return {**described, "modelType": "mlflow_model", "flavors": held}


def download_uri(scope: Scope, version: Document) -> str:
    """Return the URI by which an MLflow client reads a version's files.

    Files of this home come through the service; for data elsewhere it is where they are.
    """
    uri = str(version.properties["modelUri"])
    location = scope.locator.locate(scope.workspace, uri)
    if location.path is None:
        return location.url or uri
    readable = scope.artifacts.uri(location.path)
    if readable is None:
        raise InvalidField(
            f"{version.id} lies in a storage account of another workspace ({uri}), which this tracking "
            "URI does not reach. Register the model in this workspace."
        )
    return readable


def listed(scope: Scope) -> list[Document]:
    """Return the registered models that are not archived."""
    found = scope.locator.versions.documents.list(
        scope.workspace.child(COLLECTION), view=ListView.ACTIVE_ONLY
    )
    return found.items


def versions(scope: Scope, name: str) -> list[Document]:
    """Return a model's versions that are not archived, newest first.

    MLflow's versions are whole numbers; a version that Azure's users named otherwise is left out.
    """
    found = scope.locator.versions.list(container_id(scope, name), view=ListView.ACTIVE_ONLY)
    return [version for version in found.items if is_number(version.name)]


def is_number(version: str) -> bool:
    """Tell whether MLflow can name this version."""
    return version.isdecimal() and str(int(version)) == version


def changed(body: Body, **properties: Any) -> Body:
    """Return ``body`` with properties replaced."""
    return {**body, "properties": {**(body.get("properties") or {}), **properties}}


def retagged(body: Body, tags: Mapping[str, str | None]) -> Body:
    """Return ``body`` with tags set; a value of None takes the tag away."""
    before = (body.get("properties") or {}).get("tags") or {}
    after = {key: value for key, value in {**before, **tags}.items() if value is not None}
    return changed(body, tags=after)


def _existing(source: Source, text: str) -> Source:
    if source.path is not None and not source.path.exists():
        raise NotFound(f"The model's source {text!r} is not there. Log the model first, or check the path.")
    return source


def _store_uri(scope: Scope, relative: str) -> str:
    container, _, path = relative.strip("/").partition("/")
    for datastore, name in containers(scope.workspace).items():
        if name == container:
            return datastore_uri(scope.workspace, datastore, path)
    raise InvalidField(f"{relative!r} is in no datastore of this workspace.")
