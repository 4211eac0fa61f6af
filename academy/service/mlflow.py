"""``/mlflow``: tracking, registry and MLflow's page, for MLflow 2 and 3 clients.

``/mlflow/v1.0/subscriptions/…/workspaces/W`` is a workspace's tracking URI; plain ``/mlflow`` is the
default workspace's. What a training loop calls is answered here; all else by MLflow's own server,
which loads in the background, because that takes seconds.
"""

from __future__ import annotations

import asyncio
import re

import anyio
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.types import Message, Receive, Scope, Send

from academy.errors import AcademyError, Unsupported
from academy.experiments import fast
from academy.experiments.scope import CURRENT
from academy.experiments.scope import Scope as Work
from academy.experiments.tracking import Tracking
from academy.service.mlflow_artifacts import transfer, upload_to_run
from academy.service.state import ServiceState
from academy.service.wsgi import bounded, call_wsgi

_API = r"/(?:ajax-)?api/2\.0"
_FAST = re.compile(rf"{_API}/mlflow/runs/(log-metric|log-parameter|log-batch|set-tag)")
_ARTIFACTS = re.compile(rf"{_API}/mlflow-artifacts/artifacts(?:/(.*))?")
_PAGE_UPLOAD = re.compile(rf"{_API}/mlflow/upload-artifact")
_TRACES = re.compile(r"/v1/traces")

# Parts of MLflow's server that would start processes or call other hosts.
_ABSENT = re.compile(
    r"/(?:ajax-)?api/\d\.0/mlflow/"
    r"(?:webhooks|gateway|jobs|demo|workspaces|prompt-optimization|"
    r"scorer/invoke|issues/invoke|genai/evaluate)(?:/|$)"
)

# MLflow's handlers wait for the database in threads of their own, so that they starve nobody else.
_MLFLOW_THREADS = 16

# The answer to a call of a training loop: an empty object, sent as it is because it is sent so often.
_DONE = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"2")],
}
_NOTHING = {"type": "http.response.body", "body": b"{}"}

_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}

# MLflow's word for each status that an error of ours may have.
_CODES = {
    400: "INVALID_PARAMETER_VALUE",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_ALREADY_EXISTS",
    413: "INVALID_PARAMETER_VALUE",
    503: "TEMPORARILY_UNAVAILABLE",
}


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return everything under ``/mlflow``."""
    return [Mount("/mlflow", app=MlflowFace(state.tracking))]


class MlflowFace:
    """The ASGI application: finds the workspace, then the part that answers."""

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._threads = anyio.CapacityLimiter(_MLFLOW_THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._handle(scope, receive, send)
        except AcademyError as error:
            body = {"error_code": _CODES.get(error.http_status, "INTERNAL_ERROR"), "message": error.message}
            await JSONResponse(body, status_code=error.http_status)(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        workspace, path = self._tracking.addressed(scope["path"][len(scope.get("root_path", "")) :])
        who = scope.get("state", {}).get("who", "")
        work = self._tracking.opened(workspace, who)
        if work is None:
            work = await to_thread.run_sync(self._tracking.scope, workspace, who)
        plain = _FAST.fullmatch(path) if scope["method"] == "POST" else None
        if plain is not None:
            content = await _read(receive)
            if await _log(work, plain[1], content):
                await send(_DONE)
                await send(_NOTHING)
            else:
                await self._forward(work, path, scope, _replayed(content), send)
            return
        if path == "/" and scope["method"] == "GET":
            page = HTMLResponse((await self._tracking.server.wait()).page, headers=_PAGE_HEADERS)
            await page(scope, receive, send)
            return
        answer = await _answer(work, path, Request(scope, receive))
        if answer is not None:
            await answer(scope, receive, send)
        else:
            await self._forward(work, path, scope, receive, send)

    async def _forward(self, work: Work, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Have MLflow's own server answer."""
        server = await self._tracking.server.wait()
        inner = {**scope, "root_path": scope["path"].removesuffix(path)}
        token = CURRENT.set(work)
        try:
            if _TRACES.fullmatch(path):
                await server.traces(inner, _replayed(await _read(receive)), send)
            else:
                await call_wsgi(server.wsgi, inner, receive, send, limiter=self._threads)
        finally:
            CURRENT.reset(token)


async def _log(work: Work, call: str, content: bytes) -> bool:
    """Carry out a plain call of a training loop; return False when MLflow must judge it."""
    try:
        entries = fast.parse(call, content)
        await asyncio.wrap_future(work.database.submit(lambda session: fast.write(session, entries)))
    except fast.NotPlain:
        return False
    return True


async def _answer(work: Work, path: str, request: Request) -> Response | None:
    """Answer what is the service's own; None for what is MLflow's."""
    if path == "" and request.method == "GET":
        # The links of MLflow's page are relative to its folder.
        return RedirectResponse(f"{request.scope['path']}/", status_code=307)
    if _ABSENT.match(path):
        raise Unsupported(f"{path} is a part of MLflow's server that Academy does not have.")
    artifact = _ARTIFACTS.fullmatch(path)
    if artifact is not None:
        return await transfer(work, artifact[1] or "", request)
    if _PAGE_UPLOAD.fullmatch(path) and request.method == "POST":
        return await upload_to_run(work, request)
    return None


async def _read(receive: Receive) -> bytes:
    return b"".join([part async for part in bounded(receive)])


def _replayed(content: bytes) -> Receive:
    """Return a ``receive`` that gives a body which was read already."""

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    return receive
