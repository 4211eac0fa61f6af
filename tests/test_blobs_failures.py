"""Blob storage when things go wrong: a killed service, a full disk, a client that hangs up."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobBlock

from academy.blobs.store import BlobStore
from academy.paths import Home
from academy.signing import Signer
from tests import blobs_service
from tests.blobs_service import ACCOUNT, KEY, BlobService, serving

MIB = 1 << 20
CONTAINER = "data"


@contextlib.contextmanager
def process(root: Path) -> Iterator[tuple[subprocess.Popen[str], BlobService]]:
    """Serve ``root`` from a process that can be killed."""
    command = [sys.executable, blobs_service.__file__, str(root)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as running:
        try:
            assert running.stdout is not None
            address = running.stdout.readline().strip()
            signer = Signer(KEY)
            store = BlobStore(Home(root), signer)
            store.ensure_container(ACCOUNT, CONTAINER)
            yield running, BlobService(store, signer, address)
        finally:
            running.kill()


def start_upload(service: BlobService, name: str, size: int, first: bytes) -> http.client.HTTPConnection:
    """Send the headers of an upload of ``size`` bytes, and the ``first`` of them."""
    connection = http.client.HTTPConnection(urlsplit(service.address).netloc)
    connection.putrequest("PUT", f"/{ACCOUNT}/{CONTAINER}/{name}")
    connection.putheader("Authorization", f"Bearer {service.signer.token('me')}")
    connection.putheader("x-ms-blob-type", "BlockBlob")
    connection.putheader("Content-Length", str(size))
    connection.endheaders(first)
    return connection


def staged(root: Path) -> list[int]:
    """Return the sizes of the files that are being uploaded."""
    sizes = []
    for path in (root / "storage" / ACCOUNT / ".staging").glob("uploads/*"):
        # It may be gone by now: that is what some tests wait for.
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return sizes


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited 20 s in vain"
        time.sleep(0.01)


def peak_mib(pid: int) -> int:
    """Return the most memory that a process ever held."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmHWM:")[1].split()[0]) // 1024


def test_killed_service_leaves_the_old_blob_whole(tmp_path: Path) -> None:
    with process(tmp_path) as (running, service):
        service.blobs.write_bytes(ACCOUNT, CONTAINER, "a", b"old")
        connection = start_upload(service, "a", 20 * MIB, os.urandom(10 * MIB))
        wait_for(lambda: any(size >= MIB for size in staged(tmp_path)))
        running.send_signal(signal.SIGKILL)
        running.wait()
        connection.close()
    assert service.blobs.read_text(ACCOUNT, CONTAINER, "a") == "old"
    assert [blob.name for blob in service.blobs.list(ACCOUNT, CONTAINER)] == ["a"]
    for path in tmp_path.rglob("uploads/*"):
        os.utime(path, (0, 0))
    service.blobs.sweep()
    assert staged(tmp_path) == []


def test_upload_in_blocks_goes_on_after_the_service_was_killed(tmp_path: Path) -> None:
    ids = [base64.b64encode(bytes([n])).decode() for n in range(3)]
    with process(tmp_path) as (running, service):
        with service.client() as client:
            blob = client.get_blob_client(CONTAINER, "a")
            blob.stage_block(ids[0], b"0" * MIB)
            blob.stage_block(ids[1], b"1" * MIB)
        running.send_signal(signal.SIGKILL)
        running.wait()
    with process(tmp_path) as (_, service), service.client() as client:
        blob = client.get_blob_client(CONTAINER, "a")
        assert [block.size for block in blob.get_block_list("uncommitted")[1]] == [MIB, MIB]
        blob.stage_block(ids[2], b"2" * MIB)
        blob.commit_block_list([BlobBlock(one) for one in ids])
        assert blob.download_blob().readall() == b"0" * MIB + b"1" * MIB + b"2" * MIB


def test_client_that_hangs_up_leaves_nothing(tmp_path: Path) -> None:
    with serving(tmp_path) as service:
        service.blobs.ensure_container(ACCOUNT, CONTAINER)
        connection = start_upload(service, "a", 20 * MIB, os.urandom(4 * MIB))
        wait_for(lambda: bool(staged(tmp_path)))
        connection.close()
        wait_for(lambda: not staged(tmp_path))
        assert service.blobs.list(ACCOUNT, CONTAINER) == []


