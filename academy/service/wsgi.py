"""A WSGI application under the service: bodies are bounded and spooled to disk, answers stream."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable
from typing import IO, Any
from urllib.parse import quote

import anyio
from starlette.types import Message, Receive, Scope, Send

from academy.errors import UserError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# A longer body waits on the disk, not in memory.
_IN_MEMORY_BYTES = 1024 * 1024

# The largest that MLflow's clients send is a batch of metrics, parameters and tags: about 2 MB.
MAX_BODY_BYTES = 16 << 20


class BodyTooLarge(UserError):
    """The request's body is larger than MLflow's API takes."""

    http_status = 413
    code = "RequestEntityTooLarge"


async def bounded(receive: Receive) -> AsyncIterator[bytes]:
    """Yield a request's body part by part.

    Raises
    ------
    BodyTooLarge
        As soon as there is more of it than ``MAX_BODY_BYTES``.
    """
    size, more = 0, True
    while more:
        message = await receive()
        part = message.get("body", b"")
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BodyTooLarge(
                f"The request's body is larger than {MAX_BODY_BYTES >> 20} MB, the most that MLflow's API "
                "takes. Log less at a time, or log it as an artifact."
            )
        yield part
        more = message.get("more_body", False)


async def call_wsgi(
    application: Application, scope: Scope, receive: Receive, send: Send, *, limiter: anyio.CapacityLimiter
) -> None:
    """Call the application in a thread, where it sees the caller's context variables."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as body:
        size = await _spool(receive, body)
        environ = _environ(scope, body, size)
        await anyio.to_thread.run_sync(_run, application, environ, send, limiter=limiter)


def _run(application: Application, environ: dict[str, Any], send: Send) -> None:
    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        code = int(status.split(" ", 1)[0])
        _send(send, {"type": "http.response.start", "status": code, "headers": encoded})

    answer = application(environ, start_response)
    try:
        for chunk in answer:
            _send(send, {"type": "http.response.body", "body": chunk, "more_body": True})
        _send(send, {"type": "http.response.body", "body": b""})
    finally:
        close = getattr(answer, "close", None)
        if close is not None:
            close()


def _send(send: Send, message: Message) -> None:
    async def on_the_loop() -> None:
        await send(message)

    anyio.from_thread.run(on_the_loop)


async def _spool(receive: Receive, body: IO[bytes]) -> int:
    size = 0
    async for part in bounded(receive):
        size += body.write(part)
    body.seek(0)
    return size


def _environ(scope: Scope, body: IO[bytes], size: int) -> dict[str, Any]:
    root = scope.get("root_path", "")
    path = scope["path"][len(root) :]
    server = scope.get("server") or ("127.0.0.1", 0)
    environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": quote(root),
        "PATH_INFO": path.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("ascii"),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": (scope.get("client") or ("127.0.0.1", 0))[0],
        "CONTENT_LENGTH": str(size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name == "content-type":
            environ["CONTENT_TYPE"] = value
        elif name not in ("content-length", "transfer-encoding"):
            key = "HTTP_" + name.upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
