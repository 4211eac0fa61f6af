"""Datastores through the real SDK: the four of a workspace, and those that learners register."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.ai.ml.entities import (
    AccountKeyConfiguration,
    AzureBlobDatastore,
    AzureDataLakeGen1Datastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    Data,
    SasTokenConfiguration,
    ServicePrincipalConfiguration,
)
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

from academy.datasets.credentials import Credentials, Vault
from academy.datasets.datastores import account_name, default_datastores
from academy.errors import AcademyError, InvalidField
from academy.signing import Signer
from academy.store.ids import DEFAULT_WORKSPACE

from .conftest import Service

ACCOUNT = account_name(DEFAULT_WORKSPACE)
KEY = "c2VjcmV0LWtleS1vZi1jb250b3Nv"


@pytest.fixture
def name() -> str:
    """A name that no other test of this worker's service uses."""
    return f"d{uuid.uuid4().hex[:12]}"


@pytest.fixture
def api(service: Service) -> Any:
    """The REST API of the default workspace, as anyone with the token reaches it."""
    with httpx.Client(
        base_url=f"{service.info.address}{DEFAULT_WORKSPACE.id}/",
        headers={"Authorization": f"Bearer {service.token}"},
        params={"api-version": "2024-10-01"},
    ) as client:
        yield client


def blob(name: str, **more: Any) -> AzureBlobDatastore:
    given = {"account_name": "contoso", "container_name": "things", **more}
    return AzureBlobDatastore(name=name, **given)


def test_workspace_has_its_four_datastores(ml_client: Any) -> None:
    found = {item.name: item for item in ml_client.datastores.list()}
    assert found.keys() >= default_datastores(DEFAULT_WORKSPACE).keys()
    kinds = {name: found[name].type for name in default_datastores(DEFAULT_WORKSPACE)}
    assert kinds == {
        "workspaceblobstore": "AzureBlob",
        "workspaceartifactstore": "AzureBlob",
        "workspacefilestore": "AzureFile",
        "workspaceworkingdirectory": "AzureFile",
    }
    assert found["workspaceblobstore"].account_name == ACCOUNT
    assert found["workspaceartifactstore"].container_name == "azureml"


def test_default_datastore_is_the_blob_store(ml_client: Any) -> None:
    default = ml_client.datastores.get_default()
    assert (default.name, default.type) == ("workspaceblobstore", "AzureBlob")


def test_unknown_datastore_names_those_there_are(ml_client: Any) -> None:
    with pytest.raises(ResourceNotFoundError, match="workspaceblobstore"):
        ml_client.datastores.get("nope")


def test_account_key_opens_the_blobs(service: Service, ml_client: Any, name: str) -> None:
    store = ml_client.datastores.get("workspaceblobstore", include_secrets=True)
    client = BlobServiceClient(
        f"{service.info.address}/{store.account_name}", credential=store.credentials.account_key
    )
    file = client.get_blob_client(store.container_name, f"{name}/x.txt")
    file.upload_blob(b"content")
    assert file.download_blob().readall() == b"content"


def test_datastore_on_the_workspaces_account_takes_uploads(
    service: Service, ml_client: Any, name: str, tmp_path: Path
) -> None:
    secrets = ml_client.datastores.get_default(include_secrets=True).credentials
    made = ml_client.datastores.create_or_update(
        blob(name, account_name=ACCOUNT, container_name=f"own-{name}", credentials=secrets)
    )
    assert (made.name, made.container_name) == (name, f"own-{name}")
    local = tmp_path / "table.csv"
    local.write_text("a,b\n1,2\n")
    data = ml_client.data.create_or_update(Data(name=name, path=str(local), type="uri_file", datastore=name))
    assert f"/datastores/{name}/paths/" in data.path
    container = service.home.container(ACCOUNT, f"own-{name}")
    assert [path.name for path in container.rglob("*.csv")] == ["table.csv"]


