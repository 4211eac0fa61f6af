"""Reading the ARM document of a command job: what it asks for, and a refusal of what we do not have.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-job-command
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.errors import InvalidField, Unsupported, choices
from academy.jobs.fresh import FreshEnvironment

JOB_TYPE = "Command"
DEFAULT_EXPERIMENT = "Default"

_READ = frozenset(
    {"jobType", "command", "codeId", "environmentId", "computeId", "inputs", "outputs", "limits",
     "environmentVariables", "resources", "identity", "queueSettings", "services", "tags", "properties",
     "displayName", "description", "experimentName", "isArchived"}
)  # fmt: skip

# What the service itself puts into the documents that it answers with; clients send it back.
_REPORTED = frozenset({"status", "parameters", "creationContext"})

_LATER_TYPES = ("AutoML", "FineTuning", "Labeling", "Pipeline", "Spark", "Sweep")

# The services that the service itself reports are no wish of the caller's.
_OWN_SERVICES = frozenset({"Studio", "Tracking"})

_RESOURCE_FIELDS = frozenset({"instanceCount", "instanceType", "shmSize", "properties"})
_DEFAULT_SHM_SIZE = "2g"
_LOCAL = "IsLocal"

_DURATION = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)
_SECONDS = {"weeks": 604_800, "days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1}

_VARIABLE = re.compile(r"[^=\x00]+")


@dataclass(frozen=True)
class CommandSpec:
    """What a command job's document asks for, read and checked; its references are not resolved yet.

    ``inputs`` and ``outputs`` are as the document has them; ``datasets.documents`` reads those.
    """

    command: str
    code_id: str | None
    environment_id: str
    compute_id: str | None
    experiment: str
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    variables: Mapping[str, str]
    timeout_s: float | None
    warnings: tuple[str, ...]
    fresh_environment: FreshEnvironment | None = None


def read(properties: Mapping[str, Any]) -> CommandSpec:
    """Return what the document asks for.

    Raises
    ------
    InvalidField
        For a value that cannot be.
    Unsupported
        For a kind of job or a field that is not supported; ``target`` names it.
    """
    _refuse_other_types(properties)
    refuse_unknown(properties, _READ | _REPORTED, "properties")
    _refuse_identity(properties)
    _refuse_queue(properties)
    return CommandSpec(
        command=_text(properties, "command"),
        code_id=properties.get("codeId"),
        environment_id=_text(properties, "environmentId"),
        compute_id=properties.get("computeId"),
        experiment=properties.get("experimentName") or DEFAULT_EXPERIMENT,
        inputs=_mapping(properties, "inputs"),
        outputs=_mapping(properties, "outputs"),
        variables=_variables(_mapping(properties, "environmentVariables")),
        timeout_s=_timeout_s(_mapping(properties, "limits")),
        warnings=(*_resource_warnings(properties), *_service_warnings(properties)),
        fresh_environment=FreshEnvironment.of_job(properties),
    )


def refuse_unknown(given: Mapping[str, Any], known: frozenset[str], where: str) -> None:
    """Refuse a field that is not in ``known``, unless it says nothing (null, or empty)."""
    unknown = sorted(key for key in given.keys() - known if given[key] not in (None, {}, [], ""))
    if unknown:
        raise Unsupported(
            f"{where}.{unknown[0]} is not supported for command jobs here yet. Leave it out. "
            f"Supported in {where}: {choices(known - _REPORTED)}.",
            target=f"{where}.{unknown[0]}",
        )


def duration_s(text: str, target: str) -> float:
    """Return the seconds of an ISO 8601 duration such as ``PT5M``."""
    match = _DURATION.fullmatch(text)
    total = sum(float(match[unit] or 0) * factor for unit, factor in _SECONDS.items()) if match else 0.0
    if total <= 0:
        raise InvalidField(
            f"{target} must be an ISO 8601 duration above zero, such as PT5M or PT1H30M; it is {text!r}.",
            target=target,
        )
    return total


def _refuse_other_types(properties: Mapping[str, Any]) -> None:
    kind = properties.get("jobType")
    if kind == JOB_TYPE:
        return
    if kind in _LATER_TYPES:
        raise Unsupported(
            f"Jobs of type {kind!r} come in a later step of Academy. What runs now: {JOB_TYPE!r}.",
            target="properties.jobType",
        )
    raise InvalidField(f"jobType {kind!r} is not valid. Valid: {JOB_TYPE!r}.", target="properties.jobType")


def _refuse_identity(properties: Mapping[str, Any]) -> None:
    kind = _mapping(properties, "identity").get("identityType")
    if kind not in (None, "AMLToken", "UserIdentity"):
        raise Unsupported(
            f"identity {kind!r} is not supported: a job here always runs as you. Leave identity out, or use "
            "the user identity.",
            target="properties.identity",
        )


def _refuse_queue(properties: Mapping[str, Any]) -> None:
    queue = _mapping(properties, "queueSettings")
    tier = queue.get("jobTier")
    if tier not in (None, "Null", "Basic", "Standard", "Premium"):
        raise Unsupported(
            f"queueSettings.jobTier {tier!r} is not supported: nothing takes a job's place here, so there "
            "is no such tier. Leave queue_settings out.",
            target="properties.queueSettings.jobTier",
        )
    refuse_unknown(queue, frozenset({"jobTier"}), "properties.queueSettings")


def _variables(given: Mapping[str, Any]) -> dict[str, str]:
    variables = {}
    for name, value in given.items():
        if not _VARIABLE.fullmatch(name) or "\x00" in str(value):
            raise InvalidField(
                f"The environment variable {name!r} cannot be set: a name holds no '=', and neither a name "
                "nor a value holds a zero byte.",
                target="properties.environmentVariables",
            )
        variables[name] = "" if value is None else str(value)
    return variables


def _timeout_s(limits: Mapping[str, Any]) -> float | None:
    refuse_unknown(limits, frozenset({"jobLimitsType", "timeout"}), "properties.limits")
    timeout = limits.get("timeout")
    return None if timeout is None else duration_s(str(timeout), "properties.limits.timeout")


def _resource_warnings(properties: Mapping[str, Any]) -> list[str]:
    where = "properties.resources"
    resources = _mapping(properties, "resources")
    refuse_unknown(resources, _RESOURCE_FIELDS, where)
    # compute="local" is sent this way; here it means no more than any other compute of this machine.
    refuse_unknown(resources.get("properties") or {}, frozenset({_LOCAL}), f"{where}.properties")
    count = resources.get("instanceCount")
    if count not in (None, 1):
        raise Unsupported(
            f"{where}.instanceCount is {count}, but jobs on several nodes come in a later step of Academy. "
            "Use 1.",
            target=f"{where}.instanceCount",
        )
    wished = {
        "instance_type": resources.get("instanceType"),
        "shm_size": None if resources.get("shmSize") == _DEFAULT_SHM_SIZE else resources.get("shmSize"),
    }
    return [
        f"{field} {value!r} has no effect: the job runs on this machine as it is."
        for field, value in wished.items()
        if value
    ]


def _service_warnings(properties: Mapping[str, Any]) -> list[str]:
    return [
        f"The interactive service {name!r} is not started: Academy has no interactive job services."
        for name in _mapping(properties, "services")
        if name not in _OWN_SERVICES
    ]


def _mapping(given: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = given.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidField(f"{key} must be an object; it is {value!r}.", target=f"properties.{key}")
    return value


def _text(given: Mapping[str, Any], key: str, where: str = "properties") -> str:
    value = given.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InvalidField(f"{where}.{key} is required; it is {value!r}.", target=f"{where}.{key}")
    return value
