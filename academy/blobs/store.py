"""Write blobs: the one place where a blob appears, changes or goes.

A blob is staged and renamed into place, so that a reader sees the old one or the new one and a killed
service leaves neither half. Conditions are checked and the rename is made under one lock of the blob's.
"""

from __future__ import annotations

import builtins
import os
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from academy.blobs.blocks import Block, BlockSource, BlockStages, BlockUpload, Committed
from academy.blobs.conditions import Conditions
from academy.blobs.errors import BlobError, BlobNotFound
from academy.blobs.lookup import Lookup
from academy.blobs.names import BlobId
from academy.blobs.placing import append_file, place_file, remove_empty_parents
from academy.blobs.properties import Blob, BlobKind, ContentHeaders, Identity, Properties
from academy.blobs.staging import FileWriter, StagedFile, check_space, copy_range, disk_errors, is_older
from academy.paths import Home
from academy.signing import Signer

# Uncommitted blocks live this long, as on Azure; a staged file that nothing was written to for an hour
# belongs to a service that was killed.
BLOCK_LIFETIME_S = 7 * 24 * 3600
UPLOAD_LIFETIME_S = 3600

_LOCKS = 64


@dataclass(frozen=True)
class NewBlob:
    """What a write makes of a blob, when it may, and the MD5 that its sender gave."""

    properties: Properties = field(default_factory=Properties)
    conditions: Conditions = field(default_factory=Conditions)
    may_replace: bool = True
    md5: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class AppendLimit:
    """Where an appended block must land, and how large the blob may become, if its sender said so."""

    position: int | None = None
    max_size: int | None = None

    def check(self, found: Blob, added: int) -> None:
        if found.properties.kind is not BlobKind.APPEND:
            raise BlobError(
                "InvalidBlobType",
                f"{found.name!r} is a {found.properties.kind.value}; only an AppendBlob can be appended to.",
                target="x-ms-blob-type",
            )
        if self.position is not None and self.position != found.size:
            raise BlobError(
                "AppendPositionConditionNotMet",
                f"The blob ends at {found.size}, not at {self.position}: someone else appended to it.",
            )
        if self.max_size is not None and found.size + added > self.max_size:
            raise BlobError(
                "MaxBlobSizeConditionNotMet",
                f"The blob would hold {found.size + added} bytes, more than the {self.max_size} it may.",
            )


