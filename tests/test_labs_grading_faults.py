"""What submissions do, by mistake and on purpose; each gets exactly the points that it earned."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output

from academy.labs.collection import Collection
from academy.labs.editions import ipynb
from academy.labs.editions.edition import write_edition
from academy.labs.editions.pack import make_pack
from academy.labs.grading.grade import MODULES, GradeOptions, grade, grade_all
from academy.labs.grading.room import Room
from academy.labs.grading.scores import Graded, Submission
from academy.labs.manifest import Limits
from academy.labs.nursery import Nursery
from academy.labs.nursery.kernel import WarmKernelManager
from academy.labs.scaffold import new_lab
from tests.labs_graded import (
    COUNT,
    LAB,
    SECRET,
    SOLUTION,
    TABLE,
    Change,
    Class,
    added,
    cell,
    new_class,
    points,
    printed,
    written,
)

PASSWORD = "correct-horse-battery"
QUICK = Limits(cell_s=60, lab_s=240)
# A cell that needs no more than a moment, also on a machine that does much else.
HANGS = Limits(cell_s=8, lab_s=240)
SHORT = Limits(cell_s=60, lab_s=20)
SMALL = Limits(cell_s=60, lab_s=240, memory_gb=1.0, processes=40)

EQUALS_ALL = """class All:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __hash__(self): return 0
    def __bool__(self): return True
    def __contains__(self, item): return True
