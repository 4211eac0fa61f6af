"""Reading the ARM document of an online deployment: what it asks for, and a refusal of the rest.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-deployment-managed-online
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.endpoints.endpoint import refuse_unknown
from academy.endpoints.plan import Probe
from academy.errors import InvalidField, Unsupported
from academy.jobs.command import duration_s
from academy.store.documents import Body

MAX_TIMEOUT_S = 180.0
MAX_INSTANCES = 50

_READ = frozenset(
    {"endpointComputeType", "model", "codeConfiguration", "environmentId", "environmentVariables",
     "description", "properties", "instanceType", "requestSettings", "livenessProbe", "readinessProbe",
     "scaleSettings", "appInsightsEnabled", "egressPublicNetworkAccess"}
)  # fmt: skip
_REPORTED = frozenset({"provisioningState"})
_OUTER = frozenset(
    {"location", "tags", "kind", "sku", "identity", "properties", "id", "name", "type", "systemData", "etag"}
)
_LATER = {
    "dataCollector": "Collecting model data comes in a later step of Academy. Leave data_collector out.",
    "modelMountPath": "A model_mount_path needs a container, and replicas here have none. Read the model's "
    "folder from the variable AZUREML_MODEL_DIR.",
    "startupProbe": "A startup probe is not supported. The liveness_probe says how long init() may take.",
    "containerResourceRequirements": "Resource requirements belong to Kubernetes. Leave them out.",
    "privateNetworkConnection": "Private network connections are not supported. Leave them out.",
}
_REQUEST_FIELDS = frozenset({"maxConcurrentRequestsPerInstance", "maxQueueWait", "requestTimeout"})
_PROBE_FIELDS = frozenset({"failureThreshold", "successThreshold", "timeout", "period", "initialDelay"})
_ZERO = frozenset({"PT0S", "P0D", "PT0M"})


@dataclass(frozen=True)
class DeploymentSpec:
    """What a deployment's document asks for, read and checked, its references not yet resolved."""

    model: str | None
    code_id: str | None
    script: str | None
    environment_id: str | None
    variables: Mapping[str, str]
    instances: int
    timeout_s: float
    max_concurrent: int
    liveness: Probe
    readiness: Probe
    warnings: tuple[str, ...]


def read(body: Mapping[str, Any]) -> DeploymentSpec:
    """Return what the document asks for.

    Raises
    ------
    InvalidField
        For a value that cannot be.
    Unsupported
        For a field or a kind of deployment that is not supported; ``target`` names it.
    """
    refuse_unknown(body, _OUTER, "")
    properties = body.get("properties") or {}
    _refuse_other_kinds(properties)
    refuse_unknown(properties, _READ | _REPORTED, "properties")
    code, script = _code(properties)
    requests = properties.get("requestSettings") or {}
    refuse_unknown(requests, _REQUEST_FIELDS, "properties.requestSettings")
    return DeploymentSpec(
        model=properties.get("model"),
        code_id=code,
        script=script,
        environment_id=properties.get("environmentId"),
        variables=_variables(properties.get("environmentVariables") or {}),
        instances=_number((body.get("sku") or {}).get("capacity"), 1, MAX_INSTANCES, "sku.capacity"),
        timeout_s=_timeout_s(requests),
        max_concurrent=_number(
            requests.get("maxConcurrentRequestsPerInstance"),
            1,
            1000,
            "properties.requestSettings.maxConcurrentRequestsPerInstance",
        ),
        liveness=_probe(properties, "livenessProbe"),
        readiness=_probe(properties, "readinessProbe"),
        warnings=tuple(_warnings(properties, requests)),
    )


def document(body: Mapping[str, Any], spec: DeploymentSpec, state: str) -> Body:
    """Return the document to keep: what was sent, with Azure's defaults and its provisioning state."""
    given = {key: value for key, value in (body.get("properties") or {}).items() if value is not None}
    return {
        "location": body.get("location") or "local",
        "tags": body.get("tags") or {},
        "kind": "Managed",
        "sku": {"name": "Default", "tier": "Standard", "capacity": spec.instances},
        "properties": {
            "appInsightsEnabled": False,
            "egressPublicNetworkAccess": "Enabled",
            "scaleSettings": {"scaleType": "Default"},
            **given,
            "endpointComputeType": "Managed",
            "properties": given.get("properties") or {},
            "environmentVariables": dict(spec.variables),
            "requestSettings": {
                **(given.get("requestSettings") or {}),
                "maxConcurrentRequestsPerInstance": spec.max_concurrent,
                "requestTimeout": _iso(spec.timeout_s),
            },
            "livenessProbe": _shown(spec.liveness),
            "readinessProbe": _shown(spec.readiness),
            "provisioningState": state,
        },
    }


