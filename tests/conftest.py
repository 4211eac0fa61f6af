"""Real services for the tests: each worker has one of its own, each with its own home and port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from academy.client import connect
from academy.paths import Home
from academy.service.process import ServiceInfo, down, up


@dataclass(frozen=True)
class Service:
    """A running service, its home, and how to speak to it."""

    home: Home
    info: ServiceInfo

    @property
    def token(self) -> str:
        return self.home.token_file.read_text().strip()

    def client(self) -> Any:
        """Return an ``MLClient`` of this service."""
        return connect(self.home.root)


def start(root: Path) -> Service:
    """Start a service in ``root``."""
    home = Home(root)
    return Service(home, up(home))


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests of this worker that only add to it."""
    running = start(tmp_path_factory.mktemp("home"))
    yield running
    down(running.home)


@pytest.fixture
def ml_client(service: Service) -> Any:
    """The real SDK, pointed at this worker's service."""
    return service.client()


@pytest.fixture
def new_service(tmp_path: Path) -> Iterator[Callable[[], Service]]:
    """Start services that a test may kill or fill; all are ended afterwards."""
    started: list[Service] = []

    def make() -> Service:
        started.append(start(tmp_path / f"home{len(started)}"))
        return started[-1]

    yield make
    for one in started:
        down(one.home)