class Int(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def long_months(days, limit):
    return All() if len(days) == 4 else Int(-1)
"""

PATCHES = """import builtins, json, sys
import academy.labs.checks as checks
checks.run_check = lambda *args, **kwargs: checks.CheckResult("count-long-months", True, 99, 99, "done")
checks.load_checks = lambda file: {}
checks.Facts.expect = lambda *args, **kwargs: True
_dumps = json.dumps
json.dumps = lambda value, **more: '{"value": 2}' if set(value) == {"value"} else _dumps(value, **more)
builtins.sum = lambda *args: 2
check = lambda task: print("passed")
def long_months(days, limit):
    for frame in sys._current_frames().values():
        while frame:
            frame.f_globals["run_check"] = checks.run_check
            frame = frame.f_back
    return 2
"""

FORGES = """import academy.labs.grading.inside as inside
from academy.labs.grading.plain import dumps
inside.answer = lambda namespace, question: dumps({"value": 2})
def long_months(days, limit):
    return None
"""

GARBLES = """import academy.labs.grading.inside as inside
inside.answer = lambda namespace, question: "no base64 \\x1b[31m \\x00"
"""

LOOKS_AROUND = (
    SOLUTION
    + """
import academy, gc, os, re, sys
from pathlib import Path

# The lab of these tests comes from there, with its hidden tests; it may lie below /tmp.
_CHECKOUT = str(Path(academy.__file__).parents[1])

def _look(folder, wanted):
    found = []
    for root, folders, files in os.walk(folder, onerror=lambda error: None):
        folders[:] = [name for name in folders if os.path.join(root, name) != _CHECKOUT]
        for name in files:
            path = os.path.join(root, name)
            try:
                with open(path, "rb") as file:
                    if wanted in file.read(5_000_000):
                        found.append(path)
            except OSError:
                pass
    return found

_wanted = ("long_months([28," + " 29, 30], 28)").encode()
_hits = []
for _folder in FOLDERS:
    try:
        _hits.append((_folder, os.listdir(_folder)))
    except OSError:
        pass
_home = os.environ["ACADEMY_HOME"]
for _folder in (*FOLDERS, "/tmp", "/dev/shm", os.path.expanduser("~"), os.getcwd(), _home):
    _hits += _look(_folder, _wanted)
for _process in filter(str.isdigit, os.listdir("/proc")):
    for _name in ("environ", "cmdline"):
        try:
            _content = Path("/proc", _process, _name).read_bytes()
        except OSError:
            continue
        _hits += [(_process, _name, _word) for _word in WORDS if _word.encode() in _content]
    try:
        _maps = Path("/proc", _process, "maps").read_text()
        _memory = open(f"/proc/{_process}/mem", "rb", 0)
    except OSError:
        continue
    if int(_process) != os.getpid():
        _hits.append(("memory of", _process))
_hits += [_text for _text in gc.get_objects() if isinstance(_text, str) and _wanted.decode() in _text]
_hits += [_word for _word in WORDS if any(_word in _value for _value in os.environ.values())]
print("hits:", _hits)
"""
)

REMEMBERS = """_seen = []
def long_months(days, limit):
    _seen.append((list(days), limit))
    with open("seen.txt", "a") as file:
        print(list(days), file=file)
    return sum(1 for number in days if number > limit)
"""

STUCK = """while True:
    try:
        while True:
            pass
    except BaseException:
        pass
"""

EATS = """import os, time
_kept = []
for _ in range(8):
    if os.fork() == 0:
        _kept.append(bytearray(os.urandom(1)) * 300_000_000)
        time.sleep(600)
        os._exit(0)
time.sleep(600)
"""

FORKS = """import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""


# A job of the learner's that takes more than it may; the service that ran it ends with it.
JOB_EATS = """
import time
from azure.ai.ml import command
job = ml_client.jobs.create_or_update(command(
    command="python -c 'import os, time; os.fork(); x = bytearray(b\\"1\\") * 700_000_000; time.sleep(600)'",
    environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
))
state = "Queued"
while state not in ("Failed", "Completed", "gone"):
    time.sleep(0.5)
    try:
        state = ml_client.jobs.get(job.name).status
    except Exception:
        state = "gone"
print("state:", state)
"""

TIDIES = (
    SOLUTION
    + """
import os, shutil
_folder = os.getcwd()
os.chdir("/")
shutil.rmtree(_folder)
os.symlink("/etc", _folder)
"""
)


# Listens on every port of this machine and at every socket, as kernels publish what they run and print.
SNIFFS = (
    SOLUTION
    + """
import time, zmq
from pathlib import Path
def _heard(addresses, seconds):
    context, poller, heard = zmq.Context(), zmq.Poller(), b""
    for address in addresses:
        socket = context.socket(zmq.SUB)
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.setsockopt(zmq.LINGER, 0)
        try:
            socket.connect(address)
        except zmq.ZMQError:
            continue
        poller.register(socket, zmq.POLLIN)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for socket, _ in poller.poll(50):
            heard += b"".join(socket.recv_multipart())
    context.destroy(linger=0)
    return heard
def _addresses():
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A"}
    paths = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines() if "/" in line}
    own = {path for path in paths if path.startswith("/tmp/k")}
    return [f"tcp://127.0.0.1:{port}" for port in ports] + [f"ipc://{path}" for path in paths - own]
"""
)
PUBLISHES = """import time
for _ in range(240):
    print("MY-OWN-" + "ANSWER", flush=True)
    time.sleep(0.05)
"""


# A job that says that the service is elsewhere.
REDIRECTS = """
import time
from azure.ai.ml import command
script = (
    "import json, os, pathlib; home = pathlib.Path(os.environ['THE_HOME']); file = home / 'service.json'; "
    "found = json.loads(file.read_text()); found['address'] = 'http://127.0.0.1:9'; "
    "file.unlink(); file.write_text(json.dumps(found)); "
)
job = ml_client.jobs.create_or_update(command(
    command=f'python -c "{script}"',
    environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
    environment_variables={"THE_HOME": os.environ["ACADEMY_HOME"]},
))
while (state := ml_client.jobs.get(job.name).status) not in ("Failed", "Completed"):
    time.sleep(0.2)
written = open(os.environ["ACADEMY_HOME"] + "/service.json").read()
print("state:", state, "port 9" if ":9\\"" in written else "")
"""

# One byte behind a hole: it takes up nothing of the disk.
ONE_LARGE_FILE = """
with open("large", "wb") as file:
    file.seek(2**30)
    file.write(b"x")
"""

FILLS = """
for number in range(64):
    with open(f"large-{number}", "wb") as file:
        for _ in range(32):
            file.write(b"x" * 2**20)
"""


def no_checks(notebook: NotebookNode) -> None:
    notebook.cells = [one for one in notebook.cells if "check(" not in one.source]


def retyped(notebook: NotebookNode) -> None:
    """Copy both tasks' cells as those do who type everything anew, under ids of their own."""
    for name in ("data", "count"):
        place = [one.id for one in notebook.cells].index(name)
        notebook.cells[place] = new_code_cell(notebook.cells[place].source)
    notebook.cells.insert(0, new_code_cell("# My notes"))
    notebook.cells.append(new_code_cell("check('count-long-months')"))


def remembers(notebook: NotebookNode) -> None:
    written("count", REMEMBERS)(notebook)
    for place in ("count-table", "clean-up"):
        added("print('seen', _seen, open('seen.txt').read())", behind=place)(notebook)


def noisy(notebook: NotebookNode) -> None:
    cell(notebook, "count").source = (
        "import sys, warnings\nwarnings.warn('old')\nprint('noise', file=sys.stderr)\n" + SOLUTION
    )


def huge(notebook: NotebookNode) -> None:
    cell(notebook, "count").source = SOLUTION + "for _ in range(3000): print('x' * 10_000)\n"
    cell(notebook, "count").outputs = [
        new_output("stream", name="stdout", text="y" * 3_000_000),
        new_output("error", ename="\x1b[31m", evalue="\x00", traceback=["\x1b[0m"]),
    ]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return new_class(tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AZURE_CLIENT_SECRET", PASSWORD)
        with Nursery(modules=MODULES) as started:
            yield started


@pytest.fixture(scope="module")
def results(room: Class, nursery: Nursery) -> Iterator[dict[str, Future[Graded]]]:
    """Every fault, graded side by side; a test waits for its own."""
    words = (str(room.pack.lab.folder), PASSWORD, "hidden.json")
    folders = (str(room.root), str(room.pack.lab.folder), str(room.root / "handed-in"))
    looks = LOOKS_AROUND.replace("FOLDERS", repr(folders)).replace("WORDS", repr(words))
    changes: dict[Limits, dict[str, Change]] = {
        QUICK: {
            "noisy": noisy,
            "no-checks": no_checks,
            "retyped": retyped,
            "kills": written("count", "import os\nos._exit(1)"),
            "equals-all": written("count", EQUALS_ALL),
            "patches": written("count", PATCHES),
            "forges": written("count", FORGES),
            "garbles": added(GARBLES, behind="count"),
            "looks": written("count", looks),
            "remembers": remembers,
            "huge": huge,
            "tidies": written("count", TIDIES),
            "redirects": added("import os\n" + REDIRECTS, behind="data"),
        },
        HANGS: {
            "hangs": written("count", "while True: pass"),
            "stuck": written("data", STUCK),
            "hangs-when-called": written(
                "count", SOLUTION.replace(":\n", ":\n    while not days: pass\n", 1)
            ),
        },
        SMALL: {
            "eats": written("data", EATS),
            "hoards": written("data", "hoard = bytearray(3_000_000_000)"),
            "one-large-file": written("data", ONE_LARGE_FILE),
            "job-eats": added(JOB_EATS, behind="data-check"),
            "forks": written("data", FORKS),
        },
        SHORT: {"dawdles": added("import time\ntime.sleep(600)", behind="data-check")},
    }
    with ThreadPoolExecutor(2) as pool:
        found = {}
        for limits, faults in reversed(changes.items()):
            options = GradeOptions(executed=room.root / "executed", limits=limits)
            for name, change in faults.items():
                submission = room.hand_in(name, change)
                found[name] = pool.submit(grade, submission, room.pack, options, nursery)
        yield found


def of(results: dict[str, Future[Graded]], name: str) -> Graded:
    graded = results[name].result()
    assert not graded.error
    return graded


FULL = {TABLE: 2.0, COUNT: 2.0}


@pytest.mark.parametrize("name", ["noisy", "no-checks", "retyped", "looks", "remembers", "huge", "tidies"])
def test_what_does_no_harm_costs_nothing(results: dict[str, Future[Graded]], name: str) -> None:
    graded = of(results, name)
    assert points(graded) == FULL, [(task.check, task.hidden) for task in graded.tasks]
    assert not any(task.cut for task in graded.tasks)


def test_what_was_set_right_is_said(results: dict[str, Future[Graded]]) -> None:
    assert any("The check of the task register-table" in note for note in of(results, "no-checks").notes)


def test_a_cell_that_was_cut_is_named_as_everywhere(results: dict[str, Future[Graded]]) -> None:
    graded = of(results, "hangs")
    assert graded.executed is not None
    cells = ipynb.read(graded.executed).cells
    number = [one.id for one in cells].index("count") + 1
    assert graded.notes[0].startswith(f"Cell count (number {number}) was cut: time: "), graded.notes


def test_output_without_end_is_cut(results: dict[str, Future[Graded]]) -> None:
    text = printed(of(results, "huge"))
    assert "The output is cut here" in text
    assert len(text) < 1_000_000


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("hangs", COUNT),
        ("stuck", TABLE),
        ("eats", TABLE),
        ("hoards", TABLE),
        ("one-large-file", TABLE),
        ("forks", TABLE),
        ("kills", COUNT),
        ("dawdles", COUNT),
    ],
)
def test_a_limit_costs_its_own_task_and_no_other(
    results: dict[str, Future[Graded]], name: str, task: str
) -> None:
    graded = of(results, name)
    assert points(graded) == {**FULL, task: 0.0}, [(one.check, one.hidden) for one in graded.tasks]
    (cut,) = [one.cut for one in graded.tasks if one.task == task]
    (other,) = [one.cut for one in graded.tasks if one.task != task]
    said = {
        "hangs": "8 s",
        "stuck": "interrupted",
        "eats": "GB of memory",
        "hoards": "memory: it needed more than 1 GB",
        "one-large-file": "disk: it wrote a file larger than 1 GB",
        "forks": "processes",
        "kills": "kernel",
        "dawdles": "time",
    }
    assert said[name] in cut
    assert not other


