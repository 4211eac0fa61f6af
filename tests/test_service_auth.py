"""Nothing but ours gets in: Host, Origin, tokens, cookies, paths."""

from __future__ import annotations

import socket

import httpx
import jwt
import pytest

from academy.signing import Signer
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


def test_login_code_becomes_a_cookie_that_pages_are_served_by(service: Service) -> None:
    code = Signer(service.home.key_file.read_bytes()).token("ana", lifetime_s=60)
    with httpx.Client(base_url=service.info.address) as browser:
        assert browser.get("/academy/audit").status_code == 401
        answer = browser.get("/login", params={"code": code, "next": "/academy/audit"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/academy/audit"
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/academy/audit").status_code == 200


def test_login_does_not_lead_elsewhere(service: Service) -> None:
    code = Signer(service.home.key_file.read_bytes()).token("ana", lifetime_s=60)
    for target in ("http://evil.example", "//evil.example", "/\\evil.example"):
        answer = httpx.get(f"{service.info.address}/login", params={"code": code, "next": target})
        assert answer.status_code == 403


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


def test_body_that_is_not_json_is_refused(service: Service) -> None:
    answer = httpx.put(
        f"{service.info.address}{WORKSPACE_URL}/data/a/versions/1",
        content=b"{",
        headers={"Authorization": f"Bearer {service.token}"},
    )
    assert answer.status_code == 400
    assert "not JSON" in answer.json()["error"]["message"]
