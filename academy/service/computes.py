"""Computes over REST: clusters, instances, their nodes and the sizes there are."""

from __future__ import annotations

from functools import partial

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.compute.computes import checked_compute, in_state
from academy.compute.sizes import SIZES, Size
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listed, listing, written
from academy.service.state import ServiceState
from academy.service.workspaces import LOCATION, require_workspace
from academy.store.documents import Body, ListView, Page
from academy.store.ids import PROVIDER


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of computes and of virtual machine sizes."""
    computes = _Computes(state)
    collection = f"{WORKSPACE_PATH}/computes"
    one = f"{collection}/{{name}}"
    sizes = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}/vmSizes"
    verbs = {"start": "Running", "restart": "Running", "stop": "Stopped"}
    return [
        arm_route(collection, {"GET": computes.list_all}),
        arm_route(
            one,
            {"GET": computes.show, "PUT": computes.put, "PATCH": computes.patch, "DELETE": computes.delete},
        ),
        *(
            arm_route(f"{one}/{verb}", {"POST": partial(computes.set_state, verb, new)})
            for verb, new in verbs.items()
        ),
        arm_route(f"{one}/listNodes", {"POST": computes.list_nodes}),
        arm_route(sizes, {"GET": _list_sizes}),
    ]


class _Computes:
    """The handlers; a change of a compute wakes the queue of jobs, which may start some."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._documents = state.documents

    def list_all(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        collection = call.workspace.child("computes")

        def fetch(skip: int, top: int) -> Page:
            return self._documents.list(collection, view=ListView.ALL, newest_first=False, skip=skip, top=top)

        return listing(call, fetch)

    def show(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return answer(self._documents.get(_id(call)))

    def put(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        body = checked_compute(call.params["name"], call.body, LOCATION)
        document = self._documents.put(_id(call), body, who=call.who)
        self._state.jobs.wake()
        return written(document)

    def patch(self, call: Call) -> Response:
        given = (call.body.get("properties") or {}).get("properties") or {}

        def changed(old: Body) -> Body:
            outer = old["properties"]
            merged = {**outer, "properties": {**outer["properties"], **given}}
            return checked_compute(call.params["name"], {**old, "properties": merged}, LOCATION)

        document = self._documents.update(_id(call), changed, who=call.who)
        self._state.jobs.wake()
        return answer(document)

    def delete(self, call: Call) -> Response:
        self._documents.delete(_id(call), who=call.who)
        return Response(status_code=200)

    def set_state(self, verb: str, new: str, call: Call) -> Response:
        self._documents.update(_id(call), lambda old: in_state(old, new), who=call.who, action=verb)
        self._state.jobs.wake()
        # The SDK takes 202 alone, and looks at Location until it answers 200.
        return Response(status_code=202, headers={"Location": f"{self._state.address()}{_id(call)}"})

    def list_nodes(self, call: Call) -> Response:
        """Name the nodes that are at work: on this machine, one for each running job."""
        self._documents.get(_id(call))
        running = self._state.jobs.running_on(call.workspace, call.params["name"])
        nodes = [{"nodeId": job, "nodeState": "running", "runId": job} for job in running]
        return answer({"nodes": nodes})


def _id(call: Call) -> str:
    return call.workspace.child("computes", call.params["name"])


def _list_sizes(_call: Call) -> Response:
    return listed([_shown_size(size) for size in SIZES.values()])


def _shown_size(size: Size) -> dict[str, object]:
    return {
        "name": size.name,
        "family": size.family,
        "vCPUs": size.cores,
        "gpus": size.gpus,
        "memoryGB": size.memory_gb,
        "maxResourceVolumeMB": size.disk_gb * 1024,
        "osVhdSizeMB": 1047552,
        "lowPriorityCapable": True,
        "premiumIO": "S" in size.name.split("_")[1],
        "supportedComputeTypes": ["AmlCompute", "ComputeInstance"],
    }
