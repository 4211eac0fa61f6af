"""One self-contained page from a template: no script, nothing from elsewhere, all text escaped."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_FOLDER = Path(__file__).parent / "pages"


def page(name: str, *, language: str = "en", skip: str = "Skip to the content", **values: object) -> str:
    """Return the page ``pages/NAME.html``, filled in.

    The browser is told to run no script and to load nothing; even the style counts only by its hash.
    """
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = _templates().get_template(f"{name}.html")
    return template.render(
        style=Markup(style), style_hash=f"sha256-{digest}", language=language, skip=skip, **values
    )


@cache
def _templates() -> Environment:
    return Environment(loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined)


@cache
def _style() -> str:
    return (_FOLDER / "style.html").read_text(encoding="utf-8")
