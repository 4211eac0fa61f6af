"""The lab's overview as a widget. It keeps nothing: what it shows is read from the service's record."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import traitlets
from IPython.core.getipython import get_ipython

from academy.errors import AcademyError, UserError
from academy.labs.collection import Lab
from academy.labs.language import Texts, texts
from academy.labs.learning.current import current_lab, named_lab
from academy.labs.learning.events import kept_events
from academy.labs.learning.notebook import guide
from academy.labs.learning.progress import progress
from academy.paths import Home
from academy.widgets.outline import steps_of
from academy.widgets.text import plain, static_page
from academy.widgets.text_form import TextFormWidget
from academy.widgets.view import Seen, View, view_of

_FOLDER = Path(__file__).parent


def lab(lab_id: str | None = None) -> LabWidget:
    """Show a lab's steps, checks, points, hints and time, and what it would have cost on Azure.

    Parameters
    ----------
    lab_id
        The lab, ``NN-verb-noun``. Left out, it is that of this notebook.

    Raises
    ------
    NotFound
        There is no such lab, or it cannot be told which one this notebook is; the message names the labs.
    """
    home = Home.locate()
    shell = get_ipython()
    if lab_id:
        return LabWidget(home, named_lab(home, lab_id.partition("/")[0]), prefix=True)
    namespace = shell.user_ns if shell is not None else {}
    return LabWidget(home, current_lab(home, namespace, call="lab"))


class LabWidget(TextFormWidget):
    """The overview of one lab. ``prefix`` says that it is not this notebook's own."""

    _esm = _FOLDER / "lab.js"
    _css = _FOLDER / "lab.css"
    _name = "academy-lab"
    view = traitlets.Dict().tag(sync=True)

    def __init__(self, home: Home, lab: Lab, *, prefix: bool = False) -> None:
        self._home, self._lab, self._prefix = home, lab, prefix
        self._say: Texts = texts()
        self._steps = steps_of(_notebook(lab), lab.manifest)
        self._seen = Seen()
        self._shown = self._read()
        super().__init__(view=asdict(self._shown))
        self.on_msg(self._on_message)
        self._shell = get_ipython()
        if self._shell is not None:
            # `check` in another cell is news here too.
            self._shell.events.register("post_run_cell", self._after_cell)

    def close(self) -> None:
        # A process that ends closes its widgets too, and can import nothing any more.
        events = self._shell.events if self._shell is not None else None
        if events is not None and self._after_cell in events.callbacks["post_run_cell"]:
            events.unregister("post_run_cell", self._after_cell)
        super().close()

    def refresh(self) -> None:
        """Read the record anew, and show what it says; so does the page without scripts."""
        shown = self._read()
        if shown == self._shown:
            return
        self._shown = shown
        self.view = asdict(shown)
        self.show_text_anew()

    def text_forms(self) -> dict[str, str]:
        at = time.strftime("%Y-%m-%d %H:%M")
        return {"text/plain": plain(self._shown), "text/html": static_page(self._shown, at)}

    def _read(self) -> View:
        manifest = self._lab.manifest
        events = kept_events(self._home, manifest.id)
        return view_of(manifest, self._steps, progress(manifest, events), self._say, self._seen)

    def _after_cell(self, *_: Any) -> None:
        try:
            self.refresh()
        except AcademyError as error:
            self._answer(error=error.message)

    def _on_message(self, _: Any, content: Mapping[str, Any], buffers: Any) -> None:
        """Do what a button asks for; whatever comes of it is said in words, and never leaves it waiting."""
        try:
            text = self._act(str(content.get("kind")), str(content.get("task")))
            self.refresh()
        except AcademyError as error:
            self._answer(error=error.message)
        except Exception as error:  # noqa: BLE001  a check's own code may raise anything
            self._answer(error=f"{type(error).__name__}: {error}")
        else:
            self._answer(text)

    def _act(self, kind: str, task: str) -> str:
        """Check, hint or show a solution, as the notebook's own calls do; return what to say of it."""
        title = self._lab.manifest.task(task).title
        name = f"{self._lab.id}/{task}" if self._prefix else task
        if kind == "check":
            result = guide().check(name).result
            self._seen = replace(self._seen, results={**self._seen.results, task: result})
            return result.message
        if kind == "hint":
            return guide().hint(name).text
        if kind == "solution":
            text = guide().solution(name).text
            code = text.partition("\n\n")[2] or text
            self._seen = replace(self._seen, solutions={**self._seen.solutions, task: code})
            return self._say("widget.solution.shown", title=title)
        raise UserError(f"The widget knows no {kind!r}. It takes 'check', 'hint' and 'solution'.")

    def _answer(self, text: str = "", *, error: str = "") -> None:
        words = self._say("widget.failed", message=error) if error else ""
        self.send({"kind": "answer", "text": text, "error": words})


def _notebook(lab: Lab) -> dict[str, Any]:
    """Return the lab's notebook, or an empty one: a copy that is damaged hides no progress."""
    try:
        found: dict[str, Any] = json.loads(lab.notebook.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"cells": []}
    return found
