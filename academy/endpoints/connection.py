"""HTTP to a replica: kept connections, one request at a time on each.

Both ends are ours and the replica always names the length of its answer, so this needs no general
HTTP client, which would cost as much time as the rest of the way.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus

Header = tuple[bytes, bytes]

MAX_IDLE = 32

# These describe one connection and not the message (RFC 9110, 7.6.1), or are written anew.
_HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"content-length",
        b"host",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"expect",
    }
)


class NotDelivered(Exception):
    """The replica did not get the request."""


class ReplyLost(Exception):
    """The replica got the request and ended without a reply."""


@dataclass(frozen=True)
class Message:
    """A request; header names are lower-case."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes

    def header(self, name: bytes) -> str | None:
        """Return the header's value, or None."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name), None)

    def encode(self, port: int) -> bytes:
        """Return the request as it goes over the wire."""
        lines = [f"{self.method} {self.target} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n".encode("latin-1")]
        lines += [b"%b: %b\r\n" % header for header in passed_on(self.headers)]
        # The replica says "100 Continue" when it takes the request. It is not waited for; but a
        # connection that ends before it can be tried again elsewhere, and one that ends after it cannot.
        lines.append(b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(self.body))
        return b"".join(lines) + self.body


@dataclass(frozen=True)
class Reply:
    """A response; header names are as the replica wrote them."""

    status: int
    headers: tuple[Header, ...]
    body: bytes


class Connections:
    """The connections to all replicas, by port."""

    def __init__(self) -> None:
        self._idle: defaultdict[int, list[_Connection]] = defaultdict(list)

    async def exchange(self, port: int, message: Message) -> Reply:
        """Send a request and return the reply.

        Raises
        ------
        NotDelivered
            When no replica took the request, so that another may.
        ReplyLost
            When one took it and ended before it replied.
        """
        connection = self._take(port)
        if connection is None:
            self._forget_ended()
            try:
                connection = _Connection(*await asyncio.open_connection("127.0.0.1", port))
            except OSError as error:
                raise NotDelivered(str(error)) from error
        try:
            reply = await connection.exchange(message.encode(port))
        except BaseException:
            # Also when the caller stops waiting: the rest of the reply would be taken for the next one.
            connection.close()
            raise
        if len(self._idle[port]) < MAX_IDLE:
            self._idle[port].append(connection)
        else:
            connection.close()
        return reply

    def _take(self, port: int) -> _Connection | None:
        idle = self._idle[port]
        while idle:
            connection = idle.pop()
            if connection.is_open():
                return connection
            connection.close()
        del self._idle[port]
        return None

    def _forget_ended(self) -> None:
        """Close the connections that replicas have closed: nobody asks for the port of a dead one again."""
        for port, idle in list(self._idle.items()):
            for connection in idle:
                if not connection.is_open():
                    connection.close()
            self._idle[port] = [connection for connection in idle if connection.is_open()]
            if not self._idle[port]:
                del self._idle[port]

    def close(self) -> None:
        """Close every kept connection."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def is_open(self) -> bool:
        return not self._writer.is_closing() and not self._reader.at_eof()

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, data: bytes) -> Reply:
        is_taken = False
        try:
            self._writer.write(data)
            await self._writer.drain()
            status, headers = await self._head()
            while status == HTTPStatus.CONTINUE:
                is_taken = True
                status, headers = await self._head()
            length = next(int(value) for name, value in headers if name.lower() == b"content-length")
            return Reply(status, headers, await self._reader.readexactly(length))
        except (OSError, asyncio.IncompleteReadError) as error:
            raise (ReplyLost if is_taken else NotDelivered)(str(error)) from error

    async def _head(self) -> tuple[int, tuple[Header, ...]]:
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        parts = (line.partition(b":") for line in lines)
        return int(first.split(b" ", 2)[1]), tuple((name, value.strip()) for name, _, value in parts)


def passed_on(headers: Iterable[Header]) -> list[Header]:
    """Return the headers without those that belong to one connection."""
    return [header for header in headers if header[0].lower() not in _HOP_BY_HOP]
