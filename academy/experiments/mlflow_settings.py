"""What MLflow reads from the environment of the service's process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

# A WSGI application, as PEP 3333 has it.
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# The scheme under which MLflow's own handlers find the workspace's files.
ARTIFACT_SCHEME = "academy-artifacts"

_SETTINGS = {
    # Nothing calls out and nothing starts processes.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ENABLE_AI_GATEWAY": "false",
    "MLFLOW_ENABLE_REMOTE_ASSISTANT": "false",
    # MLflow's own workspaces: ours are in the tracking URI.
    "MLFLOW_ENABLE_WORKSPACES": "false",
    # What `mlflow server --serve-artifacts` sets for its workers.
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"{ARTIFACT_SCHEME}:/",
}

# Where the caller's own MLflow would have this one call out to.
_UNSET = ("MLFLOW_DEPLOYMENTS_TARGET", "MLFLOW_GATEWAY_URI", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


def apply() -> None:
    """Set MLflow's switches; call this before the first import of MLflow, which reads some of them."""
    os.environ.update(_SETTINGS)
    for name in _UNSET:
        os.environ.pop(name, None)
