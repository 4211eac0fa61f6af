"""Reproducing what a service ran: real jobs in real environments, built anew from a folder of wheels."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from academy.paths import writable_environment_cache
from academy.service.process import down
from tests.conftest import start
from tests.reproduction_jobs import Bench, code, wheel

SCRIPT = "import counting; log(accuracy=0.9375, loss=1 / 3, packages=float(counting.VERSION))\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service that finds packages in one folder alone, and keeps its environments apart."""
    root = tmp_path_factory.mktemp("reproduction")
    wheels = root / "wheels"
    wheels.mkdir()
    wheel(wheels, "counting", "1.5")
    wheel(wheels, "counting", "2.0")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
            patch.delenv(name, raising=False)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        patch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(root / "cache"))
        running = start(root / "home")
        yield Bench(running, wheels, running.client())
        down(running.home)


@pytest.fixture(scope="module")
def original(bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A job that logs the same each time; nothing of it may be changed."""
    folder = code(tmp_path_factory.mktemp("code") / "src", SCRIPT)
    return bench.submit(folder, bench.environment("counting", "counting==1.5"), name="steady")


def test_a_job_is_run_again_in_an_environment_built_anew(bench: Bench, original: str) -> None:
    found = bench.reproduced("--job", original)
    assert found["verdict"] == "reproduced"
    assert {one["name"]: one["matches"] for one in found["metrics"]} == dict.fromkeys(
        ("accuracy", "loss", "packages"), True
    )
    again = bench.client.jobs.get(found["repeated"]["name"])
    assert again.name == f"{original}-reproduced-1"
    folder = bench.service.home.job("academy-" + _key(bench), again.name)
    assert list(folder.fresh_environments.glob("py*/ready.json")), "it was taken from the cache"
    assert not list(writable_environment_cache().glob("reproduction-*")), "the trial was left behind"


def _key(bench: Bench) -> str:
    return next(bench.service.home.root.glob("jobs/academy-*")).name.removeprefix("academy-")
