"""The way from a scoring URI to a replica: the key, the deployment, the replica, and the reply.

Status codes are those of Azure's managed endpoints:
https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes
"""

from __future__ import annotations

import asyncio
import http
import random
from collections.abc import Callable

from academy.endpoints.connection import (
    Connections,
    Header,
    Message,
    NotDelivered,
    Reply,
    ReplyLost,
    passed_on,
)
from academy.endpoints.servers import SECRET_HEADER
from academy.endpoints.table import Route, Target
from academy.errors import AcademyError, NotFound, ServiceUnavailable, Unauthenticated

MAX_BODY_BYTES = 64 << 20

_SECRET = SECRET_HEADER.encode()
_DEPLOYMENT = b"azureml-model-deployment"

# The key opens the endpoint; the model has no use for it, and its log must not show it.
_WITHHELD = frozenset({b"authorization", b"cookie", _SECRET})

# The replica ends a run() that takes too long by itself; this much later the router stops waiting.
_GRACE_S = 0.5
_RETRY_S = 0.02


class TooManyRequests(AcademyError):
    """More requests than the deployment may have at once."""

    http_status = 429
    code = "TooManyRequests"


class RequestTimeout(AcademyError):
    """The model did not answer in time."""

    http_status = 408
    code = "RequestTimeout"


class ReplicaLost(AcademyError):
    """The replica ended while it worked on the request."""

    http_status = 502
    code = "ReplicaLost"


class BodyTooLarge(AcademyError):
    """The request's body is larger than an endpoint takes."""

    http_status = 413
    code = "RequestEntityTooLarge"


class Router:
    """Sends requests to replicas. ``find`` returns the route of an endpoint, or None."""

    def __init__(self, find: Callable[[str, str], Route | None], chance: random.Random | None = None) -> None:
        self._find = find
        self._chance = chance or random.SystemRandom()
        self._connections = Connections()

    def admit(self, workspace: str, endpoint: str, authorization: str) -> Route:
        """Return the route of an endpoint for a caller with its key.

        Raises
        ------
        NotFound, Unauthenticated
            When there is no such endpoint, or the key is not one of its keys.
        """
        route = self._find(workspace, endpoint)
        if route is None:
            raise NotFound(
                f"There is no online endpoint {endpoint!r} here: it was deleted, or the scoring URI is wrong."
            )
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not route.admits(key.strip()):
            raise Unauthenticated(
                f"The key or token for endpoint {endpoint!r} is missing or wrong. Send "
                "'Authorization: Bearer KEY' with a key of ml_client.online_endpoints.get_keys(name)."
            )
        return route

    async def forward(self, route: Route, message: Message) -> Reply:
        """Send a request on to a replica and return its reply, as the caller is to see it."""
        named = next(
            (value.decode("latin-1") for name, value in message.headers if name == _DEPLOYMENT), None
        )
        target = route.choose(named, self._chance)
        if target.in_flight >= target.limit:
            raise TooManyRequests(
                f"Deployment {target.deployment!r} has {target.in_flight} requests under way, the most it "
                "takes. Raise max_concurrent_requests_per_instance in its request_settings (now "
                f"{target.max_concurrent}), or its instance_count."
            )
        target.in_flight += 1
        try:
            reply = await self._deliver(target, _for_replica(message, target))
        finally:
            target.in_flight -= 1
        return _for_caller(reply, target)

    def close(self) -> None:
        """Close the connections to the replicas."""
        self._connections.close()

    async def _deliver(self, target: Target, message: Message) -> Reply:
        try:
            async with asyncio.timeout(target.timeout_s + _GRACE_S):
                return await self._deliver_to_some(target, message)
        except TimeoutError:
            pass
        if target.port(frozenset()) is None:
            raise _not_ready(target)
        raise RequestTimeout(
            f"Deployment {target.deployment!r} did not answer within {target.timeout_s:g} seconds. Raise "
            "request_timeout_ms in its request_settings, or make run() faster."
        )

    async def _deliver_to_some(self, target: Target, message: Message) -> Reply:
        refused: frozenset[int] = frozenset()
        while True:
            port = target.port(refused)
            if port is None:
                if target.has_failed:
                    raise _not_ready(target)
                # None is ready: one that died is being started again, most likely.
                await asyncio.sleep(_RETRY_S)
                refused = frozenset()
                continue
            try:
                with target.counted(port):
                    return await self._connections.exchange(port, message)
            except NotDelivered:
                refused |= {port}
            except ReplyLost as error:
                raise ReplicaLost(
                    f"A replica of deployment {target.deployment!r} ended while it worked on the request: "
                    "run() crashed its process, or the machine is out of memory. It is started again; "
                    "ml_client.online_deployments.get_logs shows more."
                ) from error


def _for_replica(message: Message, target: Target) -> Message:
    kept = tuple(header for header in message.headers if header[0] not in _WITHHELD)
    return Message(message.method, message.target, (*kept, (_SECRET, target.secret.encode())), message.body)


def _for_caller(reply: Reply, target: Target) -> Reply:
    headers: list[Header] = [*passed_on(reply.headers), (_DEPLOYMENT, target.deployment.encode())]
    status = reply.status
    if any(name.lower() == b"x-ms-timeout-ms" for name, _value in reply.headers):
        status = RequestTimeout.http_status
    elif not 200 <= status < 300:
        # What the model's own code answers never looks like an answer of the endpoint itself.
        reason = http.HTTPStatus(status).phrase if status in set(http.HTTPStatus) else "Unknown"
        headers.append((b"ms-azureml-model-error-statuscode", str(status).encode()))
        headers.append((b"ms-azureml-model-error-reason", reason.encode()))
        status = http.HTTPStatus.FAILED_DEPENDENCY.value
    return Reply(status, tuple(headers), reply.body)


def _not_ready(target: Target) -> ServiceUnavailable:
    state = target.state()
    why = f" Its replicas ended: {state.error}" if state and state.error else ""
    return ServiceUnavailable(
        f"No replica of deployment {target.deployment!r} is ready.{why} "
        "ml_client.online_deployments.get_logs shows what they are doing."
    )
