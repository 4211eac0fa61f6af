"""Environments built for real, with uv: once, whole, and seen by nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from academy.environments import curated, interpreters
from academy.environments.build import build
from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import EnvironmentFolder
from academy.environments.spec import EnvironmentSpec, LockFile, from_conda, from_document
from academy.paths import read_json
from tests.environments_wheels import THIS, quiet, run, waiting_source, wheel


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that is the only source of packages, and a cache of environments of its own."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(tmp_path / "cache"))
    # What every environment gets; a machine's own Python may bring no wheels of them.
    wheel(folder, "setuptools", "80.0")
    if not list(Path(os.__file__).parent.glob("ensurepip/_bundled/pip-*.whl")):
        wheel(folder, "pip", "24.0")
    return folder


def spec(*requirements: str, **changes: object) -> EnvironmentSpec:
    """An environment of this Python with the requirements."""
    return EnvironmentSpec("demo", "1", THIS, requirements, **changes)  # type: ignore[arg-type]


def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


class TestBuilding:
    """Real builds, of tiny packages."""

    def test_an_environment_is_built_once_and_then_found(self, wheels: Path) -> None:
        wheel(wheels, "tiny", "1.0")
        first: list[str] = []
        built = build(spec("tiny", variables={"MODE": "fast"}), log=first.append)
        assert any("Building environment demo:1" in line for line in first)
        assert built.packages()["tiny"] == "1.0"
        record = read_json(EnvironmentFolder(built.root).ready_file)
        assert record is not None
        assert record["packages"]["tiny"] == "1.0"
        again: list[str] = []
        assert build(spec("tiny"), log=again.append).root == built.root
        assert again == []

    def test_a_process_sees_its_environment_and_nothing_of_ours(self, wheels: Path) -> None:
        wheel(wheels, "tiny", "1.0")
        built = build(spec("tiny", variables={"MODE": "fast"}), log=quiet)
        done = run(
            built,
            "python -c 'import tiny; print(tiny.VERSION)'; echo $MODE $PYTHONPATH; python -c 'import yaml'",
            PYTHONPATH=str(Path(__file__).parents[1]),
            MPLBACKEND="module://absent",
            CONDA_PREFIX="/conda",
        )
        assert done.stdout.split() == ["1.0", "fast"]
        assert "No module named 'yaml'" in done.stderr
        seen = built.process_environment({**os.environ, "MPLBACKEND": "x", "CONDA_PREFIX": "/conda"})
        assert seen["PATH"].split(os.pathsep)[0] == str(built.root / "bin")
        assert str(Path(sys.executable).parent) not in seen["PATH"].split(os.pathsep)
        assert not {"MPLBACKEND", "CONDA_PREFIX", "PYTHONPATH"} & seen.keys()

    def test_a_bare_python_needs_no_network_and_lacks_scikit_learn(self, wheels: Path) -> None:
        bare = from_document("bare", "1", {"image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"})
        built = build(bare, log=quiet)
        done = run(built, "python -c 'import sklearn'")
        assert done.returncode == 1
        assert "ModuleNotFoundError: No module named 'sklearn'" in done.stderr
        assert run(built, "python -m pip --version").returncode == 0

    def test_what_a_job_installs_stays_with_the_job(self, wheels: Path, tmp_path: Path) -> None:
        wheel(wheels, "tiny", "1.0", command="say")
        wheel(wheels, "more", "2.0")
        wheel(wheels, "tiny", "3.0", command="say")
        shared = build(spec("tiny==1.0"), log=quiet)
        job, other = shared.private(tmp_path / "job"), shared.private(tmp_path / "other")
        installed = run(job, "pip install --quiet more tiny==3.0")
        assert installed.returncode == 0, installed.stderr
        shown = "python -c 'import tiny, more; print(tiny.VERSION, more.VERSION)'"
        assert run(job, shown).stdout.strip() == "3.0 2.0"
        assert run(job, "say").stdout.strip() == str(tmp_path / "job")
        assert "No module named 'more'" in run(other, shown).stderr
        assert run(other, "python -c 'import tiny; print(tiny.VERSION)'; say").stdout.split() == [
            "1.0",
            str(tmp_path / "other"),
        ]
        assert "more" not in shared.packages()

    def test_a_job_cannot_install_into_academys_own_python(self, wheels: Path, tmp_path: Path) -> None:
        wheel(wheels, "tinyforown", "1.0")
        mine = build(curated.find("academy", "latest"), log=quiet)
        job = mine.private(tmp_path / "job")
        done = run(job, "pip install --quiet tinyforown && python -c 'import tinyforown, yaml'")
        assert done.returncode == 0, done.stderr
        assert "tinyforown" not in mine.packages()

    def test_a_failed_build_names_the_requirement_and_leaves_nothing(self, wheels: Path) -> None:
        wheel(wheels, "tiny", "1.0", requires=["absent-package>=7"])
        with pytest.raises(EnvironmentBuildError) as caught:
            build(spec("tiny"), log=quiet)
        assert caught.value.code == "ImageBuildFailure"
        assert "absent-package" in caught.value.message
        assert "At fault: tiny." in caught.value.message
        folder = EnvironmentFolder(
            Path(os.environ["ACADEMY_ENVIRONMENT_CACHE"]) / spec("tiny").key(interpreters.find(THIS))
        )
        assert not folder.root.exists()
        wheel(wheels, "absent_package", "7.1")
        assert build(spec("tiny"), log=quiet).packages()["absent-package"] == "7.1"

    def test_mlflow_skinny_follows_the_mlflow_that_is_pinned(self, wheels: Path) -> None:
        wheel(wheels, "mlflow", "1.26.1")
        wheel(wheels, "mlflow_skinny", "1.26.1")
        wheel(wheels, "mlflow_skinny", "2.9.0")
        wheel(wheels, "azureml_mlflow", "1.42.0", requires=["mlflow-skinny"])
        both = build(spec("mlflow==1.26.1", "azureml-mlflow==1.42.0"), log=quiet)
        assert both.packages()["mlflow-skinny"] == "1.26.1"
        alone = build(spec("azureml-mlflow==1.42.0"), log=quiet)
        assert alone.packages()["mlflow-skinny"] == "2.9.0"

    def test_what_a_killed_build_left_is_built_anew(self, wheels: Path) -> None:
        wheel(wheels, "tiny", "1.0")
        built = build(spec("tiny"), log=quiet)
        EnvironmentFolder(built.root).ready_file.unlink()
        (built.site / "tiny.py").unlink()
        assert build(spec("tiny"), log=quiet).packages()["tiny"] == "1.0"
        assert (built.site / "tiny.py").exists()

    def test_an_environment_whose_interpreter_went_away_is_built_anew(self, wheels: Path) -> None:
        built = build(spec(), log=quiet)
        built.python.unlink()
        built.python.symlink_to("/absent/python")
        build(spec(), log=quiet)
        assert run(built, "python -c pass").returncode == 0

    def test_ten_at_once_build_once(self, wheels: Path, tmp_path: Path) -> None:
        began, go = tmp_path / "began", tmp_path / "go"
        # A name of its own: uv remembers what it built.
        name = f"slow{uuid.uuid4().hex}"
        waiting_source(wheels, name, "1.0", began=began, go=go)
        logs: list[list[str]] = [[] for _ in range(10)]
        with ThreadPoolExecutor(10) as pool:
            running = [pool.submit(build, spec(name), log=log.append) for log in logs]
            until(lambda: sum(any("waiting for it" in line for line in log) for log in logs) == 9)
            go.touch()
            assert len({one.result().root for one in running}) == 1
        assert began.read_text() == "x"

    def test_a_build_killed_half_way_is_done_by_the_next(self, wheels: Path, tmp_path: Path) -> None:
        began, go = tmp_path / "began", tmp_path / "go"
        name = f"slow{uuid.uuid4().hex}"
        waiting_source(wheels, name, "1.0", began=began, go=go)
        code = (
            "from academy.environments.build import build\n"
            "from academy.environments.spec import EnvironmentSpec\n"
            f"build(EnvironmentSpec('demo', '1', {THIS!r}, ({name!r},)), log=lambda line: None)"
        )
        builder = subprocess.Popen([sys.executable, "-c", code])
        until(began.exists)
        builder.send_signal(signal.SIGKILL)
        builder.wait()
        said: list[str] = []
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(build, spec(name), log=said.append)
            # uv outlives the killed builder; nobody takes the folder from under it.
            until(lambda: bool(said))
            go.touch()
            built = running.result()
        assert built.packages()[name] == "1.0"
        assert run(built, f"python -c 'import {name}'").returncode == 0

    def test_an_interrupted_build_ends_the_installer(self, wheels: Path, tmp_path: Path) -> None:
        began, go = tmp_path / "began", tmp_path / "go"
        name = f"slow{uuid.uuid4().hex}"
        waiting_source(wheels, name, "1.0", began=began, go=go)

        def interrupt(line: str) -> None:
            if "Building" in line and name in line:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build(spec(name), log=interrupt)
        go.touch()
        assert build(spec(name), log=quiet).packages()[name] == "1.0"

    def test_a_lock_that_changed_since_is_refused(self, wheels: Path, tmp_path: Path) -> None:
        lock = tmp_path / "requirements.lock"
        lock.write_text("")
        locked = spec(lock=LockFile.of(lock))
        lock.write_text("tiny==1.0\n")
        with pytest.raises(EnvironmentBuildError, match="changed since"):
            build(locked, log=quiet)


class TestOffline:
    """What was built once can be built again without a network."""

    def test_uvs_cache_serves_a_second_machine_folder(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        small = from_conda("small", "1", f"dependencies: [python={THIS}, {{pip: [six==1.16.0]}}]")
        build(small, log=quiet, cache=tmp_path / "one")
        monkeypatch.setenv("UV_OFFLINE", "1")
        built = build(small, log=quiet, cache=tmp_path / "two")
        assert built.packages()["six"] == "1.16.0"

    def test_what_was_never_fetched_says_that_the_network_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("UV_OFFLINE", "1")
        monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
        with pytest.raises(EnvironmentBuildError, match=r"cannot be reached|PIP_FIND_LINKS"):
            build(spec("six==1.16.0"), log=quiet, cache=tmp_path / "cache")
