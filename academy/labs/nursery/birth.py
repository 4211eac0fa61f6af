"""What a child is to be: the request that travels from the owner to the nursery."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from academy.labs.confinement import Confinement

_LENGTH = struct.Struct("!I")


@dataclass(frozen=True)
class Birth:
    """One child: a function of this package's process, or (``command``) another program.

    ``target`` is ``module:function``; it is called with ``argument``, and after it the descriptors that
    are passed on. ``namespaces`` says whether the machine has them for a child that is confined; ``returns``,
    whether anybody wants what the function returns.
    """

    target: str
    argument: Any
    env: Mapping[str, str]
    cwd: str
    confine: Confinement | None = None
    command: tuple[str, ...] = ()
    namespaces: bool = False
    returns: bool = True

    def to_bytes(self) -> bytes:
        content = asdict(self) | {"confine": self.confine.to_json() if self.confine else None}
        return json.dumps(content).encode()

    @classmethod
    def of_bytes(cls, content: bytes) -> Birth:
        parts: dict[str, Any] = json.loads(content)
        confine = parts.pop("confine")
        parts["command"] = tuple(parts["command"])
        return cls(**parts, confine=Confinement.of_json(confine) if confine else None)


def send(connection: socket.socket, birth: Birth, descriptors: Sequence[int]) -> None:
    """Send a request; its descriptors travel with its length."""
    content = birth.to_bytes()
    socket.send_fds(connection, [_LENGTH.pack(len(content))], list(descriptors))
    connection.sendall(content)


def receive(connection: socket.socket) -> tuple[Birth, list[int]] | None:
    """Return the next request and its descriptors; None when the owner's end is closed."""
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 16)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head)
    content = bytearray()
    while len(content) < length:
        part = connection.recv(length - len(content))
        if not part:
            return None
        content += part
    return Birth.of_bytes(bytes(content)), descriptors
