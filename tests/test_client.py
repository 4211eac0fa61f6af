"""``academy.connect()`` and unmodified clients, with the real SDK against a real service."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jwt
import mlflow
import pytest
from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.core.pipeline import PipelineContext, PipelineRequest
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from azure.identity import (
    AzureCliCredential,
    ChainedTokenCredential,
    ClientSecretCredential,
    DefaultAzureCredential,
    DeviceCodeCredential,
    EnvironmentCredential,
    InteractiveBrowserCredential,
    ManagedIdentityCredential,
)

import academy
from academy.client.sdk import storage_urls
from academy.client.session import Session, configure, restore
from academy.errors import AcademyError, Conflict
from academy.paths import Home
from academy.service.process import down, status
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service

WORKSPACE = (DEFAULT_WORKSPACE.subscription, DEFAULT_WORKSPACE.resource_group, DEFAULT_WORKSPACE.name)
SDK = Path(importlib.import_module("azure.ai.ml").__file__ or "").parent


@pytest.fixture
def session(service: Service) -> Iterator[Session]:
    """This process, configured as ``%load_ext academy`` does it, and put back afterwards."""
    opened = configure(service.info)
    yield opened
    restore(opened)


class FixedToken:
    """A credential of the caller's own."""

    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *_scopes: str, **_options: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3600)


def test_connect_gives_a_real_client_of_the_default_workspace(service: Service) -> None:
    client = academy.connect(service.home.root)
    assert type(client) is MLClient
    assert (client.subscription_id, client.resource_group_name, client.workspace_name) == WORKSPACE
    assert client.workspaces.get(client.workspace_name).name == DEFAULT_WORKSPACE.name


def test_connect_names_another_workspace(service: Service) -> None:
    client = academy.connect(service.home.root, workspace="w2", resource_group="g2", subscription_id="s2")
    assert (client.subscription_id, client.resource_group_name, client.workspace_name) == ("s2", "g2", "w2")


def test_connect_starts_the_service_and_earlier_clients_go_on(service: Service, tmp_path: Path) -> None:
    here = academy.connect(service.home.root)
    other = Home(tmp_path / "home")
    try:
        there = academy.connect(other.root)
        assert status(other).state == "running"
        for client in (here, there):
            assert client.workspaces.get(client.workspace_name).name == DEFAULT_WORKSPACE.name
        assert there.workspaces.get(there.workspace_name).discovery_url != (
            here.workspaces.get(here.workspace_name).discovery_url
        )
    finally:
        down(other)


def test_default_azure_credential_gives_a_token_of_this_service(session: Session) -> None:
    started = time.monotonic()
    token = DefaultAzureCredential().get_token("https://management.azure.com/.default")
    assert time.monotonic() - started < 2  # no other credential of its chain was tried first
    assert jwt.decode(token.token, options={"verify_signature": False})["tid"]


def test_tokens_carry_the_audience_that_they_were_asked_for(session: Session) -> None:
    token = DefaultAzureCredential().get_token("https://ml.azure.com/.default").token
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "https://ml.azure.com"


@pytest.mark.parametrize(
    "credential",
    [
        DefaultAzureCredential,
        lambda: DefaultAzureCredential(exclude_managed_identity_credential=True),
        ManagedIdentityCredential,
        lambda: ManagedIdentityCredential(client_id="a-user-assigned-one"),
        AzureCliCredential,
        InteractiveBrowserCredential,
        DeviceCodeCredential,
        EnvironmentCredential,
        lambda: ClientSecretCredential("tenant", "client", "secret"),
        lambda: ChainedTokenCredential(AzureCliCredential(), InteractiveBrowserCredential()),
    ],
)
def test_client_works_with_every_credential_of_azure_identity(session: Session, credential: Any) -> None:
    client = MLClient(credential(), *WORKSPACE)
    assert client.workspaces.get(DEFAULT_WORKSPACE.name).name == DEFAULT_WORKSPACE.name