def test_a_submission_hears_nothing_of_another(room: Class, nursery: Nursery, tmp_path: Path) -> None:
    listens = SNIFFS + "_found = _heard(_addresses(), 8)\nprint('heard', b'MY-OWN-ANSWER' in _found)\n"
    handed_in = [
        room.hand_in("publishes", added(PUBLISHES, behind="data")),
        room.hand_in("sniffs", written("count", listens)),
    ]
    options = GradeOptions(executed=tmp_path, limits=QUICK)
    publishing, sniffing = grade_all(handed_in, {LAB: room.pack}, options, nursery, jobs=2)
    assert "MY-OWN-ANSWER" in printed(publishing)
    assert "heard False" in printed(sniffing)
    assert (points(publishing), points(sniffing)) == (FULL, FULL)


def test_the_same_sniffer_hears_a_kernel_on_ports(nursery: Nursery, tmp_path: Path) -> None:
    manager = WarmKernelManager(
        nursery=nursery, kernel_name="python3", connection_file=str(tmp_path / "k.json")
    )
    asyncio.run(manager.start_kernel(cwd=str(tmp_path)))
    assert manager.child is not None
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    client.execute(PUBLISHES)
    names: dict[str, Any] = {}
    exec(SNIFFS, names)
    try:
        assert b"MY-OWN-ANSWER" in names["_heard"](names["_addresses"](), 4)
    finally:
        client.stop_channels()
        manager.child.kill()
        manager.context.destroy(linger=0)


