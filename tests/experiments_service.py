"""``python -m tests.experiments_service HOME``: tracking alone, served over HTTP; prints its address.

The token says who calls, as the service's gate would find out.
"""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from academy.datasets.datastores import Datastores, default_datastores
from academy.datasets.locate import Locator
from academy.experiments.tracking import Tracking
from academy.paths import Home
from academy.service.mlflow import MlflowFace
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions

FIRST = Workspace("00000000-0000-0000-0000-000000000001", "group", "first")
SECOND = Workspace("00000000-0000-0000-0000-000000000001", "group", "second")


def open_tracking(root: Path, database_url: str | None = None) -> tuple[Tracking, Versions]:
    """Return tracking over the home ``root``, which has two workspaces."""
    home = Home(root)
    home.prepare()
    documents = Documents(open_database(f"sqlite:///{home.database_file}"))
    versions = Versions(documents)
    for workspace in (FIRST, SECOND):
        if documents.find(workspace.id) is None:
            for name, datastore in default_datastores(workspace).items():
                documents.put(workspace.child("datastores", name), datastore, who="setup")
            documents.put(workspace.id, {}, who="setup")
    locator = Locator(home, documents, versions, Datastores(home, documents))
    return Tracking(home, locator, default_workspace=FIRST, database_url=database_url), versions


class TokenIsName:
    """Takes the bearer token for the caller's name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = dict(scope.get("headers", [])).get(b"authorization", b"").decode().removeprefix("Bearer ")
        await self._app(
            {**scope, "state": {**scope.get("state", {}), "who": token or "someone"}}, receive, send
        )


def _end_with_parent(server: uvicorn.Server) -> None:
    sys.stdin.read()  # ends when the test that started this does, even if it was killed
    server.should_exit = True


def main(root: Path) -> None:
    tracking, _ = open_tracking(root)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        tracking.start()
        yield
        tracking.close()

    app = Starlette(routes=[Mount("/mlflow", app=TokenIsName(MlflowFace(tracking)))], lifespan=lifespan)
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    )
    threading.Thread(target=_end_with_parent, args=(server,), daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
