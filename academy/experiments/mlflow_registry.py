"""MLflow's model registry over the workspace's models, so that ``ml_client.models`` sees the same.

Imported by MLflow's server alone: importing MLflow takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.entities.model_registry.model_version_stages import (
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    STAGE_ARCHIVED,
    get_canonical_stage,
)
from mlflow.exceptions import MlflowException
from mlflow.prompt.registry_utils import add_prompt_filter_string, has_prompt_tag
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.artifact.utils.models import _parse_model_uri
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.model_registry.abstract_store import AbstractStore
from mlflow.utils.search_utils import SearchModelUtils, SearchModelVersionUtils
from mlflow.utils.validation import (
    _REGISTERED_MODEL_ALIAS_LATEST,
    _validate_model_alias_name,
    _validate_model_alias_name_reserved,
    _validate_model_version,
    _validate_model_version_tag,
    _validate_registered_model_tag,
)

from academy.experiments import models
from academy.experiments.mlflow_entities import latest_of, page_of, registered_model, version_entity
from academy.experiments.mlflow_errors import in_mlflow_terms
from academy.experiments.mlflow_tracking import WorkspaceTrackingStore
from academy.experiments.models import Source
from academy.experiments.scope import CURRENT, Scope
from academy.paths import checked_name
from academy.store.documents import Body, Document

# What MLflow's own stores sort by where the caller names no order.
_VERSION_ORDER = ["last_updated_timestamp DESC", "name ASC", "version_number DESC"]


class WorkspaceModelRegistry(AbstractStore):  # type: ignore[misc]
    """Registered models and their versions are the ARM documents of the request's workspace.

    Aliases are Azure's labels. Versions whose names are no whole numbers, and what is archived, are not
    listed. Models cannot be renamed, as on Azure; there are no prompts and no webhooks.
    """

    def __init__(self, tracking: WorkspaceTrackingStore) -> None:
        super().__init__()
        self._tracking = tracking

    @in_mlflow_terms
    def create_registered_model(
        self,
        name: str,
        tags: Any = None,
        description: str | None = None,
        deployment_job_id: str | None = None,
    ) -> RegisteredModel:
        scope = CURRENT.get()
        _refuse_prompt(tags)
        for tag in tags or []:
            _validate_registered_model_tag(tag.key, tag.value)
        id = models.container_id(scope, checked_name(name))
        if scope.locator.versions.documents.find(id) is not None:
            raise MlflowException(f"Registered Model (name={name}) already exists.", RESOURCE_ALREADY_EXISTS)
        properties: Body = {"isArchived": False, "tags": {tag.key: tag.value for tag in tags or []}}
        if description:
            properties["description"] = description
        made = scope.locator.versions.documents.create(id, {"properties": properties}, who=scope.who)
        return registered_model(scope, made, [])

    @in_mlflow_terms
    def update_registered_model(
        self, name: str, description: str, deployment_job_id: str | None = None
    ) -> RegisteredModel:
        return self._change_model(name, lambda body: models.changed(body, description=description))

    @in_mlflow_terms
    def rename_registered_model(self, name: str, new_name: str) -> RegisteredModel:
        raise MlflowException(
            f"The model {name!r} cannot be renamed: as on Azure, models keep their names. "
            f"Register its versions as {new_name!r} with mlflow.register_model('models:/{name}/1', …).",
            BAD_REQUEST,
        )

    @in_mlflow_terms
    def delete_registered_model(self, name: str) -> None:
        scope = CURRENT.get()
        id = self._model(name).id
        for label in scope.locator.versions.labels(id):
            scope.locator.versions.remove_label(id, label, who=scope.who)
        scope.locator.versions.documents.delete(id, who=scope.who)

    @in_mlflow_terms
    def search_registered_models(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RegisteredModel]:
        every = [self._entity(document) for document in models.listed(CURRENT.get())]
        found = SearchModelUtils.filter(every, add_prompt_filter_string(filter_string, is_prompt=False))
        return page_of(SearchModelUtils.sort(found, order_by), max_results, page_token)

    @in_mlflow_terms
    def get_registered_model(self, name: str) -> RegisteredModel:
        return self._entity(self._model(name))

    @in_mlflow_terms
    def get_latest_versions(self, name: str, stages: list[str] | None = None) -> list[ModelVersion]:
        return latest_of(self._versions(self._model(name).name), stages)

    @in_mlflow_terms
    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        _validate_registered_model_tag(tag.key, tag.value)
        self._change_model(name, lambda body: models.retagged(body, {tag.key: tag.value}))

    @in_mlflow_terms
    def delete_registered_model_tag(self, name: str, key: str) -> None:
        self._change_model(name, lambda body: models.retagged(body, {key: None}))

    @in_mlflow_terms
    def create_model_version(  # noqa: PLR0917 - MLflow's signature
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Any = None,
        run_link: str | None = None,
        description: str | None = None,
        local_model_path: str | None = None,
        model_id: str | None = None,
    ) -> ModelVersion:
        """Register the files at ``source``; two callers at the same moment get two versions."""
        scope = CURRENT.get()
        for tag in tags or []:
            _validate_model_version_tag(tag.key, tag.value)
        _refuse_prompt(tags)
        container = self._model(name)
        found = self._source(scope, source)
        if not run_id and model_id:
            run_id = self._tracking.get_logged_model(model_id).source_run_id
        about = {models.SOURCE: source, models.MODEL_ID: model_id, models.RUN_LINK: run_link}
        properties = {
            **models.version_properties(found),
            "jobName": run_id or found.run_id,
            "description": description,
            "tags": {tag.key: tag.value for tag in tags or []},
            "properties": {key: value for key, value in about.items() if value},
        }
        made = scope.locator.versions.add(
            container.id,
            {"properties": {key: value for key, value in properties.items() if value}},
            who=scope.who,
        )
        return version_entity(scope, container.name, made)

    @in_mlflow_terms
    def update_model_version(self, name: str, version: str, description: str) -> ModelVersion:
        return self._change_version(name, version, lambda body: models.changed(body, description=description))

    @in_mlflow_terms
    def transition_model_version_stage(
        self, name: str, version: str, stage: str, archive_existing_versions: bool
    ) -> ModelVersion:
        stage = get_canonical_stage(stage)
        if archive_existing_versions and stage not in DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS:
            raise MlflowException(
                "Model version transition cannot archive existing model versions because "
                f"'{stage}' is not an Active stage. Valid stages are "
                f"{', '.join(DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS)}",
                INVALID_PARAMETER_VALUE,
            )
        moved = self._change_version(name, version, lambda body: models.changed(body, stage=stage))
        others = self._versions(moved.name) if archive_existing_versions else []
        for other in others:
            if other.current_stage == stage and other.version != moved.version:
                self._change_version(
                    name, other.version, lambda body: models.changed(body, stage=STAGE_ARCHIVED)
                )
        return moved

    @in_mlflow_terms
    def delete_model_version(self, name: str, version: str) -> None:
        scope = CURRENT.get()
        found = self._version(name, version)
        scope.locator.versions.delete(self._model(name).id, found.name, who=scope.who)

    @in_mlflow_terms
    def get_model_version(self, name: str, version: str) -> ModelVersion:
        return version_entity(CURRENT.get(), self._model(name).name, self._version(name, version))

    @in_mlflow_terms
    def get_model_version_download_uri(self, name: str, version: str) -> str:
        return models.download_uri(CURRENT.get(), self._version(name, version))

    @in_mlflow_terms
    def search_model_versions(
        self,
        filter_string: str | None = None,
        max_results: int | None = None,
        order_by: list[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[ModelVersion]:
        every = [version for model in models.listed(CURRENT.get()) for version in self._versions(model.name)]
        found = SearchModelVersionUtils.filter(
            every, add_prompt_filter_string(filter_string, is_prompt=False)
        )
        ordered = SearchModelVersionUtils.sort(found, order_by or _VERSION_ORDER)
        return page_of(ordered, max_results, page_token)

    @in_mlflow_terms
    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        _validate_model_version_tag(tag.key, tag.value)
        self._change_version(name, version, lambda body: models.retagged(body, {tag.key: tag.value}))

    @in_mlflow_terms
    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        self._change_version(name, version, lambda body: models.retagged(body, {key: None}))

    @in_mlflow_terms
    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        scope = CURRENT.get()
        _validate_model_alias_name(alias)
        _validate_model_alias_name_reserved(alias)
        found = self._version(name, version)
        scope.locator.versions.set_label(self._model(name).id, alias, found.name, who=scope.who)

    @in_mlflow_terms
    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        scope = CURRENT.get()
        _validate_model_alias_name(alias)
        scope.locator.versions.remove_label(self._model(name).id, alias, who=scope.who)

    @in_mlflow_terms
    def get_model_version_by_alias(self, name: str, alias: str) -> ModelVersion:
        scope = CURRENT.get()
        _validate_model_alias_name(alias)
        model = self._model(name)
        if alias.lower() != _REGISTERED_MODEL_ALIAS_LATEST:
            version = scope.locator.versions.labels(model.id).get(alias)
        else:
            version = next((str(found.version) for found in self._versions(model.name)), None)
        if version is None:
            raise MlflowException(f"Registered model alias {alias} not found.", INVALID_PARAMETER_VALUE)
        return self.get_model_version(name, version)

    def list_webhooks_by_event(
        self, event: Any, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Any]:
        """Return none: nothing that runs here calls out."""
        return PagedList([], None)

    def _source(self, scope: Scope, source: str) -> Source:
        if not source.startswith("models:/"):
            return models.locate(scope, source)
        named = _parse_model_uri(source)
        if named.model_id is not None:
            return models.locate(scope, self._tracking.get_logged_model(named.model_id).artifact_location)
        version = self._version(named.name, named.version)
        found = scope.locator.locate(scope.workspace, str(version.properties["modelUri"]))
        return Source(found.uri, found.path, version.properties.get("jobName"))

    def _model(self, name: str) -> Document:
        scope = CURRENT.get()
        found = scope.locator.versions.documents.find(models.container_id(scope, checked_name(name)))
        if found is None:
            raise MlflowException(f"Registered Model with name={name} not found", RESOURCE_DOES_NOT_EXIST)
        return found

    def _version(self, name: str, version: str | int) -> Document:
        scope = CURRENT.get()
        number = str(_validate_model_version(version))
        container = self._model(name)
        found = scope.locator.versions.documents.find(f"{container.id}/versions/{number}")
        if found is None:
            raise MlflowException(
                f"Model Version (name={name}, version={number}) not found", RESOURCE_DOES_NOT_EXIST
            )
        return found

    def _versions(self, name: str) -> list[ModelVersion]:
        scope = CURRENT.get()
        return [version_entity(scope, name, version) for version in models.versions(scope, name)]

    def _entity(self, model: Document) -> RegisteredModel:
        every = self._versions(model.name)
        return registered_model(CURRENT.get(), model, latest_of(every, None))

    def _change_model(self, name: str, change: Callable[[Body], Body]) -> RegisteredModel:
        scope = CURRENT.get()
        changed = scope.locator.versions.documents.update(self._model(name).id, change, who=scope.who)
        return self._entity(changed)

    def _change_version(self, name: str, version: str | int, change: Callable[[Body], Body]) -> ModelVersion:
        scope = CURRENT.get()
        old = self._version(name, version)
        container = self._model(name)
        changed = scope.locator.versions.update(container.id, old.name, change, who=scope.who)
        return version_entity(scope, container.name, changed)


def _refuse_prompt(tags: Any) -> None:
    if has_prompt_tag(tags):
        raise MlflowException(
            "Prompts cannot be registered: Azure ML's registry holds models only.", BAD_REQUEST
        )