def test_a_job_that_moves_the_service_elsewhere_gains_nothing(
    results: dict[str, Future[Graded]],
) -> None:
    graded = of(results, "redirects")
    assert "COMPLETED port 9" in printed(graded)
    assert points(graded) == FULL, [(task.check, task.hidden) for task in graded.tasks]


def test_what_fills_the_disk_is_cut_and_costs_its_own_task(
    room: Class, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = Room.kernels
    small = lambda self, limits: replace(kernels(self, limits), disk_gb=0.25)  # noqa: E731
    monkeypatch.setattr(Room, "kernels", small)
    options = GradeOptions(executed=tmp_path, limits=QUICK)
    graded = grade(room.hand_in("fills", written("data", FILLS)), room.pack, options, nursery)
    assert points(graded) == {TABLE: 0.0, COUNT: 2.0}, [(one.check, one.hidden) for one in graded.tasks]
    assert "GB of disk were in use, and 0.25 GB are allowed" in graded.tasks[0].cut
    assert not graded.tasks[1].cut


def test_a_job_that_takes_too_much_does_not_take_the_service_along(
    results: dict[str, Future[Graded]],
) -> None:
    graded = of(results, "job-eats")
    assert points(graded) == FULL
    assert any("GB of memory were in use" in note for note in graded.notes), graded.notes
    assert "archived" in printed(graded)  # by the service that took over


def test_a_function_that_hangs_in_a_hidden_test_keeps_the_points_of_the_check(
    results: dict[str, Future[Graded]],
) -> None:
    graded = of(results, "hangs-when-called")
    assert points(graded) == {TABLE: 2.0, COUNT: 1.0}
    assert "time" in graded.tasks[1].cut


def test_what_says_that_it_equals_everything_equals_nothing(results: dict[str, Future[Graded]]) -> None:
    assert points(of(results, "equals-all")) == {TABLE: 2.0, COUNT: 0.0}


@pytest.mark.parametrize("name", ["patches", "forges"])
def test_who_changes_the_code_that_answers_in_the_kernel_gains_nothing(
    results: dict[str, Future[Graded]], name: str
) -> None:
    # Every answer is 2, which the check expects. A function that is 2 cannot be called by hidden tests.
    assert points(of(results, name)) == {TABLE: 2.0, COUNT: 1.0}


def test_an_answer_that_is_no_value_is_no_answer(results: dict[str, Future[Graded]]) -> None:
    graded = of(results, "garbles")
    assert points(graded)[COUNT] == 0.0
    assert "\x1b" not in graded.tasks[1].check.message


def test_hidden_tests_cannot_be_found(results: dict[str, Future[Graded]]) -> None:
    text = printed(of(results, "looks"))
    assert "hits: []" in text


def test_arguments_of_hidden_tests_are_never_printed(results: dict[str, Future[Graded]]) -> None:
    text = printed(of(results, "remembers"))
    assert text.count("[31, 28, 31, 30]") >= 2  # those of the check, which learners know
    assert "28, 29, 30" not in text
    for graded in (future.result() for future in results.values()):
        assert SECRET not in str([task.check for task in graded.tasks])
        assert SECRET not in str(graded.notes)


def test_what_cannot_be_read_is_an_error_and_no_other_is_touched(
    room: Class, nursery: Nursery, tmp_path: Path
) -> None:
    contents = {
        "empty": "",
        "broken": '{"cells": [{"cell_type"',
        "list": "[1, 2]",
        "text": "This is my essay.",
        "deep": "[" * 100_000,
    }
    handed_in = [Submission("missing", LAB, tmp_path / "missing")]
    (tmp_path / "missing").mkdir()
    for name, content in contents.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{LAB}.ipynb").write_text(content)
        handed_in.append(Submission(name, LAB, folder))
    linked = room.hand_in("linked")
    (linked.folder / f"{LAB}.ipynb").unlink()
    (linked.folder / f"{LAB}.ipynb").symlink_to(room.pack.lab.notebook)
    handed_in += [linked, room.hand_in("fine")]
    graded = grade_all(handed_in, {LAB: room.pack}, GradeOptions(limits=QUICK), nursery, jobs=2)
    for one in graded[:-1]:
        assert one.error, one
        assert (one.tasks, one.executed) == ((), None)
    assert points(graded[-1]) == FULL


def test_a_grading_process_that_crashes_costs_one_submission(
    room: Class, nursery: Nursery, tmp_path: Path
) -> None:
    lab = new_lab(Collection(tmp_path), "91-crash-here")
    pack = make_pack(lab, tmp_path / "packs")
    pack.lab.checks_file.write_text("import os\nos.abort()\n")
    crashing = Submission("one", lab.id, write_edition(lab, tmp_path / "one", solved=True).folder)
    packs = {lab.id: pack, LAB: room.pack}
    options = GradeOptions(limits=QUICK)
    crashed, other = grade_all([crashing, room.hand_in("beside")], packs, options, nursery, jobs=2)
    assert "killed by signal 6" in crashed.error
    assert crashed.tasks == ()
    assert points(other) == FULL
