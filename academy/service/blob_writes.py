"""Operations that write blobs: put, blocks, append, metadata, headers, delete."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from xml.etree import ElementTree

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from academy.blobs.blocks import BlockSource, BlockUpload
from academy.blobs.errors import BlobError
from academy.blobs.properties import Blob, BlobKind, Properties
from academy.blobs.store import AppendLimit, BlobStore, NewBlob, Upload
from academy.errors import choices
from academy.service import blob_answers as answers
from academy.service.blob_access import Grant
from academy.service.blob_request import BlobCall
from academy.service.blob_transfer import Body

# 50,000 lines of a block list, with room for long ids.
_MAX_BLOCK_LIST = 16 << 20

# Azure's limit of one appended block.
_MAX_APPEND = 100 << 20


async def put_blob(store: BlobStore, call: BlobCall, grant: Grant, body: Body) -> Response:
    """Write a blob whole, or create an empty append blob."""
    size, kind, md5 = call.content_length(), _kind(call), call.content_md5()
    created_at = None
    if kind is BlobKind.APPEND:
        created_at = time.time()
        if size:
            raise BlobError("InvalidBlobType", "An AppendBlob is created empty; send its bytes as blocks.")
    properties = Properties(kind, call.content_headers(plain=True), call.metadata(), created_at=created_at)
    new = NewBlob(properties, call.conditions(), may_replace=grant.may_replace, md5=md5)
    upload = await run_in_threadpool(store.begin, call.blob, size, new)
    async with _discarded_on_error(upload):
        await body.write_to(upload.writer)
        return created(await run_in_threadpool(upload.commit), md5)


async def put_block(store: BlobStore, call: BlobCall, _grant: Grant, body: Body) -> Response:
    """Keep one block of a blob until its block list comes."""
    size, md5 = call.content_length(), call.content_md5()
    upload = await run_in_threadpool(store.begin_block, call.blob, block_id(call), size, md5)
    async with _discarded_on_error(upload):
        await body.write_to(upload.writer)
        await run_in_threadpool(upload.commit)
        return Response(status_code=201, headers=_md5_header(md5))


async def put_block_list(store: BlobStore, call: BlobCall, grant: Grant, body: Body) -> Response:
    """Make a blob of its blocks."""
    content, md5 = await body.read(_MAX_BLOCK_LIST), call.content_md5()
    if md5 is not None and hashlib.md5(content, usedforsecurity=False).digest() != md5:
        raise BlobError("Md5Mismatch", "The block list that arrived is not the one that was sent.")
    wanted = _block_list(content)
    properties = Properties(content=call.content_headers(plain=False), metadata=call.metadata())
    new = NewBlob(properties, call.conditions(), may_replace=grant.may_replace)
    return created(await run_in_threadpool(store.commit_blocks, call.blob, wanted, new))


async def append_block(store: BlobStore, call: BlobCall, _grant: Grant, body: Body) -> Response:
    """Put a block at the end of an append blob."""
    size, md5 = call.content_length(), call.content_md5()
    if size > _MAX_APPEND:
        raise BlobError("RequestBodyTooLarge", f"A block of {size:,} bytes; 100 MiB is the most.")
    limit = AppendLimit(call.number("blob-condition-appendpos"), call.number("blob-condition-maxsize"))
    upload = await run_in_threadpool(store.begin_append, call.blob, size, md5)
    async with _discarded_on_error(upload):
        await body.write_to(upload.writer)
        blob = await run_in_threadpool(upload.commit_append, call.conditions(), limit)
    answer = created(blob, md5)
    answer.headers["x-ms-blob-append-offset"] = str(blob.size - size)
    answer.headers["x-ms-blob-committed-block-count"] = str(blob.properties.appended_blocks)
    return answer


def set_metadata(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    blob = store.set_metadata(call.blob, call.metadata(), call.conditions())
    return Response(headers=answers.state_headers(blob.etag, blob.modified_at))


def set_headers(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Replace the headers that the blob is served with; those not given are cleared, as on Azure."""
    blob = store.set_content(call.blob, call.content_headers(plain=False), call.conditions())
    return Response(headers=answers.state_headers(blob.etag, blob.modified_at))


def delete_blob(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    if call.header("delete-snapshots") == "only":
        raise BlobError(
            "InvalidHeaderValue",
            "x-ms-delete-snapshots is 'only', but blobs have no snapshots here.",
            target="x-ms-delete-snapshots",
        )
    store.delete(call.blob, call.conditions())
    return Response(status_code=202, headers={"x-ms-delete-type-permanent": "true"})


def created(blob: Blob, md5: bytes | None = None) -> Response:
    """Answer that a blob was written."""
    headers = answers.state_headers(blob.etag, blob.modified_at) | _md5_header(md5)
    return Response(status_code=201, headers=headers | {"x-ms-request-server-encrypted": "false"})


def block_id(call: BlobCall) -> str:
    if "blockid" not in call.query:
        raise BlobError("MissingRequiredQueryParameter", "Put Block needs 'blockid'.", target="blockid")
    return call.query["blockid"]


@asynccontextmanager
async def _discarded_on_error(upload: Upload | BlockUpload) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        # Also when the request is cancelled, as at the service's end.
        with anyio.CancelScope(shield=True):
            await run_in_threadpool(upload.discard)
        raise


def _kind(call: BlobCall) -> BlobKind:
    given = call.header("blob-type")
    if given is None:
        raise BlobError(
            "MissingRequiredHeader", "Put Blob needs the header x-ms-blob-type.", target="x-ms-blob-type"
        )
    return BlobKind(given)


def _md5_header(md5: bytes | None) -> dict[str, str]:
    return {"content-md5": base64.b64encode(md5).decode()} if md5 is not None else {}


def _block_list(body: bytes) -> list[tuple[BlockSource, str]]:
    # Block lists hold no declarations; refusing them keeps entity tricks from the parser.
    if b"<!" in body:
        raise BlobError("InvalidXmlDocument", "A block list holds no declarations ('<!').")
    try:
        root = ElementTree.fromstring(body)
        return [(BlockSource(line.tag), (line.text or "").strip()) for line in root]
    except (ElementTree.ParseError, ValueError) as error:
        raise BlobError(
            "InvalidXmlDocument",
            f"The block list is not valid: {error}. It is a BlockList of {choices(BlockSource)}.",
        ) from error
