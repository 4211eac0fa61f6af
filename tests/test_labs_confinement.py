"""Confinement: a submission reads, writes, starts and takes up what it may, and nothing else."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from academy.client import connect
from academy.labs import scaffold
from academy.labs.confinement import (
    Confinement,
    Watch,
    confine,
    disk,
    landlock,
    machine,
    missing,
    unavailable,
)
from academy.labs.confinement.tree import below
from academy.labs.nursery import Child, Nursery
from academy.labs.nursery import owner as nursery_owner
from academy.labs.nursery.kernel import warm_kernels
from academy.paths import Home
from academy.service.process import status
from tests.test_labs_nursery import TIMEOUT_S, await_that, execute, notebook, outputs, runs

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "it can be confined here")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as warm:
        yield warm


@pytest.fixture(params=["namespaces", "landlock"])
def layers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With all layers, and as on a machine that has no user namespaces."""
    layer: str = request.param
    if layer == "landlock":
        monkeypatch.setattr(nursery_owner, "has_namespaces", lambda: False)
    elif not machine.has_namespaces():
        pytest.skip("this user may not make namespaces")
    return layer


@pytest.fixture
def confinement(tmp_path: Path) -> Confinement:
    own, code = tmp_path / "own", tmp_path / "code"
    own.mkdir()
    code.mkdir()
    shutil.copy(HERE / "nursery_children.py", code)
    return Confinement((code,), (own,), memory_gb=1.0, processes=24)


def run(nursery: Nursery, function: str, argument: Any, confinement: Confinement) -> Child:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(confinement.readable[0])}
    target = f"nursery_children:{function}"
    return nursery.run(target, argument, env=env, cwd=confinement.own, confine=confinement)


# --- files, processes, connections


def test_nothing_of_the_instructors_can_be_reached(
    nursery: Nursery, confinement: Confinement, tmp_path: Path, layers: str
) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    secret = pack / "hidden.json"
    secret.write_text("the hidden tests")
    (confinement.own / "inside.txt").write_text("own words")
    planted = confinement.own / "planted"
    planted.symlink_to(secret)
    outside = os.getpid()
    with (
        socket.socket() as listener,
        socket.socket(socket.AF_UNIX) as named,
        socket.socket(socket.AF_UNIX) as free,
    ):
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        named.bind(str(pack / "agent"))
        named.listen()
        free.bind(f"\0academy-{outside}")
        free.listen()
        ways = {
            "read": str(secret),
            "read:planted": str(planted),
            "read:dots": f"{confinement.own}/../pack/hidden.json",
            "read:root": f"/proc/{outside}/root{secret}",
            "read:own-root": f"/proc/self/root{secret}",
            "read:init-root": f"/proc/1/root{secret}",
            "read:cwd": f"/proc/{outside}/cwd/pyproject.toml",
            "read:environ": f"/proc/{outside}/environ",
            "read:memory": f"/proc/{outside}/mem",
            "read:shadow": "/etc/shadow",
            "read:tests": __file__,
            "list": str(pack),
            "list:home": os.path.expanduser("~/.ssh"),
            "list:notebooks": str(HERE.parent / "notebooks"),
            "symlink": str(secret),
            "hardlink": str(secret),
            "write": str(pack / "new"),
            "write:code": str(HERE.parent / "academy" / "new.py"),
            "write:cache": str(Path(confinement.variables()["ACADEMY_ENVIRONMENT_CACHE"]) / "new"),
            "write:readable": str(confinement.readable[0] / "new"),
            "write:device": "/dev/kmsg",
            "ptrace": str(outside),
            "signal": str(outside),
            "unix:abstract": f"@academy-{outside}",
            "connect:web": "127.0.0.1:80",
        }
        if layers == "namespaces":
            ways["unix:path"] = str(pack / "agent")
        found = run(nursery, "attempt", ways, confinement).result(TIMEOUT_S)
        reached = {name: outcome for name, outcome in found.items() if not outcome.startswith("refused")}
        assert not reached
        assert found["connect:web"] == "refused: PermissionError"
        allowed = {
            "read": str(confinement.own / "inside.txt"),
            "read:code": str(confinement.readable[0] / "nursery_children.py"),
            "write": str(confinement.own / "new"),
            "connect": f"127.0.0.1:{listener.getsockname()[1]}",
        }
        done = run(nursery, "attempt", allowed, confinement).result(TIMEOUT_S)
    assert done["read"] == "read: own words"
    assert done["read:code"].startswith("read: ")
    assert (done["write"], done["connect"]) == ("written", "connected")
    assert not list(pack.glob("new"))


