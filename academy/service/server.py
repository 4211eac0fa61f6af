"""The service's own process: puts the rooms together and serves them on 127.0.0.1."""

from __future__ import annotations

import argparse
import getpass
import json
import logging
import os
import secrets
import socket
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

import uvicorn
from sqlalchemy import URL

from academy import __version__
from academy.audit.ledger import ServiceLedger
from academy.audit.recorder import Recorder
from academy.audit.sources import Sources
from academy.blobs.store import BlobStore
from academy.datasets.datastores import Datastores
from academy.datasets.locate import Locator
from academy.endpoints.logs import bound
from academy.endpoints.online import OnlineEngine
from academy.errors import AcademyError
from academy.experiments.tracking import Tracking
from academy.jobs.engine import JobEngine
from academy.paths import Home, HomeError, read_json, write_atomic, write_json
from academy.service.app import create_app
from academy.service.process import PortTaken, ServiceInfo, take_lock
from academy.service.state import ServiceState
from academy.service.workspaces import ensure_workspace
from academy.signing import Signer
from academy.store.audit import AuditLog
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import DEFAULT_WORKSPACE
from academy.store.lab_events import LabEvents
from academy.store.versions import Versions

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
SHUTDOWN_S = 3

_LINES_BETWEEN_LOOKS = 1000


class _BoundedLog(logging.StreamHandler[TextIO]):
    """Writes to standard error, which is the log's file, and keeps that file from growing for ever."""

    def __init__(self, log: Path) -> None:
        super().__init__()
        self._log = log
        self._lines = 0

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self._lines += 1
        if self._lines % _LINES_BETWEEN_LOOKS == 0:
            bound(self._log)


def main() -> None:
    """Run the service until it is asked to end; report to the parent when it answers, or why it cannot."""
    parser = argparse.ArgumentParser(prog="python -m academy.service")
    parser.add_argument("--home", required=True)
    parser.add_argument("--port", type=int)
    parser.add_argument("--report-fd", type=int)
    arguments = parser.parse_args()
    os.umask(0o077)  # whatever lies in the home is its owner's alone
    home = Home.locate(arguments.home)
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        handlers=[_BoundedLog(home.log_file)],
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        serve(home, arguments.port, arguments.report_fd)
    except AcademyError as error:
        logger.error("%s", error)
        _report(
            arguments.report_fd,
            error=error.message,
            code=error.code,
            exit_status=error.exit_status,
            http_status=error.http_status,
        )
        raise SystemExit(error.exit_status) from None


def serve(home: Home, port: int | None, report_fd: int | None) -> None:
    """Take the home's lock and port, recover what was going on, and serve."""
    home.prepare()
    with take_lock(home), listen(home, port) as listener:
        # What a killed service left there is not true of this one.
        home.service_file.unlink(missing_ok=True)
        address = f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        signer = Signer(load_key(home))
        if not home.token_file.exists():
            write_atomic(home.token_file, signer.token(_owner()), mode=0o600)
        state = compose(home, signer, address)
        info = ServiceInfo(os.getpid(), address, str(home.root), __version__, time.time())
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(state),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=SHUTDOWN_S,
            )
        )
        state.jobs.recover()
        state.online.recover()
        threading.Thread(target=state.blobs.sweep, name="blob-sweep", daemon=True).start()
        # The socket listens already: a caller that reads this file finds an open port.
        write_json(home.service_file, asdict(info), mode=0o600)
        write_json(home.settings_file, {"port": listener.getsockname()[1]})
        _report(report_fd, address=address)
        try:
            server.run(sockets=[listener])
        finally:
            home.service_file.unlink(missing_ok=True)


def compose(home: Home, signer: Signer, address: str) -> ServiceState:
    """Put the rooms together; the default workspace is there when this returns."""
    database_url = os.environ.get("ACADEMY_DATABASE_URL")
    engine = open_database(database_url or f"sqlite:///{home.database_file}")
    documents = Documents(engine)
    versions = Versions(documents)
    datastores = Datastores(home, documents)
    locator = Locator(home, documents, versions, datastores)
    tracking = Tracking(home, locator, default_workspace=DEFAULT_WORKSPACE, database_url=database_url)
    head_file = home.audit_head_of(_place(engine.url)) if database_url else home.audit_head_file
    log, ledger = AuditLog(engine), ServiceLedger(engine, head_file)
    recorder = Recorder(Sources(home, documents, locator, tracking, log, ledger))
    documents.watch(changed=recorder.wake, leaving=recorder.catch_up_with)
    state = ServiceState(
        home=home,
        signer=signer,
        documents=documents,
        versions=versions,
        audit=log,
        lab_events=LabEvents(engine),
        blobs=BlobStore(home, signer),
        datastores=datastores,
        locator=locator,
        tracking=tracking,
        jobs=JobEngine(home, documents, versions, locator, tracking, signer, lambda: address),
        online=OnlineEngine(home, documents, versions, locator, signer, lambda: address),
        ledger=ledger,
        recorder=recorder,
        address=lambda: address,
    )
    ensure_workspace(state, DEFAULT_WORKSPACE, {"properties": {}}, who="academy")
    return state


def listen(home: Home, port: int | None) -> socket.socket:
    """Return a listening socket: on the port asked for, else the one used last, else a free one."""
    remembered = (read_json(home.settings_file) or {}).get("port", 0) if port is None else port
    try:
        return _listen(remembered)
    except OSError as error:
        if port is not None:
            raise PortTaken(
                f"Port {port} of {LOOPBACK} cannot be had: {error.strerror}. "
                "Choose another, or leave --port out to get a free one."
            ) from error
        logger.warning("Port %d, used last, is taken; another is chosen.", remembered)
        return _listen(0)


def load_key(home: Home) -> bytes:
    """Return the home's signing key, made on first use with mode 0600."""
    if not home.key_file.exists():
        write_atomic(home.key_file, secrets.token_bytes(32), mode=0o600)
    key = home.key_file.read_bytes()
    if len(key) != 32:
        raise HomeError(
            f"The key file {home.key_file} holds {len(key)} bytes, not 32. Restore it, or remove it and the "
            "file 'token' beside it to make new ones (old tokens and signed URLs end)."
        )
    return key


def _place(url: URL) -> str:
    """Return which database it is, whoever logs in and however."""
    return f"{url.host}:{url.port}/{url.database}"


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # A port that a killed service left in TIME_WAIT can be had again; one that is listened on cannot.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _owner() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        return f"uid-{os.getuid()}"


def _report(descriptor: int | None, **report: object) -> None:
    if descriptor is None:
        return
    with os.fdopen(descriptor, "wb") as parent:
        parent.write(json.dumps(report).encode() + b"\n")
