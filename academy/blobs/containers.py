"""Containers: the folders that blobs lie in, and what is known of them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.blobs.errors import BlobError, ContainerNotFound
from academy.blobs.names import check_container
from academy.errors import NotFound, UserError, choices
from academy.paths import Home, read_json, write_json


@dataclass(frozen=True)
class Container:
    """One container as it is."""

    name: str
    metadata: Mapping[str, str]
    etag: str
    modified_at: float


class Containers:
    """The containers of one home's storage accounts."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def ensure(self, account: str, container: str) -> Path:
        """Return the container's folder, made with its account where it is not there."""
        folder = self._home.container(account, container)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def folder(self, account: str, container: str) -> Path:
        """Return the container's folder; ``ContainerNotFound`` when there is none."""
        try:
            folder = self._home.container(account, container)
        except UserError as error:
            raise BlobError("InvalidResourceName", error.message, target=container) from error
        if not folder.is_dir():
            raise ContainerNotFound(account, container)
        return folder

    def create(self, account: str, container: str, metadata: Mapping[str, str]) -> Container:
        """Make a container in an account that is there."""
        self.account_folder(account)
        folder = self._home.container(account, check_container(container))
        try:
            folder.mkdir()
        except FileExistsError as error:
            raise BlobError(
                "ContainerAlreadyExists",
                f"The storage account {account!r} has a container {container!r} already.",
                target=container,
            ) from error
        if metadata:
            self._write(account, container, {"metadata": dict(metadata), "revision": 0})
        return self.get(account, container)

    def get(self, account: str, container: str) -> Container:
        folder = self.folder(account, container)
        known = self._read(account, container)
        status = folder.stat()
        text = f"{status.st_ino:x}-{known.get('revision', 0)}"
        return Container(
            name=container,
            metadata=known.get("metadata", {}),
            etag=f'"0x{hashlib.sha256(text.encode()).hexdigest()[:15].upper()}"',
            modified_at=known.get("changed_at", status.st_mtime),
        )

    def set_metadata(self, account: str, container: str, metadata: Mapping[str, str]) -> Container:
        self.folder(account, container)
        revision = self._read(account, container).get("revision", 0) + 1
        known = {"metadata": dict(metadata), "revision": revision, "changed_at": time.time()}
        self._write(account, container, known)
        return self.get(account, container)

    def remove(self, account: str, container: str) -> None:
        """Take the container away as one step, then delete what was in it."""
        folder = self.folder(account, container)
        removed = self._home.blob_staging(account) / "removed" / uuid.uuid4().hex
        removed.parent.mkdir(parents=True, exist_ok=True)
        os.rename(folder, removed)
        shutil.rmtree(removed, ignore_errors=True)

    def accounts(self) -> list[str]:
        return _folders(self._home.storage)

    def names(self, account: str) -> list[str]:
        return _folders(self.account_folder(account))

    def account_folder(self, account: str) -> Path:
        """Return the account's folder; ``NotFound`` names the accounts there are."""
        known = self.accounts()
        if account not in known:
            raise NotFound(
                f"There is no storage account {account!r} on this machine. There is: {choices(known)}. "
                "Each workspace has its own; ml_client.datastores.get_default().account_name names it.",
                target=account,
            )
        return self._home.account(account)

    def _read(self, account: str, container: str) -> dict[str, Any]:
        return read_json(self._file(account, container)) or {}

    def _write(self, account: str, container: str, known: dict[str, Any]) -> None:
        file = self._file(account, container)
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, known)

    def _file(self, account: str, container: str) -> Path:
        return self._home.blob_properties(account, container) / "container.json"


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except FileNotFoundError:
        return []
