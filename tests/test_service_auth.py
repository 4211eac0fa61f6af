"""Nothing but ours gets in: Host, Origin, tokens, cookies, paths."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import jwt
import pytest

from academy.signing import Signer, Use
from academy.store.ids import DEFAULT_WORKSPACE

from .conftest import Service

WORKSPACE_URL = DEFAULT_WORKSPACE.id


def get(service: Service, path: str, token: str | None = None, **headers: str) -> httpx.Response:
    given = {key.replace("_", "-"): value for key, value in headers.items()}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    return httpx.get(service.info.address + path, headers=given)


def test_own_token_is_let_in(service: Service) -> None:
    answer = get(service, WORKSPACE_URL, service.token)
    assert answer.status_code == 200
    assert answer.json()["properties"]["workspaceId"] == DEFAULT_WORKSPACE.guid


@pytest.mark.parametrize(
    "path", [WORKSPACE_URL, "/academy/audit", "/history/v1.0/x", "/mlflow/api/2.0/mlflow/runs/get"]
)
def test_call_without_a_token_is_refused(service: Service, path: str) -> None:
    answer = get(service, path)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "carries no token" in answer.json()["error"]["message"]


def test_wrong_token_is_refused(service: Service) -> None:
    assert get(service, WORKSPACE_URL, "nonsense").status_code == 401
    forged = Signer(b"0" * 32).token("mallory")
    answer = get(service, WORKSPACE_URL, forged)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "AuthenticationFailed"


def test_token_of_a_job_that_is_not_running_is_refused_everywhere(service: Service) -> None:
    token = Signer(service.home.key_file.read_bytes()).token("job/ended-long-ago")
    assert get(service, WORKSPACE_URL, token).status_code == 401
    assert get(service, "/mlflow/api/2.0/mlflow/runs/get", token).status_code == 401
    account = next(iter(service.home.storage.iterdir())).name
    assert get(service, f"/{account}/azureml?restype=container&comp=list", token).status_code == 403


def test_expired_token_is_refused(service: Service) -> None:
    expired = Signer(service.home.key_file.read_bytes()).token("ana", lifetime_s=-1)
    assert "expired" in get(service, WORKSPACE_URL, expired).json()["error"]["message"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example"])
def test_foreign_host_is_refused_even_with_the_token(service: Service, host: str) -> None:
    assert get(service, WORKSPACE_URL, service.token, Host=host).status_code == 403


def test_localhost_is_ours(service: Service) -> None:
    assert get(service, "/health", Host=f"localhost:{service.info.port}").status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1"])
def test_foreign_page_is_refused_even_with_the_token(service: Service, origin: str) -> None:
    assert get(service, WORKSPACE_URL, service.token, Origin=origin).status_code == 403


@pytest.mark.parametrize("path", ["/health", "/metadata/endpoints", "/nobody/container/blob"])
def test_foreign_page_is_refused_on_open_paths_too(service: Service, path: str) -> None:
    assert get(service, path, Origin="http://evil.example").status_code == 403


def raw(service: Service, target: str) -> bytes:
    """Send a request line as it stands; clients tidy '..' away before it is sent."""
    with socket.create_connection(("127.0.0.1", service.info.port)) as connection:
        head = f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{service.info.port}\r\nConnection: close\r\n"
        connection.sendall(f"{head}Authorization: Bearer {service.token}\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.parametrize("dots", ["..", "%2e%2e", "%2E%2E%2F.."])
def test_path_that_climbs_out_of_storage_is_refused(service: Service, dots: str) -> None:
    account = next(service.home.storage.iterdir()).name
    received = raw(service, f"/{account}/azureml/{dots}/{dots}/{dots}/key")
    assert b" 200 " not in received.split(b"\r\n")[0]
    assert service.home.key_file.read_bytes() not in received


def test_managed_identity_gives_the_token_for_the_secret_only(service: Service) -> None:
    path = "/identity/token?resource=https://management.azure.com&api-version=2019-08-01"
    assert get(service, path).status_code == 401
    answer = get(service, path, X_IDENTITY_HEADER=service.token)
    token = answer.json()["access_token"]
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "https://management.azure.com"
    assert get(service, WORKSPACE_URL, token).status_code == 200


def login_code(service: Service) -> str:
    return Signer(service.home.key_file.read_bytes()).token("ana", lifetime_s=60, use=Use.LOGIN)


@pytest.fixture
def browser(service: Service) -> Iterator[httpx.Client]:
    """A browser that came in by a link of ``academy open``."""
    with httpx.Client(base_url=service.info.address) as client:
        client.get("/login", params={"code": login_code(service), "next": "/academy/audit"})
        yield client


def test_login_code_becomes_a_cookie_that_pages_are_served_by(service: Service) -> None:
    with httpx.Client(base_url=service.info.address) as browser:
        assert browser.get("/academy/audit").status_code == 401
        answer = browser.get("/login", params={"code": login_code(service), "next": "/academy/audit"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/academy/audit"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/academy/audit").status_code == 200


def test_login_code_lets_in_once(service: Service) -> None:
    code = login_code(service)
    target = f"{service.info.address}/login"
    assert httpx.get(target, params={"code": code}).status_code == 303
    again = httpx.get(target, params={"code": code})
    assert again.status_code == 401
    assert "used already" in again.json()["error"]["message"]


def test_tokens_are_good_for_their_own_use_only(service: Service, browser: httpx.Client) -> None:
    session = next(iter(browser.cookies.values()))
    assert get(service, WORKSPACE_URL, session).status_code == 401
    assert get(service, WORKSPACE_URL, login_code(service)).status_code == 401
    refused = httpx.get(f"{service.info.address}/login", params={"code": service.token})
    assert refused.status_code == 401


def test_cookie_does_not_serve_another_port_of_this_machine(browser: httpx.Client) -> None:
    foreign = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}
    assert browser.get("/academy/audit", headers=foreign).status_code == 403
    link = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert browser.get("/academy/audit", headers=link).status_code == 200


def test_cookie_changes_nothing_without_our_origin(service: Service, browser: httpx.Client) -> None:
    secrets = f"{WORKSPACE_URL}/datastores/workspaceblobstore/listSecrets"
    assert browser.post(secrets).status_code == 403
    assert browser.post(secrets, headers={"Origin": service.info.address}).status_code == 200


def test_login_does_not_lead_elsewhere(service: Service) -> None:
    for target in ("http://evil.example", "//evil.example", "/\\evil.example"):
        parameters = {"code": login_code(service), "next": target}
        assert httpx.get(f"{service.info.address}/login", params=parameters).status_code == 403


def test_unknown_workspace_and_unsupported_resource_are_named(service: Service) -> None:
    missing = get(service, WORKSPACE_URL.replace("/workspaces/academy", "/workspaces/other"), service.token)
    assert missing.status_code == 404
    assert "'academy'" in missing.json()["error"]["message"]
    refused = get(service, f"{WORKSPACE_URL}/featuresets", service.token)
    assert refused.status_code == 400
    assert "'featuresets'" in refused.json()["error"]["message"]


def test_arm_segments_compare_without_regard_to_case(service: Service) -> None:
    path = WORKSPACE_URL.replace("resourceGroups", "resourcegroups").replace("Microsoft.M", "microsoft.m")
    assert get(service, path, service.token).status_code == 200


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"properties": "text"}', "'properties' must be a JSON object"),
        (b'{"properties": {"dataType": "uri_file", "dataUri": "a", "tags": {"x": NaN}}}', "NaN"),
        (b'{"properties": {"description": "\\ud800"}}', "surrogates"),
        (b"[" * 100_000, "recursion"),
        (b'{"x": "' + b"0" * 17 * 1024**2 + b'"}', "longer than 16 MiB"),
    ],
)
def test_body_that_cannot_be_kept_is_refused_and_not_stored(
    service: Service, content: bytes, why: str
) -> None:
    url = f"{service.info.address}{WORKSPACE_URL}/data/unkept/versions/1"
    headers = {"Authorization": f"Bearer {service.token}"}
    answer = httpx.put(url, content=content, headers=headers)
    assert answer.status_code in (400, 413)
    assert why in answer.json()["error"]["message"]
    assert httpx.get(url, headers=headers).status_code == 404


@pytest.mark.parametrize(("name", "version"), [("..", "1"), ("a", ".."), ("a%0Ab", "1"), ("a", "x%00")])
def test_names_that_are_no_plain_segment_are_refused(service: Service, name: str, version: str) -> None:
    url = f"{service.info.address}{WORKSPACE_URL}/models/{name}/versions/{version}"
    target = url.replace("..", "%2e%2e")
    body = {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/a"}}
    answer = httpx.put(target, json=body, headers={"Authorization": f"Bearer {service.token}"})
    assert answer.status_code in (400, 404, 405)
