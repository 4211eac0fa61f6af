"""The decision matrix as a widget: what lives in each environment, and which one fits one's needs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import traitlets

from academy.errors import AcademyError
from academy.labs.language import Texts, texts
from academy.matrix.languages import known_languages
from academy.matrix.needs import Needs
from academy.matrix.ranking import recommend
from academy.matrix.reading import load
from academy.matrix.recommendation import Recommendation
from academy.widgets.matrix_answer import Answer, answer_of
from academy.widgets.matrix_text import plain, static_page
from academy.widgets.matrix_view import matrix_view
from academy.widgets.text_form import TextFormWidget

_FOLDER = Path(__file__).parent


def matrix(**needs: Any) -> MatrixWidget:
    """Show the four environments, and recommend one as the questions below them are answered.

    Parameters
    ----------
    needs
        Answers to begin with, as ``academy.matrix.Needs`` takes them: ``matrix(stage="inference")``.

    Raises
    ------
    InvalidField
        There is no such need or value, or two needs contradict each other; the message says which.
    """
    return MatrixWidget(Needs.from_mapping(needs, "matrix()") if needs else None)


class MatrixWidget(TextFormWidget):
    """The matrix. ``recommendation`` is what came of the answers so far, or None while there is none."""

    _esm = _FOLDER / "matrix.js"
    _css = _FOLDER / "matrix.css"
    _name = "academy-matrix"
    view = traitlets.Dict().tag(sync=True)
    needs = traitlets.Dict().tag(sync=True)
    answer = traitlets.Dict().tag(sync=True)

    def __init__(self, needs: Needs | None = None) -> None:
        self._say: Texts = texts()
        self._catalogue = load()
        self.recommendation: Recommendation | None = None
        self._answer = Answer()
        known = known_languages(self._catalogue)
        own = sorted(needs.languages.difference(known)) if needs else []
        self._view = matrix_view(self._catalogue, self._say, (*known, *own))
        super().__init__(view=asdict(self._view), needs=needs.to_mapping() if needs else {})
        self._recommend()
        self.observe(self._on_needs, "needs")

    def __repr__(self) -> str:
        if self.recommendation is None:
            return "<MatrixWidget: no recommendation; print() shows it as text>"
        names = ", ".join(str(cell.id) for cell in self.recommendation.cells) or "nothing fits"
        return f"<MatrixWidget: {names}; print() shows it as text>"

    def text_forms(self) -> dict[str, str]:
        at = time.strftime("%Y-%m-%d %H:%M")
        return {
            "text/plain": plain(self._catalogue, self._view, self._answer),
            "text/html": static_page(self._view, self._answer, at),
        }

    def _on_needs(self, _: Mapping[str, Any]) -> None:
        self._recommend()
        self.show_text_anew()

    def _recommend(self) -> None:
        """Answer the needs; what contradicts itself is said in words, and answered when it is mended."""
        self.recommendation = None
        self._answer = Answer()
        if self.needs.get("stage"):
            try:
                found = recommend(Needs.from_mapping(self.needs, "Your answers"), self._catalogue)
            except AcademyError as error:
                self._answer = Answer(error=error.message)
            else:
                self.recommendation = found
                self._answer = answer_of(found, self._say)
        # With the needs that it is for: other needs may have the same answer, and the page awaits a change.
        self.answer = {**asdict(self._answer), "needs": self.needs}
