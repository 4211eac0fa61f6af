"""What a compute's document must hold, and how it changes when it is started and stopped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from academy.compute.sizes import find_size
from academy.errors import Conflict, InvalidField, Unsupported, choices

Body = dict[str, Any]

CLUSTER, INSTANCE = "AmlCompute", "ComputeInstance"

_NAME = re.compile(r"[A-Za-z](?=[A-Za-z0-9-]{1,31}$)[A-Za-z0-9-]*[A-Za-z0-9]")

# Fields whose effect exists here. Others with a value that matters are refused by name.
_SUPPORTED = {
    CLUSTER: frozenset({"osType", "vmSize", "vmPriority", "scaleSettings", "remoteLoginPortPublicAccess"}),
    INSTANCE: frozenset({"vmSize", "applicationSharingPolicy", "computeInstanceAuthorizationType"}),
}
# What the service itself reports, and defaults that the SDK always sends.
_REPORTED = frozenset(
    {"allocationState", "allocationStateTransitionTime", "errors", "currentNodeCount", "targetNodeCount",
     "nodeStateCounts", "state", "connectivityEndpoints", "applications", "createdBy", "lastOperation",
     "enableNodePublicIp", "sshSettings", "isolatedNetwork", "propertyBag", "osImageMetadata",
     "enableOSPatching", "enableRootAccess", "enableSSO", "releaseQuotaOnStop"}
)  # fmt: skip


def checked_compute(name: str, body: Mapping[str, Any], location: str) -> Body:
    """Return the document of a compute as it is stored.

    Raises
    ------
    InvalidField
        For a name, size or scale that cannot be.
    Unsupported
        For a kind of compute, or a field of it, that is not supported.
    """
    if not _NAME.fullmatch(name):
        raise InvalidField(
            f"The compute name {name!r} is not valid. Names hold 2 to 32 letters, digits or '-', begin with "
            "a letter and end with a letter or a digit.",
            target="name",
        )
    outer = dict(body.get("properties") or {})
    kind = outer.get("computeType")
    if kind not in _SUPPORTED:
        raise Unsupported(
            f"Computes of type {kind!r} are not supported. Supported: {choices(_SUPPORTED)}.",
            target="properties.computeType",
        )
    inner = {key: value for key, value in (outer.get("properties") or {}).items() if value is not None}
    _refuse_unsupported(kind, inner)
    inner["vmSize"] = find_size(str(inner.get("vmSize") or "STANDARD_DS3_V2")).name
    started = _started_cluster(inner) if kind == CLUSTER else {**inner, "state": "Running"}
    shown = {key: body[key] for key in ("tags", "identity", "sku") if body.get(key)}
    properties = {
        "computeType": kind,
        "computeLocation": location,
        "description": outer.get("description"),
        "provisioningState": "Succeeded",
        "isAttachedCompute": False,
        "disableLocalAuth": True,
        "properties": started,
    }
    return {"location": location, **shown, "properties": properties}


def in_state(body: Mapping[str, Any], state: str) -> Body:
    """Return a compute instance's document with ``state`` Running or Stopped."""
    outer = dict(body["properties"])
    if outer["computeType"] != INSTANCE:
        raise Conflict("Only a compute instance is started and stopped; a cluster scales by itself.")
    return {**body, "properties": {**outer, "properties": {**outer["properties"], "state": state}}}


def most_jobs(body: Mapping[str, Any]) -> int:
    """Return how many one-node jobs the compute runs at the same time."""
    outer = body["properties"]
    if outer["computeType"] == INSTANCE:
        return 1 if outer["properties"].get("state") == "Running" else 0
    return int(outer["properties"]["scaleSettings"]["maxNodeCount"])


def _started_cluster(inner: Body) -> Body:
    scale: Body = {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M"}
    scale |= {key: value for key, value in (inner.get("scaleSettings") or {}).items() if value is not None}
    if not 0 <= int(scale["minNodeCount"]) <= int(scale["maxNodeCount"]):
        raise InvalidField(
            f"minNodeCount {scale['minNodeCount']} must lie between 0 and maxNodeCount "
            f"{scale['maxNodeCount']}.",
            target="properties.properties.scaleSettings",
        )
    nodes = int(scale["minNodeCount"])
    counted = {"allocationState": "Steady", "currentNodeCount": nodes, "targetNodeCount": nodes}
    return {"osType": "Linux", "vmPriority": "Dedicated", **inner, **counted, "scaleSettings": scale}


def _refuse_unsupported(kind: str, inner: Mapping[str, Any]) -> None:
    unknown = sorted(
        key for key in inner.keys() - _SUPPORTED[kind] - _REPORTED if inner[key] not in ({}, [], "")
    )
    if unknown:
        raise Unsupported(
            f"{kind} does not support {choices(unknown)} here. Leave it out; supported are "
            f"{choices(_SUPPORTED[kind])}.",
            target=f"properties.properties.{unknown[0]}",
        )
    if inner.get("osType", "Linux") != "Linux":
        raise Unsupported("Computes run Linux only.", target="properties.properties.osType")
