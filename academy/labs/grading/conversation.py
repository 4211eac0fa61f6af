"""Speaking with a kernel: run a cell under a time limit, ask for a value. What it says is not trusted.

Messages are Jupyter's: https://jupyter-client.readthedocs.io/en/stable/messaging.html. A message that is
too large ends the connection, one that is garbled is passed over.
"""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import zmq
from jupyter_client.session import Session

from academy.errors import AcademyError
from academy.labs.grading.outputs import Outputs

_MOST_BYTES = 150_000_000
_SLICE_MS = 50
_ANSWER = re.compile(r"'[A-Za-z0-9+/=]*'")


class Ended(StrEnum):
    """How a request ended."""

    OK = "ok"
    ERROR = "error"
    INTERRUPTED = "interrupted"  # it took too long, and let itself be interrupted
    STUCK = "stuck"  # it took too long, and goes on
    DEAD = "dead"  # the kernel ended

    def lost_kernel(self) -> bool:
        return self in (Ended.STUCK, Ended.DEAD)


class KernelLost(AcademyError):
    """The kernel ended, or does not answer any more; ``ended`` says which."""

    def __init__(self, ended: Ended, message: str) -> None:
        super().__init__(message)
        self.ended = ended


@dataclass(frozen=True)
class Process:
    """What can be done to a kernel's process from outside. ``ended_by`` says which limit ended it, if one."""

    connection: Mapping[str, Any]
    alive: Callable[[], bool]
    interrupt: Callable[[], None]
    end: Callable[[], None]
    ended_by: Callable[[], str] = str


@dataclass
class Reply:
    """What a kernel answered to one request."""

    ended: Ended
    seconds: float
    content: dict[str, Any] = field(default_factory=dict)


