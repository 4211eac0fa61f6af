"""Jobs over ARM: submit, show, list, change, cancel and delete."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.errors import Unsupported
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listing, written
from academy.service.state import ServiceState
from academy.service.workspaces import require_workspace
from academy.store.documents import Document, Page

# A job whose processes heed SIGTERM ends well within this, so cancelling it needs no polling at all.
_CANCEL_WAIT_S = 2.0
_RETRY_S = 1

# Filters of Azure's listing that are about things which do not exist here yet.
_LATER_FILTERS = ("assetName", "scheduleId")


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of jobs."""
    jobs = _Jobs(state)
    collection = f"{WORKSPACE_PATH}/jobs"
    one = f"{collection}/{{name}}"
    return [
        arm_route(collection, {"GET": jobs.list_all}),
        arm_route(one, {"GET": jobs.show, "PUT": jobs.put, "PATCH": jobs.patch, "DELETE": jobs.delete}),
        arm_route(f"{one}/cancel", {"POST": jobs.cancel}),
        arm_route(f"{one}/operationResults/cancel", {"GET": jobs.cancel_result}),
    ]


class _Jobs:
    """The handlers."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._engine = state.jobs

    def list_all(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return listing(call, partial(self._page, call))

    def show(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return answer(self._engine.get(call.workspace, call.params["name"]))

    def put(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return written(self._engine.submit(call.workspace, call.params["name"], call.body, who=call.who))

    def patch(self, call: Call) -> Response:
        given = call.body.get("properties") or {}
        return answer(self._engine.update(call.workspace, call.params["name"], given, who=call.who))

    def delete(self, call: Call) -> Response:
        self._engine.delete(call.workspace, call.params["name"], who=call.who)
        return Response(status_code=200)

    def cancel(self, call: Call) -> Response:
        """Ask for the end of the job; answer when it has ended, or say where to look again."""
        found = self._engine.cancel(call.workspace, call.params["name"], who=call.who)
        return self._cancelled(call, found.name, _CANCEL_WAIT_S)

    def cancel_result(self, call: Call) -> Response:
        return self._cancelled(call, call.params["name"], 0)

    def _cancelled(self, call: Call, name: str, timeout_s: float) -> Response:
        if self._engine.wait(call.workspace, name, timeout_s):
            return Response(status_code=200)
        result = f"{call.workspace.child('jobs', name)}/operationResults/cancel"
        headers = {"Location": f"{self._state.address()}{result}", "Retry-After": str(_RETRY_S)}
        return Response(status_code=202, headers=headers)

    def _page(self, call: Call, skip: int, top: int) -> Page:
        _refuse_later_filters(call.query)
        chosen: list[Document] = []
        while True:
            page = self._state.documents.list(
                call.workspace.child("jobs"), view=call.view(), skip=skip, top=top
            )
            for position, found in enumerate(page.items):
                if not _is_wanted(found, call.query):
                    continue
                if len(chosen) == top:
                    return Page(chosen, skip + position)
                chosen.append(self._engine.shown(found))
            if page.next_skip is None:
                return Page(chosen, None)
            skip = page.next_skip


def _refuse_later_filters(query: Mapping[str, str]) -> None:
    for name in _LATER_FILTERS:
        if query.get(name):
            raise Unsupported(f"Jobs cannot be listed by {name} here yet. Leave it out.", target=name)


def _is_wanted(found: Document, query: Mapping[str, str]) -> bool:
    properties = found.properties
    if query.get("jobType") not in (None, properties["jobType"]):
        return False
    if query.get("experimentName") not in (None, properties["experimentName"]):
        return False
    if query.get("scheduled", "").lower() == "true":
        return False  # no job is started by a schedule yet
    tag = query.get("tag")
    if tag and not _has(properties["tags"], tag):
        return False
    wanted = (query.get("properties") or "").split(",")
    return all(_has(properties["properties"], item) for item in wanted if item)


def _has(given: Mapping[str, str], wanted: str) -> bool:
    """Say whether there is the key ``wanted``, or for ``key=value`` that very value."""
    key, equals, value = wanted.partition("=")
    return key in given and (not equals or str(given[key]) == value)