def test_datastore_without_credentials_takes_uploads_too(
    service: Service, ml_client: Any, name: str, tmp_path: Path
) -> None:
    local = tmp_path / "table.csv"
    local.write_text("a,b\n1,2\n")
    wrong = AccountKeyConfiguration(account_key=KEY)
    for credentials in (wrong, None):
        own = blob(name, account_name=ACCOUNT, container_name=f"own-{name}", credentials=credentials)
        ml_client.datastores.create_or_update(own)
    ml_client.data.create_or_update(Data(name=name, path=str(local), type="uri_file", datastore=name))
    assert list(service.home.container(ACCOUNT, f"own-{name}").rglob("table.csv"))


def test_get_and_list_show_no_secret(ml_client: Any, api: httpx.Client, service: Service, name: str) -> None:
    ml_client.datastores.create_or_update(blob(name, credentials=AccountKeyConfiguration(account_key=KEY)))
    shown = api.get(f"datastores/{name}").text + api.get("datastores").text
    assert name in shown
    assert KEY not in shown
    assert "secrets" not in shown
    database = service.home.database_file
    assert all(KEY.encode() not in file.read_bytes() for file in database.parent.glob(f"{database.name}*"))
    found = ml_client.datastores.get(name, include_secrets=True)
    assert found.credentials.account_key == KEY


@pytest.mark.parametrize(
    ("credentials", "attribute"),
    [
        (SasTokenConfiguration(sas_token="sv=1&sig=abc"), "sas_token"),
        (
            ServicePrincipalConfiguration(
                tenant_id="t", client_id="c", client_secret="hidden", authority_url="https://login"
            ),
            "client_secret",
        ),
    ],
)
def test_every_kind_of_secret_comes_back_when_asked_for(
    ml_client: Any, name: str, credentials: Any, attribute: str
) -> None:
    made = ml_client.datastores.create_or_update(
        AzureDataLakeGen2Datastore(
            name=name, account_name="contoso", filesystem="lake", credentials=credentials
        )
    )
    assert getattr(made.credentials, attribute) is None
    found = ml_client.datastores.get(name, include_secrets=True)
    assert getattr(found.credentials, attribute) == getattr(credentials, attribute)


def test_secret_is_kept_when_the_datastore_is_changed_without_it(ml_client: Any, name: str) -> None:
    ml_client.datastores.create_or_update(blob(name, credentials=AccountKeyConfiguration(account_key=KEY)))
    store = ml_client.datastores.get(name)
    store.description = "changed"
    assert ml_client.datastores.create_or_update(store).description == "changed"
    assert ml_client.datastores.get(name, include_secrets=True).credentials.account_key == KEY


def test_datastore_without_credentials_has_none_to_list(ml_client: Any, api: httpx.Client, name: str) -> None:
    ml_client.datastores.create_or_update(
        AzureFileDatastore(name=name, account_name="contoso", file_share_name="share")
    )
    answered = api.post(f"datastores/{name}/listSecrets", json={})
    assert (answered.status_code, answered.json()["error"]["code"]) == (400, "ValidationError")


def test_reading_a_secret_is_in_the_audit_log(api: httpx.Client, service: Service) -> None:
    assert (
        api.post("datastores/workspaceblobstore/listSecrets", json={}).json()["secretsType"] == "AccountKey"
    )
    with httpx.Client(headers={"Authorization": f"Bearer {service.token}"}) as client:
        text = client.get(f"{service.info.address}/academy/audit").text
    assert "listSecrets" in text


def test_deleted_datastore_is_gone_with_its_secret(ml_client: Any, api: httpx.Client, name: str) -> None:
    ml_client.datastores.create_or_update(blob(name, credentials=AccountKeyConfiguration(account_key=KEY)))
    ml_client.datastores.delete(name)
    assert api.post(f"datastores/{name}/listSecrets", json={}).status_code == 404
    with pytest.raises(HttpResponseError, match="need a secret"):
        ml_client.datastores.create_or_update(
            blob(name, credentials=AccountKeyConfiguration(account_key=None))
        )


