"""What a cell prints and shows, as a notebook keeps it, cut where it is too much."""

from __future__ import annotations

import json
from typing import Any

from nbformat import NotebookNode, ValidationError, validate
from nbformat.v4 import output_from_msg

from academy.labs.grading.wholesome import wholesome_data

MOST_CHARACTERS = 200_000
MOST_OUTPUTS = 500

_NO_OUTPUT = "An output was left out: it is not what a notebook can hold.\n"

_KEPT = ("stream", "display_data", "execute_result", "error")


class Outputs:
    """Collects the outputs of one cell from the kernel's messages."""

    def __init__(self) -> None:
        self.found: list[NotebookNode] = []
        self._left = MOST_CHARACTERS
        self._cut = False
        self._refused = False
        self._clear = False
        self._shown_as: dict[str, NotebookNode] = {}

    def add(self, message: dict[str, Any]) -> None:
        """Take one message; what is no output is passed over, and what no notebook can hold is noted."""
        kind, content = message["header"].get("msg_type"), message.get("content")
        if not isinstance(content, dict):
            return
        try:
            content = wholesome_data(content)
        except RecursionError:
            self._note_refused()
            return
        message = {**message, "content": content}
        if kind == "clear_output":
            self._clear = True
            if not content.get("wait"):
                self._cleared()
            return
        if kind not in (*_KEPT, "update_display_data"):
            return
        self._cleared()
        size = len(str(content))
        if size > self._left or len(self.found) >= MOST_OUTPUTS:
            self._note_cut(kind, content)
            return
        self._left -= size
        self._keep(kind, message, content)

    def _keep(self, kind: str, message: dict[str, Any], content: dict[str, Any]) -> None:
        name = (
            content.get("transient", {}).get("display_id")
            if isinstance(content.get("transient"), dict)
            else None
        )
        if kind == "update_display_data":
            if isinstance(name, str) and name in self._shown_as and isinstance(content.get("data"), dict):
                shown, data = self._shown_as[name], NotebookNode(content["data"])
                if _is_valid(NotebookNode({**shown, "data": data})):
                    shown.update(data=data)
                else:
                    self._note_refused()
            return
        last = self.found[-1] if self.found else NotebookNode()
        if kind == "stream" and (last.get("output_type"), last.get("name")) == (kind, content.get("name")):
            last.text += str(content.get("text", ""))
            return
        try:
            output = output_from_msg(message)
        except (ValidationError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            output = NotebookNode()
        if not _is_valid(output):
            self._note_refused()
            return
        if isinstance(name, str):
            self._shown_as[name] = output
        self.found.append(output)

    def _cleared(self) -> None:
        if self._clear:
            self.found.clear()
            self._clear = False

    def _note_refused(self) -> None:
        if not self._refused:
            self._refused = True
            self.found.append(NotebookNode(output_type="stream", name="stderr", text=_NO_OUTPUT))

    def _note_cut(self, kind: str, content: dict[str, Any]) -> None:
        if self._cut:
            return
        self._cut = True
        if kind == "stream":
            start = str(content.get("text", ""))[: self._left]
            self.found.append(NotebookNode(output_type="stream", name="stdout", text=start))
        note = f"\nThe output is cut here: a cell shows at most {MOST_CHARACTERS} characters.\n"
        self.found.append(NotebookNode(output_type="stream", name="stderr", text=note))


def _is_valid(output: NotebookNode) -> bool:
    """Tell whether a notebook can hold an output: it has the form of one, and is JSON."""
    try:
        validate(output, ref="output", version=4, version_minor=5)
        json.dumps(output, allow_nan=False)
    except (ValidationError, ValueError, TypeError, RecursionError):
        return False
    return True
