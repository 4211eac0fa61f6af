"""The record of what a learner did, kept by the service: appended to, read, never changed."""

from __future__ import annotations

import os
from typing import Any

from academy.errors import ServiceUnavailable
from academy.paths import Home
from academy.service.loopback import Loopback
from academy.service.process import ServiceInfo, status
from academy.store import lab_event
from academy.store.lab_event_file import read_lab_events

EventKind = lab_event.EventKind
Event = lab_event.Event

_PAGE = 10_000

# A check waits no longer for its entry in the record.
_PATIENCE_S = 5.0


class Events:
    """The record of a running service."""

    def __init__(self, info: ServiceInfo) -> None:
        self._service = Loopback(info, _PATIENCE_S)

    def append(self, lab: str, kind: EventKind, task: str | None = None, **data: Any) -> Event:
        """Add one event; when this returns it outlives the service.

        Raises
        ------
        AcademyError
            The lab's id, the kind or the task is not valid.
        ServiceUnavailable
            The service does not answer; nothing is known of the event.
        """
        lab_event.checked_lab(lab)
        body = {"kind": str(kind), "task": task, "data": data}
        return _event(self._service.send("POST", f"/academy/labs/{lab}/events", body))

    def read(self, lab: str | None = None, after: int = 0) -> list[Event]:
        """Return what came after sequence ``after``, oldest first: of one lab, or of all."""
        found: list[Event] = []
        while True:
            page = self._service.get("/academy/labs/events", lab=lab or "", after=after, top=_PAGE)["value"]
            found += map(_event, page)
            if len(page) < _PAGE:
                return found
            after = found[-1].sequence


def kept_events(home: Home, lab: str | None = None) -> list[Event]:
    """Return the record, of the running service or from the home's own file; starts nothing.

    Raises
    ------
    ServiceUnavailable
        No service runs, and the record is not in the home but in a database server, or cannot be read.
    """
    now = status(home)
    if now.state == "running" and now.info is not None:
        return Events(now.info).read(lab)
    if os.environ.get("ACADEMY_DATABASE_URL"):
        raise ServiceUnavailable(
            f"No service runs in {home.root}, and its record is in the server that ACADEMY_DATABASE_URL "
            "names. 'academy up' starts the service."
        )
    try:
        events = read_lab_events(home.database_file)
    except OSError as error:
        raise ServiceUnavailable(f"{error}. 'academy up' starts the service.") from error
    return [event for event in events if lab in (None, event.lab)]


def _event(found: dict[str, Any]) -> Event:
    return Event(**{**found, "kind": EventKind(found["kind"])})
