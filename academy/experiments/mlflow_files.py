"""The workspace's files for those of MLflow's handlers that read or write artifacts themselves."""

from __future__ import annotations

from pathlib import PurePosixPath

from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from academy.experiments.mlflow_settings import ARTIFACT_SCHEME
from academy.experiments.scope import CURRENT


class WorkspaceArtifactRepository(LocalArtifactRepository):  # type: ignore[misc]
    """``academy-artifacts:/PATH`` is PATH in the storage account of the request's workspace."""

    def __init__(
        self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None
    ) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._below = PurePosixPath(artifact_uri.removeprefix(f"{ARTIFACT_SCHEME}:").lstrip("/"))

    @property
    def artifact_dir(self) -> str:
        return str(CURRENT.get().artifacts.root / self._below)

    @property
    def _artifact_dir(self) -> str:
        return self.artifact_dir

    @_artifact_dir.setter
    def _artifact_dir(self, value: str) -> None:
        """Ignore what the base class makes of the URI: the folder depends on the request."""
