"""Uncommitted blocks: what a large upload leaves until its block list makes them a blob.

All blocks of one blob go into one data file, each at the end of what is there, and an index has a line
for each. An upload that sends its blocks in order has thereby written the blob already: its block list
only renames the data file. Any other order costs one copy, inside the kernel where there is one.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from weakref import WeakValueDictionary

from academy.blobs.errors import BlobError
from academy.blobs.names import BlobId
from academy.blobs.staging import (
    FileWriter,
    StagedFile,
    append_line,
    check_space,
    copy_range,
    disk_errors,
    is_older,
)
from academy.paths import Home

# Azure's limits: https://learn.microsoft.com/rest/api/storageservices/put-block
MAX_BLOCKS = 50_000
MAX_ID_BYTES = 64


class BlockSource(StrEnum):
    """Where a block list looks for a block."""

    COMMITTED = "Committed"
    UNCOMMITTED = "Uncommitted"
    LATEST = "Latest"


@dataclass(frozen=True)
class Block:
    """One block and its place in a file."""

    id: str
    offset: int
    size: int


@dataclass(frozen=True)
class Piece:
    """A block of a new blob, and whether it lies in the blob that is being replaced."""

    block: Block
    is_committed: bool


@dataclass(frozen=True)
class Committed:
    """The blocks of the blob as it is, by id, and its open file (-1 when there is none)."""

    descriptor: int
    blocks: Mapping[str, Block]


class BlockStage:
    """The uncommitted blocks of one blob."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data_file = folder / "data"
        self._index_file = folder / "index"
        self._lock = threading.Lock()
        self._writers = 0
        self._end = self._data_file.stat().st_size if self._data_file.exists() else 0
        self._blocks = _read_index(self._index_file, self._end)

    @property
    def blocks(self) -> list[Block]:
        with self._lock:
            return list(self._blocks.values())

    def begin(self, block_id: str, size: int, *, md5: bytes | None = None) -> BlockUpload:
        """Reserve a place for a block of ``size`` bytes; it counts once it is committed to the stage."""
        with self._lock, disk_errors():
            self._check_id(block_id)
            self._folder.mkdir(parents=True, exist_ok=True)
            check_space(self._folder, size)
            descriptor = os.open(self._data_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            block = Block(block_id, self._end, size)
            self._end += size
            self._writers += 1
        return BlockUpload(self, block, descriptor, md5)

    def end(self, block: Block, *, keep: bool) -> None:
        """Count ``block`` as uploaded (a later one of the same id takes its place), or give up on it."""
        with self._lock:
            self._writers -= 1
            if keep:
                append_line(self._index_file, json.dumps([block.id, block.offset, block.size]))
                self._blocks[block.id] = block

    def resolve(self, wanted: Sequence[tuple[BlockSource, str]], committed: Committed) -> list[Piece]:
        """Return the block that each line of a block list names."""
        if len(wanted) > MAX_BLOCKS:
            raise BlobError("BlockListTooLong", f"{len(wanted)} blocks: a blob has {MAX_BLOCKS} at most.")
        with self._lock:
            return [self._resolved(source, name, committed) for source, name in wanted]

    def assemble(self, pieces: Sequence[Piece], committed: Committed, folder: Path) -> StagedFile:
        """Return ``pieces`` as one staged file in ``folder``; the stage may be empty afterwards."""
        with self._lock:
            if not self._is_in_order(pieces):
                return self._copied(pieces, committed, folder)
            staged = StagedFile.adopt(self._data_file, folder)
            os.truncate(staged.descriptor, sum(piece.block.size for piece in pieces))
            self._clear()
            return staged

    def clear(self) -> None:
        """Drop every block, as every write of the whole blob does."""
        with self._lock:
            self._clear()

    def _clear(self) -> None:
        self._blocks.clear()
        if self._writers:
            # Writers hold places in the data file: only what the index says is dropped.
            self._index_file.unlink(missing_ok=True)
        else:
            self._end = 0
            shutil.rmtree(self._folder, ignore_errors=True)

    def _resolved(self, source: BlockSource, name: str, committed: Committed) -> Piece:
        if source is not BlockSource.COMMITTED and name in self._blocks:
            return Piece(self._blocks[name], is_committed=False)
        if source is not BlockSource.UNCOMMITTED and name in committed.blocks:
            return Piece(committed.blocks[name], is_committed=True)
        raise BlobError(
            "InvalidBlockList",
            f"The block list names the block {name!r} ({source.value}), which was not uploaded, or was "
            "dropped when the blob was written by someone else. Upload the blob again.",
        )

    def _is_in_order(self, pieces: Sequence[Piece]) -> bool:
        # While a writer is at work (a request that its client has given up and repeated), the data
        # file must not become the blob: that writer would write into it.
        if self._writers or not pieces:
            return False
        end = 0
        for piece in pieces:
            if piece.is_committed or piece.block.offset != end:
                return False
            end += piece.block.size
        return True

    def _copied(self, pieces: Sequence[Piece], committed: Committed, folder: Path) -> StagedFile:
        check_space(folder, sum(piece.block.size for piece in pieces))
        staged = StagedFile.create(folder)
        source = os.open(self._data_file, os.O_RDONLY | os.O_CLOEXEC) if self._data_file.exists() else -1
        try:
            end = 0
            for piece in pieces:
                descriptor = committed.descriptor if piece.is_committed else source
                copy_range(descriptor, piece.block.offset, piece.block.size, staged.descriptor, end)
                end += piece.block.size
        except BaseException:
            staged.discard()
            raise
        finally:
            if source >= 0:
                os.close(source)
        return staged

    def _check_id(self, block_id: str) -> None:
        check_block_id(block_id)
        other = next(iter(self._blocks), block_id)
        if len(other) != len(block_id):
            raise BlobError(
                "InvalidBlobOrBlock",
                f"The block id {block_id!r} is not as long as {other!r}; all ids of one blob must be.",
                target="blockid",
            )


class BlockStages:
    """The stages of one home's blobs; one object for each blob, however many requests are at work on it."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._alive: WeakValueDictionary[BlobId, BlockStage] = WeakValueDictionary()
        # Holds the stages between two requests of one upload, so that the index is not read again.
        self._uploading: dict[BlobId, BlockStage] = {}

    def of(self, blob: BlobId) -> BlockStage:
        """Return the stage of ``blob``, which may be empty."""
        with self._lock:
            stage = self._alive.get(blob)
            if stage is None:
                stage = self._alive[blob] = BlockStage(self._folder(blob.account, blob.container) / blob.key)
            return stage

    def begin(self, blob: BlobId, block_id: str, size: int, *, md5: bytes | None = None) -> BlockUpload:
        stage = self.of(blob)
        with self._lock:
            self._uploading[blob] = stage
        return stage.begin(block_id, size, md5=md5)

    def clear(self, blob: BlobId) -> None:
        """Drop the blob's uncommitted blocks."""
        self.of(blob).clear()
        with self._lock:
            self._uploading.pop(blob, None)

    def clear_container(self, account: str, container: str) -> None:
        with self._lock:
            held = [blob for blob in self._alive if (blob.account, blob.container) == (account, container)]
        for blob in held:
            self.clear(blob)
        shutil.rmtree(self._folder(account, container), ignore_errors=True)

    def sweep(self, account: str, older_than: float) -> None:
        """Drop stages whose last block came before ``older_than`` (Unix seconds)."""
        for folder in (self._home.blob_staging(account) / "blocks").glob("*/*"):
            data = folder / "data"
            if is_older(data if data.exists() else folder, older_than):
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, account: str, container: str) -> Path:
        return self._home.blob_staging(account) / "blocks" / container


