"""MLflow's server takes seconds to import: a thread does it, and requests that need it wait."""

from __future__ import annotations

import asyncio
import importlib
import logging
import threading
from concurrent.futures import Future
from typing import Protocol

from starlette.types import ASGIApp

from academy.experiments import mlflow_settings
from academy.experiments.mlflow_settings import Wsgi

logger = logging.getLogger(__name__)


class Server(Protocol):
    """MLflow's applications: ``wsgi`` is its API, ``traces`` takes OpenTelemetry spans; and its page."""

    @property
    def wsgi(self) -> Wsgi: ...

    @property
    def traces(self) -> ASGIApp: ...

    @property
    def page(self) -> str: ...


class ServerLoader:
    """Imports MLflow's server once, however many ask for it."""

    def __init__(self) -> None:
        self._loaded: Future[Server] = Future()
        self._begun = threading.Lock()

    def start(self) -> None:
        """Begin to load, unless that has begun."""
        if self._begun.acquire(blocking=False):
            threading.Thread(target=self._load, name="mlflow-server-load", daemon=True).start()

    async def wait(self) -> Server:
        """Return the server when it is there; raise what kept it from loading."""
        self.start()
        return await asyncio.wrap_future(self._loaded)

    def _load(self) -> None:
        try:
            mlflow_settings.apply()
            # By name, because importing this module imports MLflow.
            module = importlib.import_module("academy.experiments.mlflow_server")
            self._loaded.set_result(module.load())
        except BaseException as error:
            logger.exception("MLflow's server could not be loaded")
            self._loaded.set_exception(error)
