"""The workspace's models as MLflow's entities."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.entities.model_registry.model_version_stages import STAGE_NONE

from academy.experiments import models
from academy.experiments.scope import Scope
from academy.store.documents import Document


def version_entity(scope: Scope, name: str, version: Document) -> ModelVersion:
    """Return one version."""
    about = version.properties.get("properties") or {}
    labels = scope.locator.versions.labels(models.container_id(scope, name))
    return ModelVersion(
        name=name,
        version=int(version.name),
        creation_timestamp=_milliseconds(version.created_at),
        last_updated_timestamp=_milliseconds(version.modified_at),
        description=version.properties.get("description"),
        user_id=(version.body.get("systemData") or {}).get("createdBy"),
        current_stage=version.properties.get("stage") or STAGE_NONE,
        source=about.get(models.SOURCE) or version.properties.get("modelUri"),
        run_id=version.properties.get("jobName"),
        run_link=about.get(models.RUN_LINK),
        tags=[ModelVersionTag(key, value) for key, value in _tags(version).items()],
        aliases=sorted(label for label, number in labels.items() if number == version.name),
        model_id=about.get(models.MODEL_ID),
    )


def registered_model(scope: Scope, model: Document, latest: Sequence[ModelVersion]) -> RegisteredModel:
    """Return one registered model with the latest version of each stage."""
    changed = [version.last_updated_timestamp for version in latest]
    labels = scope.locator.versions.labels(model.id)
    return RegisteredModel(
        name=model.name,
        creation_timestamp=_milliseconds(model.created_at),
        last_updated_timestamp=max([_milliseconds(model.modified_at), *changed]),
        description=model.properties.get("description"),
        latest_versions=list(latest),
        tags=[RegisteredModelTag(key, value) for key, value in _tags(model).items()],
        aliases=[RegisteredModelAlias(label, int(v)) for label, v in labels.items() if models.is_number(v)],
    )


def _tags(document: Document) -> dict[str, str]:
    return {key: str(value) for key, value in (document.properties.get("tags") or {}).items()}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