def test_workspaces_own_datastores_stay(ml_client: Any) -> None:
    with pytest.raises(HttpResponseError, match="belongs to the workspace"):
        ml_client.datastores.delete("workspaceblobstore")
    store = ml_client.datastores.get("workspaceblobstore")
    store.tags = {"kept": "yes"}
    assert ml_client.datastores.create_or_update(store).tags == {"kept": "yes"}
    store.container_name = "another"
    with pytest.raises(HttpResponseError, match="containerName"):
        ml_client.datastores.create_or_update(store)
    assert ml_client.datastores.get_default().name == "workspaceblobstore"


def test_listing_filters_by_name_and_default(api: httpx.Client, ml_client: Any, name: str) -> None:
    ml_client.datastores.create_or_update(blob(name))

    def listed(**query: str) -> list[str]:
        return [item["name"] for item in api.get("datastores", params=query).json()["value"]]

    assert listed(isDefault="true") == ["workspaceblobstore"]
    assert "workspaceblobstore" not in listed(isDefault="false")
    assert listed(names=f"{name},workspacefilestore") == ["workspacefilestore", name]
    assert listed(searchText=name[1:]) == [name]
    assert api.get("datastores", params={"orderBy": "name"}).json()["error"]["target"] == "orderBy"


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"datastoreType": "Hdfs"}, "properties.datastoreType"),
        ({"accountName": "Not-Valid"}, "properties.accountName"),
        ({"accountName": None}, "properties.accountName"),
        ({"containerName": None}, "properties.containerName"),
        ({"fileShareName": "share"}, "properties.fileShareName"),
        ({"isDefault": True}, "properties.isDefault"),
        ({"credentials": {"credentialsType": "Kerberos"}}, "properties.credentials.credentialsType"),
        ({"credentials": {"credentialsType": "Sas", "tenantId": "t"}}, "properties.credentials.tenantId"),
        ({"credentials": {"credentialsType": "Sas"}}, "properties.credentials.secrets"),
        (
            {"serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity"},
            "properties.serviceDataAccessAuthIdentity",
        ),
    ],
)
def test_field_that_cannot_be_is_refused_by_name(
    api: httpx.Client, name: str, change: dict[str, Any], target: str
) -> None:
    properties = {"datastoreType": "AzureBlob", "accountName": "contoso", "containerName": "things", **change}
    answered = api.put(f"datastores/{name}", json={"properties": properties})
    assert (answered.status_code, answered.json()["error"].get("target")) == (400, target)


def test_data_lake_gen1_is_refused(ml_client: Any, name: str) -> None:
    with pytest.raises(HttpResponseError, match="AzureDataLakeGen1"):
        ml_client.datastores.create_or_update(AzureDataLakeGen1Datastore(name=name, store_name="old"))


def test_name_of_a_datastore_is_checked(api: httpx.Client) -> None:
    assert api.put("datastores/has-hyphen", json={"properties": {}}).json()["error"]["target"] == "name"


# The vault, without a service ----------------------------------------------------------------------


def test_sealed_secret_opens_with_the_same_key_alone() -> None:
    sealed = Vault(Signer(b"a" * 32)).seal(KEY)
    assert KEY not in sealed
    assert Vault(Signer(b"a" * 32)).open(sealed) == KEY
    with pytest.raises(AcademyError, match="another key"):
        Vault(Signer(b"b" * 32)).open(sealed)


def test_secret_is_split_from_what_may_be_shown() -> None:
    given = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": KEY}}
    parsed = Credentials.parse(given)
    assert (parsed.shown, parsed.secret) == ({"credentialsType": "AccountKey"}, KEY)
    assert parsed.revealed(KEY) == {"secretsType": "AccountKey", "key": KEY}
    with pytest.raises(InvalidField, match="text"):
        Credentials.parse({"credentialsType": "AccountKey", "secrets": {"key": 1}})
