"""The nursery: children that are as new processes are, and that leave nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import nbformat
import papermill
import psutil
import pytest
from jupyter_core.utils import ensure_event_loop
from nbclient import NotebookClient

from academy.client import connect
from academy.errors import AcademyError
from academy.jobs.forkserver import ForkServer
from academy.labs.collection import Collection
from academy.labs.nursery import Child, Nursery, NurseryError
from academy.labs.nursery.kernel import KernelNotStarted, WarmKernelManager, warm_kernels
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.process import PortTaken, down, status, up

HERE = Path(__file__).parent
CHILDREN = "nursery_children"
TIMEOUT_S = 30.0


def variables(**more: str) -> dict[str, str]:
    """An environment in which children find the functions that these tests run in them."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), **more}


@pytest.fixture(scope="module")
def warm() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def cold() -> Iterator[Nursery]:
    with Nursery(warm=False) as nursery:
        yield nursery


@pytest.fixture(params=["warm", "cold"])
def nursery(request: pytest.FixtureRequest) -> Nursery:
    """Both kinds: what is tested with this holds for each."""
    found: Nursery = request.getfixturevalue(request.param)
    return found


def run(nursery: Nursery, function: str, argument: Any = None, **options: Any) -> Child:
    return nursery.run(f"{CHILDREN}:{function}", argument, **{"env": variables(), **options})


