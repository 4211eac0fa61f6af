"""One job's process: from a plan in a folder to its record, with real processes."""

from __future__ import annotations

import os
import select
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from academy.datasets.ports import InputMode, InputPlan, OutputMode, OutputPlan, PortKind
from academy.environments.spec import EnvironmentSpec
from academy.jobs.forkserver import ForkServer
from academy.jobs.plan import CommandPlan
from academy.jobs.processes import ProcessId
from academy.jobs.record import Done, JobStatus, State
from academy.jobs.signals import CANCEL_SIGNAL
from academy.paths import ArtifactFolder, JobFolder

OWN = EnvironmentSpec("academy", "1", own=True)
PATIENCE_S = 20.0


@dataclass(frozen=True)
class Started:
    """A job under way, and what is looked at of it."""

    folder: JobFolder
    artifacts: ArtifactFolder
    supervisor: ProcessId

    def ended(self) -> Done:
        """Wait for the supervisor to end and return the record it left."""
        wait_for_end(self.supervisor)
        done = Done.read(self.folder)
        assert done is not None, self.folder.supervisor_log.read_text()
        return done

    @property
    def log(self) -> str:
        return self.artifacts.user_log.read_text()

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: self.artifacts.user_log.exists() and text in self.log)


def supervisor_of(server: ForkServer, folder: JobFolder) -> ProcessId:
    """Ask for a supervisor for the job in the folder."""
    started = server.start(folder, accepted_at=time.time())
    os.close(started.ended)
    return started.supervisor


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


def wait_for_end(process: ProcessId) -> None:
    if not process.is_alive():
        return
    descriptor = os.pidfd_open(process.pid)
    try:
        assert select.select([descriptor], [], [], PATIENCE_S)[0], "the supervisor did not end"
    finally:
        os.close(descriptor)


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    running = ForkServer()
    yield running
    running.close()


@pytest.fixture
def start(server: ForkServer, tmp_path: Path) -> Callable[..., Started]:
    """Start a job; keyword arguments are those of the plan."""

    def started(command: str, **fields: Any) -> Started:
        folder, artifacts = JobFolder(tmp_path / "job"), ArtifactFolder(tmp_path / "artifacts")
        folder.root.mkdir()
        given = {"environment": OWN, "artifacts": artifacts, "grace_s": 0.5, **fields}
        CommandPlan(job_id="/jobs/j", name="j", command=command, **given).write(folder)
        return Started(folder, artifacts, supervisor_of(server, folder))

    return started


def test_a_command_that_succeeds_completes_with_its_output_in_the_log(start: Callable[..., Started]) -> None:
    job = start("echo out; echo err >&2; python -c 'print(1 + 1)'")
    done = job.ended()
    assert (done.status, done.exit_code, done.error) == (JobStatus.COMPLETED, 0, None)
    assert job.log == "out\nerr\n2\n"


def test_the_record_says_when_each_step_was(start: Callable[..., Started]) -> None:
    job = start("true")
    done, state = job.ended(), State.read(job.folder)
    assert state is not None
    assert list(state.times) == ["Preparing", "Running", "Finalizing"]
    assert done.started_at is not None
    assert done.ended_at is not None
    assert done.accepted_at < done.started_at <= done.ended_at < done.done_at


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo before; exit 3", "CommandFailed", "exit code 3"),
        ("python -c 'raise ValueError(42)'", "CommandFailed", "ValueError: 42"),
        ("no-such-command --x", "CommandNotFound", "no-such-command: command not found"),
        ("touch f; ./f", "CommandNotExecutable", "executable bit"),
        ("kill -SEGV $$", "CommandKilled", "SIGSEGV"),
        ("bash -c 'kill -KILL $$'; exit $?", "CommandKilled", "out of memory"),
    ],
)
def test_a_failure_says_why_and_where_the_log_is(
    start: Callable[..., Started], command: str, code: str, words: str
) -> None:
    job = start(command)
    done = job.ended()
    assert done.status is JobStatus.FAILED
    assert done.error is not None
    assert done.error.code == code
    assert words in done.error.message
    assert str(job.artifacts.user_log) in done.error.message


