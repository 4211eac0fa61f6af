"""What is known of a blob beside its bytes: content type, metadata, where it was copied from.

A blob with nothing but defaults is just a file. Anything else lies in a properties file whose name
holds the identity (inode, time, size) of the very file it describes, so that properties never speak of
a file that was put in the blob's place by someone else, and need not be trusted.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from academy.blobs.names import BlobId
from academy.blobs.staging import is_older
from academy.paths import Home, read_json, write_json

DEFAULT_CONTENT_TYPE = "application/octet-stream"


class BlobKind(StrEnum):
    """Azure's types of blob that are here."""

    BLOCK = "BlockBlob"
    APPEND = "AppendBlob"


@dataclass(frozen=True)
class ContentHeaders:
    """The headers a blob is served with. ``content_md5`` is base64, as in HTTP."""

    content_type: str = DEFAULT_CONTENT_TYPE
    content_encoding: str | None = None
    content_language: str | None = None
    content_disposition: str | None = None
    cache_control: str | None = None
    content_md5: str | None = None


@dataclass(frozen=True)
class CopyRecord:
    """Where a blob was copied from, and when that ended (Unix seconds)."""

    copy_id: str
    source: str
    bytes_copied: int
    completed_at: float


@dataclass(frozen=True)
class Properties:
    """Everything about a blob that its file does not say. ``revision`` counts changes that left the bytes."""

    kind: BlobKind = BlobKind.BLOCK
    content: ContentHeaders = ContentHeaders()
    metadata: Mapping[str, str] = field(default_factory=dict)
    copy: CopyRecord | None = None
    appended_blocks: int = 0
    created_at: float | None = None
    changed_at: float | None = None
    revision: int = 0

    def changed(self, **changes: Any) -> Properties:
        """Return these with ``changes``, as a new revision of now."""
        return replace(self, **changes, changed_at=time.time(), revision=self.revision + 1)


@dataclass(frozen=True)
class Identity:
    """Tells one file's content from any other that ever had its name."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_ino, status.st_mtime_ns, status.st_size)

    @property
    def key(self) -> str:
        return f"{self.inode:x}-{self.mtime_ns:x}-{self.size:x}"


@dataclass(frozen=True)
class Blob:
    """One blob as it is: its name, its file's identity and its properties."""

    name: str
    identity: Identity
    properties: Properties

    @property
    def size(self) -> int:
        return self.identity.size

    @property
    def modified_at(self) -> float:
        """When bytes or properties last changed, in Unix seconds."""
        return max(self.identity.mtime_ns / 1e9, self.properties.changed_at or 0)

    @property
    def created_at(self) -> float:
        return self.properties.created_at or self.identity.mtime_ns / 1e9

    @property
    def etag(self) -> str:
        """Changes with every change of bytes or properties, for files written by anyone."""
        text = f"{self.identity.key}-{self.properties.revision}"
        return f'"0x{hashlib.sha256(text.encode()).hexdigest()[:15].upper()}"'


class PropertyFiles:
    """Read and write the properties files of one home's blobs."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def read(self, blob: BlobId, identity: Identity) -> Properties:
        """Return the properties of that very file; the defaults where none were kept."""
        found = read_json(self._folder(blob) / f"{identity.key}.json")
        return _parse(found) if found else Properties()

    def write(self, blob: BlobId, identity: Identity, properties: Properties) -> None:
        """Keep ``properties`` for that very file, which may yet have to be renamed into place."""
        if properties == Properties():
            return
        folder = self._folder(blob)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / f"{identity.key}.json", {"name": blob.name, **asdict(properties)})

    def read_blocks(self, blob: BlobId, identity: Identity) -> list[tuple[str, int]]:
        """Return the committed blocks of that very file, (id, size) in order; none if not made of blocks."""
        found = read_json(self._folder(blob) / f"{identity.key}.blocks.json")
        return [(name, size) for name, size in found["blocks"]] if found else []

    def write_blocks(self, blob: BlobId, identity: Identity, blocks: list[tuple[str, int]]) -> None:
        folder = self._folder(blob)
        folder.mkdir(parents=True, exist_ok=True)
        content = {"name": blob.name, "blocks": blocks}
        # Only a later block list that reuses these blocks needs it: not worth a wait for the disk.
        write_json(folder / f"{identity.key}.blocks.json", content, durable=False)

    def keep_only(self, blob: BlobId, identity: Identity) -> None:
        """Drop what was kept for files that had the blob's name before."""
        for file in _files(self._folder(blob)):
            if not file.name.startswith(f"{identity.key}."):
                file.unlink(missing_ok=True)

    def forget(self, blob: BlobId) -> None:
        shutil.rmtree(self._folder(blob), ignore_errors=True)

    def forget_container(self, account: str, container: str) -> None:
        shutil.rmtree(self._home.blob_properties(account, container), ignore_errors=True)

    def sweep(self, account: str, container: str, older_than: float) -> None:
        """Drop properties written before ``older_than`` (Unix seconds) of files that are gone."""
        root = self._home.container(account, container)
        for folder in self._home.blob_properties(account, container).glob("??/*"):
            for file in _files(folder):
                if is_older(file, older_than) and not _describes(file, root):
                    file.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _folder(self, blob: BlobId) -> Path:
        below = self._home.blob_properties(blob.account, blob.container)
        return below / blob.key[:2] / blob.key[2:]


def _describes(file: Path, root: Path) -> bool:
    try:
        name = json.loads(file.read_text(encoding="utf-8"))["name"]
        status = os.stat(root / name)
    except (OSError, ValueError, KeyError):
        return False
    return file.name.startswith(f"{Identity.of(status).key}.")


def _files(folder: Path) -> list[Path]:
    try:
        return [file for file in folder.iterdir() if not file.name.startswith(".")]
    except FileNotFoundError:
        return []


def _parse(found: dict[str, Any]) -> Properties:
    known = {name: value for name, value in found.items() if name != "name"}
    known["kind"] = BlobKind(known["kind"])
    known["content"] = ContentHeaders(**known["content"])
    known["copy"] = CopyRecord(**known["copy"]) if known["copy"] else None
    return Properties(**known)
