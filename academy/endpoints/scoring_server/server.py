"""HTTP on the loopback address, and the start of it all."""

from __future__ import annotations

import hmac
import json
import logging
import os
import re
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .messages import JSON, AMLRequest, AMLResponse, failure
from .mlflow_model import MlflowModel
from .script import Script, StartError
from .workers import Workers

SECRET_HEADER = "x-academy-replica-key"
MAX_BODY_BYTES = 64 * 1024 * 1024
EXCHANGE_TIMEOUT_S = 600.0
HEADER_LIMIT = 100
GONE_CHECK_S = 2.0

_LENGTH = re.compile("[0-9]{1,18}")

log = logging.getLogger("azmlinfsrv")


class Server(ThreadingHTTPServer):
    """Listens on a free port; the router alone knows the key."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(
        self, config: Mapping[str, Any], workers: Workers, describe: Callable[[], dict[str, Any]]
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.config = config
        self.workers = workers
        self.describe = describe

    def server_bind(self) -> None:
        # The base class looks up the host's name here, which can take seconds without a network.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]


class Handler(BaseHTTPRequestHandler):
    """One connection of the router."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # Buffered, so that head and body leave in one packet.
    wbufsize = -1
    # How long a connection may say nothing between two requests.
    timeout = 60.0
    server: Server

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_OPTIONS(self) -> None:
        self._handle()

    def handle_expect_100(self) -> bool:
        """Say at once that the request is taken; its sender counts on it."""
        if self._refusal() is not None:
            return True
        taken = super().handle_expect_100()
        self.wfile.flush()
        return taken

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)

    def _handle(self) -> None:
        started = time.monotonic()
        refusal = self._refusal()
        if refusal is not None:
            # Its body is left unread, so nothing that follows on this connection can be understood.
            self.close_connection = True
            self._send(refusal)
            return
        self.connection.settimeout(EXCHANGE_TIMEOUT_S)
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:
            self.close_connection = True
            return
        request = AMLRequest(self.command, self.path, dict(self.headers.items()), body)
        request.headers.pop(SECRET_HEADER.title(), None)
        response = self._route(request)
        self._identify(request, response)
        if request.path != "/":
            took_ms = (time.monotonic() - started) * 1000
            size = len(response.body)
            log.info("%s %s %d %.3fms %d", self.command, self.path, response.status_code, took_ms, size)
        self._send(response)
        self.connection.settimeout(self.timeout)

    def _refusal(self) -> AMLResponse | None:
        """Return why the request is refused before any of its body is read, or None."""
        key = self.headers.get(SECRET_HEADER, "")
        if not hmac.compare_digest(key.encode(), str(self.server.config["secret"]).encode()):
            return failure(401, "This port belongs to a replica. Call the endpoint's scoring URI.")
        lengths = self.headers.get_all("content-length", ["0"])
        if "transfer-encoding" in self.headers or len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
            return failure(400, "The length of the body must be named by one Content-Length in bytes.")
        if int(lengths[0]) > MAX_BODY_BYTES:
            return failure(413, f"The body has {lengths[0]} bytes; the most is {MAX_BODY_BYTES}.")
        return None

    def _route(self, request: AMLRequest) -> AMLResponse:
        if request.path == "/" and request.method == "GET":
            return AMLResponse("Healthy", 200)
        if request.path == "/swagger.json" and request.method == "GET":
            return AMLResponse(self.server.describe(), 200, json_str=True)
        if request.path == "/score":
            return self.server.workers.submit(request)
        return failure(404, f"There is nothing at {request.path}. POST to /score.")

    def _identify(self, request: AMLRequest, response: AMLResponse) -> None:
        """Echo the caller's ids, as Azure's server does; make one where none came."""
        client = request.headers.get("x-ms-client-request-id", "")
        own = request.headers.get("x-request-id") or str(uuid.uuid4())
        named = {
            "x-request-id": own,
            "x-ms-request-id": request.headers.get("x-ms-request-id") or client or own,
        }
        if client:
            named["x-ms-client-request-id"] = client
        for name, value in named.items():
            response.headers[name] = value[:HEADER_LIMIT]
        response.headers["x-ms-server-version"] = str(self.server.config["version"])

    def _send(self, response: AMLResponse) -> None:
        try:
            self.send_response_only(response.status_code)
            for name, value in response.headers.items():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, str(value).replace("\r", " ").replace("\n", " "))
            self.send_header("Content-Length", str(len(response.body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(response.body)
            self.wfile.flush()
        except OSError:
            # The router stopped waiting.
            self.close_connection = True


def main(config_file: str) -> int:
    """Load the model, then answer until the process is ended.

    When it is ready it writes ``{"pid", "port"}`` to the status file, and ``{"pid", "error"}`` when
    it cannot be.
    """
    with open(config_file, encoding="utf-8") as file:
        config = json.load(file)
    logging.basicConfig(
        stream=sys.stdout,
        level=os.environ.get("AZUREML_LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname).1s [%(process)d] %(name)s - %(message)s",
    )
    sys.argv[:] = [str(config.get("script") or "scoring_server")]
    try:
        _serve(config)
    except StartError as error:
        log.critical("%s", error)
        _report(config, error=str(error))
        return 1
    return 0


def _serve(config: Mapping[str, Any]) -> None:
    model = config.get("mlflow_model")
    scorer: Any = MlflowModel(model) if model else Script(config["code_root"], config["script"])
    scorer.init()
    workers = Workers(scorer, int(config["max_concurrent"]), float(config["timeout_s"]))
    try:
        server = Server(config, workers, lambda: _description(config, scorer.swagger()))
    except OSError as error:
        raise StartError(f"No port on 127.0.0.1 can be had: {error}") from error
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=_watch, args=(config, workers), daemon=True).start()
    log.info("Ready on 127.0.0.1:%d", server.server_port)
    _report(config, port=server.server_port)
    workers.work_forever()


def _report(config: Mapping[str, Any], **facts: Any) -> None:
    path = str(config["status_file"])
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path))
    with os.fdopen(descriptor, "w") as file:
        json.dump(dict(facts, pid=os.getpid()), file)
    os.replace(temporary, path)


def _watch(config: Mapping[str, Any], workers: Workers) -> None:
    """End this process when its deployment is gone, or when a ``run`` hangs beyond ``WORKER_TIMEOUT``."""
    limit_s = float(os.environ.get("WORKER_TIMEOUT") or 300)
    while True:
        time.sleep(GONE_CHECK_S)
        if not os.path.exists(str(config["plan_file"])):
            os._exit(0)
        if limit_s and workers.stuck_for_s() > limit_s + workers.timeout_s:
            log.critical("run() has not returned for %s s (WORKER_TIMEOUT); the server ends.", limit_s)
            os._exit(1)


def _description(config: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI 2.0 description of the endpoint: the script's own file where it has one."""
    own = os.path.join(str(config.get("code_root") or ""), "swagger2.json")
    if config.get("code_root") and os.path.isfile(own):
        with open(own, encoding="utf-8") as file:
            found: dict[str, Any] = json.load(file)
            return found
    name = str(config["endpoint"])
    score = {
        "operationId": "RunMLService",
        "consumes": [JSON],
        "produces": [JSON],
        "parameters": [
            {"name": "serviceInputPayload", "in": "body", "schema": {"$ref": "#/definitions/ServiceInput"}}
        ],
        "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/ServiceOutput"}}},
        "security": [{"Bearer": []}],
    }
    health = {"operationId": "ServiceHealthCheck", "responses": {"200": {"description": "Healthy"}}}
    return {
        "swagger": "2.0",
        "info": {"title": name, "description": f"API specification of {name}", "version": "1.0"},
        "schemes": ["http"],
        "securityDefinitions": {"Bearer": {"type": "apiKey", "name": "Authorization", "in": "header"}},
        "paths": {"/": {"get": health}, "/score": {"post": score}},
        "definitions": {"ServiceInput": schemas["input"], "ServiceOutput": schemas["output"]},
    }
