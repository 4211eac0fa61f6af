"""The Starlette application: every family's routes behind one gate."""

from __future__ import annotations

import errno
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from academy.errors import AcademyError, StorageFull, Unsupported
from academy.service import (
    assets,
    audit,
    auth,
    blob,
    computes,
    datastores,
    discovery,
    history,
    job_access,
    jobs,
    lab_events,
    mlflow,
    online,
    records,
    workspaces,
)
from academy.service.arm import error_response
from academy.service.state import ServiceState

logger = logging.getLogger(__name__)

Family = Callable[[ServiceState], list[BaseRoute]]

# How much of a path or a message one line of the log holds.
_SHOWN = 400

_METHODS = ["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]


def create_app(state: ServiceState) -> Starlette:
    """Return the application; its shutdown closes the engines, which leaves running jobs running."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        state.tracking.start()
        state.recorder.start()
        yield
        state.jobs.close()
        state.online.close()
        state.recorder.close()
        state.tracking.close()

    return Starlette(
        routes=[route for family in _FAMILIES for route in family(state)],
        middleware=[Middleware(auth.Gate, signer=state.signer, refuse=partial(job_access.check, state))],
        exception_handlers={
            AcademyError: _refused,
            HTTPException: _no_route,
            OSError: _disk_error,
            Exception: _failed,
        },
        lifespan=lifespan,
    )


def _unsupported(_state: ServiceState) -> list[BaseRoute]:
    """Refuse, by name, what Azure's resource manager has and this service does not."""

    def refuse(request: Request) -> Response:
        kind = next(iter(request.path_params["rest"].partition("/workspaces/")[2].split("/")[1:]), "")
        what = f"Resources of the kind {kind!r} do" if kind else f"{request.url.path[:_SHOWN]} does"
        raise Unsupported(
            f"{what} not take {request.method} here: this version of Academy does not support it.",
            target=kind or None,
        )

    return [Route("/subscriptions/{rest:path}", refuse, methods=_METHODS)]


# Routes are tried in order, which costs 0.3 ms by the last of them: MLflow's come first, because training
# loops call them. Blobs come last: their path begins with the account's name, which may be anything.
_FAMILIES: tuple[Family, ...] = (
    mlflow.routes,
    auth.routes,
    discovery.routes,
    workspaces.routes,
    datastores.routes,
    assets.routes,
    computes.routes,
    jobs.routes,
    history.routes,
    online.routes,
    audit.routes,
    records.routes,
    lab_events.routes,
    _unsupported,
    blob.routes,
)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, AcademyError)
    request_id = str(uuid.uuid4())
    shown = (request.url.path[:_SHOWN], str(error)[:_SHOWN])
    logger.info("%s %s: %d %s (%s)", request.method, shown[0], error.http_status, shown[1], request_id)
    response = error_response(error)
    response.headers["x-ms-request-id"] = request_id
    return response


def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    unknown = AcademyError(f"{request.method} {request.url.path}: {error.detail}.")
    unknown.http_status, unknown.code = error.status_code, str(error.detail).replace(" ", "")
    return _refused(request, unknown)


def _disk_error(request: Request, error: Exception) -> Response:
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        full = StorageFull(
            "The disk that holds the home is full; nothing was kept. Free space and try again."
        )
        return _refused(request, full)
    return _failed(request, error)


def _failed(request: Request, error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
    unexpected = AcademyError(
        f"The service failed at {request.method} {request.url.path} ({type(error).__name__}). "
        "This is a defect of Academy; 'academy logs' shows the traceback."
    )
    return _refused(request, unexpected)
