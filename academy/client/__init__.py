"""Microsoft's own SDK, pointed at the service of a home.

``connect()`` returns a real ``MLClient``. Code that builds its own, ``MLClient(DefaultAzureCredential(),
…)``, works as it stands once ``configure()`` has run in the process. Both rest on public surfaces of
the SDK: environment variables that name a custom cloud and a managed identity, and keywords of
``MLClient``. The one private thing that is touched is the dictionary ``STORAGE_ACCOUNT_URLS``.

One process speaks to one service at a time: that of the last ``connect()``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from academy.client.credential import MachineCredential
from academy.client.sdk import import_sdk
from academy.client.session import Session, configure, restore
from academy.errors import AcademyError, Conflict
from academy.paths import Home, write_atomic
from academy.service.process import up
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

__all__ = ["Session", "configure", "connect", "restore", "write_config"]


def connect(
    home: str | os.PathLike[str] | None = None,
    *,
    workspace: str | None = None,
    resource_group: str | None = None,
    subscription_id: str | None = None,
) -> MLClient:
    """Return an ``MLClient`` of the home's service, which is started when it does not run.

    Parameters
    ----------
    home
        The service's folder; left out, ``ACADEMY_HOME`` or the platform's default.
    workspace, resource_group, subscription_id
        The workspace to speak to; what is left out is that of the default workspace.
    """
    scope = _scope(workspace, resource_group, subscription_id)
    configure(up(Home.locate(home)), scope)
    client: MLClient = import_sdk().MLClient(
        MachineCredential.of_environment(), scope.subscription, scope.resource_group, scope.name
    )
    return client


def write_config(
    path: str | os.PathLike[str] = ".",
    *,
    workspace: str | None = None,
    resource_group: str | None = None,
    subscription_id: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the ``config.json`` that ``MLClient.from_config`` reads, and return where it is.

    Parameters
    ----------
    path
        A folder, or the file itself when it ends in ``.json``.

    Raises
    ------
    Conflict
        Another ``config.json`` is there, perhaps that of a workspace on Azure, and not ``overwrite``.
    """
    target = Path(path).expanduser()
    file = target if target.suffix == ".json" else target / "config.json"
    scope = _scope(workspace, resource_group, subscription_id)
    content = json.dumps(
        {
            "subscription_id": scope.subscription,
            "resource_group": scope.resource_group,
            "workspace_name": scope.name,
        },
        indent=4,
    )
    if file.exists() and not overwrite and file.read_text() != content:
        raise Conflict(f"{file} names another workspace. Choose another folder, or say to overwrite it.")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, content)
    except OSError as error:
        raise AcademyError(f"{file} cannot be written: {error.strerror}. Choose another folder.") from error
    return file


def _scope(workspace: str | None, resource_group: str | None, subscription_id: str | None) -> Workspace:
    return Workspace(
        subscription_id or DEFAULT_WORKSPACE.subscription,
        resource_group or DEFAULT_WORKSPACE.resource_group,
        workspace or DEFAULT_WORKSPACE.name,
    )