@pytest.mark.parametrize("credential", [InteractiveBrowserCredential, DeviceCodeCredential])
def test_signing_in_opens_no_browser(
    session: Session, credential: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda *_args, **_kwargs: pytest.fail("a browser was opened"))
    assert credential().get_token("https://management.azure.com/.default").token.count(".") == 2
    with pytest.raises(ClientAuthenticationError, match="nobody to sign in to"):
        credential().authenticate()


def test_token_of_another_service_is_refused(session: Session) -> None:
    with pytest.raises(ClientAuthenticationError, match="not issued by this service"):
        MLClient(FixedToken("wrong"), *WORKSPACE).workspaces.get(DEFAULT_WORKSPACE.name)


def test_credential_of_the_callers_own_is_used_as_it_is(session: Session, service: Service) -> None:
    client = MLClient(FixedToken(service.token), *WORKSPACE)
    assert client.workspaces.get(DEFAULT_WORKSPACE.name).name == DEFAULT_WORKSPACE.name


def test_from_config_reads_the_file_that_write_config_wrote(session: Session, tmp_path: Path) -> None:
    file = academy.write_config(tmp_path, workspace="other")
    assert file == tmp_path / "config.json"
    client = MLClient.from_config(DefaultAzureCredential(), path=str(tmp_path))
    assert client.workspace_name == "other"
    assert client.subscription_id == DEFAULT_WORKSPACE.subscription


