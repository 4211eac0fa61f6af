"""Measures on this machine what one learner starts: a service, a kernel, a job, JupyterLab.

Each is really started, in a temporary home, and ended again; several times, because processor time is not
the same twice. Nothing is estimated here; ``room`` counts up from it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
from jupyter_client import KernelManager

from academy.errors import ServiceUnavailable
from academy.labs.classroom.measured import Disk, Machine, Measured, Measurement
from academy.labs.classroom.memory import tree
from academy.labs.collection import Collection
from academy.paths import Home, environment_cache, read_json
from academy.service.process import down, up

# What a lab's notebook does before its first step: connect, and look at a table.
_NOTEBOOK = """
%load_ext academy
import mlflow
import pandas as pd
from azure.ai.ml import MLClient, command
from azure.identity import DefaultAzureCredential
ml_client = MLClient(
    DefaultAzureCredential(),
    subscription_id="00000000-0000-0000-0000-000000000001",
    resource_group_name="academy",
    workspace_name="academy",
)
workspace = ml_client.workspaces.get(ml_client.workspace_name)
mlflow.set_tracking_uri(workspace.mlflow_tracking_uri)
"""
# A job that imports what training scripts do, says that it stands, and waits to be measured.
_TRAINING = """
import pathlib, time
import mlflow, pandas
from sklearn.linear_model import LogisticRegression
LogisticRegression().fit([[0.0], [1.0]], [0, 1])
pathlib.Path(MARK).write_text("stands")
while pathlib.Path(MARK).exists():
    time.sleep(0.05)
"""
_SUBMIT = """
job = ml_client.jobs.create_or_update(
    command(code=CODE, command="python train.py", environment=ENVIRONMENT, experiment_name="room")
)
print(job.name)
"""
_OWN_ENVIRONMENT = "azureml://registries/azureml/environments/academy/labels/latest"
_PATIENCE_S = 120.0


def measure(collection: Collection, say: Callable[[str], None], times: int = 3) -> Measurement:
    """Start what one learner starts, measure it, end it; so many times.

    Raises
    ------
    ServiceUnavailable
        The service or the kernel does not start here; without them there is nothing to measure.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="academy-room-") as name:
        root = Path(name)
        machine = Machine.this(root)
        samples = []
        for number in range(1, times + 1):
            say(f"Starting a service, a kernel with the SDK, a job and JupyterLab ({number} of {times}) …")
            samples.append(_sample(root / str(number)))
        home_mb = size_mb(_home(root / "1").root)
    found = Measurement(machine, tuple(samples), (), 0.0)
    for one in found.running:
        say(f"  {one.name}: {one.not_measured or f'{one.memory.total_mb:.0f} MB of memory'}")
    say("Measuring the disk …")
    disks = []
    for disk in (*_own_disks(collection, home_mb), *_shared_disks()):
        disks.append(disk)
        say(f"  {disk.name}: {disk.mb:.0f} MB on disk")
    return Measurement(machine, tuple(samples), tuple(disks), time.monotonic() - began)