class Conversation:
    """One grader's connection to one kernel."""

    def __init__(self, process: Process, *, grace_s: float = 3.0) -> None:
        self.process = process
        self._grace_s = grace_s
        found = process.connection
        self._session = Session(
            key=_as_bytes(found["key"]),
            signature_scheme=found.get("signature_scheme", "hmac-sha256"),
            check_pid=False,
        )
        self._context = zmq.Context()
        self._places: list[int] = []
        self._shell = self._socket(zmq.DEALER, found["shell_port"])
        self._news = self._socket(zmq.SUB, found["iopub_port"])
        self._news.setsockopt(zmq.SUBSCRIBE, b"")
        self._poller = zmq.Poller()
        self._poller.register(self._shell, zmq.POLLIN)
        self._poller.register(self._news, zmq.POLLIN)

    def close(self) -> None:
        """End the kernel and the connection."""
        self.process.end()
        self._context.destroy(linger=0)
        while self._places:
            os.close(self._places.pop())

    def ready(self, timeout_s: float) -> None:
        """Wait until the kernel answers and what it prints arrives.

        Raises
        ------
        KernelLost
            It ended, or did not answer in time.
        """
        until = time.monotonic() + timeout_s
        answered = heard = False
        while not (answered and heard):
            if not self.process.alive() or time.monotonic() > until:
                raise KernelLost(Ended.DEAD, f"No kernel answered within {timeout_s:.0f} seconds.")
            sent = self._send("kernel_info_request", {})
            again = time.monotonic() + 0.5
            while not (answered and heard) and time.monotonic() < again:
                for socket, message in self._received():
                    heard = heard or socket is self._news
                    answered = answered or (socket is self._shell and _parent(message) == sent)

    def execute(self, code: str, limit_s: float, outputs: Outputs) -> Reply:
        """Run a cell; return when it is done, or after the limit and what it takes to interrupt it."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        return self._request(content, limit_s, outputs)

    def ask(self, expression: str, limit_s: float) -> str:
        """Evaluate an expression whose value is base64, where the notebook neither sees nor shows it.

        Raises
        ------
        KernelLost
            The kernel ended, or does not let itself be interrupted.
        TimeoutError
            It took too long, and was interrupted.
        ValueError
            What came is no such text.
        """
        content = {"code": "", "silent": True, "store_history": False, "user_expressions": {"": expression}}
        reply = self._request(content, limit_s, None)
        if reply.ended.lost_kernel():
            raise KernelLost(reply.ended, "The kernel ended." if reply.ended is Ended.DEAD else "It hangs.")
        if reply.ended is Ended.INTERRUPTED:
            raise TimeoutError(f"It took longer than {limit_s:.0f} seconds.")
        text = _within(reply.content, "user_expressions", "", "data", "text/plain")
        if not isinstance(text, str) or not _ANSWER.fullmatch(text):
            raise ValueError("The kernel gave no answer.")
        return text[1:-1]

    def _request(self, content: dict[str, Any], limit_s: float, outputs: Outputs | None) -> Reply:
        began = time.monotonic()
        full = {"allow_stdin": False, "stop_on_error": False, **content}
        sent = self._send("execute_request", full)
        reply = self._await(sent, began + limit_s, outputs)
        if reply is None and self.process.alive():
            self.process.interrupt()
            reply = self._await(sent, time.monotonic() + self._grace_s, outputs)
            if reply is not None:
                return Reply(Ended.INTERRUPTED, time.monotonic() - began, reply)
        seconds = time.monotonic() - began
        if reply is None:
            return Reply(Ended.STUCK if self.process.alive() else Ended.DEAD, seconds)
        return Reply(Ended.OK if reply.get("status") == "ok" else Ended.ERROR, seconds, reply)

    def _await(self, sent: str, until: float, outputs: Outputs | None) -> dict[str, Any] | None:
        """Return the reply to a request; None when the kernel ended, or the time is over."""
        reply: dict[str, Any] | None = None
        idle = outputs is None  # what a question prints is passed over
        while not (reply is not None and idle):
            received = self._received()
            if time.monotonic() > until or not (received or self.process.alive()):
                return reply
            for socket, message in received:
                if _parent(message) != sent:
                    continue
                content = _within(message, "content")
                if socket is self._shell:
                    reply = content if isinstance(content, dict) else {}
                    until = min(until, time.monotonic() + self._grace_s)  # for what is still under way
                elif _kind(message) == "status":
                    idle = idle or _within(message, "content", "execution_state") == "idle"
                elif outputs is not None:
                    outputs.add(message)
        return reply

    def _send(self, kind: str, content: dict[str, Any]) -> str:
        message = self._session.send(self._shell, kind, content)
        return str(message["header"]["msg_id"])

    def _received(self) -> list[tuple[Any, dict[str, Any]]]:
        found = []
        for socket, _ in self._poller.poll(_SLICE_MS):
            parts = socket.recv_multipart()
            try:
                _, parts = self._session.feed_identities(parts)
                found.append((socket, self._session.deserialize(parts)))
            except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
                continue  # no message of Jupyter's
        return found

    def _socket(self, kind: int, port: int) -> Any:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.MAXMSGSIZE, _MOST_BYTES)
        found = self.process.connection
        if found.get("transport", "tcp") == "ipc":
            socket.connect(f"ipc://{self._place(found['ip'], port)}")
        else:
            socket.connect(f"tcp://{found['ip']}:{port}")
        return socket

    def _place(self, address: str, port: int) -> str:
        """Return a path that leads to the kernel's socket, and goes on to do so.

        The submission may write where the socket lies, and put a link there to a socket of somebody else's.
        """
        path = f"{address}-{port}"
        try:
            place = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise KernelLost(Ended.DEAD, f"The kernel has no socket {path}: {error.strerror}.") from error
        self._places.append(place)
        held = f"/proc/self/fd/{place}"
        if os.readlink(held) != path or not stat.S_ISSOCK(os.fstat(place).st_mode):
            raise KernelLost(Ended.DEAD, f"The kernel's socket {path} was replaced.")
        return held


def _as_bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key


def _within(value: Any, *path: str) -> Any:
    """Return what stands at the path, or None when something there is not a mapping."""
    for part in path:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _parent(message: dict[str, Any]) -> Any:
    return _within(message, "parent_header", "msg_id")


def _kind(message: dict[str, Any]) -> Any:
    return _within(message, "header", "msg_type")