def test_from_config_finds_the_file_above_the_notebook(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    academy.write_config(tmp_path / ".azureml", workspace="above")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert MLClient.from_config(credential=DefaultAzureCredential()).workspace_name == "above"


def test_from_config_without_a_file_names_the_default_workspace(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert MLClient.from_config(DefaultAzureCredential()).workspace_name == DEFAULT_WORKSPACE.name


def test_write_config_keeps_the_file_of_another_workspace(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"workspace_name": "the one on Azure"}')
    with pytest.raises(Conflict, match="names another workspace"):
        academy.write_config(tmp_path)
    academy.write_config(tmp_path, overwrite=True)
    academy.write_config(tmp_path)  # the same content again is no conflict
    assert json.loads(file.read_text())["workspace_name"] == DEFAULT_WORKSPACE.name


def test_write_config_says_why_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AcademyError, match="cannot be written"):
        academy.write_config(tmp_path / "file" / "below")


def test_a_client_of_another_cloud_is_left_alone(session: Session) -> None:
    credential = AzureCliCredential()
    elsewhere = MLClient(credential, *WORKSPACE, cloud="AzureCloud")
    assert elsewhere._credential is credential
    assert elsewhere._base_url == "https://management.azure.com"
    # It has set AZUREML_CURRENT_CLOUD; the next one is ours all the same.
    here = MLClient(DefaultAzureCredential(), *WORKSPACE)
    assert here.workspaces.get(DEFAULT_WORKSPACE.name).name == DEFAULT_WORKSPACE.name


def test_telemetry_is_off_even_when_asked_for(session: Session) -> None:
    client = MLClient(DefaultAzureCredential(), *WORKSPACE, enable_telemetry=True)
    assert client._operation_config.enable_telemetry is False


def test_bearer_tokens_still_need_tls_off_this_machine(session: Session) -> None:
    policy = BearerTokenCredentialPolicy(FixedToken("secret"), "scope")
    outside = PipelineRequest(HttpRequest("GET", "http://example.com/x"), PipelineContext(None))
    with pytest.raises(ServiceRequestError, match="not permitted"):
        policy.on_request(outside)
    here = PipelineRequest(HttpRequest("GET", "http://127.0.0.1:1/x"), PipelineContext(None))
    policy.on_request(here)
    assert here.http_request.headers["Authorization"] == "Bearer secret"


def test_mlflow_is_pointed_at_the_workspace(session: Session, service: Service) -> None:
    uri = service.client().workspaces.get(DEFAULT_WORKSPACE.name).mlflow_tracking_uri
    assert os.environ["MLFLOW_TRACKING_URI"] == uri
    experiment = mlflow.MlflowClient(uri).create_experiment("from-the-kernel")
    assert mlflow.MlflowClient(uri).get_experiment(experiment).name == "from-the-kernel"


def test_a_tracking_server_of_the_users_own_stays(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.com")
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    opened = configure(service.info)
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mlflow.example.com"
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ
    restore(opened)


def test_loopback_bypasses_a_proxy(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("NO_PROXY", "intranet.example.com")
    client = academy.connect(service.home.root)
    assert client.workspaces.get(DEFAULT_WORKSPACE.name).name == DEFAULT_WORKSPACE.name
    assert os.environ["NO_PROXY"] == "intranet.example.com,127.0.0.1,localhost"
    academy.connect(service.home.root)
    assert os.environ["NO_PROXY"] == "intranet.example.com,127.0.0.1,localhost"


RESTORE = """
import os, sys
from azure.ai.ml import MLClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.identity import InteractiveBrowserCredential
from academy.client import configure, restore
from academy.client.sdk import storage_urls
from academy.paths import Home
from academy.service.process import up

def state():
    return (
        dict(os.environ),
        dict(storage_urls()),
        [vars(MLClient)["__init__"], vars(MLClient)["from_config"], BearerTokenCredentialPolicy.on_request],
        "get_token" in vars(InteractiveBrowserCredential),
    )

before = state()
session = configure(up(Home.locate(sys.argv[1])))
during = state()
restore(session)
assert all(now != then for now, then in zip(during, before, strict=True))
assert state() == before
"""


def test_restore_puts_the_process_back(service: Service) -> None:
    """In a process of its own, as this one may be configured for the tests' service already."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AZURE", "MLFLOW"))}
    subprocess.run([sys.executable, "-c", RESTORE, str(service.home.root)], env=own, check=True)


def test_second_configure_follows_the_service_to_another_address(session: Session, service: Service) -> None:
    moved = SimpleNamespace(address="http://127.0.0.1:9", home=str(service.home.root))
    second = configure(moved)  # type: ignore[arg-type]
    assert os.environ["MLFLOW_TRACKING_URI"].startswith("http://127.0.0.1:9/mlflow/")
    assert set(storage_urls().values()) == {"http://127.0.0.1:9/{}"}
    restore(second)
    assert os.environ["IDENTITY_ENDPOINT"] == f"{service.info.address}/identity/token"


def test_the_one_private_thing_of_the_sdk_is_where_it_was(session: Session, service: Service) -> None:
    """A new SDK version that moves it must fail here, and not in the middle of somebody's upload."""
    assert set(storage_urls()) == {"AzureBlob", "AzureDataLakeGen2", "AzureFile"}
    for module in ("azure.ai.ml._utils._storage_utils", "azure.ai.ml._artifacts._artifact_utilities"):
        assert importlib.import_module(module).STORAGE_ACCOUNT_URLS is storage_urls()
    used_in = {
        path.relative_to(SDK).as_posix()
        for path in SDK.rglob("*.py")
        if re.search(r"\bSTORAGE_ACCOUNT_URLS\b", path.read_text())
    }
    assert used_in == {
        "constants/_common.py",
        "_utils/_storage_utils.py",
        "_artifacts/_artifact_utilities.py",
    }
    for url in storage_urls().values():
        assert url.format("account", "suffix.ignored") == f"{service.info.address}/account"


def test_new_sdk_without_it_is_named(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    constants = importlib.import_module("azure.ai.ml.constants._common")
    monkeypatch.delattr(constants, "STORAGE_ACCOUNT_URLS")
    with pytest.raises(AcademyError, match=r"azure-ai-ml .* is not supported"):
        storage_urls()


def test_sdk_names_what_a_service_that_is_gone_needs(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/identity/token")
    with pytest.raises(ClientAuthenticationError, match="academy up"):
        InteractiveBrowserCredential().get_token("https://management.azure.com/.default")


def test_workspaces_are_created_through_the_sdk(session: Session, service: Service) -> None:
    from azure.ai.ml.entities import Workspace

    client = service.client()
    created = client.workspaces.begin_create(Workspace(name="made-by-sdk", location="local")).result()
    assert created.name == "made-by-sdk"
    assert "made-by-sdk" in [found.name for found in client.workspaces.list()]
