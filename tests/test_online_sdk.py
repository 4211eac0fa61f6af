"""Online endpoints through Microsoft's SDK, against a real service with real replicas."""

from __future__ import annotations

import json
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.constants._endpoint import EndpointInvokeFields
from azure.ai.ml.entities import (
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    OnlineRequestSettings,
)
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)

from academy.datasets.datastores import Datastores
from academy.datasets.locate import Locator
from academy.endpoints.fleet import Fleet
from academy.endpoints.online import OnlineEngine
from academy.endpoints.record import Generations, ReplicaStatus, State
from academy.errors import Conflict
from academy.jobs.processes import ProcessId
from academy.paths import DeploymentFolder, Home
from academy.service.process import down, status, up
from academy.signing import Signer
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import DEFAULT_WORKSPACE
from academy.store.versions import Versions
from tests.conftest import Service, start

OWN = "azureml:academy:1"

SCORE = """
import json, os, time
def init():
    if os.environ.get("FAIL"):
        raise ValueError(os.environ["FAIL"])
    print("init of " + os.environ.get("COLOR", "no color"))
def run(data):
    given = json.loads(data)
    time.sleep(given.get("sleep", 0))
    return {"pid": os.getpid(), "color": os.environ.get("COLOR"), "sum": sum(given.get("data", []))}
"""


@pytest.fixture(scope="module")
def client(service: Service) -> Any:
    return service.client()


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("code")
    (folder / "score.py").write_text(SCORE)
    return folder


@pytest.fixture
def request_file(tmp_path: Path) -> str:
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"data": [1, 2, 3]}))
    return str(path)


@pytest.fixture(autouse=True)
def _forget_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    # invoke() writes the deployment's name into this class attribute, where later calls find it.
    monkeypatch.setattr(EndpointInvokeFields, "DEFAULT_HEADER", {"Content-Type": "application/json"})


def deployment(endpoint: str, name: str, code: Path, **changes: Any) -> ManagedOnlineDeployment:
    given: dict[str, Any] = {
        "environment": OWN,
        "code_configuration": CodeConfiguration(code=str(code), scoring_script="score.py"),
        "instance_type": "Standard_DS3_v2",
        "instance_count": 1,
        "environment_variables": {"COLOR": name},
        **changes,
    }
    return ManagedOnlineDeployment(name=name, endpoint_name=endpoint, **given)


def create(client: Any, endpoint: str, code: Path, *names: str, **changes: Any) -> Any:
    """Create an endpoint with deployments; the first gets all traffic."""
    made = client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=endpoint)).result()
    pollers = [
        client.online_deployments.begin_create_or_update(deployment(endpoint, name, code, **changes))
        for name in names
    ]
    for poller in pollers:
        assert poller.result().provisioning_state == "Succeeded"
    made.traffic = {names[0]: 100}
    return client.online_endpoints.begin_create_or_update(made).result()


Answer = tuple[int, Any, Mapping[str, str]]


class Caller:
    """Plain HTTP to a scoring URI, as an application would."""

    def __init__(self, client: Any, endpoint: str) -> None:
        self.uri = client.online_endpoints.get(endpoint).scoring_uri
        self.key = client.online_endpoints.get_keys(endpoint).primary_key

    def status(self, body: Mapping[str, Any] | None = None, **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        named = {name.replace("_", "-"): value for name, value in given.items()}
        request = urllib.request.Request(self.uri, json.dumps(body or {"data": [1, 2]}).encode(), named)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status, json.loads(response.read()), dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read()), dict(error.headers)

    def __call__(self, body: Mapping[str, Any] | None = None, **headers: str) -> Any:
        status, answer, _headers = self.status(body, **headers)
        assert status == 200, (status, answer)
        return answer


def folder_of(service: Service, endpoint: str, name: str) -> DeploymentFolder:
    found = list(service.home.root.glob(f"online/*/{endpoint}/{name}"))
    assert len(found) == 1
    return DeploymentFolder(found[0])


def state_of(service: Service, endpoint: str, name: str, generation: int = 1) -> State:
    state = State.read(folder_of(service, endpoint, name).generation(generation))
    assert state is not None
    return state


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {timeout_s} s")


