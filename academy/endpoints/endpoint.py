"""Reading the ARM document of an online endpoint: how it is opened and where its traffic goes.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-endpoint-online
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection, Mapping
from typing import Any

from academy.errors import InvalidField, Unsupported, choices
from academy.store.documents import Body

_NAME = re.compile(r"[a-zA-Z][-a-zA-Z0-9]{1,30}[a-zA-Z0-9]")

_READ = frozenset({"authMode", "description", "keys", "properties", "traffic", "publicNetworkAccess"})
_REPORTED = frozenset({"scoringUri", "swaggerUri", "provisioningState", "endpoint"})
_LATER = {
    "compute": "Kubernetes endpoints are not supported. Use a ManagedOnlineEndpoint, which needs no compute.",
    "mirrorTraffic": "Mirrored traffic comes in a later step of Academy. Leave mirror_traffic out.",
}

# What clients send back of what they were shown, or what means nothing on one machine.
_OUTER = frozenset({"location", "tags", "identity", "kind", "sku", "properties"})
_SHOWN = frozenset({"id", "name", "type", "systemData", "etag"})

ALL_PERCENT = 100


class AuthMode(enum.Enum):
    """What opens an endpoint."""

    KEY = "Key"
    AML_TOKEN = "AMLToken"
    AAD_TOKEN = "AADToken"


def checked_name(name: str, what: str) -> str:
    """Return the name of an endpoint or a deployment, or refuse it as Azure does."""
    if not _NAME.fullmatch(name):
        raise InvalidField(
            f"The {what} name {name!r} is not valid. Names hold 3 to 32 letters, digits or '-', begin with a "
            "letter and do not end with '-'.",
            target="name",
        )
    return name


def checked_endpoint(body: Mapping[str, Any], deployments: Collection[str]) -> Body:
    """Return the document to keep; ``deployments`` are those that the endpoint has.

    Raises
    ------
    InvalidField
        For a value that cannot be.
    Unsupported
        For a field that is not supported; ``target`` names it.
    """
    refuse_unknown(body, _OUTER | _SHOWN, "")
    given = body.get("properties") or {}
    for field, reason in _LATER.items():
        if given.get(field):
            raise Unsupported(reason, target=f"properties.{field}")
    refuse_unknown(given, _READ | _REPORTED | _LATER.keys(), "properties")
    kept = {key: given[key] for key in _READ - {"keys"} if given.get(key) is not None}
    return {
        "location": body.get("location") or "local",
        "tags": body.get("tags") or {},
        "identity": checked_identity(body.get("identity") or {}),
        "kind": "Managed",
        "properties": {
            "publicNetworkAccess": "Enabled",
            **kept,
            "authMode": _auth_mode(given.get("authMode")).value,
            "properties": given.get("properties") or {},
            "traffic": checked_traffic(given.get("traffic") or {}, deployments),
            "mirrorTraffic": {},
            "provisioningState": "Succeeded",
        },
    }


def checked_traffic(traffic: Mapping[str, Any], deployments: Collection[str]) -> dict[str, int]:
    """Return the percentages under the deployments' own spelling (the SDK sends lower case)."""
    spelled = {name.lower(): name for name in deployments}
    checked: dict[str, int] = {}
    for name, share in traffic.items():
        if not isinstance(share, int) or isinstance(share, bool) or not 0 <= share <= ALL_PERCENT:
            raise InvalidField(
                f"The traffic of {name!r} must be a whole number from 0 to 100; it is {share!r}.",
                target="properties.traffic",
            )
        if name.lower() in spelled:
            checked[spelled[name.lower()]] = share
        elif share:
            raise InvalidField(
                f"Traffic cannot go to {name!r}: there is no such deployment. There are: "
                f"{choices(deployments)}. Create the deployment first.",
                target="properties.traffic",
            )
    total = sum(checked.values())
    if total not in (0, ALL_PERCENT):
        raise InvalidField(
            f"The traffic must add up to 0 or 100 percent; {dict(checked)} adds up to {total}.",
            target="properties.traffic",
        )
    return checked


def checked_identity(identity: Mapping[str, Any]) -> Body:
    """Return the identity to keep: replicas run as the person who runs the service."""
    kind = str(identity.get("type") or "SystemAssigned")
    if kind.lower() not in ("systemassigned", "none"):
        raise Unsupported(
            f"The identity type {kind!r} is not supported: replicas run as you. Leave identity out.",
            target="identity.type",
        )
    return {"type": kind}


def refuse_unknown(given: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Refuse a field that is not in ``known``, unless it says nothing (null, false or empty)."""
    unknown = sorted(key for key in given if key not in known and given[key] not in (None, {}, [], "", False))
    if unknown:
        path = f"{where}.{unknown[0]}" if where else unknown[0]
        raise Unsupported(
            f"{path} is not supported here yet. Leave it out. Supported: {choices(known)}.", target=path
        )


def _auth_mode(given: Any) -> AuthMode:
    by_lower = {mode.value.lower(): mode for mode in AuthMode}
    mode = by_lower.get(str(given or "Key").lower())
    if mode is None:
        valid = choices(mode.value for mode in AuthMode)
        raise InvalidField(f"authMode {given!r} is not valid. Valid: {valid}.", target="properties.authMode")
    return mode
