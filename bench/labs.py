"""The suite against nbval and papermill, grading against nbgrader, a check, and the list of labs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from academy.labs.collection import Collection, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import own, write_edition
from academy.labs.editions.nbgrader_format import to_nbgrader
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.process import down, up
from bench.pairs import Result, Times, timed

WORKERS = 2
SUBMISSIONS = 40
PAIRS = 3
CHECKS = 20
LISTED = 15  # as many labs as the curriculum has
SMALL_LABS = ("90-count-days", "91-count-days", "92-count-days")


def measure_list(folder: Path) -> Times:
    """List copies of the quickstart under numbers of their own: the whole process, from a shell's view."""
    home, collection = Home(folder / "home"), Collection(folder / "collection")
    quickstart = Collection.locate().lab("00-run-quickstart")
    for number in range(LISTED):
        shutil.copytree(quickstart.folder, collection.root / "labs" / f"{number:02}-run-quickstart")
    command = ["lab", "list", "--collection", str(collection.root)]
    up(home)  # it is asked for the learner's progress
    listed = [timed(lambda: _run("academy", *command, home=home.root)) for _ in range(11)]
    down(home)
    return Times(f"academy lab list of {LISTED} labs, the process", listed[1:], 0.3)


def measure_checks(folder: Path) -> list[Times]:
    """Do the quickstart in a kernel, and check its tasks again and again: from the request to the reply."""
    home, quickstart = Home(folder / "home"), Collection.locate().lab("00-run-quickstart")
    copy = write_edition(quickstart, home.work / quickstart.id, solved=True)
    tasks = [task.id for task in copy.manifest.tasks]
    variables = {**os.environ, "ACADEMY_HOME": str(home.root)}
    quiet = {"stderr": subprocess.DEVNULL}  # of what Jupyter says of ports
    manager, client = start_new_kernel(cwd=str(copy.folder), env=variables, **quiet)
    try:
        cells = [cell for cell in ipynb.read(copy.notebook).cells if cell.cell_type == "code"]
        last = max(place for place, cell in enumerate(cells) if own(cell).get("check"))
        for cell in cells[: last + 1]:  # what follows cleans up
            _reply(client, cell.source)
        found = {task: _timed_checks(client, task) for task in tasks}
        for cell in cells[last + 1 :]:
            _reply(client, cell.source)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        down(home)
    return [Times(f'check("{task}")', seconds, 0.1) for task, seconds in found.items()]


def _timed_checks(client: BlockingKernelClient, task: str) -> list[float]:
    return [timed(lambda: _reply(client, f'assert check("{task}")')) for _ in range(CHECKS)]


def _reply(client: BlockingKernelClient, source: str) -> None:
    reply = client.execute_interactive(source, timeout=120, output_hook=lambda _message: None)
    if reply["content"]["status"] != "ok":
        raise RuntimeError(f"{source}\nended with {reply['content']}")


def measure_suite(folder: Path) -> Result:
    """Run all labs of the repository and three small ones; the yardstick runs each twice, as it must."""
    collection = Collection(folder / "collection")
    for part in ("notebooks", "labs"):
        shutil.copytree(Collection.locate().root / part, collection.root / part)
    for lab_id in SMALL_LABS:
        _with_own_tasks(new_lab(collection, lab_id))
    notebooks = [lab.notebook for lab in collection.labs()]
    suite = ["test", "--collection", str(collection.root), "-j", str(WORKERS)]
    _run("academy", *suite, *SMALL_LABS, "--update", home=folder / "none")  # what a check shows is compared

    def ours() -> None:
        _run("academy", *suite, home=folder / "none")

    def yardstick() -> None:
        home = folder / "nbval"
        # nbval's kernels would fail on our own strictness of pytest: it runs with its defaults.
        options = ["-p", "no:cacheprovider", "-q", "-c", os.devnull, "--rootdir", str(collection.root)]
        spread = ["-n", str(WORKERS), "--dist", "loadfile"]
        nbval = ["--nbval", "--nbval-current-env", str(notebooks[0].parent)]
        _run("pytest", *options, *spread, *nbval, home=home)
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda notebook: _papermill(notebook, folder), notebooks))
        down(Home(home))

    pairs = [(timed(ours), timed(yardstick)) for _ in range(PAIRS)]
    ours_s, yardstick_s = ([pair[which] for pair in pairs] for which in (0, 1))
    return Result("suite / pytest --nbval and papermill", ours_s, yardstick_s, "0.6 x")


def _with_own_tasks(lab: Lab) -> None:
    """Give the lab's tasks names of its own: nbval tells a kernel nothing else to know the lab by."""
    for file in (lab.notebook, lab.checks_file, lab.folder / "lab.yml"):
        text = file.read_text()
        for task in lab.manifest.tasks:
            text = text.replace(task.id, f"{task.id}-{lab.id[:2]}")
        file.write_text(text)


def measure_grading(folder: Path) -> Result:
    """Grade a class of one small lab, most of it solved, and once more with nbgrader."""
    lab = new_lab(Collection(folder / "source"), SMALL_LABS[0])
    handed_in, course = folder / "submissions", folder / "course"
    to_nbgrader(lab, course)
    nbgrader = [lab.id, "--course-dir", str(course)]
    _run("nbgrader", "generate_assignment", *nbgrader, cwd=course, home=folder / "none")
    for number in range(SUBMISSIONS):
        learner, solved = f"learner{number:02}", number % 4 != 0
        (handed_in / learner).mkdir(parents=True)
        write_edition(lab, handed_in / learner / lab.id, solved=solved)
        original = course / ("source" if solved else "release") / lab.id
        shutil.copytree(original, course / "submitted" / learner / lab.id)

    def ours() -> None:
        options = ["--collection", str(folder / "source"), "--to", str(folder / "graded"), "-j", str(WORKERS)]
        _run("academy", "lab", "grade", str(handed_in), *options, home=folder / "none")

    def yardstick() -> None:
        home = folder / "nbgrader"
        _run("nbgrader", "autograde", *nbgrader, cwd=course, home=home)
        down(Home(home))

    # One pair: its submissions are repetitions enough, and nbgrader takes minutes for them.
    ours_s, yardstick_s = timed(ours), timed(yardstick)
    return Result(f"{SUBMISSIONS} submissions / nbgrader autograde", [ours_s], [yardstick_s], "0.33 x")


def _papermill(notebook: Path, folder: Path) -> None:
    home = folder / f"papermill-{notebook.stem}"
    _run("papermill", str(notebook), str(folder / notebook.name), "--cwd", str(notebook.parent), home=home)
    down(Home(home))


def _run(program: str, *arguments: str, home: Path, cwd: Path | None = None) -> None:
    """Run one of this environment's programs in a home of its own; a failure shows what it said."""
    command = [str(Path(sys.prefix, "bin", program)), *arguments]
    # nbgrader looks for alembic on the path.
    path = f"{Path(sys.prefix, 'bin')}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "ACADEMY_HOME": str(home), "PATH": path}
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