def test_the_same_reaches_everything_without_confinement(nursery: Nursery, tmp_path: Path) -> None:
    secret = tmp_path / "hidden.json"
    secret.write_text("the hidden tests")
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(HERE), "TMPDIR": str(tmp_path)}
    ways = {"read": str(secret), "symlink": str(secret), "hardlink": str(secret), "signal": str(os.getpid())}
    found = nursery.run("nursery_children:attempt", ways, env=env).result(TIMEOUT_S)
    assert not [outcome for outcome in found.values() if outcome.startswith("refused")]


def test_a_link_in_place_of_the_temporary_folder_leads_nowhere(
    nursery: Nursery, confinement: Confinement, tmp_path: Path
) -> None:
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "hidden.json").write_text("the hidden tests")
    confinement.temporary.symlink_to("../pack")
    found = run(nursery, "attempt", {"read": "/tmp/hidden.json", "list": "/tmp"}, confinement).result(
        TIMEOUT_S
    )
    assert found["read"].startswith("refused")
    assert "hidden" not in found["list"]


def test_a_confined_process_sees_only_its_own(nursery: Nursery, confinement: Confinement) -> None:
    if not machine.has_namespaces():
        pytest.skip("this user may not make namespaces")
    seen = run(nursery, "attempt", {"list": "/proc"}, confinement).result(TIMEOUT_S)["list"]
    assert {name for name in eval(seen.partition(": ")[2]) if name.isdigit()} == {"1", "2"}


def test_what_notebooks_do_works_inside(nursery: Nursery, confinement: Confinement) -> None:
    if not machine.has_namespaces():
        pytest.skip("this user may not make namespaces")
    roomy = replace(confinement, memory_gb=4.0, processes=64)
    found = run(nursery, "work_as_usual", str(confinement.own), roomy).result(120)
    assert found == {
        "processes": [1, 2],
        "squares": [0, 1, 4, 9],
        "processors": psutil.cpu_count(),
        "torch": found["torch"],
        "shell": "HELLO",
    }
    assert found["torch"] in (0, 1), "torch need not be installed; importing it must not be cut off"
    assert (confinement.temporary / "scratch2").exists()


TEMPLATE = Path(scaffold.__file__).parent / "template"


def test_the_solved_template_of_the_package_is_out_of_view(
    nursery: Nursery, confinement: Confinement
) -> None:
    if not machine.has_namespaces():
        pytest.skip("this user may not make namespaces")
    (task,) = TEMPLATE.glob("notebooks/*.ipynb")
    ways = {
        "read": str(task),
        "read:root": f"/proc/self/root{task}",
        "list": str(TEMPLATE),
        "write": str(TEMPLATE / "new"),
        "read:package": scaffold.__file__,
    }
    found = run(nursery, "attempt", ways, confinement).result(TIMEOUT_S)
    assert found["read"].startswith("refused")
    assert found["read:root"].startswith("refused")
    assert found["write"].startswith("refused")
    assert found["list"] == "listed: []"
    assert found["read:package"].startswith("read: ")


