"""One blob of 1 GB, uploaded by the real client, against ``cp`` of the same file."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from azure.storage.blob import BlobServiceClient

from academy.datasets.datastores import account_name
from academy.paths import Home
from academy.service.process import ServiceInfo
from academy.signing import Signer
from academy.store.ids import DEFAULT_WORKSPACE
from bench.pairs import Result, in_turns, timed

SIZE = 1_000_000_000


def measure(home: Home, info: ServiceInfo) -> Result:
    """Upload in the client's own blocks, four at a time, as azure-ai-ml does it."""
    account = account_name(DEFAULT_WORKSPACE)
    key = Signer(home.key_file.read_bytes()).account_key(account)
    container = BlobServiceClient(f"{info.address}/{account}", credential=key).get_container_client("bench")
    container.create_container()
    with tempfile.TemporaryDirectory(dir=home.root) as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(SIZE // 10_000_000):
                file.write(os.urandom(10_000_000))

        def upload() -> float:
            def send() -> None:
                with source.open("rb") as data:
                    container.upload_blob("blob", data, overwrite=True, max_concurrency=4)

            return timed(send)

        def copy() -> float:
            return timed(lambda: subprocess.run(["cp", source, Path(folder) / "copy"], check=True))

        ours, other = in_turns(3, upload, copy)
    container.delete_container()
    return Result("upload of a 1 GB blob / cp", ours, other, "none set")
