"""Reading the documents of command jobs, and refusing by name what is not supported."""

from __future__ import annotations

from typing import Any

import pytest

from academy.errors import InvalidField, Unsupported
from academy.jobs.command import duration_s, read

# What the SDK sends for a job that sets nothing but what it must.
PLAIN: dict[str, Any] = {
    "jobType": "Command",
    "command": "python main.py",
    "environmentId": "azureml:academy:1",
    "description": None,
    "properties": {},
    "tags": {},
    "displayName": None,
    "isArchived": False,
    "inputs": {},
    "outputs": {},
    "environmentVariables": {},
    "distribution": None,
    "identity": None,
    "limits": None,
    "services": None,
    "queueSettings": None,
    "resources": {"instanceCount": 1, "shmSize": "2g", "properties": {}, "dockerArgs": None},
}


def with_field(name: str, value: Any) -> dict[str, Any]:
    return {**PLAIN, name: value}


def test_a_plain_job_is_in_the_default_experiment_without_limits_or_warnings() -> None:
    spec = read(PLAIN)
    assert (spec.command, spec.experiment, spec.timeout_s) == ("python main.py", "Default", None)
    assert spec.warnings == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT5M", 300), ("PT1H30M", 5400), ("P1DT1S", 86401), ("PT0.5S", 0.5), ("P1W", 604800)],
)
def test_durations_are_iso_8601(text: str, seconds: float) -> None:
    assert duration_s(text, "properties.limits.timeout") == seconds


@pytest.mark.parametrize("text", ["", "PT", "5", "PT0S", "-PT5M", "PT5X"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(InvalidField, match="PT5M"):
        duration_s(text, "properties.limits.timeout")


@pytest.mark.parametrize("kind", ["Sweep", "Pipeline", "AutoML", "Spark", "Labeling", "FineTuning"])
def test_other_kinds_of_jobs_are_said_to_come_later(kind: str) -> None:
    with pytest.raises(Unsupported, match="later step") as refusal:
        read(with_field("jobType", kind))
    assert refusal.value.target == "properties.jobType"


@pytest.mark.parametrize(
    ("field", "value", "target"),
    [
        ("distribution", {"distributionType": "PyTorch", "processCountPerInstance": 2}, "distribution"),
        ("resources", {"instanceCount": 2}, "resources.instanceCount"),
        ("resources", {"dockerArgs": "--ipc=host"}, "resources.dockerArgs"),
        ("resources", {"properties": {"AISuperComputer": {"a": 1}}}, "resources.properties.AISuperComputer"),
        ("identity", {"identityType": "Managed", "clientId": "x"}, "identity"),
        ("queueSettings", {"jobTier": "Spot"}, "queueSettings.jobTier"),
        ("queueSettings", {"priority": 3}, "queueSettings.priority"),
        ("limits", {"jobLimitsType": "Command", "maxTrials": 3}, "limits.maxTrials"),
        ("autologgerSettings", {"mlflowAutologger": "Enabled"}, "autologgerSettings"),
        ("parentJobName", "other", "parentJobName"),
        ("notificationSetting", {"emails": ["a@b.c"]}, "notificationSetting"),
        ("componentId", "azureml:c:1", "componentId"),
        ("somethingNew", 1, "somethingNew"),
    ],
)
def test_an_unsupported_field_is_refused_by_name(field: str, value: Any, target: str) -> None:
    with pytest.raises(Unsupported) as refusal:
        read(with_field(field, value))
    assert refusal.value.target == f"properties.{target}"
    assert target.rsplit(".", maxsplit=1)[-1] in refusal.value.message
    assert refusal.value.http_status == 400


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("identity", {"identityType": "AMLToken"}),
        ("identity", {"identityType": "UserIdentity"}),
        ("queueSettings", {"jobTier": "Standard"}),
        ("resources", {"properties": {"IsLocal": {"IsLocal": True}}}),
        ("services", {"Studio": {"endpoint": "http://…"}}),
        ("status", "Completed"),
    ],
)
def test_what_means_no_more_than_the_default_is_taken(field: str, value: Any) -> None:
    assert read(with_field(field, value)).warnings == ()


def test_interactive_services_only_warn() -> None:
    spec = read(with_field("services", {"my_lab": {"jobServiceType": "JupyterLab"}}))
    assert "my_lab" in spec.warnings[0]


def test_resources_that_have_no_effect_here_only_warn() -> None:
    spec = read(with_field("resources", {"instanceType": "Standard_NC6", "shmSize": "8g"}))
    assert [text.split()[0] for text in spec.warnings] == ["instance_type", "shm_size"]


@pytest.mark.parametrize("field", ["command", "environmentId"])
def test_a_required_field_is_asked_for(field: str) -> None:
    with pytest.raises(InvalidField, match="required"):
        read(with_field(field, None))


def test_a_variable_that_no_process_can_have_is_refused() -> None:
    with pytest.raises(InvalidField, match="A=B"):
        read(with_field("environmentVariables", {"A=B": "x"}))
