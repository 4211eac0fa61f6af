"""Texts of a grading run without what only the grader's machine has: temporary folders, a port."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from academy.labs.grading.room import Room

FOLDER, ADDRESS = "/grading", "academy"


@dataclass(frozen=True)
class Neutral:
    """Puts neutral words for the folder of a submission's room and for its service's address."""

    words: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, room: Room, address: str) -> Neutral:
        """Return it for a room; ``address`` is that of its service, such as http://127.0.0.1:40000."""
        _, _, place = address.rpartition("/")
        port = place.rpartition(":")[2]
        services = ((f"{host}:{port}", ADDRESS) for host in ("127.0.0.1", "localhost") if port)
        return cls(((str(room.root), FOLDER), *services))

    def text(self, text: str) -> str:
        for found, word in self.words:
            text = text.replace(found, word)
        return text

    def plain(self, value: Any) -> Any:
        """Return JSON data with neutral words in its texts."""
        return json.loads(self.text(json.dumps(value, ensure_ascii=False)))

    def outputs(self, notebook: NotebookNode) -> None:
        """Put neutral words into all texts that the cells printed and showed."""
        for cell in notebook.cells:
            for output in cell.get("outputs", ()):
                for name in ("text", "evalue", "traceback"):
                    if name in output:
                        output[name] = self._lines(output[name])
                data = output.get("data")
                if isinstance(data, dict):
                    data.update({kind: self._lines(value) for kind, value in data.items()})

    def _lines(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.text(one) if isinstance(one, str) else one for one in value]
        return self.text(value) if isinstance(value, str) else value
