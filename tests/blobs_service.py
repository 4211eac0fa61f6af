"""A service of blob storage alone, for its tests: in a thread, or as a process that can be killed."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from academy.blobs.store import BlobStore
from academy.paths import Home
from academy.service import blob
from academy.signing import Signer

if TYPE_CHECKING:
    from azure.storage.blob import BlobServiceClient

KEY = b"k" * 32
ACCOUNT = "stacademy"


@dataclass(frozen=True)
class BlobService:
    """A running service: what it works with and where it answers."""

    blobs: BlobStore
    signer: Signer
    address: str

    @property
    def account_url(self) -> str:
        return f"{self.address}/{ACCOUNT}"

    @property
    def key(self) -> str:
        return self.signer.account_key(ACCOUNT)

    def client(self, **options: object) -> BlobServiceClient:
        """Return Azure's own client, with the account's key, which gives up at the first error."""
        # Imported here, for a process that only serves starts three times as fast without it.
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self.account_url, credential=self.key, retry_total=0, **options)


@contextlib.contextmanager
def serving(root: Path) -> Iterator[BlobService]:
    """Serve the blobs of the home ``root`` from a thread."""
    signer = Signer(KEY)
    store = BlobStore(Home(root), signer)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        service = BlobService(store, signer, f"http://127.0.0.1:{listener.getsockname()[1]}")
        server = uvicorn.Server(_config(service))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        listener.listen(128)
        thread.start()
        try:
            yield service
        finally:
            server.should_exit = True
            thread.join()


def main(root: Path) -> None:
    """Serve until killed; the first line on standard output is the address."""
    signer = Signer(KEY)
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    service = BlobService(BlobStore(Home(root), signer), signer, address)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    uvicorn.Server(_config(service)).run(sockets=[listener])


def _config(service: BlobService) -> uvicorn.Config:
    app = Starlette(routes=blob.routes(service))
    return uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
