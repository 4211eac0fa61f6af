"""Blob storage over HTTP, as Azure Storage's own clients speak it.

Paths begin with the account, ``/{account}/{container}/{blob}``, as with Azure's emulator, so these routes
are the last of the app. Requests are authorised here and not by the app's gate, for they may come with
the account's key or with a signed URL instead of a token.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from academy.blobs.errors import BlobError
from academy.blobs.store import BlobStore
from academy.errors import AcademyError, Unsupported, choices
from academy.service import blob_containers as containers
from academy.service import blob_copies as copies
from academy.service import blob_reads as reads
from academy.service import blob_writes as writes
from academy.service.blob_access import Grant, authorise
from academy.service.blob_answers import error_answer
from academy.service.blob_request import BlobCall, Level, check_known, parse
from academy.service.blob_transfer import Body
from academy.signing import Signer

logger = logging.getLogger(__name__)

DEFAULT_VERSION = "2025-01-05"

_METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]

Handler = Callable[[BlobStore, BlobCall, Grant], Response]
BodyHandler = Callable[[BlobStore, BlobCall, Grant, Body], Awaitable[Response]]


class BlobState(Protocol):
    """What these routes need of the service's state."""

    @property
    def blobs(self) -> BlobStore: ...

    @property
    def signer(self) -> Signer: ...


@dataclass(frozen=True)
class Operation:
    """One operation of Azure's Blob service. ``needs``: letters of a SAS, one of which must be granted."""

    needs: str
    run: Handler | None = None
    run_with_body: BodyHandler | None = None


def _operations() -> dict[tuple[Level, str, str, str], Operation]:
    """Return the operations by level, method, ``restype`` and ``comp``; HEAD is GET but for a blob itself."""
    account, container, blob = Level.ACCOUNT, Level.CONTAINER, Level.BLOB
    information = Operation("", containers.account_information)
    return {
        (account, "GET", "", "list"): Operation("l", containers.list_containers),
        (account, "GET", "service", "properties"): Operation("r", containers.service_properties),
        (account, "GET", "account", "properties"): information,
        (container, "GET", "account", "properties"): information,
        (blob, "GET", "account", "properties"): information,
        (container, "PUT", "container", ""): Operation("cw", containers.create_container),
        (container, "GET", "container", ""): Operation("r", containers.container_properties),
        (container, "GET", "container", "metadata"): Operation("r", containers.container_properties),
        (container, "PUT", "container", "metadata"): Operation("w", containers.set_container_metadata),
        (container, "GET", "container", "acl"): Operation("r", containers.container_access),
        (container, "GET", "container", "list"): Operation("l", reads.list_blobs),
        (container, "DELETE", "container", ""): Operation("d", containers.delete_container),
        (blob, "GET", "", ""): Operation("r", reads.get_blob),
        (blob, "HEAD", "", ""): Operation("r", reads.head_blob),
        (blob, "GET", "", "metadata"): Operation("r", reads.get_metadata),
        (blob, "GET", "", "blocklist"): Operation("r", reads.get_block_list),
        (blob, "PUT", "", ""): Operation("cw", copies.copy_blob, writes.put_blob),
        (blob, "PUT", "", "block"): Operation("cw", copies.put_block_from_url, writes.put_block),
        (blob, "PUT", "", "blocklist"): Operation("cw", run_with_body=writes.put_block_list),
        (blob, "PUT", "", "appendblock"): Operation("aw", run_with_body=writes.append_block),
        (blob, "PUT", "", "metadata"): Operation("w", writes.set_metadata),
        (blob, "PUT", "", "properties"): Operation("w", writes.set_headers),
        (blob, "DELETE", "", ""): Operation("d", writes.delete_blob),
    }


_OPERATIONS = _operations()

# What Azure has and this service refuses by name, by `comp`.
_UNSUPPORTED = {
    "acl": "Setting access policies or public access",
    "batch": "Batches of requests (delete_blobs)",
    "blobs": "Finding blobs by tags",
    "copy": "Aborting a copy, which has always ended here,",
    "expiry": "Expiry of blobs",
    "immutabilityPolicies": "Immutability policies",
    "incrementalcopy": "Incremental copies",
    "lease": "Leases",
    "legalhold": "Legal holds",
    "page": "Page blobs",
    "pagelist": "Page blobs",
    "properties": "Setting the service's properties",
    "query": "Querying a blob's content",
    "rename": "Renaming containers",
    "seal": "Sealing append blobs",
    "snapshot": "Snapshots",
    "stats": "Statistics of the secondary region",
    "tags": "Blob index tags",
    "tier": "Access tiers",
    "undelete": "Soft delete",
    "userdelegationkey": "User delegation keys",
}


def routes(state: BlobState) -> list[BaseRoute]:
    """Return the routes of blob storage; register them last."""
    face = _Face(state)
    return [
        Route("/{account}", face.answer, methods=_METHODS),
        Route("/{account}/{rest:path}", face.answer, methods=_METHODS),
    ]


def blob_url(address: str, account: str, container: str, path: str = "", query: str = "") -> str:
    """Return the URL of a blob, or of a container, under the service's base URL ``address``."""
    below = f"/{quote(path, safe='~/')}" if path else ""
    return f"{address}/{account}/{quote(container)}{below}{'?' if query else ''}{query}"


class _Face:
    def __init__(self, state: BlobState) -> None:
        self._state = state

    async def answer(self, request: Request) -> Response:
        request_id = str(uuid.uuid4())
        body = Body(request)
        try:
            response = await self._run(request, body)
        except AcademyError as error:
            logger.info("%s %s: %s %s", request.method, request.url.path, error.code, error)
            with suppress(ClientDisconnect):
                await body.drain()
            response = error_answer(error, request_id)
        except ClientDisconnect:
            # Nobody is left to read an answer.
            response = Response(status_code=400)
        response.headers["x-ms-request-id"] = request_id
        response.headers["x-ms-version"] = request.headers.get("x-ms-version", DEFAULT_VERSION)
        if "x-ms-client-request-id" in request.headers:
            response.headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
        return response

    async def _run(self, request: Request, body: Body) -> Response:
        call = parse(request.scope)
        grant = authorise(call, self._state.signer)
        operation = _operation(call)
        check_known(call)
        grant.check(call.level, operation.needs)
        store = self._state.blobs
        if operation.run_with_body is not None and call.header("copy-source") is None:
            return await operation.run_with_body(store, call, grant, body)
        if operation.run is None:
            raise Unsupported("This operation cannot take its bytes from a URL.", target="x-ms-copy-source")
        return await run_in_threadpool(operation.run, store, call, grant)


def _operation(call: BlobCall) -> Operation:
    restype, comp = call.query.get("restype", ""), call.query.get("comp", "")
    for method in (call.method, "GET") if call.method == "HEAD" else (call.method,):
        found = _OPERATIONS.get((call.level, method, restype, comp))
        if found is not None:
            return found
    if comp in _UNSUPPORTED:
        raise BlobError(
            "UnsupportedQueryParameter",
            f"{_UNSUPPORTED[comp]} (comp={comp}) is not supported by Academy's blob storage.",
            target="comp",
        )
    known = {f"{m} restype={r} comp={c}" for level, m, r, c in _OPERATIONS if level is call.level}
    raise BlobError(
        "UnsupportedQueryParameter",
        f"{call.method} with restype={restype} and comp={comp} is no operation on one "
        f"{call.level.name.lower()}. Operations: {choices(known)}.",
        target="comp",
    )
