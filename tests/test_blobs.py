"""Blob storage, driven by Azure's own client over HTTP."""

from __future__ import annotations

import base64
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import pytest
from azure.ai.ml._artifacts._blob_storage_helper import BlobStorageClient
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import (
    BlobBlock,
    BlobClient,
    BlobPrefix,
    BlobServiceClient,
    BlobType,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
)

from academy.blobs.sas import sas
from academy.blobs.store import BlobStore
from academy.paths import Home
from tests.blobs_service import ACCOUNT, BlobService, serving

MIB = 1 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BlobService]:
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(service: BlobService) -> Iterator[BlobServiceClient]:
    service.blobs.ensure_container(ACCOUNT, "made-here")
    # Small limits, so that small uploads go through blocks and small downloads through ranges.
    with service.client(max_single_put_size=64 * 1024, max_block_size=64 * 1024) as made:
        yield made


@pytest.fixture
def container(client: BlobServiceClient) -> ContainerClient:
    return client.create_container(f"c-{uuid.uuid4().hex}")


@pytest.fixture
def folder(service: BlobService, container: ContainerClient) -> Path:
    """The folder behind the container."""
    return service.blobs.ensure_container(ACCOUNT, container.container_name)


def stored_files(blobs: BlobStore) -> list[Path]:
    """Return every file under the account that is not properties: blobs and what uploads left."""
    root = blobs.containers.account_folder(ACCOUNT)
    return [path for path in root.rglob("*") if path.is_file() and ".properties" not in path.parts]


def open_files() -> list[str]:
    """Return the paths of the files that this process, and so the service in it, has open."""
    return [file.path for file in psutil.Process().open_files()]


def test_blob_is_a_plain_file_in_the_containers_folder(container: ContainerClient, folder: Path) -> None:
    container.upload_blob("models/a.txt", b"hello")
    assert (folder / "models" / "a.txt").read_bytes() == b"hello"


def test_upload_and_download_give_the_same_bytes_with_every_option(container: ContainerClient) -> None:
    data = os.urandom(300_001)
    content = ContentSettings(
        content_type="text/csv",
        content_encoding="gzip",
        content_language="de",
        content_disposition="attachment",
        cache_control="no-cache",
        content_md5=bytearray(hashlib.md5(data, usedforsecurity=False).digest()),
    )
    blob = container.upload_blob("x.csv", data, metadata={"stage": "raw"}, content_settings=content)
    properties = blob.get_blob_properties()
    assert properties.content_settings == content
    assert properties.metadata == {"stage": "raw"}
    assert properties.size == len(data)
    assert properties.blob_type == BlobType.BlockBlob
    assert blob.download_blob(decompress=False).readall() == data


def test_empty_blob_can_be_written_and_read(container: ContainerClient) -> None:
    blob = container.upload_blob("empty", b"")
    assert blob.get_blob_properties().size == 0
    assert blob.download_blob().readall() == b""


def test_file_written_into_the_folder_is_a_blob(container: ContainerClient, folder: Path) -> None:
    (folder / "outputs").mkdir()
    (folder / "outputs" / "metrics.json").write_text("{}")
    blob = container.get_blob_client("outputs/metrics.json")
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_type == "application/octet-stream"
    assert (
        blob.download_blob(etag=properties.etag, match_condition=MatchConditions.IfNotModified).readall()
        == b"{}"
    )
    assert [found.name for found in container.list_blobs()] == ["outputs/metrics.json"]


def test_metadata_of_a_file_that_was_replaced_on_disk_is_not_trusted(
    container: ContainerClient, folder: Path
) -> None:
    blob = container.upload_blob("a", b"one", metadata={"upload_status": "completed"})
    before = blob.get_blob_properties().etag
    (folder / "a").write_bytes(b"two")
    properties = blob.get_blob_properties()
    assert properties.metadata == {}
    assert properties.etag != before


def test_setting_metadata_replaces_it_and_changes_the_etag(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"x", metadata={"old": "1"})
    before = blob.get_blob_properties()
    answer = blob.set_blob_metadata({"new": "2", "empty": ""})
    after = blob.get_blob_properties()
    assert after.metadata == {"new": "2", "empty": ""}
    assert answer["etag"] == after.etag != before.etag
    assert after.last_modified >= before.last_modified
    assert blob.download_blob().readall() == b"x"