class BlobStore(Lookup):
    """The blobs of one home."""

    def __init__(self, home: Home, signer: Signer) -> None:
        super().__init__(home)
        self.signer = signer
        self._home = home
        self._stages = BlockStages(home)
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def ensure_container(self, account: str, container: str) -> Path:
        """Return the container's folder, made with its account where it is not there."""
        return self.containers.ensure(account, container)

    def write_bytes(self, account: str, container: str, name: str, data: bytes) -> Blob:
        """Write a small blob whole."""
        upload = self.begin(BlobId(account, container, name), len(data), NewBlob())
        try:
            upload.writer.write([data])
            return upload.commit()
        finally:
            upload.discard()

    def begin(self, blob: BlobId, size: int, new: NewBlob) -> Upload:
        """Start to write a blob of ``size`` bytes; refuse at once what cannot end well."""
        self._check(blob, new)
        check_space(self._home.account(blob.account), size)
        return Upload(self, blob, size, new, StagedFile.create(self._staging(blob)))

    def place(self, blob: BlobId, staged: StagedFile, new: NewBlob, blocks: Sequence[Block] = ()) -> Blob:
        """Make ``staged`` the blob."""
        identity = Identity.of(staged.finish())
        with self._lock(blob), disk_errors():
            self._check(blob, new)
            self._properties.write(blob, identity, new.properties)
            if blocks:
                self._properties.write_blocks(blob, identity, [(block.id, block.size) for block in blocks])
            place_file(staged, self._path(blob))
            self._properties.keep_only(blob, identity)
        self._stages.clear(blob)
        return Blob(blob.name, identity, new.properties)

    # Blocks.

    def begin_block(self, blob: BlobId, block_id: str, size: int, md5: bytes | None = None) -> BlockUpload:
        """Start to write one uncommitted block of a blob that need not exist yet."""
        self._path(blob.checked())
        return self._stages.begin(blob, block_id, size, md5=md5)

    def commit_blocks(self, blob: BlobId, wanted: Sequence[tuple[BlockSource, str]], new: NewBlob) -> Blob:
        """Make a blob of uncommitted blocks and of blocks of the blob that it replaces."""
        self._check(blob, new)
        stage = self._stages.of(blob)
        committed = self._committed(blob)
        try:
            pieces = stage.resolve(wanted, committed)
            staged = stage.assemble(pieces, committed, self._staging(blob))
        finally:
            if committed.descriptor >= 0:
                os.close(committed.descriptor)
        try:
            return self.place(blob, staged, new, [piece.block for piece in pieces])
        finally:
            staged.discard()

    def blocks(self, blob: BlobId) -> tuple[builtins.list[Block], builtins.list[Block]]:
        """Return the committed and the uncommitted blocks."""
        found = self.find(blob)
        committed = [] if found is None else self._properties.read_blocks(blob, found.identity)
        uncommitted = self._stages.of(blob).blocks
        if found is None and not uncommitted:
            raise BlobNotFound(blob.container, blob.name)
        return _with_offsets(committed), uncommitted

    def _committed(self, blob: BlobId) -> Committed:
        if self.find(blob) is None:
            return Committed(-1, {})
        descriptor, found = self.open(blob)
        blocks = _with_offsets(self._properties.read_blocks(blob, found.identity))
        return Committed(descriptor, {block.id: block for block in blocks})

    # Copies.

    def copy(self, source: int, size: int, blob: BlobId, new: NewBlob) -> Blob:
        """Make a blob of the first ``size`` bytes of an open file."""
        upload = self.begin(blob, size, new)
        try:
            copy_range(source, 0, size, upload.staged.descriptor, 0)
            return self.place(blob, upload.staged, new)
        finally:
            upload.discard()

    # Changes to a blob that is there.

    def begin_append(self, blob: BlobId, size: int, md5: bytes | None = None) -> Upload:
        """Start to write ``size`` bytes that are to be appended to a blob."""
        self.get(blob)
        check_space(self._home.account(blob.account), size)
        return Upload(self, blob, size, NewBlob(md5=md5), StagedFile.create(self._staging(blob)))

    def append(self, blob: BlobId, staged: StagedFile, conditions: Conditions, limit: AppendLimit) -> Blob:
        """Put a staged file's bytes at the end of an append blob; all of them or none."""
        with self._lock(blob):
            found = self._checked(blob, conditions)
            size = os.fstat(staged.descriptor).st_size
            limit.check(found, size)
            identity = Identity.of(append_file(staged, self._path(blob), found.size))
            properties = found.properties.changed(appended_blocks=found.properties.appended_blocks + 1)
            with disk_errors():
                self._properties.write(blob, identity, properties)
            self._properties.keep_only(blob, identity)
            return Blob(blob.name, identity, properties)

    def set_metadata(self, blob: BlobId, metadata: dict[str, str], conditions: Conditions) -> Blob:
        """Replace the blob's metadata."""
        with self._lock(blob):
            found = self._checked(blob, conditions)
            return self._described_as(blob, found, found.properties.changed(metadata=metadata))

    def set_content(self, blob: BlobId, content: ContentHeaders, conditions: Conditions) -> Blob:
        """Replace the headers that the blob is served with."""
        with self._lock(blob):
            found = self._checked(blob, conditions)
            return self._described_as(blob, found, found.properties.changed(content=content))

    def delete(self, blob: BlobId, conditions: Conditions) -> None:
        """Remove the blob, and the folders that it alone kept."""
        with self._lock(blob):
            self._checked(blob, conditions)
            path = self._path(blob)
            path.unlink()
            self._properties.forget(blob)
            remove_empty_parents(path, self.containers.folder(blob.account, blob.container))
        self._stages.clear(blob)

    def delete_container(self, account: str, container: str) -> None:
        """Remove a container with everything in it."""
        self.containers.remove(account, container)
        self._properties.forget_container(account, container)
        self._stages.clear_container(account, container)

    def sweep(self) -> None:
        """Drop what uploads left that never ended; requests may be at work meanwhile.

        The service calls this when it starts.
        """
        now = time.time()
        for account in self.containers.accounts():
            staging = self._home.blob_staging(account)
            for file in (staging / "uploads").glob("*"):
                if is_older(file, now - UPLOAD_LIFETIME_S):
                    file.unlink(missing_ok=True)
            shutil.rmtree(staging / "removed", ignore_errors=True)
            self._stages.sweep(account, now - BLOCK_LIFETIME_S)
            for container in self.containers.names(account):
                self._properties.sweep(account, container, now - BLOCK_LIFETIME_S)

    def _described_as(self, blob: BlobId, found: Blob, properties: Properties) -> Blob:
        with disk_errors():
            self._properties.write(blob, found.identity, properties)
        return replace(found, properties=properties)

    def _checked(self, blob: BlobId, conditions: Conditions) -> Blob:
        found = self.get(blob)
        conditions.check_write(found.etag, found.modified_at)
        return found

    def _check(self, blob: BlobId, new: NewBlob) -> None:
        found = self.find(blob.checked())
        if found is not None and not new.may_replace:
            raise BlobError(
                "UnauthorizedBlobOverwrite",
                f"The blob {blob.name!r} exists, and the signed URL allows to create (c), not to write (w).",
            )
        if found is None:
            new.conditions.check_write(None)
        else:
            new.conditions.check_write(found.etag, found.modified_at)

    def _staging(self, blob: BlobId) -> Path:
        return self._home.blob_staging(blob.account)

    def _lock(self, blob: BlobId) -> threading.Lock:
        return self._locks[hash(blob) % _LOCKS]


class Upload:
    """A whole blob while it arrives."""

    def __init__(self, store: BlobStore, blob: BlobId, size: int, new: NewBlob, staged: StagedFile) -> None:
        self._store = store
        self._blob = blob
        self._new = new
        self.staged = staged
        self.writer = FileWriter(staged.descriptor, 0, size, md5=new.md5)

    def commit(self) -> Blob:
        """Make what arrived the blob."""
        self.writer.check()
        return self._store.place(self._blob, self.staged, self._new)

    def commit_append(self, conditions: Conditions, limit: AppendLimit) -> Blob:
        """Put what arrived at the end of the blob."""
        self.writer.check()
        try:
            return self._store.append(self._blob, self.staged, conditions, limit)
        finally:
            self.discard()

    def discard(self) -> None:
        """Give up, unless it was committed."""
        self.staged.discard()


def _with_offsets(blocks: Sequence[tuple[str, int]]) -> builtins.list[Block]:
    placed, end = [], 0
    for block_id, size in blocks:
        placed.append(Block(block_id, end, size))
        end += size
    return placed
