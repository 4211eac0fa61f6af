"""What becomes of jobs when processes are killed: theirs, their supervisors, the service."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from azure.ai.ml import Output, command
from azure.ai.ml.entities import AmlCompute

from academy.datasets.datastores import ARTIFACT_CONTAINER, account_name, run_prefix
from academy.jobs.processes import ProcessId
from academy.jobs.record import Done, JobError, State
from academy.paths import ArtifactFolder, JobFolder
from academy.service.process import down
from academy.store.ids import Workspace
from tests.conftest import Service, start

WORKSPACE = Workspace("00000000-0000-0000-0000-000000000001", "academy", "academy")
PATIENCE_S = 30.0
ENDED = ("Completed", "Failed", "Canceled")


def wait_until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)
    return found


def submit(client: Any, line: str, **fields: Any) -> str:
    job = command(command=line, environment="azureml:academy:1", **fields)
    return str(client.jobs.create_or_update(job).name)


def ended(client: Any, name: str) -> Any:
    """Wait until the job has ended, and return its status."""
    return wait_until(lambda: status if (status := client.jobs.get(name).status) in ENDED else None)


def folder_of(service: Service, name: str) -> JobFolder:
    return service.home.job(WORKSPACE.key, name)


def log_of(service: Service, name: str) -> Path:
    container = service.home.container(account_name(WORKSPACE), ARTIFACT_CONTAINER)
    return ArtifactFolder(container / run_prefix(name)).user_log


def running(service: Service, name: str) -> State:
    """Wait until the job's command runs, and return the state with its processes."""

    def found() -> State | None:
        state = State.read(folder_of(service, name))
        return state if state and state.process else None

    state = wait_until(found)
    assert isinstance(state, State)
    return state


def error_of(service: Service, name: str) -> JobError:
    done = Done.read(folder_of(service, name))
    assert done is not None
    assert done.error is not None
    return done.error


def kill(process: ProcessId | None) -> None:
    assert process is not None
    assert process.send(signal.SIGKILL)


def below(process: ProcessId | None) -> list[psutil.Process]:
    assert process is not None
    return psutil.Process(process.pid).children(recursive=True)


def test_a_killed_command_fails_the_job_with_a_message(ml_client: Any, service: Service) -> None:
    name = submit(ml_client, "echo so far; exec sleep 60")
    process = running(service, name).process
    log = log_of(service, name)
    wait_until(lambda: log.exists() and "so far" in log.read_text())
    kill(process)
    assert ended(ml_client, name) == "Failed"
    error = error_of(service, name)
    assert error.code == "CommandKilled"
    assert "SIGKILL" in error.message
    assert "so far" in error.message


def test_a_killed_supervisor_fails_the_job_and_leaves_no_process(ml_client: Any, service: Service) -> None:
    name = submit(ml_client, "(setsid sleep 60 &); echo kept > outputs/kept; echo ready; sleep 60")
    state = running(service, name)
    log = log_of(service, name)
    wait_until(lambda: log.exists() and "ready" in log.read_text())
    family = below(state.supervisor)
    assert len(family) >= 2
    kill(state.supervisor)
    assert ended(ml_client, name) == "Failed"
    assert error_of(service, name).code == "SupervisorLost"
    assert not [process for process in family if process.is_running()]
    assert (log.parents[1] / "outputs" / "kept").read_text() == "kept\n"


def test_a_job_that_was_to_be_canceled_when_its_supervisor_died_is_canceled(
    ml_client: Any, service: Service
) -> None:
    name = submit(ml_client, "sleep 60")
    supervisor = running(service, name).supervisor
    assert supervisor is not None
    supervisor.send(signal.SIGSTOP)
    url = f"{service.info.address}{WORKSPACE.child('jobs', name)}/cancel"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, headers={"Authorization": f"Bearer {service.token}"}, timeout=0.3)
    kill(supervisor)
    assert ended(ml_client, name) == "Canceled"


def test_a_job_that_the_disk_did_not_let_start_starts_when_somebody_looks(
    ml_client: Any, service: Service, tmp_path: Path
) -> None:
    # A file in the place of the job's folder fails as a full disk does: with an OSError.
    obstacle = folder_of(service, "obstructed").root
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.touch()
    submit(ml_client, "true", name="obstructed")
    assert ml_client.jobs.get("obstructed").status == "NotStarted"
    obstacle.unlink()
    assert ended(ml_client, "obstructed") == "Completed"


@dataclass(frozen=True)
class Aftermath:
    """A service that was killed and started again, and the jobs that it had."""

    service: Service
    client: Any
    folder: Path
    jobs: dict[str, str]


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Kill a service while one job runs on, one ends, one loses its supervisor, and one waits."""
    folder = tmp_path_factory.mktemp("survival")
    service = start(folder / "home")
    client = service.client()
    single = AmlCompute(name="single", size="Standard_DS3_v2", min_instances=0, max_instances=1)
    client.compute.begin_create_or_update(single).result()
    asset = {"o": Output(type="uri_file", name="survivor")}

    def waits_for(gate: str) -> str:
        return f"echo {gate} >> {folder / 'times'}; while [ ! -e {folder / gate} ]; do sleep 0.02; done"

    jobs = {
        "ended": submit(
            client, f"{waits_for('ended')}; echo x > ${{{{outputs.o}}}}", outputs=asset, compute="single"
        ),
        "waiting": submit(client, f"echo waiting >> {folder / 'times'}", compute="single"),
        "running": submit(client, f"{waits_for('running')}; exit 5"),
        "bereaved": submit(client, "(setsid sleep 60 &); sleep 60"),
    }
    states = {name: running(service, jobs[name]) for name in ("ended", "running", "bereaved")}
    os.kill(service.info.pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(service.info.pid))
    (folder / "ended").touch()
    wait_until(folder_of(service, jobs["ended"]).done_file.exists)
    kill(states["bereaved"].supervisor)
    again = start(folder / "home")
    yield Aftermath(again, again.client(), folder, jobs)
    down(again.home)


def test_a_job_that_ended_while_the_service_was_down_is_recorded(aftermath: Aftermath) -> None:
    assert ended(aftermath.client, aftermath.jobs["ended"]) == "Completed"


def test_its_output_is_registered_once(aftermath: Aftermath) -> None:
    ended(aftermath.client, aftermath.jobs["ended"])
    assert [item.version for item in aftermath.client.data.list("survivor")] == ["1"]


def test_a_job_that_runs_on_is_watched_again(aftermath: Aftermath) -> None:
    name = aftermath.jobs["running"]
    assert aftermath.client.jobs.get(name).status == "Running"
    (aftermath.folder / "running").touch()
    assert ended(aftermath.client, name) == "Failed"
    assert "exit code 5" in error_of(aftermath.service, name).message


def test_a_job_that_waited_runs_then(aftermath: Aftermath) -> None:
    assert ended(aftermath.client, aftermath.jobs["waiting"]) == "Completed"


def test_a_job_whose_supervisor_died_meanwhile_has_failed(aftermath: Aftermath) -> None:
    name = aftermath.jobs["bereaved"]
    assert ended(aftermath.client, name) == "Failed"
    assert error_of(aftermath.service, name).code == "SupervisorLost"


def test_nothing_ran_twice(aftermath: Aftermath) -> None:
    for name in ("ended", "waiting", "bereaved"):
        ended(aftermath.client, aftermath.jobs[name])
    ran = (aftermath.folder / "times").read_text().split()
    assert sorted(ran) == ["ended", "running", "waiting"]
