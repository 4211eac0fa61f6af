"""What learners did in labs, over HTTP: ``POST /academy/labs/{lab}/events``, ``GET /academy/labs/events``."""

from __future__ import annotations

from dataclasses import asdict

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.errors import InvalidField, choices
from academy.service.arm import Call, answer, arm_route, listed
from academy.service.state import ServiceState

# The longest page of a reading.
PAGE = 10_000

_FIELDS = ("kind", "task", "data")


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the record's routes; ``lab`` narrows a reading, ``after`` is a sequence number."""

    def append(call: Call) -> Response:
        for name in call.body:
            if name not in _FIELDS:
                raise InvalidField(
                    f"An event has no field {name[:40]!r}. Its fields: {choices(_FIELDS)}.", target=name
                )
        added = state.lab_events.append(
            call.who, call.params["lab"], call.body.get("kind"), call.body.get("task"), call.body.get("data")
        )
        return answer(asdict(added), 201)

    def read(call: Call) -> Response:
        found = state.lab_events.read(
            lab=call.query.get("lab") or None,
            after=call.number("after", 0),
            top=min(call.number("top", 1000), PAGE),
        )
        return listed([asdict(event) for event in found])

    return [
        arm_route("/academy/labs/events", {"GET": read}),
        arm_route("/academy/labs/{lab}/events", {"POST": append}),
    ]
