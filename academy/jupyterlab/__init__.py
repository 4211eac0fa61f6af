"""The labs in JupyterLab: a server extension, and a page that needs no build step (``labextension/``)."""

from __future__ import annotations


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    # Named, not imported: installing and starting JupyterLab need nothing of what its server then loads.
    return [{"module": "academy.jupyterlab.handlers"}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "academy-labs"}]
