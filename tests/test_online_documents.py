"""The documents of endpoints and deployments: what is kept, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from academy.endpoints import deployment
from academy.endpoints.endpoint import AuthMode, checked_endpoint, checked_name
from academy.endpoints.keys import Keys
from academy.endpoints.plan import DeploymentPlan, ModelPlan, Probe
from academy.endpoints.record import Generations, Replica, ReplicaStatus, State
from academy.environments.spec import EnvironmentSpec
from academy.errors import InvalidField, Unsupported
from academy.jobs.processes import ProcessId
from academy.paths import DeploymentFolder, ReplicaFolder
from academy.signing import Signer
from academy.store.database import open_database
from academy.store.documents import Documents


def refused(kind: type[Exception], body: dict[str, Any], *, endpoint: bool = False) -> Any:
    with pytest.raises(kind) as raised:
        checked_endpoint(body, ["blue"]) if endpoint else deployment.read(body)
    return raised.value


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({"dataCollector": {"collections": {}}}, "properties.dataCollector"),
        ({"modelMountPath": "/mnt"}, "properties.modelMountPath"),
        ({"scaleSettings": {"scaleType": "TargetUtilization"}}, "properties.scaleSettings.scaleType"),
        ({"endpointComputeType": "Kubernetes"}, "properties.endpointComputeType"),
        ({"startupProbe": {"period": "PT1S"}}, "properties.startupProbe"),
        ({"properties": {"private-network-connection": "true"}}, "properties.properties"),
        ({"livenessProbe": {"httpGet": {}, "path": "/"}}, "properties.livenessProbe.path"),
        ({"newField": 1}, "properties.newField"),
    ],
)
def test_field_of_a_deployment_that_is_not_supported_is_refused_by_name(
    properties: dict[str, Any], target: str
) -> None:
    assert refused(Unsupported, {"properties": properties}).target == target


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"sku": {"capacity": 0}}, "sku.capacity must be a whole number from 1 to 50; it is 0"),
        ({"properties": {"requestSettings": {"requestTimeout": "PT5M"}}}, "at most 180000"),
        ({"properties": {"requestSettings": {"requestTimeout": "5"}}}, "must be an ISO 8601 duration"),
        ({"properties": {"requestSettings": {"maxConcurrentRequestsPerInstance": 0}}}, "from 1 to 1000"),
        ({"properties": {"codeConfiguration": {"codeId": "c"}}}, "scoringScript is missing"),
        ({"properties": {"codeConfiguration": {"codeId": "c", "scoringScript": "../s.py"}}}, "not below"),
        ({"properties": {"codeConfiguration": {"codeId": "c", "scoringScript": "/s.py"}}}, "not below"),
        ({"properties": {"environmentVariables": {"A=B": "1"}}}, "cannot be an environment variable"),
    ],
)
def test_value_of_a_deployment_that_cannot_be_is_refused(body: dict[str, Any], said: str) -> None:
    assert said in refused(InvalidField, body).message


def test_deployment_gets_azures_defaults() -> None:
    spec = deployment.read({"properties": {"model": "azureml:m:1"}})
    assert (spec.instances, spec.timeout_s, spec.max_concurrent) == (1, 5.0, 1)
    assert spec.liveness == spec.readiness == Probe(10.0, 10.0, 2.0, 30, 1)
    kept = deployment.document({"properties": {"model": "azureml:m:1"}}, spec, "Creating")
    assert kept["sku"]["capacity"] == 1
    assert kept["properties"]["scaleSettings"] == {"scaleType": "Default"}
    assert kept["properties"]["requestSettings"]["requestTimeout"] == "PT5S"
    assert deployment.read(kept) == spec


def test_settings_of_a_deployment_are_read() -> None:
    spec = deployment.read(
        {
            "sku": {"capacity": 3},
            "properties": {
                "requestSettings": {"requestTimeout": "PT0.5S", "maxQueueWait": "PT1S"},
                "livenessProbe": {"initialDelay": "PT0S", "period": "PT1M", "failureThreshold": 2},
                "codeConfiguration": {"codeId": "c", "scoringScript": "./online/score.py"},
                "environmentVariables": {"A": 1, "B": None},
                "appInsightsEnabled": True,
                "egressPublicNetworkAccess": "Disabled",
            },
        }
    )
    assert (spec.instances, spec.timeout_s, spec.script) == (3, 0.5, "online/score.py")
    assert spec.liveness == Probe(initial_delay_s=0.0, period_s=60.0, failure_threshold=2)
    assert spec.variables == {"A": "1", "B": ""}
    said = " ".join(spec.warnings)
    for field in ("max_queue_wait_ms", "app_insights_enabled", "egress_public_network_access"):
        assert f"{field} has no effect" in said


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"properties": {"compute": "k8s"}}, "properties.compute"),
        ({"properties": {"mirrorTraffic": {"blue": 10}}}, "properties.mirrorTraffic"),
        ({"identity": {"type": "UserAssigned"}}, "identity.type"),
        ({"properties": {"newField": 1}}, "properties.newField"),
        ({"plan": "gold"}, "plan"),
    ],
)
def test_field_of_an_endpoint_that_is_not_supported_is_refused_by_name(
    body: dict[str, Any], target: str
) -> None:
    assert refused(Unsupported, body, endpoint=True).target == target


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"traffic": {"blue": 99}}, "must add up to 0 or 100 percent"),
        ({"traffic": {"blue": 100, "red": 0}}, None),
        ({"traffic": {"red": 100}}, "no such deployment. There are: 'blue'"),
        ({"traffic": {"blue": 150}}, "a whole number from 0 to 100"),
        ({"traffic": {"blue": "100"}}, "a whole number from 0 to 100"),
        ({"traffic": {"BLUE": 100}}, None),
        ({"authMode": "None"}, "Valid: 'AADToken', 'AMLToken', 'Key'"),
    ],
)
def test_traffic_and_auth_mode_are_checked(properties: dict[str, Any], said: str | None) -> None:
    if said is None:
        kept = checked_endpoint({"properties": properties}, ["blue"])
        assert kept["properties"]["traffic"] == {"blue": 100}
    else:
        assert said in refused(InvalidField, {"properties": properties}, endpoint=True).message


def test_what_is_kept_of_an_endpoint_can_be_sent_again() -> None:
    given = {"tags": {"a": "b"}, "properties": {"authMode": "key", "keys": {"primaryKey": "secret"}}}
    kept = checked_endpoint(given, [])
    assert checked_endpoint(kept, []) == kept
    assert "secret" not in str(kept)


@pytest.mark.parametrize("name", ["ab", "1ab", "a_b", "ab-", "a" * 33, "a/b", ""])
def test_name_that_azure_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidField, match="3 to 32 letters"):
        checked_name(name, "endpoint")


def test_keys_and_tokens_open_only_their_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    keys = Keys(Documents(engine), Signer(b"k" * 32))
    keys.create("/ws/onlineEndpoints/one", {}, who="me")
    keys.create("/ws/onlineEndpoints/two", {"primaryKey": "chosen"}, who="me")
    assert keys.of("/ws/onlineEndpoints/two")["primaryKey"] == "chosen"
    one = keys.admission("/ws/onlineEndpoints/one", AuthMode.KEY)
    assert one(keys.of("/ws/onlineEndpoints/one")["secondaryKey"])
    assert not one("chosen")
    token = keys.token("/ws/onlineEndpoints/one")
    opens = keys.admission("/ws/onlineEndpoints/one", AuthMode.AML_TOKEN)
    assert opens(token["accessToken"])
    assert not keys.admission("/ws/onlineEndpoints/two", AuthMode.AML_TOKEN)(token["accessToken"])
    monkeypatch.setattr("time.time", lambda: token["expiryTimeUtc"] + 1.0)
    assert not opens(token["accessToken"])
    with pytest.raises(InvalidField, match="keyType"):
        keys.regenerate("/ws/onlineEndpoints/one", "third", None, who="me")
    engine.dispose()


def test_plan_and_states_are_read_as_they_were_written(tmp_path: Path) -> None:
    environment = EnvironmentSpec("academy", "1", own=True)
    plan = DeploymentPlan(
        "e", "blue", environment, "secret", ModelPlan("m", "1", Path("/m"), is_mlflow=True), Path("/c"),
        "score.py", {"A": "1"}, 2, 3.0, 4, Probe(1.0), Probe(2.0), ("beware",),
    )  # fmt: skip
    folder = ReplicaFolder(tmp_path)
    plan.write(folder)
    assert DeploymentPlan.read(folder) == plan
    assert folder.plan_file.stat().st_mode & 0o777 == 0o600
    assert plan.runs_same(dataclasses.replace(plan, secret="other"))
    assert not plan.runs_same(dataclasses.replace(plan, instances=3))
    process = ProcessId(1, "birth")
    state = State(ReplicaStatus.SERVING, process, (Replica(process, 80, 1), Replica()), None)
    state.write(folder)
    assert State.read(folder) == state
    assert state.ports == (80,)
    generations = Generations(1, 2, "failed")
    generations.write(DeploymentFolder(tmp_path))
    assert Generations.read(DeploymentFolder(tmp_path)) == generations
    assert not generations.is_pending
    assert Generations(1, 2).is_pending