def _refuse_other_kinds(properties: Mapping[str, Any]) -> None:
    kind = properties.get("endpointComputeType") or "Managed"
    if kind != "Managed":
        raise Unsupported(
            f"Deployments of the compute type {kind!r} are not supported. Use a ManagedOnlineDeployment.",
            target="properties.endpointComputeType",
        )
    for field, reason in _LATER.items():
        if properties.get(field):
            raise Unsupported(reason, target=f"properties.{field}")
    if (properties.get("properties") or {}).get("private-network-connection"):
        raise Unsupported(_LATER["privateNetworkConnection"], target="properties.properties")
    scale = (properties.get("scaleSettings") or {}).get("scaleType") or "Default"
    if scale != "Default":
        raise Unsupported(
            f"Scale settings of the type {scale!r} come in a later step of Academy. Leave scale_settings out "
            "and set instance_count.",
            target="properties.scaleSettings.scaleType",
        )


def _code(properties: Mapping[str, Any]) -> tuple[str | None, str | None]:
    given = properties.get("codeConfiguration") or {}
    refuse_unknown(given, frozenset({"codeId", "scoringScript"}), "properties.codeConfiguration")
    code, script = given.get("codeId"), given.get("scoringScript")
    if not code and not script:
        return None, None
    if not code or not script:
        missing = "scoringScript" if code else "codeId"
        raise InvalidField(
            f"A code configuration has a folder and a scoring script; {missing} is missing.",
            target=f"properties.codeConfiguration.{missing}",
        )
    normal = posixpath.normpath(str(script))
    if posixpath.isabs(normal) or normal.startswith(".."):
        raise InvalidField(
            f"The scoring script {script!r} is not below the code folder. Give its path from there.",
            target="properties.codeConfiguration.scoringScript",
        )
    return str(code), normal


def _variables(given: Mapping[str, Any]) -> dict[str, str]:
    for name, value in given.items():
        if not name or "=" in name or "\x00" in f"{name}{value}":
            raise InvalidField(
                f"{name!r} cannot be an environment variable: its name holds '=', or it holds a null byte.",
                target="properties.environmentVariables",
            )
    return {name: "" if value is None else str(value) for name, value in given.items()}


def _timeout_s(requests: Mapping[str, Any]) -> float:
    given = requests.get("requestTimeout")
    if given is None:
        return 5.0
    target = "properties.requestSettings.requestTimeout"
    timeout_s = duration_s(str(given), target)
    if timeout_s > MAX_TIMEOUT_S:
        raise InvalidField(
            f"request_timeout_ms may be at most {MAX_TIMEOUT_S * 1000:.0f}, as on Azure; "
            f"it is {timeout_s * 1000:.0f}.",
            target=target,
        )
    return timeout_s


def _probe(properties: Mapping[str, Any], name: str) -> Probe:
    given = properties.get(name) or {}
    where = f"properties.{name}"
    refuse_unknown(given, _PROBE_FIELDS, where)
    usual = Probe()
    return Probe(
        initial_delay_s=_seconds(given.get("initialDelay"), usual.initial_delay_s, f"{where}.initialDelay"),
        period_s=_seconds(given.get("period"), usual.period_s, f"{where}.period"),
        timeout_s=_seconds(given.get("timeout"), usual.timeout_s, f"{where}.timeout"),
        failure_threshold=_number(
            given.get("failureThreshold"), usual.failure_threshold, 10_000, f"{where}.failureThreshold"
        ),
        success_threshold=_number(
            given.get("successThreshold"), usual.success_threshold, 10_000, f"{where}.successThreshold"
        ),
    )


def _seconds(given: Any, usual: float, target: str) -> float:
    if given is None:
        return usual
    if str(given) in _ZERO and target.endswith("initialDelay"):
        return 0.0
    return duration_s(str(given), target)


def _number(given: Any, usual: int, most: int, target: str) -> int:
    if given is None:
        return usual
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise InvalidField(
            f"{target} must be a whole number from 1 to {most}; it is {given!r}.", target=target
        )
    return given


def _warnings(properties: Mapping[str, Any], requests: Mapping[str, Any]) -> list[str]:
    said = []
    if properties.get("instanceType"):
        said.append(
            f"instance_type {properties['instanceType']!r} has no effect: replicas run on this machine."
        )
    if properties.get("appInsightsEnabled"):
        said.append(
            "app_insights_enabled has no effect: nothing is sent anywhere; get_logs shows all there is."
        )
    if str(properties.get("egressPublicNetworkAccess") or "Enabled").lower() != "enabled":
        said.append("egress_public_network_access has no effect: replicas reach what this machine reaches.")
    if requests.get("maxQueueWait"):
        said.append("max_queue_wait_ms has no effect: a request waits at most request_timeout_ms.")
    return said


def _shown(probe: Probe) -> Body:
    return {
        "initialDelay": _iso(probe.initial_delay_s),
        "period": _iso(probe.period_s),
        "timeout": _iso(probe.timeout_s),
        "failureThreshold": probe.failure_threshold,
        "successThreshold": probe.success_threshold,
    }


def _iso(seconds: float) -> str:
    return f"PT{seconds:g}S"
