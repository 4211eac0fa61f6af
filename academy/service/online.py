"""Online endpoints over REST: endpoints, deployments, keys, logs, and the scoring URI itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from academy.endpoints.connection import Message
from academy.endpoints.deployment import MAX_INSTANCES
from academy.endpoints.online import CONTAINERS, DEPLOYMENTS, ENDPOINTS
from academy.endpoints.router import MAX_BODY_BYTES, BodyTooLarge
from academy.errors import InvalidField, NotFound, Unsupported
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listed, listing
from academy.service.state import ServiceState
from academy.service.workspaces import require_workspace
from academy.store.documents import Body, Document, ListView, Page
from academy.store.ids import Workspace

# The SDK prints a dot at each poll and waits five seconds between them unless told otherwise. The
# answer to a poll waits for the end itself, at most this long, so the next one may follow at once.
POLL_S = 1.0
_POLL_STEP_S = 0.03
_SOON = {"x-ms-retry-after-ms": "20"}

_FILTERS = ("properties", "orderBy", "count")


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of online endpoints."""
    online = _Online(state)
    collection = f"{WORKSPACE_PATH}/{ENDPOINTS}"
    endpoint = f"{collection}/{{endpoint}}"
    deployment = f"{endpoint}/{DEPLOYMENTS}/{{name}}"
    return [
        arm_route(collection, {"GET": online.list_endpoints}),
        arm_route(
            endpoint,
            {
                "GET": online.show_endpoint,
                "PUT": online.put_endpoint,
                "PATCH": online.patch_endpoint,
                "DELETE": online.delete_endpoint,
            },
        ),
        arm_route(f"{endpoint}/listKeys", {"POST": online.list_keys}),
        arm_route(f"{endpoint}/regenerateKeys", {"POST": online.regenerate_key}),
        arm_route(f"{endpoint}/token", {"POST": online.token}),
        arm_route(f"{endpoint}/{DEPLOYMENTS}", {"GET": online.list_deployments}),
        arm_route(
            deployment,
            {
                "GET": online.show_deployment,
                "PUT": online.put_deployment,
                "PATCH": online.patch_deployment,
                "DELETE": online.delete_deployment,
            },
        ),
        arm_route(f"{deployment}/getLogs", {"POST": online.logs}),
        arm_route(f"{deployment}/skus", {"GET": online.list_skus}),
        Route(f"{deployment}/operations/{{generation:int}}", online.operation, methods=["GET"]),
        Route("/online/{workspace}/{endpoint}/score", online.forward, methods=["POST", "GET", "OPTIONS"]),
        Route("/online/{workspace}/{endpoint}/swagger.json", online.forward, methods=["GET"]),
        Route("/online/{workspace}/{endpoint}/", online.forward, methods=["GET"]),
        Route("/online/{rest:path}", _no_page, methods=["GET", "POST", "PUT", "DELETE"]),
    ]


def _no_page(request: Request) -> Response:
    raise NotFound(
        f"An endpoint has no page {request.url.path[:200]!r}. It answers at …/score, …/swagger.json and, for "
        "its health, …/."
    )


