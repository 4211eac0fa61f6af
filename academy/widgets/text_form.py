"""A widget that has a text form beside it: for a terminal, a saved notebook, a page without a kernel."""

from __future__ import annotations

from typing import Any

import anywidget
from IPython.display import DisplayHandle

VIEW_MIME = "application/vnd.jupyter.widget-view+json"


class TextFormWidget(anywidget.AnyWidget):
    """Shows itself and, apart from it, its text form; a style sheet hides the one that is not wanted.

    JupyterLab never falls back from a widget whose kernel is gone to another form of the same output, so
    the text form is an output of its own. Its outermost element has the class ``NAME-static`` where the
    widget's has ``NAME``, and the widget's style sheet hides it when the widget is there.
    """

    _name: str
    _static: DisplayHandle | None = None

    def text_forms(self) -> dict[str, str]:
        """Return ``text/plain`` and ``text/html`` of what the widget shows."""
        raise NotImplementedError

    def __str__(self) -> str:
        return self.text_forms()["text/plain"]

    def show_text_anew(self) -> None:
        """Bring the text form that is on the page up to date."""
        if self._static is not None:
            self._static.update(self._forms(), raw=True)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        place = {"version_major": 2, "version_minor": 1, "model_id": self.model_id}
        return {**self._forms(), VIEW_MIME: place}, {}

    def _ipython_display_(self) -> None:
        self._static = DisplayHandle()
        self._static.display(self._forms(), raw=True)
        DisplayHandle().display({VIEW_MIME: self._repr_mimebundle_()[0][VIEW_MIME]}, raw=True)

    def _forms(self) -> dict[str, str]:
        found = self.text_forms()
        # A saved notebook holds the widget's place after its text form; without a kernel, it stays empty.
        no_dead_place = (
            f"<style>.jp-OutputArea-child:has(.{self._name}-static)"
            f" + .jp-OutputArea-child:not(:has(.{self._name})){{display:none}}</style>"
        )
        return {**found, "text/html": no_dead_place + found["text/html"]}
