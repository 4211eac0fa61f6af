"""Azure Machine Learning on one machine, spoken to with Microsoft's own SDK."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from academy.client import connect, write_config
    from academy.kernel.extension import load_ipython_extension, unload_ipython_extension

__version__ = "0.1.0"
__all__ = ["__version__", "connect", "load_ipython_extension", "unload_ipython_extension", "write_config"]

# Found when they are first asked for: jobs, replicas and the service import this package too, and
# none of them wants the SDK.
_FOUND_IN = {
    "connect": "academy.client",
    "write_config": "academy.client",
    "load_ipython_extension": "academy.kernel.extension",
    "unload_ipython_extension": "academy.kernel.extension",
}

# Rooms that a notebook uses by their name: ``academy.widgets.matrix()``.
_ROOMS = ("matrix", "widgets")


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"academy.{name}")
    if name in _FOUND_IN:
        return getattr(importlib.import_module(_FOUND_IN[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
