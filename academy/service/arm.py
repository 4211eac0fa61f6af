"""The ARM envelope: what every resource request carries, and how answers, pages and errors look."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from academy.errors import AcademyError, InvalidField, UserError, choices
from academy.store.documents import Document, ListView, Page
from academy.store.ids import PROVIDER, Workspace

RESOURCE_GROUP_PATH = "/subscriptions/{subscription}/resourceGroups/{resource_group}"
WORKSPACE_PATH = f"{RESOURCE_GROUP_PATH}/providers/{PROVIDER}/workspaces/{{workspace}}"

# A page of a listing where the caller names no $top; Azure's own size.
PAGE_SIZE = 100

# The longest body of a document; data and code travel as blobs.
BODY_BYTES = 16 * 1024**2

# ARM compares these segments without regard to case; the router does not.
_FIXED_SEGMENTS = {
    "resourcegroups": "resourceGroups",
    PROVIDER.lower(): PROVIDER,
    "workspaces": "workspaces",
    "subscriptions": "subscriptions",
    "onlineendpoints": "onlineEndpoints",
}


class TooLarge(UserError):
    """The request's body is longer than any document is."""

    http_status = 413
    code = "RequestEntityTooLarge"


@dataclass(frozen=True)
class Call:
    """One ARM request, its body read: what a handler needs, and nothing of the transport."""

    params: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: dict[str, Any]
    who: str
    url: str

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.params["subscription"], self.params["resource_group"], self.params["workspace"])

    def view(self) -> ListView:
        """Return ``listViewType``; Azure's default is the active ones."""
        given = self.query.get("listViewType") or self.query.get("list_view_type") or "ActiveOnly"
        try:
            return ListView(given)
        except ValueError:
            valid = choices(view.value for view in ListView)
            raise InvalidField(
                f"listViewType {given!r} is not valid. Valid: {valid}.", target="listViewType"
            ) from None

    def number(self, name: str, default: int) -> int:
        """Return a whole number of the query, such as ``$top`` or ``$skip``."""
        given = self.query.get(name)
        if given is None:
            return default
        if not given.isdecimal() or len(given) > 9:
            raise InvalidField(f"{name} must be a whole number below 10^9, not {given[:40]!r}.", target=name)
        return int(given)


Handler = Callable[[Call], Response]


def arm_route(path: str, handlers: Mapping[str, Handler]) -> Route:
    """Return a route under ``path`` with one synchronous handler a method (``{"GET": show}``).

    Handlers run in the thread pool and get a ``Call``; what they raise becomes the ARM error envelope.
    """

    async def endpoint(request: Request) -> Response:
        call = Call(
            params=request.path_params,
            query=request.query_params,
            headers=request.headers,
            body=await _json_body(request),
            who=request.state.who,
            url=str(request.url),
        )
        return await run_in_threadpool(handlers[request.method], call)

    return Route(path, endpoint, methods=list(handlers))


def answer(document: Document | Mapping[str, Any], status: int = 200) -> JSONResponse:
    """Answer with one document."""
    body = document.arm() if isinstance(document, Document) else document
    headers = {"ETag": document.etag} if isinstance(document, Document) else None
    return JSONResponse(body, status_code=status, headers=headers)


def written(document: Document) -> JSONResponse:
    """Answer a PUT: 201 when it created the document, 200 when it changed it."""
    return answer(document, 201 if document.revision == 1 else 200)


def listing(call: Call, fetch: Callable[[int, int], Page]) -> JSONResponse:
    """Answer a listing: ``fetch(skip, top)`` gives the page, ``nextLink`` leads to the next.

    ``$top`` (or ``top``) limits the whole listing, as in Azure; pages hold at most 100.
    """
    skip = call.number("$skip", 0)
    limit = call.number("$top", 0) or call.number("top", 0)
    size = min(limit or PAGE_SIZE, PAGE_SIZE)
    page = fetch(skip, size)
    remaining = limit - len(page.items) if limit else None
    return listed([item.arm() for item in page.items], _next_link(call, page.next_skip, remaining))


def listed(items: Sequence[Mapping[str, Any]], next_link: str | None = None) -> JSONResponse:
    """Answer a listing that is at hand."""
    return JSONResponse({"value": list(items), **({"nextLink": next_link} if next_link else {})})


def error_response(error: AcademyError) -> JSONResponse:
    """Return the ARM error envelope for ``error``."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.target:
        body["target"] = error.target
    return JSONResponse({"error": body}, status_code=error.http_status)


def canonical_path(path: str) -> str:
    """Return ``path`` with ARM's fixed segments in the case that the routes are written in."""
    if not re.match("/(subscriptions|discovery|history|data|modelregistry)/", path, re.IGNORECASE):
        return path
    return "/".join(_FIXED_SEGMENTS.get(segment.lower(), segment) for segment in path.split("/"))


def _next_link(call: Call, next_skip: int | None, remaining: int | None) -> str | None:
    if next_skip is None or (remaining is not None and remaining <= 0):
        return None
    query = {**call.query, "$skip": str(next_skip)}
    if remaining is not None:
        query["$top"] = str(remaining)
        query.pop("top", None)
    return f"{call.url.split('?')[0]}?{urlencode(query)}"


async def _json_body(request: Request) -> dict[str, Any]:
    content = await _content(request)
    if not content:
        return {}
    try:
        body = json.loads(content, parse_constant=_refuse_constant)
        if b"\\ud" in content.lower():
            json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair cannot be stored
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"The request's body is not JSON that can be kept: {error}.") from error
    if not isinstance(body, dict):
        raise InvalidField(f"The request's body must be a JSON object; it is a {type(body).__name__}.")
    if not isinstance(body.get("properties") or {}, dict):
        raise InvalidField("'properties' must be a JSON object.", target="properties")
    return body


async def _content(request: Request) -> bytes:
    parts: list[bytes] = []
    received = 0
    async for part in request.stream():
        parts.append(part)
        received += len(part)
        if received > BODY_BYTES:
            raise TooLarge(f"The request's body is longer than {BODY_BYTES // 1024**2} MiB.")
    return b"".join(parts)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