@pytest.fixture(scope="module")
def shop(client: Any, code: Path) -> Iterator[Caller]:
    """An endpoint that tests may call but not change; blue has all the traffic."""
    create(client, "ep-shop", code, "blue", "green")
    yield Caller(client, "ep-shop")
    client.online_endpoints.begin_delete("ep-shop").result()


def test_script_is_deployed_and_invoked(client: Any, shop: Caller, request_file: str) -> None:
    answer = json.loads(client.online_endpoints.invoke("ep-shop", request_file=request_file))
    assert (answer["color"], answer["sum"]) == ("blue", 6)
    named = client.online_endpoints.invoke("ep-shop", request_file=request_file, deployment_name="green")
    assert json.loads(named)["color"] == "green"


def test_what_was_deployed_is_shown(client: Any, shop: Caller) -> None:
    endpoint = client.online_endpoints.get("ep-shop")
    assert endpoint.traffic == {"blue": 100, "green": 0}
    assert (endpoint.auth_mode, endpoint.provisioning_state) == ("key", "Succeeded")
    assert endpoint.openapi_uri.endswith("/swagger.json")
    assert "ep-shop" in [found.name for found in client.online_endpoints.list()]
    found = {one.name: one for one in client.online_deployments.list("ep-shop")}
    assert set(found) == {"blue", "green"}
    blue = client.online_deployments.get("blue", "ep-shop")
    assert (blue.provisioning_state, blue.instance_count) == ("Succeeded", 1)
    assert blue.instance_type == "Standard_DS3_v2"
    assert blue.request_settings.request_timeout_ms == 5000
    assert blue.environment_variables == {"COLOR": "blue"}


def test_reply_names_its_deployment_and_echoes_ids(shop: Caller) -> None:
    _status, _answer, headers = shop.status(x_ms_client_request_id="mine")
    assert headers["azureml-model-deployment"] == "blue"
    assert headers["x-ms-client-request-id"] == "mine"


def test_unknown_deployment_is_404(client: Any, shop: Caller) -> None:
    status, answer, _headers = shop.status(azureml_model_deployment="red")
    assert status == 404
    assert "no deployment 'red'" in answer["error"]["message"]


def test_wrong_or_missing_key_is_401(shop: Caller) -> None:
    for given in ("Bearer wrong", "", "Basic abc"):
        status, answer, _headers = shop.status(Authorization=given)
        assert status == 401
        assert "get_keys" in answer["error"]["message"]


def test_error_in_run_is_424_and_the_sdk_says_why(client: Any, shop: Caller, tmp_path: Path) -> None:
    status, _answer, headers = shop.status({"data": ["x"]})
    assert status == 424
    assert headers["ms-azureml-model-error-statuscode"] == "500"
    bad = tmp_path / "bad.json"
    bad.write_text('{"data": ["x"]}')
    with pytest.raises(HttpResponseError, match="TypeError: unsupported operand"):
        client.online_endpoints.invoke("ep-shop", request_file=str(bad))
    assert "Traceback" in client.online_deployments.get_logs("blue", "ep-shop", lines=50)


def test_logs_of_both_containers(client: Any, shop: Caller) -> None:
    log = client.online_deployments.get_logs("green", "ep-shop", lines=100)
    assert log.startswith("Instance status:")
    assert "UserContainerStart: Succeeded" in log
    assert "init of green" in log
    short = client.online_deployments.get_logs("green", "ep-shop", lines=1)
    assert len(short.split("Container logs:\n")[1].splitlines()) == 1
    prepared = client.online_deployments.get_logs(
        "green", "ep-shop", lines=100, container_type="storage-initializer"
    )
    assert "instance_type 'Standard_DS3_v2' has no effect" in prepared