def test_the_labs_of_a_checkout_that_can_be_seen_are_withheld(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, checkout = tmp_path / "own", tmp_path / "checkout"
    own.mkdir()
    for name in ("academy/labs/template", "notebooks", "labs/90-count-days", "tests", "environments"):
        (checkout / name).mkdir(parents=True)
    monkeypatch.setattr(confine, "_PACKAGE", checkout / "academy")
    template, solved = checkout / "academy/labs/template", [checkout / "notebooks", checkout / "tests"]
    seen = Confinement((checkout,), (own,))
    assert seen.withheld() == [template], "beside an installed package, such folders are somebody else's"
    (checkout / "pyproject.toml").touch()
    assert sorted(seen.withheld()) == sorted([template, checkout / "labs", *solved])
    named = Confinement((checkout, checkout / "labs" / "90-count-days"), (own,))
    assert sorted(named.withheld()) == sorted([template, *solved]), "what is named can be read"


# --- limits


def test_a_fork_bomb_is_ended(nursery: Nursery, confinement: Confinement, layers: str) -> None:
    began = time.monotonic()
    child = run(nursery, "fork_without_end", 2000, confinement)
    with Watch(child.root, confinement) as watch:
        child.wait(TIMEOUT_S)
        await_that(lambda: watch.exceeded, "the watch sees it")
    assert watch.exceeded == "more than 24 processes ran at once"
    assert time.monotonic() - began < TIMEOUT_S
    child.kill()
    assert not below(child.root)
    assert not runs(child.pid)
    if layers == "namespaces":
        # The system gave no more process ids, however long the watch took.
        assert watch.most_processes <= 300 + 4 * confinement.processes


def test_one_process_that_eats_memory_is_refused_more(nursery: Nursery, confinement: Confinement) -> None:
    small = replace(confinement, memory_gb=0.5)
    assert run(nursery, "eat", 4.0, small).result(TIMEOUT_S) == "refused"


def test_processes_that_eat_memory_together_are_ended(nursery: Nursery, confinement: Confinement) -> None:
    child = run(nursery, "eat_together", [4, 0.5], confinement)
    with Watch(child.root, confinement) as watch:
        assert child.wait(TIMEOUT_S) == -9
    assert watch.exceeded.endswith("GB of memory were in use, and 1 GB are allowed")
    assert watch.most_memory_gb < 2.5
    child.kill()


def test_a_file_ends_at_its_largest_size(nursery: Nursery, confinement: Confinement) -> None:
    small = replace(confinement, file_gb=0.01)
    assert run(nursery, "fill", [1, 0.05], small).result(TIMEOUT_S) == "refused"


def test_files_that_fill_the_disk_together_are_noticed(nursery: Nursery, confinement: Confinement) -> None:
    child = run(nursery, "fill", [8, 0.02], replace(confinement, disk_gb=0.1))
    with Watch(child.root, replace(confinement, disk_gb=0.1)) as watch:
        assert child.wait(TIMEOUT_S) == -9
    assert watch.exceeded.endswith("GB of disk were in use, and 0.1 GB are allowed")
    disk.clear((confinement.own,), 0.06 * 2**30, down_to=0.05 * 2**30)
    assert 0 < disk.used((confinement.own,), (), 2**30) <= 0.05 * 2**30


def test_memory_that_forks_share_counts_once(nursery: Nursery, confinement: Confinement) -> None:
    child = run(nursery, "share_memory", 8, confinement)
    with Watch(child.root, confinement) as watch:
        assert child.result(TIMEOUT_S) == "done"
    assert watch.exceeded == ""
    assert watch.most_processes == 9


def test_several_trees_count_together(nursery: Nursery, confinement: Confinement) -> None:
    few = replace(confinement, processes=3)
    children = [run(nursery, "sleep", 600, few) for _ in range(4)]
    with Watch(tuple(child.root for child in children[:3]), few) as watch:
        assert children[0].wait(0.3) is None
        watch.add(children[3].root)
        assert all(child.wait(TIMEOUT_S) == -9 for child in children)
    assert watch.exceeded == "more than 3 processes ran at once"


def test_kill_ends_a_daemon_inside(nursery: Nursery, confinement: Confinement, layers: str) -> None:
    note = confinement.own / "pid"
    child = run(nursery, "daemonise", str(note), confinement)
    await_that(lambda: note.exists() and note.read_text(), "a daemon starts")
    tree = below(child.root)
    assert len(tree) == 2
    child.kill()
    assert not [pid for pid in tree if runs(pid)]


# --- a submission's kernel and service


def test_a_submission_runs_jobs_in_a_service_of_its_own(nursery: Nursery, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "src").mkdir(parents=True)
    home = Home(own / "home")
    confinement = Confinement((), (own,), memory_gb=4.0, processes=128)
    info = nursery.service(home, confine=confinement)
    assert status(home).info == info
    assert psutil.Process(info.pid).is_running(), "its file holds the id by which we know it"
    script = "import sklearn, mlflow, os\nmlflow.log_metric('seen', os.path.exists('/etc/shadow'))\n"
    (own / "src" / "train.py").write_text(script)
    made = notebook(
        "from academy.client import connect\nfrom azure.ai.ml import command\nclient = connect()\n"
        "job = client.jobs.create_or_update(command(code='src', command='python train.py', "
        "environment='azureml://registries/azureml/environments/sklearn-1.5/labels/latest'))\n",
        "import time\nbusy = ('NotStarted', 'Queued', 'Preparing', 'Provisioning', 'Starting', 'Running', "
        "'Finalizing')\nwhile (now := client.jobs.get(job.name).status) in busy: time.sleep(0.05)\n"
        "now == 'Completed'",
        "import mlflow\nmlflow.get_run(job.name).data.metrics",
        "try:\n    print(open('/etc/shadow').read())\nexcept OSError as error:\n    print(error.strerror)",
    )
    env = {"PATH": os.environ["PATH"], "ACADEMY_HOME": str(home.root)}
    executed = execute(made, own, kernel_manager_class=warm_kernels(nursery, env=env, confine=confinement))
    found = [output for output in outputs(executed) if output.get("name") != "stderr"]
    assert [output.get("data", {}).get("text/plain") or output["text"] for output in found][-3:] == [
        "True",
        "{'seen': 0.0}",
        "No such file or directory\n",
    ]
    assert connect(home.root).jobs.get(_job_name(home)).status == "Completed"
    service = nursery.service_child(home)
    tree = [service.root, *below(service.root)]
    assert nursery.down(home)
    assert not [pid for pid in tree if runs(pid)]


def test_commands_of_a_notebook_run_although_there_is_no_terminal(nursery: Nursery, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    confinement = Confinement((), (tmp_path / "own",), memory_gb=2.0, processes=64)
    made = notebook("word = 'two'\n!echo one; echo {word} >&2; exit 3", "_exit_code")
    kernels = warm_kernels(nursery, env={"PATH": os.environ["PATH"]}, confine=confinement)
    printed, status_of_it = outputs(execute(made, tmp_path / "own", kernel_manager_class=kernels))
    assert printed["text"] == "one\ntwo\n"
    assert status_of_it["data"]["text/plain"] == "3"


def _job_name(home: Home) -> str:
    return next(folder.name for folder in home.root.glob("jobs/*/*") if folder.is_dir())


# --- machines


def test_a_machine_without_landlock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    assert "Landlock" in machine.unavailable()
    assert "5.13" in machine.unavailable()


def test_what_a_machine_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert any("UDP" in line for line in missing())
    monkeypatch.setattr(landlock, "abi", lambda: 3)
    monkeypatch.setattr(machine, "has_namespaces", lambda: False)
    lines = missing()
    assert len(lines) == 3
    assert lines[0].startswith("No user namespaces")
    assert "/proc/net/unix shows the paths" in lines[0]
    assert lines[2].endswith("can connect to other machines.")


def test_older_landlocks_are_asked_for_what_they_know() -> None:
    assert [landlock._size(version) for version in range(1, 8)] == [8, 8, 8, 16, 16, 24, 24]
    assert [landlock._handled(version).bit_length() for version in range(1, 8)] == [
        13,
        14,
        15,
        15,
        16,
        16,
        16,
    ]