def test_the_last_lines_of_a_failed_job_are_in_its_error(start: Callable[..., Started]) -> None:
    done = start("seq 1000; exit 1").ended()
    assert done.error is not None
    assert "\n1000\n" in done.error.message
    assert "\n500\n" not in done.error.message


def test_outputs_and_logs_become_artifacts_also_when_the_job_fails(start: Callable[..., Started]) -> None:
    job = start("mkdir outputs/a; echo 1 > outputs/a/x; ln -s a/x outputs/y; echo 2 > logs/z; exit 1")
    assert job.ended().status is JobStatus.FAILED
    root = job.artifacts.root
    names = ("outputs/a/x", "outputs/y", "logs/z")
    assert [(root / name).read_text() for name in names] == ["1\n", "1\n", "2\n"]
    assert not (root / "outputs/y").is_symlink()


def test_the_code_is_a_copy_that_the_job_may_change(start: Callable[..., Started], tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "package").mkdir(parents=True)
    script = "open('package/main.py', 'a').write('# changed'); print('ran')"
    (code / "package" / "main.py").write_text(script)
    job = start("python package/main.py", code=code)
    assert job.ended().status is JobStatus.COMPLETED
    assert job.log == "ran\n"
    assert (code / "package" / "main.py").read_text() == script


def test_the_environment_has_ports_and_variables_and_nothing_of_the_service(
    start: Callable[..., Started], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,b")
    inputs = (
        InputPlan("flag", PortKind.LITERAL, value="True"),
        InputPlan("data", PortKind.URI_FILE, InputMode.READ_ONLY_MOUNT, path=data, uri="azureml://d"),
    )
    target = tmp_path / "store" / "model.bin"
    outputs = (OutputPlan("model", PortKind.URI_FILE, OutputMode.READ_WRITE_MOUNT, target, "azureml://m"),)
    command = (
        'env; cat "$AZURE_ML_INPUT_data"; test "$AZUREML_DATAREFERENCE_data" = ${{inputs.data}};'
        ' test "$AZURE_ML_INPUT_flag" = True; cp ${{inputs.data}} "$AZURE_ML_OUTPUT_model"'
    )
    job = start(command, inputs=inputs, outputs=outputs, variables={"MINE": "x y"})
    assert job.ended().error is None
    assert "MINE=x y\n" in job.log
    assert "PYTEST" not in job.log
    assert target.read_text() == "a,b"


def test_an_output_that_was_never_written_is_an_error_of_its_own(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    output = OutputPlan("model", PortKind.URI_FILE, OutputMode.UPLOAD, tmp_path / "m", "azureml://m")
    done = start("true", outputs=(output,)).ended()
    assert done.status is JobStatus.FAILED
    assert done.error is not None
    assert (done.error.code, done.exit_code) == ("OutputNotWritten", 0)


def test_an_input_that_does_not_exist_is_an_error_of_its_own(
    start: Callable[..., Started], tmp_path: Path
) -> None:
    gone = InputPlan("d", PortKind.URI_FILE, InputMode.DOWNLOAD, path=tmp_path / "gone", uri="azureml://gone")
    done = start("cat ${{inputs.d}}", inputs=(gone,)).ended()
    assert done.error is not None
    assert done.error.code == "InputUnavailable"
    assert done.started_at is None


def test_warnings_stand_at_the_top_of_the_log(start: Callable[..., Started]) -> None:
    job = start("echo hello", warnings=("The interactive service 'lab' is not started.",))
    assert job.ended().warnings == ("The interactive service 'lab' is not started.",)
    assert job.log == "[academy] warning: The interactive service 'lab' is not started.\nhello\n"


def test_what_a_job_installs_is_its_own(start: Callable[..., Started]) -> None:
    # The thin environment comes before the shared one, which is not touched.
    job = start("which pip; python -c 'import sys, psutil; print(sys.prefix)'")
    assert job.ended().error is None
    assert job.log.split() == [str(job.folder.environment / "bin" / "pip"), str(job.folder.environment)]


def test_a_time_limit_ends_the_job_and_says_so(start: Callable[..., Started]) -> None:
    job = start("echo begun; sleep 60", timeout_s=0.2)
    done = job.ended()
    assert done.status is JobStatus.FAILED
    assert done.error is not None
    assert done.error.code == "TimeLimitExceeded"
    assert "0.2 seconds" in done.error.message
    assert "begun" in done.error.message


def test_cancel_ends_children_that_ignore_sigterm_and_those_that_daemonised(
    start: Callable[..., Started],
) -> None:
    job = start(
        "(trap '' TERM; echo $BASHPID; while true; do sleep 0.1; done) &\n"
        "setsid bash -c 'echo $$; exec sleep 60' &\n"
        "(setsid bash -c 'echo $$; exec sleep 60' &)\n"
        "echo $$; sleep 60"
    )
    wait_until(lambda: job.artifacts.user_log.exists() and job.log.count("\n") == 4)
    family = [ProcessId.of(int(line)) for line in job.log.split()]
    job.supervisor.send(CANCEL_SIGNAL)
    assert job.ended().status is JobStatus.CANCELED
    assert all(process is not None for process in family)
    assert not any(process.is_alive() for process in family if process)


def test_a_stopped_process_ends_on_cancel(start: Callable[..., Started]) -> None:
    job = start("echo $$; kill -STOP $$")
    job.wait_for_log("\n")
    job.supervisor.send(CANCEL_SIGNAL)
    assert job.ended().status is JobStatus.CANCELED


def test_a_cancel_before_the_start_starts_nothing(
    start: Callable[..., Started], server: ForkServer, tmp_path: Path
) -> None:
    job = start("true")
    job.ended()
    again = JobFolder(tmp_path / "again")
    again.root.mkdir()
    shutil.copy(job.folder.plan_file, again.plan_file)
    again.cancel_file.touch()
    wait_for_end(supervisor_of(server, again))
    done = Done.read(again)
    assert done is not None
    assert (done.status, done.started_at) == (JobStatus.CANCELED, None)


def test_cancel_interrupts_the_preparation(start: Callable[..., Started], tmp_path: Path) -> None:
    # Copying the code takes long: it stands for any slow preparation.
    code = tmp_path / "code"
    code.mkdir()
    for number in range(8_000):
        (code / str(number)).touch()
    job = start("true", code=code)
    wait_until(lambda: State.read(job.folder) is not None)
    job.supervisor.send(CANCEL_SIGNAL)
    done = job.ended()
    assert (done.status, done.started_at) == (JobStatus.CANCELED, None)


def test_what_the_command_left_running_ends_with_it(start: Callable[..., Started]) -> None:
    job = start("sleep 60 & echo $!")
    assert job.ended().status is JobStatus.COMPLETED
    assert not psutil.pid_exists(int(job.log))


def test_the_supervisor_outlives_the_fork_server(tmp_path: Path) -> None:
    own = ForkServer()
    folder, artifacts = JobFolder(tmp_path / "job"), ArtifactFolder(tmp_path / "artifacts")
    folder.root.mkdir()
    go = tmp_path / "go"
    command = f"echo up; while [ ! -e {go} ]; do sleep 0.02; done"
    CommandPlan(job_id="/jobs/j", name="j", command=command, environment=OWN, artifacts=artifacts).write(
        folder
    )
    job = Started(folder, artifacts, supervisor_of(own, folder))
    job.wait_for_log("up")
    own.close()
    go.touch()
    assert job.ended().status is JobStatus.COMPLETED


def test_a_killed_fork_server_is_started_again(start: Callable[..., Started], server: ForkServer) -> None:
    server.warm()
    child = next(item for item in psutil.Process().children() if "academy.jobs.forkserver" in item.cmdline())
    child.send_signal(signal.SIGKILL)
    child.wait(PATIENCE_S)
    assert start("true").ended().status is JobStatus.COMPLETED


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_ready_supervisor_is_replaced(
    start: Callable[..., Started], server: ForkServer, number: signal.Signals
) -> None:
    server.warm()
    child = next(item for item in psutil.Process().children() if "academy.jobs.forkserver" in item.cmdline())

    def ready() -> list[psutil.Process]:
        return [item for item in psutil.process_iter() if is_ready(item, child)]

    wait_until(lambda: len(ready()) == 1)
    (first,) = ready()
    first.send_signal(number)
    first.wait(PATIENCE_S)
    assert start("true").ended().status is JobStatus.COMPLETED


def is_ready(process: psutil.Process, forkserver: psutil.Process) -> bool:
    """Say whether a process is the supervisor that stands by: it has the fork server's command, and init.

    What the fork server forks in between, to let go of it, is its own child still.
    """
    try:
        parents = (os.getpid(), forkserver.pid)
        return process.cmdline() == forkserver.cmdline() and process.ppid() not in parents
    except psutil.Error:
        return False


def test_a_supervisor_whose_job_was_removed_ends(start: Callable[..., Started], tmp_path: Path) -> None:
    go = tmp_path / "go"
    job = start(f"echo begun; until [ -e {go} ]; do sleep 0.05; done")
    job.wait_for_log("begun")
    job.folder.root.rename(tmp_path / "gone")
    go.touch()
    wait_for_end(job.supervisor)
    assert not job.folder.root.exists()


def test_two_supervisors_never_run_one_job(start: Callable[..., Started], server: ForkServer) -> None:
    job = start("echo ran >> outputs/times; sleep 0.2")
    wait_for_end(supervisor_of(server, job.folder))
    job.ended()
    assert (job.artifacts.root / "outputs" / "times").read_text() == "ran\n"


def test_the_fork_server_has_not_loaded_what_is_heavy(
    start: Callable[..., Started], server: ForkServer
) -> None:
    start("true").ended()
    child = next(item for item in psutil.Process().children() if "academy.jobs.forkserver" in item.cmdline())
    assert child.memory_info().rss < 60 << 20


@pytest.mark.parametrize("before", [(), ("logged.txt",)])
def test_outputs_that_are_a_link_are_copied_and_the_original_stays(
    start: Callable[..., Started], tmp_path: Path, before: tuple[str, ...]
) -> None:
    """Also where MLflow has made the folder of artifacts already."""
    precious, mounted = tmp_path / "precious", tmp_path / "store/o"
    precious.mkdir()
    (precious / "x").write_text("1")
    (precious / "link").symlink_to("x")
    (precious / "nowhere").symlink_to("missing")
    os.mkfifo(precious / "pipe")
    for name in before:
        (tmp_path / "artifacts/outputs").mkdir(parents=True)
        (tmp_path / "artifacts/outputs" / name).write_text("")
    plan = OutputPlan("o", PortKind.URI_FOLDER, OutputMode.READ_WRITE_MOUNT, mounted, "azureml://x/o")
    places = "outputs ${{outputs.o}}"
    job = start(f"for p in {places}; do rmdir $p; ln -s {precious} $p; done", outputs=(plan,))
    done = job.ended()
    assert (done.status, done.error) == (JobStatus.COMPLETED, None)
    for place, more in ((job.artifacts.root / "outputs", before), (mounted, ())):
        assert not place.is_symlink()
        assert sorted(os.listdir(place)) == sorted(("x", "link", *more))
        assert not any(path.is_symlink() for path in place.iterdir())
    assert sorted(os.listdir(precious)) == ["link", "nowhere", "pipe", "x"]
    assert (precious / "link").is_symlink()


def test_links_that_cannot_be_copied_fail_no_job_and_are_noted(start: Callable[..., Started]) -> None:
    job = start("ln -s /proc/self/environ outputs/e; rmdir logs; ln -s /missing logs; echo 1 > outputs/x")
    assert job.ended().status is JobStatus.COMPLETED
    assert os.listdir(job.artifacts.root / "outputs") == ["x"]
    assert not (job.artifacts.root / "logs").exists()
    log = job.artifacts.system_log.read_text()
    assert "The link e leads to what is no data; it is left out." in log
    assert "The link logs leads nowhere; it is left out." in log