def await_that(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {TIMEOUT_S} s: {what}"
        time.sleep(0.01)
    return found


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- children


def test_a_child_is_as_a_new_process_would_be(nursery: Nursery, tmp_path: Path) -> None:
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    child = run(nursery, "describe", {"a": [1]}, env=variables(TMPDIR=str(tmp), OWN="1"), cwd=tmp_path)
    found = child.result(TIMEOUT_S)
    assert found["argument"] == {"a": [1]}
    assert found["pid"] == found["session"] == child.pid
    assert found["cwd"] == str(tmp_path)
    assert found["temporary"] == str(tmp)
    own = {name for name in found["env"] if not name.startswith(("KMP_", "LC_CTYPE"))}
    assert own == {"PATH", "PYTHONPATH", "TMPDIR", "OWN"}
    assert found["threads"] == 1
    assert found["blocked"] == 0
    assert set(found["signals"]) == {"SIGINT", "SIGPIPE", "SIGXFSZ"}
    strange = [name for name in found["descriptors"] if "socket" in name or "pipe" in name]
    assert not strange, "a child holds a descriptor of the nursery"


def test_a_warm_child_has_the_stack_without_importing_it(warm: Nursery) -> None:
    modules = run(warm, "describe").result(TIMEOUT_S)["modules"]
    assert {"azure", "mlflow", "pandas", "numpy", "sklearn", "ipykernel", "papermill", "uvicorn"} <= set(
        modules
    )
    # These look at the process that imports them first.
    assert not {"matplotlib", "pytest", "torch"} & set(modules)


def test_two_forks_are_not_named_by_the_same_chance(warm: Nursery) -> None:
    first, second = run(warm, "chance"), run(warm, "chance")
    for one, other in zip(first.result(TIMEOUT_S), second.result(TIMEOUT_S), strict=True):
        assert one != other


def test_the_nursery_has_one_thread_when_it_forks(warm: Nursery) -> None:
    run(warm, "describe").wait()
    assert len(os.listdir(f"/proc/{warm.pid}/task")) == 1


def test_a_nursery_with_threads_refuses_to_fork(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "restless.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Nursery(warm=True, modules=["restless"]) as restless, pytest.raises(NurseryError, match="threads"):
        run(restless, "describe")


def test_the_nursery_holds_no_secret_of_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUD_PASSWORD", "hunter2")
    with Nursery(warm=True, modules=[]) as plain:
        assert plain.run("os:getenv", "CLOUD_PASSWORD").result(TIMEOUT_S) == "hunter2"
        assert plain.run("os:getenv", "CLOUD_PASSWORD", env={}).result(TIMEOUT_S) is None
        assert b"hunter2" not in Path(f"/proc/{plain.pid}/environ").read_bytes()


def test_exit_status_and_signal_are_told(nursery: Nursery) -> None:
    assert run(nursery, "exit_with", 7).wait(TIMEOUT_S) == 7
    assert run(nursery, "kill_self").wait(TIMEOUT_S) == -signal.SIGKILL
    assert run(nursery, "exit_with", 0).wait(TIMEOUT_S) == 0


def test_what_a_child_raises_is_in_the_error(nursery: Nursery, tmp_path: Path) -> None:
    child = run(nursery, "fail", "no such lab", log=tmp_path / "own.log")
    with pytest.raises(NurseryError, match="ValueError: no such lab"):
        child.result(TIMEOUT_S)
    assert "Traceback" in (tmp_path / "own.log").read_text()


def test_wait_ends_before_the_child_when_the_time_is_over(nursery: Nursery) -> None:
    child = run(nursery, "sleep", 600)
    assert child.wait(0.05) is None
    assert child.poll() is None
    child.kill()
    assert child.wait(0) == -signal.SIGKILL
    assert not runs(child.pid)


def test_kill_ends_also_what_daemonised_itself(nursery: Nursery, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    child = run(nursery, "daemonise", str(note))
    daemon = int(await_that(lambda: note.exists() and note.read_text(), "a daemon starts"))
    assert runs(daemon)
    child.send(signal.SIGKILL)
    assert child.wait(TIMEOUT_S) == -signal.SIGKILL
    assert runs(daemon), "what a child leaves behind goes on, as it would elsewhere"
    child.kill()
    assert not runs(daemon)


OWNER = """
import sys, time
sys.path.insert(0, {here!r})
from academy.labs.nursery import Nursery
import os
if __name__ == "__main__":
    with Nursery(warm=False) as nursery:
        env = {{"PYTHONPATH": {here!r}, "PATH": ""}}
        child = nursery.run("nursery_children:daemonise", {note!r}, env=env)
        while not os.path.exists({note!r}): time.sleep(0.01)
        print(nursery.pid, child.root, child.pid, flush=True)
        time.sleep(600)
"""


@pytest.mark.parametrize("victim", ["owner", "nursery", "keeper"])
def test_everything_ends_with_whoever_is_killed_above_it(victim: str, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = OWNER.format(here=str(HERE), note=str(note))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            nursery, keeper, child = map(int, owner.stdout.readline().split())
            daemon = int(await_that(note.read_text, "a daemon starts"))
            os.kill({"owner": owner.pid, "nursery": nursery, "keeper": keeper}[victim], signal.SIGKILL)
            await_that(lambda: not any(map(runs, (keeper, child, daemon))), "all below end")
        finally:
            owner.kill()
    await_that(lambda: not runs(nursery), "the nursery ends")


def test_folders_of_killed_owners_are_removed_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys, tempfile; from academy.labs.nursery import Nursery\n"
        "with Nursery(warm=False) as nursery: print(tempfile.gettempdir(), flush=True); sys.stdin.read()"
    )
    foreign, pointing = tmp_path / "academy-nursery-foreign", tmp_path / "academy-nursery-pointing"
    foreign.mkdir()  # without a lock: nobody knows whose it is
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "owner.lock").touch()
    pointing.symlink_to(tmp_path / "elsewhere")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == f"{tmp_path}\n"
        (left,) = set(tmp_path.glob("academy-nursery-*")) - {foreign, pointing}
        with Nursery(warm=False):
            assert left.exists(), "its owner lives"
            owner.kill()
            owner.wait()
            with Nursery(warm=False):
                assert not left.exists()
                assert len(list(tmp_path.glob("academy-nursery-*"))) == 4
    assert set(tmp_path.glob("academy-nursery-*")) == {foreign, pointing}
    assert (pointing / "owner.lock").exists()


def test_children_of_many_threads_at_once(nursery: Nursery) -> None:
    children = [run(nursery, "describe", number) for number in range(6)]
    assert [child.result(TIMEOUT_S)["argument"] for child in children] == list(range(6))
    assert len({child.pid for child in children}) == 6


def test_a_nursery_that_was_not_entered_says_how() -> None:
    with pytest.raises(NurseryError, match="with Nursery"):
        Nursery().run("os:getcwd")


# --- services


def test_a_service_is_up_as_any_other_and_down_ends_its_jobs(nursery: Nursery, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    info = nursery.service(home)
    assert httpx.get(f"{info.address}/health").text == "ok"
    assert status(home).info == info
    assert nursery.service(home) == info, "the one that runs is taken"
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "wait.py").write_text("import time; print('up', flush=True); time.sleep(600)")
    from azure.ai.ml import command

    client = connect(home.root)
    job = client.jobs.create_or_update(
        command(code=str(tmp_path / "src"), command="python wait.py", environment="academy@latest")
    )
    await_that(lambda: client.jobs.get(job.name).status == "Running", "the job runs")
    below = psutil.Process(nursery.service_child(home).root).children(recursive=True)
    assert len(below) > 2
    assert nursery.down(home)
    assert not [process for process in below if process.is_running()]
    assert status(home).state == "stopped"
    assert not nursery.down(home)


def test_a_service_that_cannot_start_says_why(nursery: Nursery, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AcademyError, match=f"Port {port}") as refused:
            nursery.service(Home(tmp_path / "home"), port=port)
    assert refused.value.exit_status == PortTaken.exit_status
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(AcademyError, match="home folder"):
        nursery.service(Home(file))


def test_a_folder_named_academy_where_it_begins_means_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (tmp_path / "academy", tmp_path / "home" / "academy"):
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('not Academy')")
    (tmp_path / "beside.py").write_text("WORD = 'found'")
    monkeypatch.chdir(tmp_path)
    for kind in (False, True):
        with Nursery(warm=kind) as nursery:
            assert run(nursery, "describe", cwd=tmp_path).result(TIMEOUT_S)["cwd"] == str(tmp_path)
            env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
            own = notebook("import beside, sys; print(beside.WORD, '' in sys.path)")
            made = execute(own, tmp_path, kernel_manager_class=warm_kernels(nursery, env=env))
            assert outputs(made)[0]["text"] == "found True\n"
    home = Home(tmp_path / "home")
    assert up(home).address
    assert down(home)
    jobs = ForkServer()
    jobs.warm()
    server = jobs._server
    jobs.close()
    assert server is not None
    assert server.returncode == 0


def test_a_suite_runs_in_a_folder_with_another_academy(tmp_path: Path) -> None:
    new_lab(Collection(tmp_path / "my"), "90-count-days")
    (tmp_path / "academy").mkdir()
    (tmp_path / "academy" / "__init__.py").write_text("raise RuntimeError('not Academy')")
    done = subprocess.run(
        [Path(sys.executable).with_name("academy"), "test", "--collection", "my"],
        cwd=tmp_path,
        env={**os.environ, "ACADEMY_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout


# --- kernels

SEEN = """
import os, sys, threading, signal
print(sys.argv[0], sys.argv[1], sys.orig_argv[:3], sys.path, os.getcwd(), __name__)
print(sys.modules["__main__"].__dict__ is globals(), sorted(globals()), sys.flags, sys.dont_write_bytecode)
print(sorted(thread.name for thread in threading.enumerate()), threading.current_thread().name)
print([s.name for s in signal.valid_signals() if signal.getsignal(s) not in (signal.SIG_DFL, None)])
print({name: value for name, value in os.environ.items() if not name.startswith("KMP_")})
print(os.getsid(0) == os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []), os.umask(0o22))
"""


def notebook(*sources: str) -> Any:
    made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return made


def outputs(executed: Any) -> list[Any]:
    return [
        {key: value for key, value in output.items() if key != "metadata"}
        for cell in executed.cells
        for output in cell.outputs
    ]


@contextlib.contextmanager
def event_loop() -> Iterator[None]:
    """The loop that Jupyter makes when it is called without one, and leaves open."""
    loop = ensure_event_loop()
    yield
    loop.close()


def execute(made: Any, folder: Path, **options: Any) -> Any:
    with event_loop():
        return NotebookClient(made, resources={"metadata": {"path": str(folder)}}, **options).execute()


def test_a_warm_kernel_cannot_be_told_from_a_cold_one(warm: Nursery, tmp_path: Path) -> None:
    rest = [
        "1 + 1",
        "import pandas\npandas.DataFrame({'a': [1]})",
        "1 / 0",
        "%whos",
        "!echo hello",
        "callable(input)",
    ]
    made = [notebook(SEEN, *rest) for _ in range(2)]
    for one in made:
        one.cells[3].metadata.tags = ["raises-exception"]
    as_usual = execute(made[0], tmp_path)
    forked = execute(made[1], tmp_path, kernel_manager_class=warm_kernels(warm))
    assert outputs(forked)[1:] == outputs(as_usual)[1:]
    told, usual = (outputs(one)[0]["text"] for one in (forked, as_usual))
    assert told == usual


def test_a_kernel_has_the_environment_that_was_asked_for(nursery: Nursery, tmp_path: Path) -> None:
    kernels = warm_kernels(nursery, env=variables(ACADEMY_LAB="00-count-months"))
    made = notebook("import os; print(sorted(os.environ))", "os.environ['ACADEMY_LAB']")
    names, lab = outputs(execute(made, tmp_path, kernel_manager_class=kernels))
    assert lab["data"]["text/plain"] == "'00-count-months'"
    assert "HOME" not in names["text"]


async def started(kernels: Any, **options: Any) -> tuple[Any, Any]:
    manager = kernels(kernel_name="python3")
    await manager.start_kernel(**options)
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=TIMEOUT_S)
    return manager, client


async def value(client: Any, expression: str) -> str:
    while True:
        reply = await client.execute("", user_expressions={"v": expression}, reply=True, timeout=TIMEOUT_S)
        if reply["content"]["status"] != "aborted":  # as everything is for a moment after an interrupt
            found: str = reply["content"]["user_expressions"]["v"]["data"]["text/plain"]
            return found


def test_interrupt_restart_death_and_shutdown(nursery: Nursery) -> None:
    async def live() -> None:
        manager, client = await started(warm_kernels(nursery))
        first = manager.child
        assert await value(client, "__import__('os').getpid()") == str(first.pid)
        cell = client.execute("import time; print('begun', flush=True); time.sleep(600)")
        while (await client.get_iopub_msg(timeout=TIMEOUT_S))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        reply = await client.get_shell_msg(timeout=TIMEOUT_S)
        assert (reply["parent_header"]["msg_id"], reply["content"]["ename"]) == (cell, "KeyboardInterrupt")
        assert await value(client, "6 * 7") == "42"
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=TIMEOUT_S)
        assert await value(client, "'time' in globals()") == "False"
        assert manager.child.pid != first.pid
        assert not runs(first.pid)
        await manager.signal_kernel(signal.SIGKILL)
        manager.child.wait(TIMEOUT_S)
        assert not await manager.is_alive()
        assert await manager.provisioner.poll() == -signal.SIGKILL
        client.stop_channels()
        await manager.shutdown_kernel(now=True)

    asyncio.run(live())


def test_shutdown_ends_what_the_kernel_started(nursery: Nursery, tmp_path: Path) -> None:
    async def live() -> int:
        manager, client = await started(warm_kernels(nursery))
        pid = await value(
            client, "__import__('subprocess').Popen(['sleep', '600'], start_new_session=True).pid"
        )
        client.stop_channels()
        await manager.shutdown_kernel()
        assert not runs(manager.child.pid)
        return int(pid)

    assert not runs(asyncio.run(live()))


def test_papermill_runs_in_warm_kernels(warm: Nursery, tmp_path: Path) -> None:
    made = notebook("a = 1", "print(a)")
    made.cells[0].metadata.tags = ["parameters"]
    source, target = tmp_path / "in.ipynb", tmp_path / "out.ipynb"
    nbformat.write(made, source)
    options = {"kernel_manager_class": warm_kernels(warm), "cwd": tmp_path, "progress_bar": False}
    with event_loop():
        executed = papermill.execute_notebook(source, target, {"a": 5}, **options)
    assert executed.cells[-1].outputs[0]["text"] == "5\n"


FIRST = (
    "import os, pathlib, time; note = pathlib.Path({note!r}); first = not note.exists(); "
    "note.touch(); first and {ends}"
)


@pytest.mark.parametrize("ends", ["os._exit(3)", "time.sleep(600)"], ids=["dies", "hangs"])
def test_a_kernel_whose_first_start_fails_is_started_again(
    nursery: Nursery, tmp_path: Path, ends: str
) -> None:
    note = tmp_path / "started"
    spoil = FIRST.format(note=str(note), ends=ends)

    async def live() -> str:
        kernels = warm_kernels(nursery, start_s=2.0 if nursery.warm else 6.0)
        manager, client = await started(kernels, extra_arguments=[f"--IPKernelApp.exec_lines={spoil}"])
        found = await value(client, "6 * 7")
        client.stop_channels()
        await manager.shutdown_kernel()
        return found

    assert asyncio.run(live()) == "42"
    assert note.exists()


def test_a_kernel_that_never_starts_is_given_up_with_its_last_words(nursery: Nursery) -> None:
    async def live() -> None:
        manager = warm_kernels(nursery, attempts=2)(kernel_name="python3")
        spoil = "--IPKernelApp.exec_lines=import os; os.write(2, b'no licence'); os._exit(3)"
        with pytest.raises(KernelNotStarted, match=r"2 starts(.|\n)*exit status 3(.|\n)*no licence"):
            await manager.start_kernel(extra_arguments=[spoil])

    asyncio.run(live())


def test_a_manager_without_nursery_starts_kernels_as_jupyter_does(tmp_path: Path) -> None:
    async def live() -> None:
        manager, client = await started(WarmKernelManager)
        assert await value(client, "6 * 7") == "42"
        client.stop_channels()
        await manager.shutdown_kernel(now=True)

    asyncio.run(live())
