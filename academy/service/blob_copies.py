"""Operations that write a blob from another blob of this service: copies, and blocks from a URL."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from urllib.parse import urlsplit

from starlette.responses import Response

from academy.blobs.errors import BlobError, BlobNotFound, ContainerNotFound
from academy.blobs.properties import Blob, ContentHeaders, CopyRecord, Properties
from academy.blobs.store import BlobStore, NewBlob
from academy.errors import Unsupported
from academy.service.blob_access import Grant, bearer, signed_url
from academy.service.blob_request import BlobCall, Level, parse_query, split_url_path
from academy.service.blob_writes import block_id, created


def copy_blob(store: BlobStore, call: BlobCall, grant: Grant) -> Response:
    """Copy Blob and Put Blob From URL: both are done when the answer is sent."""
    with _source(store, call, grant) as (descriptor, source):
        is_put = call.header("blob-type") is not None
        record = CopyRecord(str(uuid.uuid4()), _shown_source(call), source.size, time.time())
        properties = Properties(
            kind=source.properties.kind,
            content=_content(call, source) if is_put else source.properties.content,
            metadata=call.metadata() or ({} if is_put else source.properties.metadata),
            copy=None if is_put else record,
            appended_blocks=source.properties.appended_blocks,
        )
        new = NewBlob(properties, call.conditions(), may_replace=grant.may_replace)
        blob = store.copy(descriptor, source.size, call.blob, new)
    answer = created(blob)
    if not is_put:
        answer.status_code = 202
        answer.headers["x-ms-copy-id"] = record.copy_id
        answer.headers["x-ms-copy-status"] = "success"
    return answer


def put_block_from_url(store: BlobStore, call: BlobCall, grant: Grant) -> Response:
    """Keep a range of another blob as a block."""
    with _source(store, call, grant) as (descriptor, source):
        start, length = call.byte_range(source.size, "x-ms-source-range") or (0, source.size)
        upload = store.begin_block(call.blob, block_id(call), length)
        try:
            upload.copy_from(descriptor, start)
        finally:
            upload.discard()
    return Response(status_code=201)


@contextmanager
def _source(store: BlobStore, call: BlobCall, grant: Grant) -> Iterator[tuple[int, Blob]]:
    """Open the source that the call names, if the caller may read it."""
    source = _parse_source(call)
    _check_may_read(source, call, grant, store)
    try:
        descriptor, blob = store.open(source.blob)
    except (BlobNotFound, ContainerNotFound) as error:
        raise BlobError("CannotVerifyCopySource", f"The copy's source is not there: {error}") from error
    try:
        conditions = call.conditions("x-ms-source-")
        conditions.check_write(blob.etag, blob.modified_at, code="SourceConditionNotMet")
        yield descriptor, blob
    finally:
        os.close(descriptor)


def _parse_source(call: BlobCall) -> BlobCall:
    """Return the source's URL as if it had been called."""
    url = urlsplit(call.headers["x-ms-copy-source"])
    if url.netloc != call.headers.get("host"):
        raise Unsupported(
            f"The copy's source is at {url.netloc!r}. Academy copies blobs of its own service only; "
            "download the source and upload it.",
            target="x-ms-copy-source",
        )
    blob = split_url_path(url.path)
    return replace(
        call,
        account=blob.account,
        container=blob.container,
        name=blob.name,
        path=url.path,
        query_text=url.query,
        query=parse_query(url.query),
    )


def _check_may_read(source: BlobCall, call: BlobCall, grant: Grant, store: BlobStore) -> None:
    authorization = call.header("copy-source-authorization")
    if authorization is not None:
        bearer(authorization.removeprefix("Bearer "), store.signer)
    elif "sig" in source.query:
        signed_url(source, store.signer).check(Level.BLOB, "r")
    elif not (grant.is_owner or (grant.permissions is None and source.account == call.account)):
        raise BlobError(
            "CannotVerifyCopySource",
            "The copy's source URL carries no signature, and what the request itself may do does not "
            "reach the source. Sign the source's URL with the permission to read (r).",
            target="x-ms-copy-source",
        )


def _content(call: BlobCall, source: Blob) -> ContentHeaders:
    kept = (
        asdict(source.properties.content) if call.is_true("copy-source-blob-properties", default=True) else {}
    )
    return ContentHeaders(**{**kept, **call.given_content_headers()})


def _shown_source(call: BlobCall) -> str:
    # Without the query: a signature does not belong into properties that others may read.
    return call.headers["x-ms-copy-source"].partition("?")[0]