def test_setting_http_headers_keeps_the_metadata(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"x", metadata={"k": "v"})
    blob.set_http_headers(ContentSettings(content_type="application/json"))
    properties = blob.get_blob_properties()
    assert properties.content_settings.content_type == "application/json"
    assert properties.metadata == {"k": "v"}


def test_metadata_that_azure_would_refuse_is_refused(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError) as wrong_name:
        container.upload_blob("a", b"x", metadata={"has-hyphen": "1"})
    assert wrong_name.value.error_code == "InvalidMetadata"
    with pytest.raises(HttpResponseError) as too_large:
        container.upload_blob("a", b"x", metadata={"k": "v" * 9000})
    assert too_large.value.error_code == "MetadataTooLarge"


def test_upload_without_overwrite_refuses_a_blob_that_exists(container: ContainerClient) -> None:
    container.upload_blob("a", b"one")
    with pytest.raises(ResourceExistsError) as refused:
        container.upload_blob("a", b"two")
    assert refused.value.error_code == "BlobAlreadyExists"
    assert refused.value.status_code == 409
    large = os.urandom(200_000)
    with pytest.raises(ResourceExistsError):
        container.upload_blob("a", large)
    container.upload_blob("a", large, overwrite=True)
    assert container.download_blob("a").readall() == large


def test_of_many_uploads_without_overwrite_one_wins(container: ContainerClient) -> None:
    def upload(number: int) -> bool:
        try:
            container.upload_blob("a", bytes([number]) * 1000)
        except ResourceExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(upload, range(16)))
    assert sum(won) == 1
    assert container.download_blob("a").readall() == bytes([won.index(True)]) * 1000


def test_conditions_on_etag_and_time(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"one")
    properties = blob.get_blob_properties()
    blob.upload_blob(
        b"two", overwrite=True, etag=properties.etag, match_condition=MatchConditions.IfNotModified
    )
    with pytest.raises(ResourceModifiedError) as stale:
        blob.upload_blob(
            b"3", overwrite=True, etag=properties.etag, match_condition=MatchConditions.IfNotModified
        )
    assert stale.value.status_code == 412
    with pytest.raises(ResourceModifiedError):
        blob.delete_blob(if_unmodified_since=properties.last_modified - timedelta(seconds=5))
    with pytest.raises(HttpResponseError) as unchanged:
        blob.download_blob(if_modified_since=datetime.now(UTC))
    assert unchanged.value.status_code == 304
    current = blob.get_blob_properties().etag
    with pytest.raises(HttpResponseError) as same:
        blob.get_blob_properties(etag=current, match_condition=MatchConditions.IfModified)
    assert same.value.status_code == 304
    missing = container.get_blob_client("none")
    with pytest.raises(ResourceModifiedError):
        missing.upload_blob(b"x", overwrite=True, match_condition=MatchConditions.IfPresent)
    assert not missing.exists()


def test_ranges(container: ContainerClient) -> None:
    data = os.urandom(2 * MIB)
    blob = container.upload_blob("a", data)
    assert blob.download_blob(offset=10, length=20).readall() == data[10:30]
    assert blob.download_blob(offset=len(data) - 5).readall() == data[-5:]
    assert blob.download_blob(offset=len(data) - 5, length=100).readall() == data[-5:]
    assert blob.download_blob(offset=1, length=MIB).readall() == data[1 : MIB + 1]
    with pytest.raises(HttpResponseError) as outside:
        blob.download_blob(offset=len(data), length=1)
    assert outside.value.error_code == "InvalidRange"
    assert blob.download_blob(offset=0, length=1000, validate_content=True).readall() == data[:1000]


def test_download_in_parallel_ranges(service: BlobService, container: ContainerClient) -> None:
    data = os.urandom(3 * MIB + 17)
    container.upload_blob("a", data, max_concurrency=4)
    with service.client(max_single_get_size=100_000, max_chunk_get_size=70_000) as small:
        blob = small.get_blob_client(container.container_name, "a")
        assert blob.download_blob(max_concurrency=8).readall() == data


