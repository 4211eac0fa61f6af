"""The labs in JupyterLab: a server extension, and a page that needs no build step (``labextension/``)."""

from __future__ import annotations

from typing import Any

from academy.jupyterlab.handlers import handlers


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "academy.jupyterlab"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "academy-labs"}]


def _load_jupyter_server_extension(server: Any) -> None:
    """Jupyter Server calls this when it starts."""
    server.web_app.add_handlers(".*$", handlers(server.web_app.settings["base_url"]))
