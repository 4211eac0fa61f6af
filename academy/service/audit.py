"""The audit log over HTTP: ``GET /academy/audit``."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.service.arm import Call, arm_route, listed
from academy.service.state import ServiceState


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the log's route; ``resource`` is a prefix, ``after`` a sequence number."""

    def read(call: Call) -> Response:
        entries = state.audit.read(
            resource_prefix=call.query.get("resource", ""),
            after=call.number("after", 0),
            top=min(call.number("top", 1000), 10_000),
        )
        return listed([asdict(entry) for entry in entries])

    return [arm_route("/academy/audit", {"GET": read})]