def test_repeated_block_still_on_its_way_does_not_damage_the_blob(tmp_path: Path) -> None:
    first = base64.b64encode(b"1").decode()
    with serving(tmp_path) as service, service.client() as client:
        service.blobs.ensure_container(ACCOUNT, CONTAINER)
        blob = client.get_blob_client(CONTAINER, "a")
        slow = start_upload(service, f"a?comp=block&blockid={first.replace('=', '%3D')}", 4 * MIB, b"x" * MIB)
        data = tmp_path / "storage" / ACCOUNT / ".staging" / "blocks"
        wait_for(lambda: any(path.stat().st_size for path in data.rglob("data")))
        blob.stage_block(first, b"good" * 1000)
        blob.commit_block_list([BlobBlock(first)])
        slow.send(b"x" * 3 * MIB)
        assert slow.getresponse().status == 201
        slow.close()
        assert blob.download_blob().readall() == b"good" * 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with room for 8 MiB."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "academy-test", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root may mount a small file system, and only where mounting is allowed")
    try:
        yield mounted
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_upload_that_cannot_fit_is_refused_at_once(small_disk: Path) -> None:
    with serving(small_disk) as service, service.client() as client:
        service.blobs.ensure_container(ACCOUNT, CONTAINER)
        with pytest.raises(HttpResponseError, match="does not fit") as full:
            client.get_blob_client(CONTAINER, "a").upload_blob(b"x" * 9 * MIB)
        assert full.value.error_code == "InsufficientStorage"
        assert staged(small_disk) == []


def test_disk_that_fills_up_during_an_upload_keeps_nothing_of_it(small_disk: Path) -> None:
    with serving(small_disk) as service:
        service.blobs.ensure_container(ACCOUNT, CONTAINER)
        service.blobs.write_bytes(ACCOUNT, CONTAINER, "a", b"old")
        connection = start_upload(service, "a", 7 * MIB, b"x" * 2 * MIB)
        wait_for(lambda: any(size >= MIB for size in staged(small_disk)))
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * 4 * MIB)
        connection.send(b"x" * 5 * MIB)
        answer = connection.getresponse()
        assert answer.headers["x-ms-error-code"] == "InsufficientStorage"
        assert b"nothing of this blob was kept" in answer.read()
        connection.close()
        assert staged(small_disk) == []
        assert service.blobs.read_text(ACCOUNT, CONTAINER, "a") == "old"
        filler.unlink()
        with service.client() as client:
            client.get_blob_client(CONTAINER, "a").upload_blob(b"new" * MIB, overwrite=True)


def test_disk_that_fills_up_during_an_append_keeps_the_blob_as_it_was(small_disk: Path) -> None:
    with serving(small_disk) as service, service.client() as client:
        service.blobs.ensure_container(ACCOUNT, CONTAINER)
        blob = client.get_blob_client(CONTAINER, "log")
        blob.create_append_blob()
        blob.append_block(b"a" * MIB)
        (small_disk / "filler").write_bytes(b"x" * 3 * MIB)
        # The block fits beside the blob, but not beside it and at its end.
        with pytest.raises(HttpResponseError) as full:
            blob.append_block(b"b" * 3 * MIB)
        assert full.value.error_code == "InsufficientStorage"
        assert blob.download_blob().readall() == b"a" * MIB
        assert staged(small_disk) == []


def test_large_upload_and_download_stay_out_of_memory(tmp_path: Path) -> None:
    size = 100 * MIB
    with process(tmp_path) as (running, service), service.client() as client:
        blob = client.get_blob_client(CONTAINER, "a")
        blob.upload_blob(b"x", overwrite=True)
        before = peak_mib(running.pid)
        connection = start_upload(service, "a", size, b"")
        piece = os.urandom(MIB)
        for _ in range(size // MIB):
            connection.send(piece)
        assert connection.getresponse().status == 201
        connection.close()
        received = 0
        for chunk in blob.download_blob().chunks():
            received += len(chunk)
        assert received == size
        assert peak_mib(running.pid) - before < 40
