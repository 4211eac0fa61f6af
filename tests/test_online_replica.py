"""Replicas under their supervisor: real processes that are killed, hung, and found again."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from academy.endpoints import logs
from academy.endpoints.plan import DeploymentPlan, ModelPlan, Probe
from academy.endpoints.record import ReplicaStatus, State
from academy.endpoints.supervision import Supervisors
from academy.environments.spec import EnvironmentSpec
from academy.jobs.processes import ProcessId
from academy.paths import ReplicaFolder

SCORE = """
import os
def init(): pass
def run(data): return [os.getpid(), os.getcwd(), os.environ["AZUREML_MODEL_DIR"], os.environ.get("MINE")]
"""


OWN = EnvironmentSpec("academy", "1", own=True)


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """Return the condition's first true value."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {timeout_s} s")


class Generation:
    """One generation in a folder of its own, tended as the service does."""

    def __init__(self, root: Path, supervisors: Supervisors, script: str, **changes: Any) -> None:
        code = root / "source"
        code.mkdir(parents=True)
        (code / "score.py").write_text(script)
        self.folder = ReplicaFolder(root / "1")
        self.folder.root.mkdir()
        given = {"environment": OWN, "code": code, "script": "score.py", **changes}
        self.plan = DeploymentPlan("e", "blue", secret="secret", **given)
        self.plan.write(self.folder)
        self._supervisors = supervisors
        supervisors.tend(self.folder)

    def state(self) -> State:
        return State.read(self.folder) or State(ReplicaStatus.PREPARING)

    def tend(self) -> bool:
        return self._supervisors.tend(self.folder)

    def serving(self) -> State:
        wait_for(lambda: self.state().status in (ReplicaStatus.SERVING, ReplicaStatus.FAILED))
        assert self.state().status is ReplicaStatus.SERVING, self.state().error
        return self.state()

    def failed(self) -> str:
        wait_for(lambda: self.state().status is ReplicaStatus.FAILED)
        return self.state().error or ""

    def process(self, number: int = 0) -> ProcessId:
        process = self.serving().replicas[number].process
        assert process is not None
        return process

    def replaced(self, old: ProcessId) -> ProcessId:
        """Wait until another process serves than ``old``."""

        def other() -> ProcessId | None:
            replica = self.state().replicas[0]
            return replica.process if replica.process != old and replica.port else None

        found = wait_for(other)
        assert isinstance(found, ProcessId)
        return found

    def score(self) -> Any:
        port = self.serving().ports[0]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("POST", "/score", b"1", {"x-academy-replica-key": "secret"})
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@pytest.fixture
def supervisors() -> Supervisors:
    return Supervisors()


@pytest.fixture
def begin(tmp_path: Path, supervisors: Supervisors) -> Iterator[Callable[..., Generation]]:
    started: list[Generation] = []

    def make(script: str = SCORE, **changes: Any) -> Generation:
        started.append(Generation(tmp_path / str(len(started)), supervisors, script, **changes))
        return started[-1]

    yield make
    supervisors.end([one.folder for one in started])


Begin = Callable[..., Generation]


def test_script_runs_in_its_code_with_its_variables(begin: Begin) -> None:
    generation = begin(variables={"MINE": "yes"})
    pid, directory, _model, mine = generation.score()
    assert pid == generation.process().pid
    assert directory == str(generation.folder.code)
    assert mine == "yes"


@pytest.mark.parametrize("is_folder", [True, False])
def test_model_is_laid_out_as_on_azure(begin: Begin, tmp_path: Path, is_folder: bool) -> None:
    source = tmp_path / "model"
    source.mkdir()
    (source / "weights.pkl").write_text("w")
    model = ModelPlan("iris", "3", source if is_folder else source / "weights.pkl")
    generation = begin(model=model)
    directory = Path(generation.score()[2])
    assert directory.parts[-3:] == ("azureml-models", "iris", "3")
    assert (directory / "model/weights.pkl" if is_folder else directory / "weights.pkl").read_text() == "w"


@pytest.mark.parametrize(("name", "version"), [("..", "../escaped"), ("a", ".."), ("/", "escaped")])
def test_model_whose_name_leaves_the_folder_is_refused(
    begin: Begin, tmp_path: Path, name: str, version: str
) -> None:
    source = tmp_path / "weights.pkl"
    source.write_text("w")
    assert "leaves its folder" in begin(model=ModelPlan(name, version, source)).failed()
    assert list(tmp_path.rglob("weights.pkl")) == [source]


def test_replica_that_is_killed_is_started_again(begin: Begin) -> None:
    generation = begin()
    old = generation.process()
    old.send(signal.SIGKILL)
    new = generation.replaced(old)
    assert generation.score()[0] == new.pid
    assert generation.state().replicas[0].restarts == 1
    assert "is started again" in generation.folder.supervisor_log.read_text()


def test_supervisor_that_is_killed_leaves_replicas_for_the_next(begin: Begin) -> None:
    generation = begin()
    old, supervisor = generation.process(), generation.state().supervisor
    assert supervisor is not None
    supervisor.send(signal.SIGKILL)
    wait_for(lambda: not supervisor.is_alive())
    assert generation.tend()
    wait_for(lambda: generation.state().supervisor != supervisor)
    assert generation.process() == old
    assert generation.score()[0] == old.pid
    old.send(signal.SIGKILL)
    assert generation.replaced(old) != old


