"""Operations that read blobs: get, head, list, and the block list."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os

from starlette.responses import Response

from academy.blobs.blocks import BlockSource
from academy.blobs.errors import BlobError
from academy.blobs.listing import Query
from academy.blobs.lookup import Page
from academy.blobs.properties import Blob
from academy.blobs.store import BlobStore
from academy.errors import Unsupported, choices
from academy.service import blob_answers as answers
from academy.service.blob_access import Grant
from academy.service.blob_request import BlobCall, invalid_header
from academy.service.blob_transfer import FileAnswer

MAX_RESULTS = 5000

# Azure digests ranges of up to this size when asked to.
_MAX_MD5_RANGE = 4 << 20

# Below this, one hop to a thread reads the blob whole.
_INLINE_BYTES = 256 << 10

_INCLUDES = ("copy", "metadata")


def get_blob(store: BlobStore, call: BlobCall, grant: Grant) -> Response:
    """Answer with the blob's bytes, all or a range."""
    descriptor, blob = store.open(call.blob)
    try:
        call.conditions().check_read(blob.etag, blob.modified_at)
        part = None if _is_stale_resume(call, blob) else call.byte_range(blob.size)
        headers = answers.blob_headers(blob) | dict(grant.overrides)
        start, length = part or (0, blob.size)
        if part:
            whole_md5 = headers.pop("content-md5", None)
            headers |= {"x-ms-blob-content-md5": whole_md5} if whole_md5 else {}
            headers["content-range"] = f"bytes {start}-{start + length - 1}/{blob.size}"
        if call.is_true("range-get-content-md5"):
            headers["content-md5"] = _range_md5(descriptor, part)
        headers["content-length"] = str(length)
        status = 206 if part else 200
        if length > _INLINE_BYTES:
            answer = FileAnswer(descriptor, (start, length), status, headers)
            descriptor = -1
            return answer
        return Response(os.pread(descriptor, length, start), status, headers=headers)
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def head_blob(store: BlobStore, call: BlobCall, grant: Grant) -> Response:
    """Answer with the blob's properties."""
    blob = store.get(call.blob)
    call.conditions().check_read(blob.etag, blob.modified_at)
    headers = answers.blob_headers(blob) | dict(grant.overrides)
    return Response(headers=headers | {"content-length": str(blob.size)})


def get_metadata(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    blob = store.get(call.blob)
    call.conditions().check_read(blob.etag, blob.modified_at)
    metadata = answers.metadata_headers(blob.properties.metadata)
    return Response(headers=answers.state_headers(blob.etag, blob.modified_at) | metadata)


def list_blobs(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Answer with a page of the container's blobs, flat or by folder."""
    if "arrow" in call.headers.get("accept", ""):
        raise Unsupported("Listings are XML here; leave response_format='arrow' out.", target="Accept")
    delimiter = call.query.get("delimiter", "")
    if delimiter not in ("", "/"):
        raise BlobError(
            "InvalidQueryParameterValue",
            f"The delimiter {delimiter!r} is not supported. Names are paths here: use '/', or none.",
            target="delimiter",
        )
    query = Query(call.query.get("prefix", ""), parse_marker(call), by_folder=bool(delimiter))
    page: Page = store.page(call.account, call.container, query, page_size(call))
    more = answers.marker(page.next_start) if page.next_start is not None else None
    return answers.blob_listing(call.endpoint, call.container, echoed(call, _INCLUDES), page.items, more=more)


def get_block_list(store: BlobStore, call: BlobCall, _grant: Grant) -> Response:
    """Answer with the blob's committed or uncommitted blocks, or both."""
    wanted = call.query.get("blocklisttype", "committed").lower()
    if wanted not in ("committed", "uncommitted", "all"):
        raise BlobError(
            "InvalidQueryParameterValue",
            f"blocklisttype is {wanted!r}; it must be 'committed', 'uncommitted' or 'all'.",
            target="blocklisttype",
        )
    committed, uncommitted = store.blocks(call.blob)
    body = answers.block_listing(
        None if wanted == BlockSource.UNCOMMITTED.value.lower() else committed,
        None if wanted == BlockSource.COMMITTED.value.lower() else uncommitted,
    )
    found = store.find(call.blob)
    headers = {"x-ms-blob-content-length": "0"}
    if found is not None:
        headers = answers.state_headers(found.etag, found.modified_at)
        headers["x-ms-blob-content-length"] = str(found.size)
    return answers.xml(body, headers=headers)


def page_size(call: BlobCall) -> int:
    """Return ``maxresults``, at most Azure's 5000."""
    text = call.query.get("maxresults", str(MAX_RESULTS))
    if not text.isdecimal() or int(text) < 1:
        raise BlobError(
            "OutOfRangeQueryParameterValue",
            f"maxresults is {text!r}; it must be a whole number from 1 to {MAX_RESULTS}.",
            target="maxresults",
        )
    return min(int(text), MAX_RESULTS)


def parse_marker(call: BlobCall) -> str:
    """Return the name that the page starts with."""
    text = call.query.get("marker", "")
    try:
        return base64.urlsafe_b64decode(text.encode()).decode("utf-8", "surrogateescape")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BlobError(
            "InvalidQueryParameterValue",
            f"The marker {text!r} was not made by this service.",
            target="marker",
        ) from error


def echoed(call: BlobCall, includes: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters that a listing repeats; refuse what ``include`` cannot be asked for."""
    unknown = sorted({name for name in call.query.get("include", "").split(",") if name} - set(includes))
    if unknown:
        raise BlobError(
            "InvalidQueryParameterValue",
            f"include={','.join(unknown)} is not supported. Supported: {choices(includes)}.",
            target="include",
        )
    names = {
        "Prefix": "prefix",
        "Marker": "marker",
        "MaxResults": "maxresults",
        "Delimiter": "delimiter",
        "Include": "include",
    }
    return {element: call.query[name] for element, name in names.items() if call.query.get(name)}


def _is_stale_resume(call: BlobCall, blob: Blob) -> bool:
    # A browser that goes on with a download asks for the rest only if the file is still the same.
    given = call.headers.get("if-range")
    return given is not None and given not in (blob.etag, answers.http_date(blob.modified_at))


def _range_md5(descriptor: int, part: tuple[int, int] | None) -> str:
    if part is None or part[1] > _MAX_MD5_RANGE:
        raise invalid_header("x-ms-range-get-content-md5", "true", "used with a range of at most 4 MiB")
    digest = hashlib.md5(os.pread(descriptor, part[1], part[0]), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()
