"""Undoing what a lab made in the workspace: endpoints deleted, jobs cancelled, assets archived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from academy.errors import AcademyError, NotFound
from academy.labs.language import texts
from academy.labs.learning.loopback import Loopback
from academy.labs.learning.made import Made
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

_ASSETS = {"model": "models", "data": "data", "environment": "environments", "component": "components"}
_FOLDERS = {**_ASSETS, "online_endpoint": "onlineEndpoints", "compute": "computes"}

# Azure's states of a job that has ended; there is nothing to cancel.
_ENDED = frozenset(("Completed", "Failed", "Canceled", "NotResponding"))

# What an endpoint's last replicas may take to end.
_PATIENCE_S = 120.0


def tear_down(info: ServiceInfo, made: Made, workspace: Workspace = DEFAULT_WORKSPACE) -> tuple[str, ...]:
    """Undo what is there of a lab's resources, and say of each what was done with it.

    What is not there is passed over. What the service refuses to undo, what is older than the lab, and what
    has no known name is said too, and ends nothing.
    """
    say = texts()
    service = Loopback(info, _PATIENCE_S)
    done: list[str] = []
    for resource, name in made.named:
        try:
            for found in _there(service, workspace, resource.type, name):
                what = _label(resource.type, found["name"])
                if _is_older(found, made.since):
                    done.append(say("cli.torn-left", what=what, reason=say("cli.torn-older")))
                else:
                    done.append(_undo(service, workspace, resource.type, found))
        except AcademyError as error:
            if error.http_status >= 500:
                raise
            done.append(say("cli.torn-left", what=f"{resource.type} {name}", reason=error.message))
    done += [say("cli.torn-unknown", what=f"{one.type} {one.name}") for one in made.unnamed]
    return tuple(done)


def standing(info: ServiceInfo, made: Made, workspace: Workspace = DEFAULT_WORKSPACE) -> tuple[str, ...]:
    """Return what ``tear_down`` would undo, changing nothing."""
    service = Loopback(info)
    return tuple(
        _label(resource.type, found["name"])
        for resource, name in made.named
        for found in _there(service, workspace, resource.type, name)
        if not _is_older(found, made.since)
    )


def _there(service: Loopback, workspace: Workspace, kind: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield what is there of the name and still to be undone: the jobs of an experiment, else one at most."""
    if kind == "job":
        yield from _running_jobs(service, workspace, name)
        return
    try:
        found = service.get(workspace.child(_FOLDERS[kind], quote(name, safe="")))
    except NotFound:
        return
    if not found["properties"].get("isArchived"):
        yield {**found, "name": name}


def _undo(service: Loopback, workspace: Workspace, kind: str, found: Mapping[str, Any]) -> str:
    segment, what = quote(found["name"], safe=""), _label(kind, found["name"])
    if kind == "job":
        service.send("POST", workspace.child("jobs", segment, "cancel"))
        return texts()("cli.torn-cancelled", what=what)
    path = workspace.child(_FOLDERS[kind], segment)
    if kind in _ASSETS:
        service.send("PUT", path, {"properties": {**found["properties"], "isArchived": True}})
        return texts()("cli.torn-archived", what=what)
    service.send("DELETE", path + ("?underlyingResourceAction=Delete" if kind == "compute" else ""))
    return texts()("cli.torn-deleted", what=what)


def _running_jobs(service: Loopback, workspace: Workspace, experiment: str) -> Iterator[Mapping[str, Any]]:
    page = service.get(workspace.child("jobs"), experimentName=experiment)
    while True:
        yield from [job for job in page["value"] if job["properties"].get("status") not in _ENDED]
        following = page.get("nextLink")
        if not following:
            return
        page = service.get(following.removeprefix(service.info.address))


def _is_older(found: Mapping[str, Any], since: float) -> bool:
    created = found.get("systemData", {}).get("createdAt")
    return created is not None and datetime.fromisoformat(created).timestamp() < since


def _label(kind: str, name: str) -> str:
    return f"{kind.replace('_', ' ')} {name}"
