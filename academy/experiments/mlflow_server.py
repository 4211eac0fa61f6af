"""MLflow's own server inside this process, with our stores behind its handlers.

Only what tracking needs is there: not MLflow's assistant, AI gateway, jobs and webhooks, which start
processes or call out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI
from mlflow.server import app as flask_app
from mlflow.server import handlers
from mlflow.server.otel_api import otel_router
from mlflow.store.artifact.artifact_repository_registry import _artifact_repository_registry

from academy.experiments.mlflow_files import WorkspaceArtifactRepository
from academy.experiments.mlflow_registry import WorkspaceModelRegistry
from academy.experiments.mlflow_settings import ARTIFACT_SCHEME, Wsgi
from academy.experiments.mlflow_tracking import WorkspaceTrackingStore

# What MLflow's page keeps in the browser, under its own keys: JSON as text.
_PREFERENCES = {
    "mlflow.workflowType_v1": '"machine_learning"',
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": "true",
}


@dataclass(frozen=True)
class MlflowServer:
    """MLflow's two applications, as ``mlflow_loading.Server`` has them."""

    wsgi: Wsgi
    traces: FastAPI
    page: str


def load() -> MlflowServer:
    """Put our stores behind MLflow's handlers. There is one such server a process, for all workspaces."""
    store = WorkspaceTrackingStore()
    _artifact_repository_registry.register(ARTIFACT_SCHEME, WorkspaceArtifactRepository)
    # The two globals in which MLflow's handlers keep their stores. Its public way, a plug-in's entry
    # point, would be loaded by every MLflow client in an environment that has Academy.
    handlers._tracking_store = store
    handlers._model_registry_store = WorkspaceModelRegistry(store)
    traces = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    traces.include_router(otel_router)
    return MlflowServer(flask_app, traces, _page())


def _page() -> str:
    """Return MLflow's page, set for training models, and without the assistant that is not here.

    What the learner chooses on the page stays.
    """
    html = Path(flask_app.static_folder, "index.html").read_text(encoding="utf-8")
    choose = (
        "for (const [key, value] of Object.entries(%s))"
        " localStorage.getItem(key) ?? localStorage.setItem(key, value)"
    )
    return html.replace("<script ", f"<script>{choose % json.dumps(_PREFERENCES)}</script><script ", 1)