def test_second_supervisor_leaves_the_folder_to_the_first(begin: Begin) -> None:
    generation = begin()
    generation.serving()
    first = generation.state().supervisor
    command = [sys.executable, "-m", "academy.endpoints.replica", str(generation.folder.root)]
    assert subprocess.run(command, timeout=20).returncode == 0
    assert generation.state().supervisor == first


def test_init_that_raises_fails_with_its_traceback(begin: Begin) -> None:
    error = begin("def init():\n    raise ValueError('no weights')\ndef run(data): pass").failed()
    assert "init() of score.py raised ValueError: no weights" in error
    assert 'score.py", line 2, in init' in error
    assert "inference-server.log" in error


def test_crash_at_the_start_is_tried_again_and_then_fails(begin: Begin) -> None:
    generation = begin("import os\nprint('once')\nos._exit(9)")
    assert "ended while it started" in generation.failed()
    assert generation.folder.log_file.read_text().count("once") == 3


def test_script_sees_only_what_its_environment_names(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(tmp_path / "cache"))
    bare = EnvironmentSpec("bare", "1", f"{sys.version_info[0]}.{sys.version_info[1]}")
    error = begin("import sklearn", environment=bare).failed()
    assert "ModuleNotFoundError: No module named 'sklearn'" in error
    script = "import sys\ndef init(): pass\ndef run(data): return sys.prefix"
    generation = begin(script, environment=bare)
    assert Path(generation.score()).is_relative_to(generation.folder.environment)


def test_environment_that_cannot_be_built_fails_the_deployment(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACADEMY_ENVIRONMENT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    generation = begin(environment=EnvironmentSpec("odd", "1", requirements=("no-such-package==99",)))
    assert "no-such-package==99" in generation.failed()
    assert "cannot be built" in generation.folder.supervisor_log.read_text()


def test_init_that_takes_too_long_fails(begin: Begin) -> None:
    quick = Probe(initial_delay_s=0.1, period_s=0.1, failure_threshold=1)
    generation = begin("import time\ndef init(): time.sleep(60)\ndef run(data): pass", liveness=quick)
    assert "not ready within 0.2 seconds" in generation.failed()


def test_replica_that_hangs_is_replaced(begin: Begin) -> None:
    probe = Probe(period_s=0.1, timeout_s=0.2, failure_threshold=2)
    generation = begin(liveness=probe)
    old = generation.process()
    old.send(signal.SIGSTOP)
    generation.replaced(old)
    assert "liveness probe" in generation.folder.supervisor_log.read_text()


def test_each_instance_is_a_process_of_its_own(begin: Begin) -> None:
    state = begin(instances=2).serving()
    assert len(set(state.ports)) == 2
    assert len({replica.process for replica in state.replicas}) == 2


def test_end_leaves_no_process(begin: Begin, supervisors: Supervisors) -> None:
    generation = begin(
        "import subprocess\ndef init():\n    global child\n    child = subprocess.Popen(['sleep', '100'])\n"
        "def run(data): return child.pid"
    )
    child = psutil.Process(generation.score())
    server, supervisor = generation.process(), generation.state().supervisor
    supervisors.end([generation.folder])
    assert supervisor is not None
    assert not supervisor.is_alive()
    assert not server.is_alive()
    wait_for(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert generation.state().status is ReplicaStatus.STOPPED


def test_end_also_ends_replicas_whose_supervisor_is_gone(begin: Begin, supervisors: Supervisors) -> None:
    generation = begin()
    server, supervisor = generation.process(), generation.state().supervisor
    assert supervisor is not None
    supervisor.send(signal.SIGKILL)
    wait_for(lambda: not supervisor.is_alive())
    supervisors.end([generation.folder])
    wait_for(lambda: not server.is_alive())


def test_everything_ends_when_the_folder_is_deleted(begin: Begin) -> None:
    generation = begin()
    server, supervisor = generation.process(), generation.state().supervisor
    assert supervisor is not None
    shutil.rmtree(generation.folder.root)
    wait_for(lambda: not supervisor.is_alive())
    wait_for(lambda: not server.is_alive())


def test_supervisor_that_keeps_ending_is_given_up(begin: Begin) -> None:
    generation = begin()
    generation.serving()
    given_up = False
    for _ in range(6):
        supervisor = generation.state().supervisor
        assert supervisor is not None
        supervisor.send(signal.SIGKILL)
        gone = supervisor
        wait_for(partial(lambda one: not one.is_alive(), gone))
        given_up = not generation.tend()
        if given_up:
            break
        wait_for(partial(lambda one: generation.state().supervisor != one, gone))
    assert given_up


def test_log_that_is_too_long_moves_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 100)
    log = tmp_path / "log"
    log.write_text("line\n" * 30)
    logs.bound(log)
    assert log.read_text() == ""
    assert (tmp_path / "log.1").read_text().count("line") == 30


def test_tail_returns_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert logs.tail(log, 5) == ""
    log.write_text("".join(f"{number}\n" for number in range(100_000)))
    assert logs.tail(log, 2) == "99998\n99999"
    assert logs.tail(log, 0) == ""
    assert logs.tail(log, 5, since=log.stat().st_size - 6) == "99999"
