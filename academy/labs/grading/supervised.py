"""The grading process's line to the supervisor."""

from __future__ import annotations

import json
import socket
from typing import Any

from academy.errors import AcademyError
from academy.labs.grading.conversation import Process


class Supervised:
    """The line to the supervisor, who starts, watches and ends what is asked for."""

    def __init__(self, connection: socket.socket) -> None:
        self._lines = connection.makefile("rwb")

    def ask(self, do: str, **more: Any) -> Any:
        self._lines.write(json.dumps({"do": do, **more}).encode() + b"\n")
        self._lines.flush()
        answer = json.loads(self._lines.readline())
        if isinstance(answer, dict) and "error" in answer:
            raise AcademyError(answer["error"])
        return answer

    def start(self) -> Process:
        """Start a kernel."""
        found = self.ask("start")
        number = found["kernel"]
        return Process(
            found["connection"],
            alive=lambda: bool(self.ask("alive", kernel=number)),
            interrupt=lambda: self.ask("interrupt", kernel=number),
            end=lambda: self.ask("end", kernel=number),
            ended_by=lambda: str(self.ask("why", kernel=number)),
        )
