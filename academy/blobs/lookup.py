"""Find and read blobs: any file in a container's folder is one, whoever wrote it."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from academy.blobs import listing
from academy.blobs.containers import Containers
from academy.blobs.errors import BlobError, BlobNotFound
from academy.blobs.names import BlobId
from academy.blobs.properties import Blob, Identity, PropertyFiles
from academy.errors import UserError
from academy.paths import Home, confined


@dataclass(frozen=True)
class Page:
    """One page of a listing, ordered by name: blobs, prefixes, and the name the next page starts with."""

    items: list[Blob | str]
    next_start: str | None


class Lookup:
    """The reading half of a home's blob storage."""

    def __init__(self, home: Home) -> None:
        self.containers = Containers(home)
        self._properties = PropertyFiles(home)

    def path(self, account: str, container: str, name: str) -> Path:
        """Return the file behind a blob, which need not exist; refuse names that lead outside."""
        return self._path(BlobId(account, container, name))

    def exists(self, account: str, container: str, name: str) -> bool:
        return self.find(BlobId(account, container, name)) is not None

    def list(self, account: str, container: str, prefix: str = "") -> list[Blob]:
        """Return the blobs whose names begin with ``prefix``, in the order of their names."""
        root = self.containers.folder(account, container)
        entries = listing.walk(root, listing.Query(prefix))
        return [
            self._described(BlobId(account, container, entry.name), entry.status)
            for entry in entries
            if entry.status is not None
        ]

    def read_text(self, account: str, container: str, name: str) -> str:
        """Return a small blob's text; bytes that are not UTF-8 become replacement characters."""
        descriptor, _ = self.open(BlobId(account, container, name))
        with open(descriptor, encoding="utf-8", errors="replace") as file:
            return file.read()

    def find(self, blob: BlobId) -> Blob | None:
        """Return the blob as it is now; None where there is no such file."""
        path = self._path(blob)
        if not blob.can_exist:
            return None
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return self._described(blob, status) if stat.S_ISREG(status.st_mode) else None

    def get(self, blob: BlobId) -> Blob:
        """Return the blob as it is now; ``BlobNotFound`` where there is no such file."""
        found = self.find(blob)
        if found is None:
            raise BlobNotFound(blob.container, blob.name)
        return found

    def open(self, blob: BlobId) -> tuple[int, Blob]:
        """Return an open descriptor and the blob that it reads, even if the name changes hands meanwhile."""
        self.get(blob)
        try:
            descriptor = os.open(self._path(blob), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise BlobNotFound(blob.container, blob.name) from error
        return descriptor, self._described(blob, os.fstat(descriptor))

    def page(self, account: str, container: str, query: listing.Query, size: int) -> Page:
        """Return up to ``size`` blobs and prefixes of a listing."""
        entries, following = listing.page(self.containers.folder(account, container), query, size)
        items: list[Blob | str] = []
        for entry in entries:
            if entry.status is None:
                items.append(entry.name)
            else:
                items.append(self._described(BlobId(account, container, entry.name), entry.status))
        return Page(items, following)

    def _described(self, blob: BlobId, status: os.stat_result) -> Blob:
        identity = Identity.of(status)
        return Blob(blob.name, identity, self._properties.read(blob, identity))

    def _path(self, blob: BlobId) -> Path:
        root = self.containers.folder(blob.account, blob.container)
        try:
            return confined(root, blob.name)
        except UserError as error:
            raise BlobError("InvalidUri", error.message, target=blob.name) from error
        except RuntimeError as error:
            raise BlobError(
                "InvalidUri", f"The path {blob.name!r} goes round in circles.", target=blob.name
            ) from error