def test_description_of_the_endpoint(client: Any, shop: Caller) -> None:
    request = urllib.request.Request(
        client.online_endpoints.get("ep-shop").openapi_uri, headers={"Authorization": f"Bearer {shop.key}"}
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        assert json.loads(response.read())["info"]["title"] == "ep-shop"


def test_missing_things_are_not_found(client: Any, shop: Caller, code: Path) -> None:
    with pytest.raises(ResourceNotFoundError):
        client.online_endpoints.get("ep-none")
    with pytest.raises(ResourceNotFoundError):
        client.online_deployments.get("none", "ep-shop")
    with pytest.raises(ResourceNotFoundError):
        client.online_deployments.begin_create_or_update(deployment("ep-none", "blue", code))
    with pytest.raises(ResourceNotFoundError, match="nothing-like-it"):
        client.online_deployments.begin_create_or_update(
            deployment("ep-shop", "other", code, model="azureml:nothing-like-it:1")
        )


def test_traffic_must_fit_the_deployments(client: Any, shop: Caller) -> None:
    endpoint = client.online_endpoints.get("ep-shop")
    for traffic, said in (({"blue": 50}, "adds up to 50"), ({"blue": 50, "red": 50}, "no such deployment")):
        endpoint.traffic = traffic
        with pytest.raises(HttpResponseError, match=said):
            client.online_endpoints.begin_create_or_update(endpoint)


def test_deployment_with_traffic_cannot_be_deleted(client: Any, shop: Caller) -> None:
    with pytest.raises(HttpResponseError, match="gets 100 percent of the traffic"):
        client.online_deployments.begin_delete("blue", "ep-shop")
    assert shop()["color"] == "blue"


@pytest.fixture(scope="module")
def lab(client: Any, code: Path) -> Iterator[Caller]:
    """An endpoint whose deployments tests change, kill and replace."""
    create(
        client,
        "ep-lab",
        code,
        "blue",
        "green",
        request_settings=OnlineRequestSettings(request_timeout_ms=20000),
    )
    yield Caller(client, "ep-lab")
    client.online_endpoints.begin_delete("ep-lab").result()


def test_traffic_is_split(client: Any, lab: Caller) -> None:
    endpoint = client.online_endpoints.get("ep-lab")
    endpoint.traffic = {"blue": 70, "green": 30}
    endpoint = client.online_endpoints.begin_create_or_update(endpoint).result()
    assert endpoint.traffic == {"blue": 70, "green": 30}
    got = [lab()["color"] for _ in range(100)]
    assert 10 <= got.count("green") <= 55
    endpoint.traffic = {"blue": 100, "green": 0}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    assert {lab()["color"] for _ in range(20)} == {"blue"}


def test_killed_replica_comes_back_and_requests_succeed(lab: Caller) -> None:
    old = lab()["pid"]
    process = ProcessId.of(old)
    assert process is not None
    process.send(signal.SIGKILL)
    assert lab()["pid"] != old


def test_killed_supervisor_is_replaced_and_the_replica_stays(service: Service, lab: Caller) -> None:
    pid, supervisor = lab()["pid"], state_of(service, "ep-lab", "blue").supervisor
    assert supervisor is not None
    supervisor.send(signal.SIGKILL)
    wait_for(lambda: state_of(service, "ep-lab", "blue").supervisor != supervisor)
    assert lab()["pid"] == pid


def test_keys_are_regenerated(client: Any, lab: Caller) -> None:
    before = client.online_endpoints.get_keys("ep-lab")
    assert before.primary_key != before.secondary_key
    client.online_endpoints.begin_regenerate_keys("ep-lab", key_type="primary").result()
    after = client.online_endpoints.get_keys("ep-lab")
    assert after.primary_key != before.primary_key
    assert after.secondary_key == before.secondary_key
    assert lab.status()[0] == 401
    lab.key = after.primary_key
    assert lab.status()[0] == 200
    assert lab.status(Authorization=f"Bearer {after.secondary_key}")[0] == 200


def arm(service: Service, method: str, path: str, body: Any = None) -> Any:
    """Call the REST API as other clients do."""
    url = f"{service.info.address}{DEFAULT_WORKSPACE.id}/onlineEndpoints{path}"
    headers = {"Authorization": f"Bearer {service.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return json.loads(error.read())


def test_endpoints_are_listed_by_name_and_tag(service: Service, lab: Caller) -> None:
    tagged = arm(service, "PATCH", "/ep-lab", {"tags": {"team": "one"}})
    assert (tagged["tags"], tagged["properties"]["traffic"]) == ({"team": "one"}, {"blue": 100})
    for query in ("?name=ep-lab", "?tags=team", "?tags=team=one", "?name=EP-LAB&computeType=Managed"):
        assert [found["name"] for found in arm(service, "GET", query)["value"]] == ["ep-lab"]
    for query in ("?tags=team=two", "?name=ep-la", "?computeType=Kubernetes"):
        assert arm(service, "GET", query)["value"] == []
    assert arm(service, "GET", "?orderBy=x")["error"]["code"] == "NotSupported"


def test_update_in_place_fails_no_request(client: Any, service: Service, lab: Caller, code: Path) -> None:
    old, stop, failures = ProcessId.of(lab()["pid"]), threading.Event(), []

    def call_on() -> None:
        while not stop.is_set():
            status, answer, _headers = lab.status({"sleep": 0.01})
            if status != 200:
                failures.append((status, answer))

    caller = threading.Thread(target=call_on)
    caller.start()
    changed = deployment(
        "ep-lab", "blue", code, environment_variables={"COLOR": "navy"}, instance_count=2,
        request_settings=OnlineRequestSettings(request_timeout_ms=20000),
    )  # fmt: skip
    updated = client.online_deployments.begin_create_or_update(changed).result()
    wait_for(lambda: lab()["color"] == "navy")
    stop.set()
    caller.join()
    assert not failures
    assert updated.instance_count == 2
    assert len(state_of(service, "ep-lab", "blue", 2).ports) == 2
    wait_for(lambda: old is not None and not old.is_alive())
    wait_for(lambda: not folder_of(service, "ep-lab", "blue").generation(1).root.exists())


def test_same_deployment_again_changes_no_process(client: Any, lab: Caller, code: Path) -> None:
    before = lab(azureml_model_deployment="green")["pid"]
    same = deployment(
        "ep-lab",
        "green",
        code,
        request_settings=OnlineRequestSettings(request_timeout_ms=20000),
        tags={"a": "b"},
    )
    assert client.online_deployments.begin_create_or_update(same).result().tags == {"a": "b"}
    assert lab(azureml_model_deployment="green")["pid"] == before


def test_update_that_fails_leaves_the_old_one_serving(client: Any, lab: Caller, code: Path) -> None:
    broken = deployment("ep-lab", "green", code, environment_variables={"FAIL": "no weights", "COLOR": "red"})
    poller = client.online_deployments.begin_create_or_update(broken)
    with pytest.raises(HttpResponseError) as raised:
        poller.result()
    assert "init() of score.py raised ValueError: no weights" in str(raised.value)
    assert "Traceback" in str(raised.value)
    assert client.online_deployments.get("green", "ep-lab").provisioning_state == "Failed"
    assert "no weights" in client.online_deployments.get_logs("green", "ep-lab", lines=50)
    assert lab(azureml_model_deployment="green")["color"] == "green"
    mended = deployment("ep-lab", "green", code, environment_variables={"COLOR": "lime"})
    assert client.online_deployments.begin_create_or_update(mended).result().provisioning_state == "Succeeded"
    assert lab(azureml_model_deployment="green")["color"] == "lime"


def test_instances_are_changed_by_a_patch(service: Service, client: Any, lab: Caller) -> None:
    scaled = arm(service, "PATCH", "/ep-lab/deployments/green", {"sku": {"capacity": 2}})
    assert scaled["properties"]["provisioningState"] == "Updating"
    wait_for(lambda: client.online_deployments.get("green", "ep-lab").provisioning_state == "Succeeded")
    standing = Generations.read(folder_of(service, "ep-lab", "green"))
    assert standing is not None
    assert len(state_of(service, "ep-lab", "green", standing.newest).ports) == 2
    sizes = arm(service, "GET", "/ep-lab/deployments/green/skus")["value"]
    assert sizes[0]["capacity"]["maximum"] == 50
    assert "must be a number of lines" in str(
        arm(service, "POST", "/ep-lab/deployments/green/getLogs", {"tail": -1})
    )


def test_deployment_that_never_served_is_deleted(
    client: Any, service: Service, lab: Caller, code: Path
) -> None:
    poller = client.online_deployments.begin_create_or_update(
        deployment("ep-lab", "red", code, environment_variables={"FAIL": "never"})
    )
    with pytest.raises(HttpResponseError, match="never"):
        poller.result()
    assert lab.status(azureml_model_deployment="red")[0] == 404
    endpoint = client.online_endpoints.get("ep-lab")
    endpoint.traffic = {"blue": 100, "red": 0}
    client.online_endpoints.begin_create_or_update(endpoint).result()
    folder = folder_of(service, "ep-lab", "red")
    client.online_deployments.begin_delete("red", "ep-lab").result()
    assert not folder.root.exists()
    assert "red" not in client.online_endpoints.get("ep-lab").traffic
    assert lab.status()[0] == 200


def test_deployment_on_its_way_can_only_be_deleted(
    client: Any, service: Service, lab: Caller, tmp_path: Path
) -> None:
    (tmp_path / "score.py").write_text("import time\ndef init(): time.sleep(60)\ndef run(data): pass")
    poller = client.online_deployments.begin_create_or_update(deployment("ep-lab", "slow", tmp_path))
    assert client.online_deployments.get("slow", "ep-lab").provisioning_state == "Creating"
    with pytest.raises(HttpResponseError, match="is being created or updated"):
        client.online_deployments.begin_create_or_update(deployment("ep-lab", "slow", tmp_path))
    replicas = folder_of(service, "ep-lab", "slow").generation(1)
    supervisor = wait_for(lambda: (State.read(replicas) or State(ReplicaStatus.PREPARING)).supervisor)
    client.online_deployments.begin_delete("slow", "ep-lab").result()
    assert not supervisor.is_alive()
    with pytest.raises(HttpResponseError):
        poller.result()


def test_run_that_takes_too_long_is_408(client: Any, lab: Caller, code: Path) -> None:
    limits = OnlineRequestSettings(request_timeout_ms=1000)
    client.online_deployments.begin_create_or_update(
        deployment("ep-lab", "hasty", code, request_settings=limits)
    ).result()
    status, answer, _headers = lab.status({"sleep": 30}, azureml_model_deployment="hasty")
    assert status == 408
    assert "request_timeout_ms" in answer["error"]["message"]
    assert lab(azureml_model_deployment="hasty")["color"] == "hasty"


@pytest.mark.parametrize("mode", ["aml_token", "aad_token"])
def test_token_opens_an_endpoint(client: Any, lab: Caller, request_file: str, mode: str) -> None:
    endpoint = client.online_endpoints.get("ep-lab")
    endpoint.auth_mode = mode
    client.online_endpoints.begin_create_or_update(endpoint).result()
    try:
        assert json.loads(client.online_endpoints.invoke("ep-lab", request_file=request_file))["sum"] == 6
        assert client.online_endpoints.get_keys("ep-lab").access_token
        assert lab.status()[0] == 401
        for wrong in ("1.x", "99999999999.x"):
            assert lab.status(Authorization=f"Bearer {wrong}")[0] == 401
    finally:
        endpoint.auth_mode = "key"
        client.online_endpoints.begin_create_or_update(endpoint).result()


def test_wrong_key_raises_in_the_sdk(
    client: Any, lab: Caller, request_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong:
        primary_key = "wrong"

    keys = client.online_endpoints.get_keys("ep-lab")
    monkeypatch.setattr(
        keys.__class__, "_from_rest_object", classmethod(lambda cls, _obj: cls(primary_key="wrong"))
    )
    with pytest.raises(ClientAuthenticationError):
        client.online_endpoints.invoke("ep-lab", request_file=request_file)


def test_deleted_endpoint_leaves_nothing(client: Any, service: Service, code: Path) -> None:
    create(client, "ep-gone", code, "blue")
    caller = Caller(client, "ep-gone")
    replica, supervisor = ProcessId.of(caller()["pid"]), state_of(service, "ep-gone", "blue").supervisor
    client.online_endpoints.begin_delete("ep-gone").result()
    assert replica is not None
    assert not replica.is_alive()
    assert supervisor is not None
    assert not supervisor.is_alive()
    assert not list(service.home.root.glob("online/*/ep-gone"))
    assert caller.status()[0] == 404
    with pytest.raises(ResourceNotFoundError):
        client.online_endpoints.get("ep-gone")


def test_keys_that_a_killed_service_left_do_not_open_a_new_endpoint(service: Service) -> None:
    engine = open_database(f"sqlite:///{service.home.database_file}")
    stale = {"primaryKey": "stale-one", "secondaryKey": "stale-two"}
    keys = DEFAULT_WORKSPACE.child("onlineEndpoints", "ep-stale", "keys", "default")
    Documents(engine).put(keys, stale, who="killed")
    engine.dispose()
    arm(service, "PUT", "/ep-stale", {"properties": {"authMode": "Key"}})
    first = arm(service, "POST", "/ep-stale/listKeys")
    assert not set(first.values()) & set(stale.values())
    # However it is spelled, the endpoint that is there keeps its keys and its name.
    assert arm(service, "PUT", "/EP-STALE", {"properties": {"authMode": "Key"}})["name"] == "ep-stale"
    assert arm(service, "POST", "/ep-stale/listKeys") == first


def test_endpoint_that_is_being_deleted_is_not_made_again_in_another_spelling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    home.prepare()
    documents = Documents(open_database(f"sqlite:///{home.database_file}"))
    versions = Versions(documents)
    locator = Locator(home, documents, versions, Datastores(home, documents))
    engine = OnlineEngine(home, documents, versions, locator, Signer(b"k" * 32), lambda: "http://x")
    body = {"properties": {"authMode": "Key"}}
    engine.put_endpoint(DEFAULT_WORKSPACE, "leaving", body, who="me")
    attempts: list[Callable[[], Any]] = [
        lambda: engine.put_endpoint(DEFAULT_WORKSPACE, "Leaving", body, who="me"),
        lambda: engine.put_deployment(DEFAULT_WORKSPACE, "LEAVING", "blue", {}, who="me"),
    ]
    refused: list[str] = []

    def end(_fleet: object, _members: object) -> None:
        for attempt in attempts:
            with pytest.raises(Conflict, match="being deleted") as raised:
                attempt()
            refused.append(raised.value.message)

    monkeypatch.setattr(Fleet, "end", end)
    engine.delete_endpoint(DEFAULT_WORKSPACE, "LEAVING", who="me")
    assert len(refused) == len(attempts)
    engine.put_endpoint(DEFAULT_WORKSPACE, "leaving", body, who="me")
    engine.close()
    documents.engine.dispose()


def kill(service: Service) -> None:
    """End the service without warning, and wait until the home is free."""
    running = ProcessId.of(service.info.pid)
    assert running is not None
    running.send(signal.SIGKILL)
    wait_for(lambda: status(service.home).state == "stale")


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory, code: Path) -> Iterator[tuple[Service, Any]]:
    """A service that tests may end, and a client of it; an endpoint of it serves."""
    service = start(tmp_path_factory.mktemp("fragile"))
    client = service.client()
    create(client, "ep-kill", code, "blue")
    yield service, client
    down(service.home)


def test_service_that_is_killed_serves_the_same_replica_again(fragile: tuple[Service, Any]) -> None:
    service, client = fragile
    caller = Caller(client, "ep-kill")
    pid = caller()["pid"]
    kill(service)
    up(service.home)
    assert caller()["pid"] == pid
    supervisor = state_of(service, "ep-kill", "blue").supervisor
    assert supervisor is not None
    assert supervisor.is_alive()


def test_creation_goes_on_when_the_service_is_killed(fragile: tuple[Service, Any], code: Path) -> None:
    service, client = fragile
    client.online_deployments.begin_create_or_update(deployment("ep-kill", "green", code))
    kill(Service(service.home, up(service.home)))
    up(service.home)
    wait_for(lambda: client.online_deployments.get("green", "ep-kill").provisioning_state == "Succeeded")
    assert Caller(client, "ep-kill")(azureml_model_deployment="green")["color"] == "green"


def test_replicas_end_with_the_service_and_begin_with_it(fragile: tuple[Service, Any]) -> None:
    service, client = fragile
    caller = Caller(client, "ep-kill")
    replica = ProcessId.of(caller()["pid"])
    assert replica is not None
    down(service.home)
    assert not replica.is_alive()
    up(service.home)
    assert caller()["color"] == "blue"
