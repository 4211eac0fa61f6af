"""Names of containers and blobs, and the files they stand for.

A container is a folder and a blob a file below it, so names work as in an account with a hierarchical
namespace: ``a`` and ``a/b`` cannot both be blobs, and no segment of a name is empty.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from academy.blobs.errors import BlobError

# https://learn.microsoft.com/rest/api/storageservices/naming-and-referencing-containers--blobs--and-metadata
_CONTAINER = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
_METADATA = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

MAX_NAME = 1024
MAX_METADATA_BYTES = 8 * 1024


@dataclass(frozen=True)
class BlobId:
    """The name of one blob in full."""

    account: str
    container: str
    name: str

    @property
    def key(self) -> str:
        """A file name that stands for the blob's name, whatever its length and characters."""
        return hashlib.sha256(self.name.encode("utf-8", "surrogateescape")).hexdigest()

    @property
    def can_exist(self) -> bool:
        """False for names that no file can have, such as ``a//b`` and ``a/``."""
        segments = self.name.split("/")
        return len(self.name) <= MAX_NAME and not any(s in ("", ".") or _too_long(s) for s in segments)

    def checked(self) -> BlobId:
        """Return this, or refuse to write under a name that no file can have."""
        if not self.can_exist:
            raise BlobError(
                "InvalidUri",
                f"The blob name {self.name!r} is not valid. Blobs are kept as files: no segment between "
                f"slashes may be empty or '.', each may hold 255 bytes and the whole {MAX_NAME} characters.",
                target=self.name,
            )
        return self


def check_container(name: str) -> str:
    """Return ``name`` if Azure would take it for a new container, else refuse it."""
    if not _CONTAINER.fullmatch(name):
        raise BlobError(
            "InvalidResourceName",
            f"The container name {name!r} is not valid. Names hold 3 to 63 lowercase letters, digits and "
            "single hyphens, and begin and end with a letter or a digit.",
            target=name,
        )
    return name


def check_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return ``metadata`` if its names are identifiers and it is within Azure's 8 KiB."""
    for name in metadata:
        if not _METADATA.fullmatch(name):
            raise BlobError(
                "InvalidMetadata",
                f"The metadata name {name!r} is not valid. Names hold letters, digits and '_', and do not "
                "begin with a digit.",
                target=f"x-ms-meta-{name}",
            )
    size = sum(len(name) + len(value) for name, value in metadata.items())
    if size > MAX_METADATA_BYTES:
        raise BlobError(
            "MetadataTooLarge",
            f"The metadata is {size} bytes; a blob or container holds {MAX_METADATA_BYTES} at most.",
        )
    return metadata


def _too_long(segment: str) -> bool:
    return len(segment.encode("utf-8", "surrogateescape")) > 255
