"""Datastores: a name in a workspace for a container of a storage account.

Storage accounts of ours are folders of the home. A datastore may name an account on Azure too; it is
kept as it is, and using it says plainly that the account is not on this machine.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from academy.errors import NotFound, Unsupported, choices
from academy.paths import Home
from academy.store.documents import Document, Documents
from academy.store.ids import Workspace

BLOB_STORE = "workspaceblobstore"
FILE_STORE = "workspacefilestore"
ARTIFACT_STORE = "workspaceartifactstore"
WORKING_DIRECTORY = "workspaceworkingdirectory"

ARTIFACT_CONTAINER = "azureml"

# Shown as a datastore's `endpoint`. Not Azure's own suffix: a URL that someone builds from it must not
# carry a key or a token to a foreign host.
ENDPOINT = "academy.localhost"

# Which property names the container, for each `datastoreType`.
CONTAINER_FIELDS = {
    "AzureBlob": "containerName",
    "AzureFile": "fileShareName",
    "AzureDataLakeGen2": "filesystem",
}


def account_name(workspace: Workspace) -> str:
    """Return the name of the workspace's storage account: always the same for the same workspace."""
    return "st" + hashlib.sha256(workspace.id.lower().encode()).hexdigest()[:20]


def containers(workspace: Workspace) -> dict[str, str]:
    """Return datastore → container in the workspace's own account, for those every workspace has."""
    return {
        BLOB_STORE: f"azureml-blobstore-{workspace.guid}",
        ARTIFACT_STORE: ARTIFACT_CONTAINER,
        FILE_STORE: f"azureml-filestore-{workspace.guid}",
        WORKING_DIRECTORY: f"code-{workspace.guid}",
    }


def default_datastores(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Return the ARM bodies of the four datastores that every workspace has."""
    kinds = {FILE_STORE: "AzureFile", WORKING_DIRECTORY: "AzureFile"}
    return {
        name: _body(workspace, kinds.get(name, "AzureBlob"), container, default=name == BLOB_STORE)
        for name, container in containers(workspace).items()
    }


def run_prefix(job: str) -> str:
    """Return the folder of a job's artifacts in the container ``azureml``, as on Azure."""
    return f"ExperimentRun/dcid.{job}"


class Datastores:
    """Find the container, and the folder, behind a datastore."""

    def __init__(self, home: Home, documents: Documents) -> None:
        self._home = home
        self._documents = documents

    def get(self, workspace: Workspace, name: str) -> Document:
        """Return the datastore's document; ``NotFound`` lists the datastores there are."""
        found = self._documents.find(workspace.child("datastores", name))
        if found is None:
            known = self._documents.names(workspace.child("datastores"))
            raise NotFound(
                f"The workspace {workspace.name!r} has no datastore {name!r}. It has: {choices(known)}.",
                target=workspace.child("datastores", name),
            )
        return found

    def container(self, workspace: Workspace, name: str) -> tuple[str, str]:
        """Return the storage account and the container of a datastore, ours or not."""
        properties = self.get(workspace, name).properties
        return properties["accountName"], properties[CONTAINER_FIELDS[properties["datastoreType"]]]

    def root(self, workspace: Workspace, name: str) -> Path:
        """Return the folder behind a datastore of ours, made if it is not there.

        Raises
        ------
        Unsupported
            When the datastore names a storage account that is not on this machine.
        """
        account, container = self.container(workspace, name)
        if not self.is_ours(workspace, account):
            raise foreign_account(account, f"The datastore {name!r}")
        folder = self._home.container(account, container)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def is_ours(self, workspace: Workspace, account: str) -> bool:
        """Say whether a storage account is the workspace's own or another one of this home."""
        if account == account_name(workspace):
            return True
        return account.isalnum() and (self._home.storage / account).is_dir()


def foreign_account(account: str, what: str) -> Unsupported:
    """Return the error for data in a storage account that is not on this machine."""
    return Unsupported(
        f"{what} is in the storage account {account!r}, which is not on this machine. Accounts on Azure "
        "come with the optional Azure data extra, which this version does not have. Copy the data here: "
        "register it from a local path with ml_client.data.create_or_update(…)."
    )


def _body(workspace: Workspace, kind: str, container: str, *, default: bool = False) -> dict[str, Any]:
    return {
        "properties": {
            "datastoreType": kind,
            "accountName": account_name(workspace),
            CONTAINER_FIELDS[kind]: container,
            "endpoint": ENDPOINT,
            "protocol": "http",
            "credentials": {"credentialsType": "AccountKey"},
            "serviceDataAccessAuthIdentity": "None",
            "subscriptionId": workspace.subscription,
            "resourceGroup": workspace.resource_group,
            "isDefault": default,
            "description": None,
            "tags": {},
            "properties": {},
        }
    }