class _Online:
    """The handlers."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._engine = state.online
        self._documents = state.documents

    def list_endpoints(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        _refuse_filters(call)
        collection = call.workspace.child(ENDPOINTS)

        def fetch(skip: int, top: int) -> Page:
            page = self._documents.list(collection, view=ListView.ALL, skip=skip, top=top)
            chosen = [self._engine.shown(item) for item in page.items if _is_wanted(item, call.query)]
            return Page(chosen, page.next_skip)

        return listing(call, fetch)

    def show_endpoint(self, call: Call) -> Response:
        return answer(self._engine.shown(self._endpoint(call)))

    def put_endpoint(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        document = self._engine.put_endpoint(call.workspace, call.params["endpoint"], call.body, who=call.who)
        return answer(document, 201 if document.revision == 1 else 200)

    def patch_endpoint(self, call: Call) -> Response:
        merged = _merged(self._endpoint(call).body, call.body)
        document = self._engine.put_endpoint(call.workspace, call.params["endpoint"], merged, who=call.who)
        return answer(document)

    def delete_endpoint(self, call: Call) -> Response:
        self._endpoint(call)
        self._engine.delete_endpoint(call.workspace, call.params["endpoint"], who=call.who)
        return Response(status_code=200)

    def list_keys(self, call: Call) -> Response:
        endpoint = self._endpoint(call)
        self._state.audit.append(call.who, "listKeys", endpoint.id)
        return answer(self._engine.keys.of(endpoint.id))

    def regenerate_key(self, call: Call) -> Response:
        self._endpoint(call)
        kind, value = str(call.body.get("keyType") or ""), call.body.get("keyValue")
        self._engine.regenerate_key(
            call.workspace, call.params["endpoint"], kind, str(value) if value else None, who=call.who
        )
        return Response(status_code=200)

    def token(self, call: Call) -> Response:
        endpoint = self._endpoint(call)
        self._state.audit.append(call.who, "token", endpoint.id)
        return answer(self._engine.keys.token(endpoint.id))

    def list_deployments(self, call: Call) -> Response:
        collection = f"{self._endpoint(call).id}/{DEPLOYMENTS}"

        def fetch(skip: int, top: int) -> Page:
            return self._documents.list(collection, view=ListView.ALL, newest_first=False, skip=skip, top=top)

        return listing(call, fetch)

    def show_deployment(self, call: Call) -> Response:
        return answer(self._deployment(call))

    def put_deployment(self, call: Call) -> Response:
        self._endpoint(call)
        return self._put(call, call.body)

    def patch_deployment(self, call: Call) -> Response:
        return self._put(call, _merged(self._deployment(call).body, call.body))

    def delete_deployment(self, call: Call) -> Response:
        self._deployment(call)
        self._engine.delete_deployment(
            call.workspace, call.params["endpoint"], call.params["name"], who=call.who
        )
        return Response(status_code=200)

    def logs(self, call: Call) -> Response:
        container = str(call.body.get("containerType") or CONTAINERS[0])
        lines = call.body.get("tail")
        if lines is not None and (not isinstance(lines, int) or lines < 0):
            raise InvalidField(f"tail must be a number of lines; it is {lines!r}.", target="tail")
        text = self._engine.logs(self._deployment(call).id, container, 5000 if lines is None else lines)
        return answer({"content": text})

    def list_skus(self, call: Call) -> Response:
        self._deployment(call)
        capacity = {"minimum": 1, "maximum": MAX_INSTANCES, "default": 1, "scaleType": "Automatic"}
        kind = "Microsoft.MachineLearning.Services/endpoints/deployments"
        return listed(
            [{"resourceType": kind, "sku": {"name": "Default", "tier": "Standard"}, "capacity": capacity}]
        )

    async def operation(self, request: Request) -> Response:
        """Say how the creation or update of a deployment stands; wait a moment if it is on its way."""
        params = request.path_params
        workspace = Workspace(params["subscription"], params["resource_group"], params["workspace"])
        id = workspace.child(ENDPOINTS, params["endpoint"], DEPLOYMENTS, params["name"])
        loop = asyncio.get_running_loop()
        deadline = loop.time() + POLL_S
        while (found := self._standing(id, params["generation"]))["status"] == "InProgress":
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_POLL_STEP_S)
        return JSONResponse(
            {"id": request.url.path, "name": str(params["generation"]), **found}, headers=_SOON
        )

    async def forward(self, request: Request) -> Response:
        """Pass a request on to a replica."""
        params, router = request.path_params, self._engine.router
        route = router.admit(
            params["workspace"], params["endpoint"], request.headers.get("authorization", "")
        )
        target = "/" + request.url.path.rsplit("/", 1)[1]
        if request.url.query:
            target += f"?{request.url.query}"
        message = Message(request.method, target, tuple(request.headers.raw), await _body(request))
        reply = await router.forward(route, message)
        response = Response(reply.body, reply.status)
        length = [header for header in response.raw_headers if header[0] == b"content-length"]
        response.raw_headers = [*length, *((name.lower(), value) for name, value in reply.headers)]
        return response

    def _put(self, call: Call, body: Mapping[str, Any]) -> Response:
        endpoint, name = call.params["endpoint"], call.params["name"]
        document = self._engine.put_deployment(call.workspace, endpoint, name, body, who=call.who)
        response = answer(document, 201 if document.revision == 1 else 200)
        member = self._engine.member(document.id)
        if member is not None and not member.is_settled:
            where = f"{document.id}/operations/{member.generations.newest}"
            response.headers["Azure-AsyncOperation"] = f"{self._state.address()}{where}"
            response.headers.update(_SOON)
        return response

    def _standing(self, id: str, generation: int) -> Body:
        member = self._engine.member(id)
        if member is None or generation > member.generations.newest:
            return {
                "status": "Canceled",
                "error": {"code": "Canceled", "message": "The deployment was deleted."},
            }
        if generation < member.generations.newest:
            return {"status": "Succeeded"}
        if not member.is_settled:
            return {"status": "InProgress"}
        if member.generations.error is not None:
            failed = {"code": "DeploymentFailed", "message": member.generations.error}
            return {"status": "Failed", "error": failed}
        return {"status": "Succeeded"}

    def _endpoint(self, call: Call) -> Document:
        require_workspace(self._state, call.workspace)
        return self._documents.get(call.workspace.child(ENDPOINTS, call.params["endpoint"]))

    def _deployment(self, call: Call) -> Document:
        return self._documents.get(f"{self._endpoint(call).id}/{DEPLOYMENTS}/{call.params['name']}")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge(
                f"The request's body is larger than {MAX_BODY_BYTES >> 20} MB, the most an endpoint takes. "
                "Send fewer rows at a time, or score files in a job."
            )
        parts.append(part)
    return b"".join(parts)


def _merged(old: Body, new: Mapping[str, Any]) -> Body:
    """Return the document with what a PATCH gives: tags and properties one by one, the rest whole."""
    merged: Body = {**old, **{key: value for key, value in new.items() if value is not None}}
    for part in ("tags", "properties", "sku"):
        merged[part] = {**(old.get(part) or {}), **(new.get(part) or {})}
    return merged


def _refuse_filters(call: Call) -> None:
    for name in _FILTERS:
        if call.query.get(name):
            raise Unsupported(
                f"Listing endpoints by {name!r} is not supported. Filter by name, tags or computeType.",
                target=name,
            )


def _is_wanted(endpoint: Document, query: Mapping[str, str]) -> bool:
    if query.get("name") and query["name"].lower() != endpoint.name.lower():
        return False
    if query.get("computeType", "Managed") != "Managed":
        return False
    tags = endpoint.body.get("tags") or {}
    wanted = [item.partition("=") for item in query.get("tags", "").split(",") if item]
    return all(key in tags and (not equals or tags[key] == value) for key, equals, value in wanted)
