"""From what a deployment asks for to a plan: every reference in it found, nothing carried out."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

import yaml

from academy.datasets.locate import Locator
from academy.datasets.uris import AssetUri, parse
from academy.endpoints.deployment import DeploymentSpec
from academy.endpoints.plan import DeploymentPlan, ModelPlan
from academy.environments.definition import DEFAULT_PYTHON
from academy.environments.resolve import resolve as resolve_environment
from academy.environments.spec import EnvironmentSpec, from_conda, from_requirements
from academy.errors import InvalidField, NotFound, Unsupported
from academy.store.documents import Document
from academy.store.ids import Workspace
from academy.store.versions import Versions

MLFLOW = "mlflow_model"

# Where a model says what it needs, the best word first.
_CONDA, _REQUIREMENTS, _PYTHON = "conda.yaml", "requirements.txt", "python_env.yaml"


@dataclass(frozen=True)
class Resolver:
    """Finds what deployments refer to."""

    versions: Versions
    locator: Locator

    def plan(self, workspace: Workspace, endpoint: str, name: str, spec: DeploymentSpec) -> DeploymentPlan:
        """Return the plan of a generation of the deployment ``name``.

        Raises
        ------
        NotFound
            When the model, the code or the environment does not exist, or nothing is where they say.
        InvalidField
            When what is given is not enough to serve: no script for a model that is not MLflow's, …
        """
        found = None if spec.model is None else self._model_version(workspace, spec.model)
        model = None if found is None else self._model(workspace, found, spec)
        code = self._code(workspace, spec)
        if code is None and (model is None or not model.is_mlflow):
            raise InvalidField(
                "Without a scoring script only an MLflow model can be served. Give a code_configuration "
                "with a script that has init() and run(), or register the model as type 'mlflow_model'.",
                target="properties.codeConfiguration",
            )
        return DeploymentPlan(
            endpoint=endpoint,
            deployment=name,
            environment=self._environment(workspace, spec, found, model),
            secret=secrets.token_urlsafe(24),
            model=model,
            code=code,
            script=spec.script,
            variables=spec.variables,
            instances=spec.instances,
            timeout_s=spec.timeout_s,
            max_concurrent=spec.max_concurrent,
            liveness=spec.liveness,
            readiness=spec.readiness,
            warnings=spec.warnings,
        )

    def _model_version(self, workspace: Workspace, reference: str) -> Document:
        named = parse(reference)
        if isinstance(named, AssetUri):
            owner = named.workspace or workspace
            return self.versions.resolve(owner, named.collection or "models", named.name, named.reference)
        # Registries and the like are refused in the locator's own words.
        self.locator.locate(workspace, reference, collection="models")
        raise InvalidField(
            f"The model {reference!r} is not a registered model. Give azureml:NAME:VERSION, "
            "azureml:NAME@latest, or a Model with a local path, which the SDK registers.",
            target="properties.model",
        )

    def _model(self, workspace: Workspace, found: Document, spec: DeploymentSpec) -> ModelPlan:
        uri = str(found.properties.get("modelUri"))
        location = self.locator.existing(
            workspace, uri, what="The model of the deployment", collection="models"
        )
        if location.path is None:
            raise Unsupported(
                f"The model {spec.model!r} lies at {location.uri!r}, which is not on this machine. "
                "Register it from a local path or a job's output.",
                target="properties.model",
            )
        is_mlflow = found.properties.get("modelType") == MLFLOW
        return ModelPlan(
            found.id.rsplit("/", 3)[-3], found.name, location.path, is_mlflow and spec.script is None
        )

    def _code(self, workspace: Workspace, spec: DeploymentSpec) -> Path | None:
        if spec.code_id is None or spec.script is None:
            return None
        location = self.locator.existing(
            workspace, spec.code_id, what="The code of the deployment", collection="codes"
        )
        if location.path is None:
            raise Unsupported(
                f"The code {spec.code_id!r} is not on this machine. Give the SDK a local folder as code.",
                target="properties.codeConfiguration.codeId",
            )
        if not (location.path / spec.script).is_file():
            raise NotFound(
                f"The scoring script {spec.script!r} is not in the code folder.",
                target="properties.codeConfiguration.scoringScript",
            )
        return location.path

    def _environment(
        self, workspace: Workspace, spec: DeploymentSpec, found: Document | None, model: ModelPlan | None
    ) -> EnvironmentSpec:
        if spec.environment_id:
            return resolve_environment(
                self.versions, workspace, spec.environment_id, find_context=self._context
            )
        if found is None or model is None or found.properties.get("modelType") != MLFLOW:
            raise InvalidField(
                "The deployment names no environment. Only an MLflow model brings its own; give an "
                "environment with the packages that the scoring script needs.",
                target="properties.environmentId",
            )
        return own_environment(model)

    def _context(self, workspace: Workspace, uri: str) -> Path | None:
        return self.locator.locate(workspace, uri).path


def own_environment(model: ModelPlan) -> EnvironmentSpec:
    """Return the environment that MLflow recorded in the model's folder when it was logged.

    Raises
    ------
    NotFound
        When the folder holds neither ``conda.yaml`` nor ``requirements.txt``.
    """
    name, folder = f"{model.name}-model", model.source
    conda, requirements, python = (folder / file for file in (_CONDA, _REQUIREMENTS, _PYTHON))
    if conda.is_file():
        return from_conda(name, model.version, conda.read_text(encoding="utf-8"))
    if not requirements.is_file():
        raise NotFound(
            f"The model {model.name!r} version {model.version} does not say which packages it needs: "
            f"there is no {_CONDA} and no {_REQUIREMENTS} in it. Name an environment in the deployment.",
            target="properties.environmentId",
        )
    recorded = yaml.safe_load(python.read_text(encoding="utf-8")) if python.is_file() else {}
    return from_requirements(
        name,
        model.version,
        requirements.read_text(encoding="utf-8"),
        python=str(recorded.get("python") or DEFAULT_PYTHON),
    )
