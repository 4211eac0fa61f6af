"""The workspace's models as MLflow's entities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mlflow.entities.model_registry import (
    ModelVersion,
    ModelVersionTag,
    RegisteredModel,
    RegisteredModelAlias,
    RegisteredModelTag,
)
from mlflow.entities.model_registry.model_version_stages import ALL_STAGES, STAGE_NONE, get_canonical_stage
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.search_utils import SearchUtils

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


def latest_of(versions: Iterable[ModelVersion], stages: list[str] | None) -> list[ModelVersion]:
    """Return the highest version of each stage."""
    wanted = {get_canonical_stage(stage) for stage in (stages or ALL_STAGES)}
    latest: dict[str, ModelVersion] = {}
    for version in sorted(versions, key=lambda version: int(version.version)):
        if version.current_stage in wanted:
            latest[version.current_stage] = version
    return list(latest.values())


def page_of(items: list[Any], size: int | None, token: str | None) -> PagedList[Any]:
    """Return the page of ``items`` that a search asks for."""
    if not isinstance(size, int) or size < 1:
        raise MlflowException(
            f"Invalid value for max_results. It must be a positive integer, but got {size}",
            INVALID_PARAMETER_VALUE,
        )
    start = SearchUtils.parse_start_offset_from_page_token(token)
    following = SearchUtils.create_page_token(start + size) if start + size < len(items) else None
    return PagedList(items[start : start + size], following)


def _tags(document: Document) -> dict[str, str]:
    return {key: str(value) for key, value in (document.properties.get("tags") or {}).items()}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