class BlockUpload:
    """One block while it arrives."""

    def __init__(self, stage: BlockStage, block: Block, descriptor: int, md5: bytes | None) -> None:
        self._stage: BlockStage | None = stage
        self._block = block
        self._descriptor = descriptor
        self.writer = FileWriter(descriptor, block.offset, block.size, md5=md5)

    def copy_from(self, source: int, start: int) -> None:
        """Fill the block from an open file, and count it as uploaded."""
        copy_range(source, start, self._block.size, self._descriptor, self._block.offset)
        self._end(keep=True)

    def commit(self) -> None:
        """Count the block as uploaded."""
        self.writer.check()
        self._end(keep=True)

    def discard(self) -> None:
        """Give up the block, unless it was committed."""
        self._end(keep=False)

    def _end(self, *, keep: bool) -> None:
        if self._stage is not None:
            stage, self._stage = self._stage, None
            os.close(self._descriptor)
            stage.end(self._block, keep=keep)


def check_block_id(block_id: str) -> str:
    """Return ``block_id`` if it is base64 of 1 to 64 bytes, else refuse it."""
    try:
        size = len(base64.b64decode(block_id, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if not 1 <= size <= MAX_ID_BYTES:
        raise BlobError(
            "InvalidBlockId",
            f"The block id {block_id!r} is not valid: it must be base64 of 1 to {MAX_ID_BYTES} bytes.",
            target="blockid",
        )
    return block_id


def _read_index(file: Path, end: int) -> dict[str, Block]:
    """Return the blocks in an index that lie before ``end``; a line cut short by a crash does not count."""
    if not file.exists():
        return {}
    lines = file.read_text(encoding="ascii").split("\n")[:-1]
    blocks = (Block(*json.loads(line)) for line in lines)
    return {block.id: block for block in blocks if block.offset + block.size <= end}
