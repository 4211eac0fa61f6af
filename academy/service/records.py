"""The audit trail over HTTP: ``GET /academy/audit/records``, ``GET /academy/audit/head``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.service.arm import Call, arm_route
from academy.service.kept_records import HEAD, PAGE, RECORDS
from academy.service.state import ServiceState


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the trail's routes; answers hold all that was in the audit log when they were asked for.

    ``id`` narrows a reading to the records of one thing, ``after`` is a sequence number. They are for the
    owner alone: ``job_access`` refuses the tokens of jobs.
    """

    def read(call: Call) -> Response:
        state.recorder.catch_up()
        top = min(call.number("top", PAGE) or PAGE, PAGE)
        found = state.ledger.read(id=call.query.get("id") or None, after=call.number("after", 0), top=top)
        return _answer({"value": [sealed.to_json() for sealed in found]})

    def head(_call: Call) -> Response:
        state.recorder.catch_up()
        return _answer(asdict(state.ledger.head()))

    return [arm_route(RECORDS, {"GET": read}), arm_route(HEAD, {"GET": head})]


def _answer(value: Mapping[str, Any]) -> Response:
    # In ASCII: a value that is no text, such as half of a surrogate pair in a file's name, arrives as it is.
    return Response(json.dumps(value), media_type="application/json")