def size_mb(folder: Path) -> float:
    """Return what a folder takes on disk; hard links count once, links not at all."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(at, name))
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    total += status.st_blocks * 512
    return total / 2**20


def _sample(root: Path) -> tuple[Measured, ...]:
    """Start all once. JupyterLab starts beside the notebook, in a folder of its own."""
    notebook, lab = root / "notebook", root / "jupyterlab"
    notebook.mkdir(parents=True)
    lab.mkdir()
    home = _home(root)
    environment = {**os.environ, "ACADEMY_HOME": str(home.root), "JUPYTER_RUNTIME_DIR": str(lab / "runtime")}
    try:
        service = Measured.of("service", tree(up(home).pid))
        with ThreadPoolExecutor(1) as pool:
            jupyterlab = pool.submit(_jupyterlab, environment, lab)
            with _kernel(environment, notebook) as kernel:
                kernel.run(_NOTEBOOK)
                ready = Measured.of("kernel with azure.ai.ml, mlflow, pandas", kernel.processes())
                return service, ready, _job(kernel, root), jupyterlab.result()
    finally:
        down(home)


def _home(root: Path) -> Home:
    return Home(root / "home")


class _Kernel:
    """A running kernel, and what it prints."""

    def __init__(self, manager: KernelManager) -> None:
        self._manager = manager
        self._client = manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE_S)

    def run(self, code: str) -> str:
        printed: list[str] = []

        def keep(message: Mapping[str, object]) -> None:
            content = message["content"]
            if isinstance(content, Mapping) and "text" in content:
                printed.append(str(content["text"]))

        reply = self._client.execute_interactive(code, timeout=_PATIENCE_S, output_hook=keep)
        content = reply["content"]
        if content["status"] != "ok":
            raise ServiceUnavailable(f"The kernel does not work: {content['ename']}: {content['evalue']}")
        return "".join(printed)

    def processes(self) -> list[int]:
        return tree(self._manager.provisioner.pid)

    def close(self) -> None:
        self._client.stop_channels()


@contextlib.contextmanager
def _kernel(environment: dict[str, str], root: Path) -> Iterator[_Kernel]:
    manager = KernelManager(kernel_name="python3", connection_file=str(root / "kernel.json"))
    manager.start_kernel(env=environment, cwd=str(root), stderr=subprocess.DEVNULL)
    try:
        kernel = _Kernel(manager)
        try:
            yield kernel
        finally:
            kernel.close()
    except (RuntimeError, TimeoutError) as error:
        raise ServiceUnavailable(f"The kernel does not start: {error}") from error
    finally:
        manager.shutdown_kernel(now=True)


def _job(kernel: _Kernel, root: Path) -> Measured:
    """Submit a job from the notebook, and measure it while it waits."""
    name, mark, code = "a job that trains", root / "mark", root / "code"
    code.mkdir()
    (code / "train.py").write_text(f"MARK = {str(mark)!r}\n{_TRAINING}")
    before = set(psutil.pids())
    try:
        kernel.run(f"CODE, ENVIRONMENT = {str(code)!r}, {_OWN_ENVIRONMENT!r}\n{_SUBMIT}")
        if not _until(mark.exists):
            return Measured(name, not_measured=f"it did not stand after {_PATIENCE_S:.0f} s")
        started = [pid for pid in set(psutil.pids()) - before if _is_of(pid, root)]
        return Measured.of(name, started)
    except ServiceUnavailable as error:
        return Measured(name, not_measured=error.message)
    finally:
        mark.unlink(missing_ok=True)


def _is_of(pid: int, root: Path) -> bool:
    """Tell whether a process is of the job: it runs in the measured home, or names it."""
    try:
        process = psutil.Process(pid)
        return str(root) in " ".join([process.cwd(), *process.cmdline()])
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _jupyterlab(environment: dict[str, str], root: Path) -> Measured:
    command = [sys.executable, "-P", "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
    command += ["--ServerApp.allow_root=True", f"--ServerApp.root_dir={root}"]
    with (root / "jupyterlab.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root
        )
    try:
        record = root / "runtime" / f"jpserver-{server.pid}.json"
        if not _until(lambda: answers(record) or server.poll() is not None) or server.poll() is not None:
            return Measured("JupyterLab", not_measured="it does not start here")
        return Measured.of("JupyterLab", tree(server.pid))
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def answers(record: Path) -> bool:
    """Tell whether the server that Jupyter's ``record`` is of shows JupyterLab."""
    try:
        found = read_json(record)
    except ValueError:  # Jupyter is writing it
        return False
    if not found:
        return False
    try:
        with urllib.request.urlopen(f"{found['url']}lab?token={found['token']}", timeout=10) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _own_disks(collection: Collection, home_mb: float) -> Iterator[Disk]:
    labs = collection.labs()
    copies_mb = sum(size_mb(lab.folder) + lab.notebook.stat().st_size / 2**20 for lab in labs)
    yield Disk("home after one job", home_mb, False, "ACADEMY_HOME of each")
    yield Disk(f"copies of the labs ({len(labs)})", copies_mb, False, "ACADEMY_WORK of each")


def _shared_disks() -> Iterator[Disk]:
    python, cache = Path(sys.prefix), environment_cache()
    yield Disk("Python with Academy", size_mb(python), True, str(python))
    built = len(list(cache.glob("*/ready.json")))
    yield Disk(f"environments of the labs ({built} built)", size_mb(cache), True, str(cache))
