"""Who may do what with blobs: keys, tokens, signed URLs, and paths that lead outside."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobSasPermissions,
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from academy.blobs.sas import account_sas, sas
from academy.service.blob import blob_url
from academy.signing import Signer
from tests.blobs_service import ACCOUNT, BlobService, serving

CONTAINER = "data"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobService]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        running.blobs.ensure_container(ACCOUNT, CONTAINER)
        running.blobs.write_bytes(ACCOUNT, CONTAINER, "dir/a b.txt", b"hello")
        running.blobs.write_bytes(ACCOUNT, CONTAINER, "other", b"other")
        yield running


def in_an_hour() -> datetime:
    return datetime.now(UTC) + timedelta(hours=1)


def blob_sas(service: BlobService, name: str = "dir/a b.txt", **options: object) -> str:
    fields = {"permission": "r", "expiry": in_an_hour(), "account_key": service.key, **options}
    return str(generate_blob_sas(ACCOUNT, CONTAINER, name, **fields))


def container_sas(service: BlobService, **options: object) -> str:
    fields = {"permission": "rl", "expiry": in_an_hour(), "account_key": service.key, **options}
    return str(generate_container_sas(ACCOUNT, CONTAINER, **fields))


def read(service: BlobService, credential: str | None, name: str = "dir/a b.txt") -> bytes:
    with BlobClient(service.account_url, CONTAINER, name, credential=credential, retry_total=0) as blob:
        return bytes(blob.download_blob().readall())


def code_of(error: pytest.ExceptionInfo[HttpResponseError]) -> tuple[int, str]:
    response = error.value.response
    assert response is not None
    return response.status_code, response.headers["x-ms-error-code"]


def test_account_key_signs_requests(service: BlobService) -> None:
    with BlobServiceClient(service.account_url, credential=service.key) as client:
        assert [found.name for found in client.list_containers()] == [CONTAINER]
        blob = client.get_blob_client(CONTAINER, "ünï cödé/#%+&?")
        blob.upload_blob(b"x", metadata={"a_b": "1", "a1": "2", "ab": "3", "A0": "4"}, overwrite=True)
        assert blob.download_blob(offset=0, length=1).readall() == b"x"
        blob.delete_blob()


def test_wrong_key_is_refused(service: BlobService) -> None:
    wrong = Signer(b"x" * 32).account_key(ACCOUNT)
    with (
        BlobServiceClient(service.account_url, credential=wrong, retry_total=0) as client,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        client.get_blob_client(CONTAINER, "other").upload_blob(b"x" * 1_000_000, overwrite=True)
    assert code_of(refused) == (403, "AuthenticationFailed")
    assert service.blobs.read_text(ACCOUNT, CONTAINER, "other") == "other"


def test_recorded_request_is_refused_later(service: BlobService) -> None:
    sent: list[httpx.Headers] = []
    with service.client() as client:
        client.get_blob_client(CONTAINER, "other").download_blob(
            raw_response_hook=lambda r: sent.append(httpx.Headers(dict(r.http_request.headers)))
        )
    url = f"{service.account_url}/{CONTAINER}/other"
    headers = sent[0]
    assert httpx.get(url, headers=headers).content == b"other"
    headers["x-ms-date"] = "Tue, 01 Jul 2025 12:00:00 GMT"
    assert httpx.get(url, headers=headers).headers["x-ms-error-code"] == "AuthenticationFailed"


def test_token_of_this_service_may_do_everything(service: BlobService) -> None:
    url = f"{service.account_url}/{CONTAINER}/by-token"
    headers = {"Authorization": f"Bearer {service.signer.token('me')}", "x-ms-blob-type": "BlockBlob"}
    assert httpx.put(url, headers=headers, content=b"x").status_code == 201
    assert httpx.get(url, headers=headers).content == b"x"
    assert httpx.delete(url, headers=headers).status_code == 202


def test_foreign_token_and_no_token_are_refused(service: BlobService) -> None:
    url = f"{service.account_url}/{CONTAINER}/other"
    foreign = httpx.get(url, headers={"Authorization": f"Bearer {Signer(b'x' * 32).token('me')}"})
    assert (foreign.status_code, foreign.headers["x-ms-error-code"]) == (401, "InvalidAuthenticationInfo")
    nobody = httpx.get(url)
    assert (nobody.status_code, nobody.headers["x-ms-error-code"]) == (401, "NoAuthenticationInformation")
    assert "authorization_uri=" in nobody.headers["www-authenticate"]
    assert httpx.get(f"{service.address}/favicon.ico").status_code == 404


def test_blob_sas_opens_that_blob_alone_for_reading(service: BlobService) -> None:
    token = blob_sas(service)
    assert read(service, token) == b"hello"
    with pytest.raises(ClientAuthenticationError) as other:
        read(service, token, "other")
    assert code_of(other) == (403, "AuthenticationFailed")
    with (
        BlobClient(service.account_url, CONTAINER, "dir/a b.txt", credential=token, retry_total=0) as blob,
        pytest.raises(HttpResponseError) as write,
    ):
        blob.upload_blob(b"x", overwrite=True)
    assert code_of(write) == (403, "AuthorizationPermissionMismatch")


def test_sas_is_valid_between_its_start_and_its_expiry(service: BlobService) -> None:
    now = datetime.now(UTC)
    assert read(service, blob_sas(service, start=now - timedelta(minutes=1))) == b"hello"
    for limits in (
        {"expiry": now - timedelta(seconds=1)},
        {"start": now + timedelta(minutes=1)},
        {"expiry": "2020-01-01"},
    ):
        with pytest.raises(ClientAuthenticationError) as refused:
            read(service, blob_sas(service, **limits))
        assert code_of(refused) == (403, "AuthenticationFailed")


def test_sas_that_was_tampered_with_is_refused(service: BlobService) -> None:
    token = blob_sas(service)
    tampered = [
        token.replace("sp=r", "sp=rwd"),
        token.replace("sr=b", "sr=c"),
        token.replace("se=20", "se=21"),
        blob_sas(service, account_key=Signer(b"x" * 32).account_key(ACCOUNT)),
    ]
    for changed in tampered:
        assert changed != token
        with pytest.raises(ClientAuthenticationError) as refused:
            read(service, changed)
        assert code_of(refused) == (403, "AuthenticationFailed")


def test_sas_may_be_bound_to_an_address_and_a_protocol(service: BlobService) -> None:
    assert read(service, blob_sas(service, ip="127.0.0.1", protocol="https,http")) == b"hello"
    assert read(service, blob_sas(service, ip="127.0.0.0-127.0.0.9")) == b"hello"
    with pytest.raises(HttpResponseError) as elsewhere:
        read(service, blob_sas(service, ip="10.0.0.1"))
    assert code_of(elsewhere) == (403, "AuthorizationSourceIPMismatch")
    with pytest.raises(HttpResponseError) as https:
        read(service, blob_sas(service, protocol="https"))
    assert code_of(https) == (403, "AuthorizationProtocolMismatch")


def test_sas_with_a_stored_policy_is_refused_by_name(service: BlobService) -> None:
    with pytest.raises(HttpResponseError, match="stored access policy"):
        read(service, blob_sas(service, policy_id="mine"))


def test_sas_overrides_the_headers_of_the_answer(service: BlobService) -> None:
    token = blob_sas(service, content_type="text/html", content_disposition="attachment; filename=x")
    answer = httpx.get(f"{service.account_url}/{CONTAINER}/dir/a%20b.txt?{token}")
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-disposition"] == "attachment; filename=x"


def test_container_sas_reads_and_lists_that_container(service: BlobService) -> None:
    service.blobs.ensure_container(ACCOUNT, "secret")
    service.blobs.write_bytes(ACCOUNT, "secret", "a", b"x")
    url = f"{service.account_url}/{CONTAINER}?{container_sas(service)}"
    with ContainerClient.from_container_url(url, retry_total=0) as container:
        assert "dir/a b.txt" in container.list_blob_names()
        assert container.download_blob("dir/a b.txt").readall() == b"hello"
        for call in (
            lambda: container.upload_blob("new", b"x"),
            lambda: container.delete_blob("other"),
            container.delete_container,
            lambda: container.set_container_metadata({"k": "v"}),
        ):
            with pytest.raises(HttpResponseError) as refused:
                call()
            assert code_of(refused) == (403, "AuthorizationPermissionMismatch")
    secret = ContainerClient(service.account_url, "secret", credential=container_sas(service), retry_total=0)
    with secret, pytest.raises(ClientAuthenticationError):
        secret.download_blob("a")


def test_directory_sas_opens_what_is_below(service: BlobService) -> None:
    token = blob_sas(service, "dir", is_directory=True)
    assert read(service, token) == b"hello"
    with pytest.raises(ClientAuthenticationError):
        read(service, token, "other")


def test_create_permission_does_not_overwrite(service: BlobService) -> None:
    token = container_sas(service, permission=ContainerSasPermissions(create=True))
    with ContainerClient(service.account_url, CONTAINER, credential=token, retry_total=0) as container:
        container.upload_blob("created", b"1")
        with pytest.raises(HttpResponseError) as refused:
            container.upload_blob("created", b"2", overwrite=True)
    assert code_of(refused) == (403, "UnauthorizedBlobOverwrite")


def test_account_sas_is_bound_to_resource_types_and_services(service: BlobService) -> None:
    def client(services: str = "b", types: str = "sco", permission: str = "rwl") -> BlobServiceClient:
        token = generate_account_sas(
            ACCOUNT, service.key, types, permission, in_an_hour(), services=services or "b"
        )
        return BlobServiceClient(service.account_url, credential=token, retry_total=0)

    with client() as full:
        assert CONTAINER in [found.name for found in full.list_containers()]
        full.get_blob_client(CONTAINER, "by-account-sas").upload_blob(b"x", overwrite=True)
    with client(types="o") as objects, pytest.raises(HttpResponseError) as wrong_type:
        list(objects.list_containers())
    assert code_of(wrong_type) == (403, "AuthorizationResourceTypeMismatch")
    with client(permission="l") as lists, pytest.raises(HttpResponseError) as wrong_permission:
        lists.get_blob_client(CONTAINER, "other").download_blob()
    assert code_of(wrong_permission) == (403, "AuthorizationPermissionMismatch")
    with client(services="q") as queues, pytest.raises(HttpResponseError) as wrong_service:
        list(queues.list_containers())
    assert code_of(wrong_service) == (403, "AuthorizationServiceMismatch")


def test_own_signatures_are_azures(service: BlobService) -> None:
    signer, address = service.signer, service.address
    query = sas(signer, ACCOUNT, CONTAINER, "dir/a b.txt", permissions="r", lifetime_s=60)
    url = blob_url(address, ACCOUNT, CONTAINER, "dir/a b.txt", query)
    assert httpx.get(url).content == b"hello"
    with BlobClient.from_blob_url(url) as blob:
        assert blob.download_blob().readall() == b"hello"
    expired = sas(signer, ACCOUNT, CONTAINER, "dir/a b.txt", permissions="r", lifetime_s=-1)
    answer = httpx.get(blob_url(address, ACCOUNT, CONTAINER, "dir/a b.txt", expired))
    assert answer.status_code == 403
    assert "expired" in answer.text
    whole = sas(signer, ACCOUNT, CONTAINER, permissions="racwl")
    with ContainerClient(service.account_url, CONTAINER, credential=whole) as container:
        container.upload_blob("by-own-sas", b"x", overwrite=True)
        assert "by-own-sas" in container.list_blob_names()
    token = account_sas(signer, ACCOUNT, permissions="l")
    with BlobServiceClient(service.account_url, credential=token) as client:
        assert CONTAINER in [found.name for found in client.list_containers()]


def test_copy_with_a_signed_source_needs_no_other_right_to_it(service: BlobService) -> None:
    service.blobs.ensure_container(ACCOUNT, "target")
    token = str(
        generate_container_sas(
            ACCOUNT,
            "target",
            account_key=service.key,
            permission=ContainerSasPermissions(read=True, write=True),
            expiry=in_an_hour(),
        )
    )
    source = f"{service.account_url}/{CONTAINER}/dir/a%20b.txt"
    with BlobClient(service.account_url, "target", "t", credential=token, retry_total=0) as target:
        with pytest.raises(HttpResponseError) as unsigned:
            target.start_copy_from_url(source)
        assert code_of(unsigned) == (404, "CannotVerifyCopySource")
        signed = f"{source}?{blob_sas(service, permission=BlobSasPermissions(read=True))}"
        target.start_copy_from_url(signed, requires_sync=True)
        assert target.download_blob().readall() == b"hello"
        assert "sig=" not in target.get_blob_properties().copy.source
        with pytest.raises(HttpResponseError):
            target.start_copy_from_url(f"{source}?{blob_sas(service, permission='w')}")


@pytest.mark.parametrize(
    "path",
    [
        "../other-container/a",
        "a/../../x",
        "%2e%2e/%2e%2e/token",
        "%2e%2e%2f%2e%2e%2ftoken",
        "a/%2e%2e/%2e%2e/b",
        "..",
        "a%5c..%5cb",
        "%2fetc%2fpasswd",
        "a%00b",
        "link-outside/passwd",
        "link-to-file",
        "circle/a",
        "%ff%fe",
    ],
)
def test_paths_that_lead_outside_are_refused(service: BlobService, path: str, tmp_path: Path) -> None:
    folder = service.blobs.ensure_container(ACCOUNT, CONTAINER)
    (tmp_path / "passwd").write_text("secret")
    links = {"link-outside": tmp_path, "link-to-file": tmp_path / "passwd", "circle": folder / "circle"}
    for name, target in links.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
    headers = {"Authorization": f"Bearer {service.signer.token('me')}", "x-ms-blob-type": "BlockBlob"}
    # A client such as httpx would tidy the path up before it is sent.
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        connection = http.client.HTTPConnection(urlsplit(service.address).netloc)
        connection.request(
            method, f"/{ACCOUNT}/{CONTAINER}/{path}", b"x" if method == "PUT" else None, headers
        )
        answer = connection.getresponse()
        assert answer.status == 400, answer.read()
        connection.close()
    assert (tmp_path / "passwd").read_text() == "secret"
    with service.client() as client:
        names = list(client.get_container_client(CONTAINER).list_blob_names())
    assert not [name for name in names if "link" in name or "passwd" in name]
    for name in links:
        (folder / name).unlink()