def test_browser_resumes_a_download_only_of_the_same_blob(
    service: BlobService, container: ContainerClient
) -> None:
    blob = container.upload_blob("a", b"hello world")
    etag = blob.get_blob_properties().etag
    url = f"{blob.url}?{sas(service.signer, ACCOUNT, container.container_name, 'a')}"
    suffix = httpx.get(url, headers={"Range": "bytes=-5", "If-Range": etag})
    assert (suffix.status_code, suffix.text) == (206, "world")
    assert suffix.headers["content-range"] == "bytes 6-10/11"
    changed = httpx.get(url, headers={"Range": "bytes=6-", "If-Range": '"0x1"'})
    assert (changed.status_code, changed.text) == (200, "hello world")


def test_reader_that_hangs_up_leaves_no_file_open(service: BlobService, container: ContainerClient) -> None:
    service.blobs.write_bytes(ACCOUNT, container.container_name, "big", bytes(32 * MIB))
    query = sas(service.signer, ACCOUNT, container.container_name, "big")
    for _ in range(3):
        with httpx.stream("GET", f"{container.url}/big?{query}") as answer:
            next(answer.iter_raw())
    deadline = time.monotonic() + 10
    while any(path.endswith("/big") for path in open_files()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_content_md5_is_checked_and_kept(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"hello", validate_content=True)
    digest = hashlib.md5(b"hello", usedforsecurity=False).digest()
    assert blob.get_blob_properties().content_settings.content_md5 == digest
    wrong = base64.b64encode(b"0" * 16).decode()
    with pytest.raises(HttpResponseError) as refused:
        container.upload_blob("b", b"hello", headers={"Content-MD5": wrong})
    assert refused.value.error_code == "Md5Mismatch"
    assert not container.get_blob_client("b").exists()


def test_blocks_become_a_blob_in_the_order_of_their_list(
    service: BlobService, container: ContainerClient
) -> None:
    blob = container.get_blob_client("dir/a")
    ids = [base64.b64encode(f"block-{n}".encode()).decode() for n in range(4)]
    for n in (2, 0, 1, 3):
        blob.stage_block(ids[n], bytes([65 + n]) * 1000, validate_content=True)
    _, uncommitted = blob.get_block_list("all")
    assert [block.size for block in uncommitted] == [1000] * 4
    assert not blob.exists()
    blob.commit_block_list([BlobBlock(ids[0]), BlobBlock(ids[1]), BlobBlock(ids[2])], metadata={"k": "v"})
    assert blob.download_blob().readall() == b"A" * 1000 + b"B" * 1000 + b"C" * 1000
    committed, uncommitted = blob.get_block_list("all")
    assert [block.id for block in committed] == ids[:3]
    assert uncommitted == []
    assert blob.get_blob_properties().metadata == {"k": "v"}
    with pytest.raises(HttpResponseError) as unknown:
        blob.commit_block_list([BlobBlock(ids[3])])
    assert unknown.value.error_code == "InvalidBlockList"


def test_block_list_may_reuse_blocks_of_the_blob_it_replaces(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    one, two, three = (base64.b64encode(name).decode() for name in (b"1", b"2", b"3"))
    blob.stage_block(one, b"one")
    blob.stage_block(two, b"two")
    blob.commit_block_list([BlobBlock(one), BlobBlock(two)])
    blob.stage_block(three, b"three")
    blob.stage_block(two, b"TWO")
    blob.commit_block_list([BlobBlock(three), BlobBlock(one), BlobBlock(two), BlobBlock(one)])
    assert blob.download_blob().readall() == b"threeoneTWOone"
    assert blob.get_blob_properties().size == 14


def test_blocks_sent_in_order_leave_nothing_behind(service: BlobService, container: ContainerClient) -> None:
    data = os.urandom(MIB + 1)
    before = len(stored_files(service.blobs))
    container.upload_blob("a", data)
    container.upload_blob("b", data, max_concurrency=4)
    assert len(stored_files(service.blobs)) == before + 2
    assert container.download_blob("a").readall() == container.download_blob("b").readall() == data


def test_writing_a_blob_drops_its_uncommitted_blocks(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    block = base64.b64encode(b"1").decode()
    blob.stage_block(block, b"one")
    blob.upload_blob(b"whole")
    with pytest.raises(HttpResponseError) as dropped:
        blob.commit_block_list([BlobBlock(block)])
    assert dropped.value.error_code == "InvalidBlockList"


def test_block_ids_that_azure_would_refuse_are_refused(container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    blob.stage_block(base64.b64encode(b"1").decode(), b"one")
    with pytest.raises(HttpResponseError) as longer:
        blob.stage_block(base64.b64encode(b"12345678").decode(), b"two")
    assert longer.value.error_code == "InvalidBlobOrBlock"
    with pytest.raises(HttpResponseError) as too_long:
        container.get_blob_client("b").stage_block(base64.b64encode(b"1" * 65).decode(), b"two")
    assert too_long.value.error_code == "InvalidBlockId"


def test_listing_is_ordered_by_name_and_paged(container: ContainerClient) -> None:
    names = ["a-1", "a/b", "a/b-c/d", "a/b.c", "ab", "Z", "ä/ö", "a/b-c/e", "zz"]
    for name in names:
        container.upload_blob(name, b"x", metadata={"name_hex": name.encode().hex()})
    for size in (1, 2, 5, None):
        found = list(container.list_blobs(results_per_page=size, include=["metadata"]))
        assert [blob.name for blob in found] == sorted(names)
        assert all(blob.metadata == {"name_hex": blob.name.encode().hex()} for blob in found)
    assert [blob.name for blob in container.list_blobs("a/b-")] == ["a/b-c/d", "a/b-c/e"]
    assert list(container.list_blobs("../")) == list(container.list_blobs("a//")) == []
    listed = next(iter(container.list_blobs("zz")))
    properties = container.get_blob_client("zz").get_blob_properties()
    assert listed.etag == properties.etag.strip('"')
    assert listed.last_modified == properties.last_modified
    assert listed.size == 1


def test_listing_by_hierarchy(container: ContainerClient, folder: Path) -> None:
    for name in ("a/1", "a/2", "a/deep/3", "b", "c/4", "a-b"):
        container.upload_blob(name, b"x")
    (folder / "nothing-below").mkdir()
    for size in (1, 3, None):
        # The client puts the prefixes of a page before its blobs; pages of one show the service's order.
        found = list(container.walk_blobs(results_per_page=size))
        names = [item.name for item in found]
        assert names == ["a-b", "a/", "b", "c/"] if size == 1 else sorted(names) == ["a-b", "a/", "b", "c/"]
        assert {item.name for item in found if isinstance(item, BlobPrefix)} == {"a/", "c/"}
    assert [item.name for item in container.walk_blobs("a/", results_per_page=1)] == ["a/1", "a/2", "a/deep/"]
    assert [item.name for item in container.walk_blobs("a/d")] == ["a/deep/"]
    assert list(container.walk_blobs("none/")) == []


def test_names_with_odd_characters(container: ContainerClient, folder: Path) -> None:
    names = [
        "with space",
        "ünïcödé/日本",
        "a#b",
        "100%",
        "a+b",
        "a%2fb",
        "q?x=1&y",
        "it's",
        "~t",
        "a&b<c>",
        "x:y",
    ]
    for name in names:
        container.upload_blob(name, name.encode())
    assert [blob.name for blob in container.list_blobs()] == sorted(names)
    for name in names:
        assert container.download_blob(name).readall() == name.encode()
        assert BlobClient.from_blob_url(
            container.get_blob_client(name).url, credential=container.credential
        ).exists()
        assert (folder / name).read_bytes() == name.encode()
        container.delete_blob(name)
    assert list(folder.iterdir()) == []


def test_name_that_xml_cannot_hold_is_listed(container: ContainerClient) -> None:
    container.upload_blob("bell\x07", b"x")
    assert [blob.name for blob in container.list_blobs()] == ["bell\x07"]
    assert container.download_blob("bell\x07").readall() == b"x"


def test_blob_and_folder_cannot_share_a_name(container: ContainerClient, folder: Path) -> None:
    container.upload_blob("a", b"x")
    with pytest.raises(ResourceExistsError) as below_blob:
        container.upload_blob("a/b/c", b"x")
    assert below_blob.value.error_code == "ResourceTypeMismatch"
    container.upload_blob("d/e", b"x")
    with pytest.raises(ResourceExistsError):
        container.upload_blob("d", b"x")
    (folder / "left" / "over").mkdir(parents=True)
    container.upload_blob("left", b"an empty folder gives way")
    assert container.get_blob_client("d/e").exists()
    assert not container.get_blob_client("d").exists()
    assert not container.get_blob_client("a/b").exists()


def test_delete_removes_blob_metadata_and_empty_folders(container: ContainerClient, folder: Path) -> None:
    container.upload_blob("x/y/a", b"1", metadata={"k": "v"})
    container.upload_blob("x/b", b"2")
    container.delete_blob("x/y/a", delete_snapshots="include")
    assert [path.name for path in (folder / "x").iterdir()] == ["b"]
    with pytest.raises(ResourceNotFoundError) as gone:
        container.delete_blob("x/y/a")
    assert gone.value.error_code == "BlobNotFound"
    container.upload_blob("x/y/a", b"1")
    assert container.get_blob_client("x/y/a").get_blob_properties().metadata == {}


def test_containers(client: BlobServiceClient) -> None:
    name = f"c-{uuid.uuid4().hex}"
    made = client.create_container(name, metadata={"k": "v"})
    assert made.exists()
    assert made.get_container_properties().metadata == {"k": "v"}
    with pytest.raises(ResourceExistsError) as twice:
        client.create_container(name)
    assert twice.value.error_code == "ContainerAlreadyExists"
    before = made.get_container_properties().etag
    made.set_container_metadata({"k": "w"})
    assert made.get_container_properties().etag != before
    assert made.get_container_access_policy()["public_access"] is None
    listed = {found.name: found.metadata for found in client.list_containers("c-", include_metadata=True)}
    assert listed[name] == {"k": "w"}
    assert [found.name for found in client.list_containers(results_per_page=1)] == sorted(
        found.name for found in client.list_containers()
    )
    made.upload_blob("a/b", b"x", metadata={"k": "v"})
    client.delete_container(name)
    assert not made.exists()
    with pytest.raises(ResourceNotFoundError) as gone:
        made.upload_blob("a", b"x")
    assert gone.value.error_code == "ContainerNotFound"
    client.create_container(name)
    assert list(made.list_blobs()) == []
    assert made.get_container_properties().metadata == {}


def test_container_names_that_azure_would_refuse_are_refused(client: BlobServiceClient) -> None:
    for name in ("Upper", "ab", "a--b", "a_b", "-ab", "x" * 64):
        with pytest.raises(HttpResponseError) as refused:
            client.create_container(name)
        assert refused.value.error_code == "InvalidResourceName", name


def test_account_and_service_properties(client: BlobServiceClient) -> None:
    information = client.get_account_information()
    assert information["account_kind"] == "StorageV2"
    assert client.get_service_properties()["cors"] == []
    other = client.url.replace(ACCOUNT, "stnobody")
    with pytest.raises(HttpResponseError):
        list(BlobServiceClient(other, credential=client.credential, retry_total=0).list_containers())


def test_copy_takes_bytes_headers_and_metadata(container: ContainerClient) -> None:
    content = ContentSettings(content_type="text/plain")
    source = container.upload_blob("s", b"bytes" * 1000, metadata={"k": "v"}, content_settings=content)
    for target, options in {"async": {}, "sync": {"requires_sync": True}}.items():
        blob = container.get_blob_client(target)
        copy = blob.start_copy_from_url(source.url, **options)
        assert copy["copy_status"] == "success"
        properties = blob.get_blob_properties()
        assert properties.copy.id == copy["copy_id"]
        assert properties.copy.status == "success"
        assert properties.metadata == {"k": "v"}
        assert properties.content_settings.content_type == "text/plain"
        assert blob.download_blob().readall() == b"bytes" * 1000
    container.get_blob_client("changed").start_copy_from_url(source.url, metadata={"new": "1"})
    assert container.get_blob_client("changed").get_blob_properties().metadata == {"new": "1"}
    listed = next(iter(container.list_blobs("async", include=["copy"])))
    assert listed.copy.status == "success"


def test_upload_and_blocks_from_a_url_of_this_service(container: ContainerClient) -> None:
    source = container.upload_blob("s", b"0123456789")
    blob = container.get_blob_client("put")
    blob.upload_blob_from_url(source.url, content_settings=ContentSettings(content_type="text/plain"))
    assert blob.download_blob().readall() == b"0123456789"
    assert blob.get_blob_properties().content_settings.content_type == "text/plain"
    with pytest.raises(ResourceExistsError):
        blob.upload_blob_from_url(source.url)
    block = base64.b64encode(b"1").decode()
    joined = container.get_blob_client("joined")
    joined.stage_block_from_url(block, source.url, source_offset=2, source_length=3)
    joined.commit_block_list([BlobBlock(block)])
    assert joined.download_blob().readall() == b"234"


def test_copy_refuses_a_source_that_is_missing_changed_or_elsewhere(container: ContainerClient) -> None:
    source = container.upload_blob("s", b"x")
    target = container.get_blob_client("t")
    with pytest.raises(ResourceNotFoundError) as missing:
        target.start_copy_from_url(container.get_blob_client("none").url)
    assert missing.value.error_code == "CannotVerifyCopySource"
    with pytest.raises(HttpResponseError) as changed:
        target.start_copy_from_url(
            source.url, source_etag='"0x1"', source_match_condition=MatchConditions.IfNotModified
        )
    assert changed.value.error_code == "SourceConditionNotMet"
    with pytest.raises(HttpResponseError, match=r"elsewhere\.blob\.core"):
        target.start_copy_from_url("https://elsewhere.blob.core.windows.net/c/b")
    assert not target.exists()


def test_append_blob_grows_block_by_block(container: ContainerClient) -> None:
    blob = container.get_blob_client("log")
    blob.create_append_blob(metadata={"k": "v"}, content_settings=ContentSettings(content_type="text/plain"))
    first = blob.append_block(b"one\n")
    assert first["blob_append_offset"] == "0"
    second = blob.append_block(b"two\n", appendpos_condition=4)
    assert second["blob_append_offset"] == "4"
    assert second["blob_committed_block_count"] == 2
    properties = blob.get_blob_properties()
    assert properties.blob_type == BlobType.AppendBlob
    assert properties.metadata == {"k": "v"}
    assert properties.etag == second["etag"]
    assert blob.download_blob().readall() == b"one\ntwo\n"
    with pytest.raises(HttpResponseError) as moved:
        blob.append_block(b"x", appendpos_condition=4)
    assert moved.value.error_code == "AppendPositionConditionNotMet"
    with pytest.raises(HttpResponseError) as full:
        blob.append_block(b"x", maxsize_condition=8)
    assert full.value.error_code == "MaxBlobSizeConditionNotMet"
    container.upload_blob("block", b"x")
    with pytest.raises(HttpResponseError) as not_append:
        container.get_blob_client("block").append_block(b"x")
    assert not_append.value.error_code == "InvalidBlobType"


def test_what_is_not_supported_is_refused_by_name(container: ContainerClient) -> None:
    blob = container.upload_blob("a", b"x")
    page, cool = container.get_blob_client("p"), StandardBlobTier.COOL
    refused = {
        "Leases": blob.acquire_lease,
        "Snapshots": blob.create_snapshot,
        "Blob index tags": lambda: blob.set_blob_tags({"k": "v"}),
        "Access tiers": lambda: blob.set_standard_blob_tier(cool),
        "Soft delete": blob.undelete_blob,
        "'PageBlob'": lambda: page.create_page_blob(512),
        "Batches": lambda: container.delete_blobs("a"),
        "x-ms-tags": lambda: container.upload_blob("b", b"x", tags={"k": "v"}),
        "'Cool'": lambda: container.upload_blob("b", b"x", standard_blob_tier=cool),
        "x-ms-lease-id": lambda: blob.download_blob(lease="1"),
        "'versionid'": lambda: blob.download_blob(version_id="1"),
        "include=snapshots": lambda: list(container.list_blobs(include=["snapshots"])),
        "access policies": lambda: container.set_container_access_policy({}, public_access="blob"),
        "x-ms-if-tags": lambda: blob.download_blob(if_tags_match_condition="k = 'v'"),
        "delimiter '-'": lambda: list(container.walk_blobs(delimiter="-")),
    }
    for name, call in refused.items():
        with pytest.raises(HttpResponseError, match=name) as error:
            call()
        assert error.value.status_code == 400, name
    assert container.download_blob("a").readall() == b"x"
    assert [found.name for found in container.list_blobs()] == ["a"]


def test_every_answer_names_its_request_and_version(container: ContainerClient) -> None:
    seen: list[dict[str, str]] = []
    blob = container.get_blob_client("none")
    with pytest.raises(ResourceNotFoundError) as missing:
        blob.download_blob(
            client_request_id="mine", raw_response_hook=lambda r: seen.append(r.http_response.headers)
        )
    headers = seen[0]
    assert headers["x-ms-error-code"] == missing.value.error_code == "BlobNotFound"
    assert headers["x-ms-client-request-id"] == "mine"
    assert headers["x-ms-request-id"] in str(missing.value)
    assert headers["x-ms-version"] == container.api_version
    assert "Date" in headers


def test_python_side_reads_what_clients_wrote(service: BlobService, container: ContainerClient) -> None:
    container.upload_blob("dir/a.txt", "grüße")
    blobs, name = service.blobs, container.container_name
    assert blobs.exists(ACCOUNT, name, "dir/a.txt")
    assert not blobs.exists(ACCOUNT, name, "dir")
    assert blobs.read_text(ACCOUNT, name, "dir/a.txt") == "grüße"
    assert blobs.path(ACCOUNT, name, "dir/a.txt").read_text() == "grüße"
    blobs.write_bytes(ACCOUNT, name, "dir/b", b"12")
    assert [(blob.name, blob.size) for blob in blobs.list(ACCOUNT, name, "dir/")] == [
        ("dir/a.txt", 7),
        ("dir/b", 2),
    ]
    assert container.download_blob("dir/b").readall() == b"12"


def test_sweep_drops_old_leftovers_and_keeps_the_rest(tmp_path: Path) -> None:
    block = base64.b64encode(b"1").decode()
    with serving(tmp_path) as own, own.client() as client:
        own.blobs.ensure_container(ACCOUNT, "own")
        client.get_blob_client("own", "fresh").stage_block(block, b"fresh")
        client.get_blob_client("own", "stale").stage_block(block, b"stale")
        client.get_blob_client("own", "kept").upload_blob(b"x", metadata={"k": "v"})
        client.get_blob_client("own", "gone").upload_blob(b"x", metadata={"k": "v"})
        (tmp_path / "storage" / ACCOUNT / "own" / "gone").unlink()
        week_ago = time.time() - 8 * 24 * 3600
        for path in tmp_path.rglob("*"):
            if path.is_file() and (path.suffix == ".json" or path.read_bytes() == b"stale"):
                os.utime(path, (week_ago, week_ago))
    store = BlobStore(Home(tmp_path), own.signer)
    store.sweep()
    assert [path.read_bytes() for path in stored_files(store) if path.name == "data"] == [b"fresh"]
    assert store.list(ACCOUNT, "own")[0].properties.metadata == {"k": "v"}
    assert len(list(tmp_path.rglob("*.json"))) == 1


@pytest.fixture
def artifacts(service: BlobService, container: ContainerClient) -> BlobStorageClient:
    """The blob client inside ``azure-ai-ml``, with what ``listSecrets`` gives it."""
    token = sas(service.signer, ACCOUNT, container.container_name, permissions="racwdl")
    return BlobStorageClient(token, service.account_url, container.container_name)


def test_azure_ai_ml_uploads_a_folder_once(artifacts: BlobStorageClient, tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "sub dir").mkdir(parents=True)
    (source / "main.py").write_text("print('hello')")
    (source / "sub dir" / "ümlaut.txt").write_text("x")
    (source / "empty.txt").touch()
    first = artifacts.upload(str(source), "code", "1", asset_hash="abc", show_progress=False)
    again = BlobStorageClient(
        artifacts.container_client.credential, artifacts.service_client.url, artifacts.container
    )
    second = again.upload(str(source), "other", "7", asset_hash="abc", show_progress=False)
    assert (second["name"], second["version"]) == ("code", "1")
    assert first["remote path"] == second["remote path"]


def test_azure_ai_ml_lists_and_downloads(artifacts: BlobStorageClient, tmp_path: Path) -> None:
    for name in ("run/outputs/a.txt", "run/outputs/deep/b.bin", "run/empty", "running/no"):
        artifacts.container_client.upload_blob(name, b"" if "empty" in name else name.encode())
    assert artifacts.list("run/") == ["run/empty", "run/outputs/a.txt", "run/outputs/deep/b.bin"]
    assert artifacts.exists("run/outputs")
    assert artifacts.exists("run/empty")
    assert not artifacts.exists("run/outputs/none")
    assert not artifacts.exists("ru")
    artifacts.download("run/", tmp_path / "target")
    assert (tmp_path / "target" / "outputs" / "deep" / "b.bin").read_text() == "run/outputs/deep/b.bin"
    assert (tmp_path / "target" / "empty").read_bytes() == b""
    assert not (tmp_path / "target" / "no").exists()
