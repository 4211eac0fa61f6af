"""Undoing what a lab made in the workspace: endpoints deleted, jobs cancelled, assets archived."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from academy.errors import AcademyError, InvalidField, NotFound
from academy.labs.language import texts
from academy.labs.learning.loopback import Loopback
from academy.labs.manifest import Resource
from academy.labs.parameters import parameters_of
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

_ASSETS = {"model": "models", "data": "data", "environment": "environments", "component": "components"}

# Azure's states of a job that has ended; there is nothing to cancel.
_ENDED = frozenset(("Completed", "Failed", "Canceled", "NotResponding"))

# What an endpoint's last replicas may take to end.
_PATIENCE_S = 120.0


def parameters_in(notebook: Path) -> dict[str, Any]:
    """Return the values of the notebook's ``parameters`` cell, as the learner set them.

    A value that only running the cell would tell is left out.
    """
    try:
        found = parameters_of(json.loads(notebook.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, InvalidField):
        return {}
    values = {}
    for parameter in found:
        try:
            values[parameter.name] = ast.literal_eval(parameter.default)
        except (ValueError, SyntaxError):
            continue
    return values


def named(resources: Iterable[Resource], values: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    """Yield each resource with its name, once; one whose name needs an unknown value is left out."""
    seen = set()
    for resource in resources:
        try:
            name = resource.name.format_map(dict(values))
        except (KeyError, IndexError, ValueError, AttributeError):
            continue
        if name and (resource.type, name) not in seen:
            seen.add((resource.type, name))
            yield resource, name


def tear_down(
    info: ServiceInfo,
    resources: Iterable[Resource],
    values: Mapping[str, Any],
    workspace: Workspace = DEFAULT_WORKSPACE,
) -> tuple[str, ...]:
    """Undo what is there of the resources, and say of each what was done with it.

    What is not there is passed over. What the service refuses to undo is said too, and ends nothing.
    """
    service = Loopback(info, _PATIENCE_S)
    done: list[str] = []
    for resource, name in named(resources, values):
        try:
            done += _undo(service, workspace, resource.type, name)
        except NotFound:
            continue
        except AcademyError as error:
            if error.http_status >= 500:
                raise
            done.append(texts()("cli.torn-left", what=f"{resource.type} {name}", reason=error.message))
    return tuple(done)


def _undo(service: Loopback, workspace: Workspace, kind: str, name: str) -> list[str]:
    segment = quote(name, safe="")
    if kind == "job":
        return _cancel_jobs(service, workspace, name)
    if kind == "online_endpoint":
        service.send("DELETE", workspace.child("onlineEndpoints", segment))
        return [texts()("cli.torn-deleted", what=f"online endpoint {name}")]
    if kind == "compute":
        service.get(workspace.child("computes", segment))
        service.send("DELETE", workspace.child("computes", segment) + "?underlyingResourceAction=Delete")
        return [texts()("cli.torn-deleted", what=f"compute {name}")]
    path = workspace.child(_ASSETS[kind], segment)
    properties = service.get(path)["properties"]
    if properties.get("isArchived"):
        return []
    service.send("PUT", path, {"properties": {**properties, "isArchived": True}})
    return [texts()("cli.torn-archived", what=f"{kind} {name}")]


def _cancel_jobs(service: Loopback, workspace: Workspace, experiment: str) -> list[str]:
    done = []
    page = service.get(workspace.child("jobs"), experimentName=experiment)
    while True:
        for job in page["value"]:
            if job["properties"].get("status") not in _ENDED:
                service.send("POST", workspace.child("jobs", quote(job["name"], safe=""), "cancel"))
                done.append(texts()("cli.torn-cancelled", what=f"job {job['name']}"))
        following = page.get("nextLink")
        if not following:
            return done
        page = service.get(following.removeprefix(service.info.address))
