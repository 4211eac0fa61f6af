"""The suite against nbval and papermill, grading against nbgrader, a check, and the list of labs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from academy.labs.collection import Collection
from academy.labs.editions.edition import write_edition
from academy.labs.editions.nbgrader_format import to_nbgrader
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.process import down
from bench.pairs import Result, timed

WORKERS = 2
SUBMISSIONS = 40
_LAB = "90-count-days"


def measure_suite(folder: Path) -> Result:
    """Run all labs of the repository and three small ones; the yardstick runs each twice, as it must."""
    collection = Collection(folder / "collection")
    for part in ("notebooks", "labs"):
        shutil.copytree(Collection.locate().root / part, collection.root / part)
    for lab_id in (_LAB, "91-count-days", "92-count-days"):
        new_lab(collection, lab_id)
    notebooks = [lab.notebook for lab in collection.labs()]

    def ours() -> None:
        _run(
            "academy", "test", "--collection", str(collection.root), "-j", str(WORKERS), home=folder / "none"
        )

    def yardstick() -> None:
        home = folder / "nbval"
        # nbval's kernels would fail on our own strictness of pytest: it runs with its defaults.
        options = ["-p", "no:cacheprovider", "-q", "-c", os.devnull, "--rootdir", str(collection.root)]
        spread = ["-n", str(WORKERS), "--dist", "loadfile"]
        _run(
            "pytest", *options, *spread, "--nbval", "--nbval-current-env", str(notebooks[0].parent), home=home
        )
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda notebook: _papermill(notebook, folder), notebooks))
        down(Home(home))

    return Result("suite / pytest --nbval and papermill", [timed(ours)], [timed(yardstick)], "0.6 x")


def measure_grading(folder: Path) -> Result:
    """Grade a class of one small lab, most of it solved, and once more with nbgrader."""
    lab = new_lab(Collection(folder / "source"), _LAB)
    handed_in, course = folder / "submissions", folder / "course"
    to_nbgrader(lab, course)
    _run(
        "nbgrader", "generate_assignment", _LAB, "--course-dir", str(course), cwd=course, home=folder / "none"
    )
    for number in range(SUBMISSIONS):
        learner, solved = f"learner{number:02}", number % 4 != 0
        (handed_in / learner).mkdir(parents=True)
        write_edition(lab, handed_in / learner / _LAB, solved=solved)
        original = course / ("source" if solved else "release") / _LAB
        shutil.copytree(original, course / "submitted" / learner / _LAB)

    def ours() -> None:
        options = ["--collection", str(folder / "source"), "--to", str(folder / "graded"), "-j", str(WORKERS)]
        _run("academy", "lab", "grade", str(handed_in), *options, home=folder / "none")

    def yardstick() -> None:
        home = folder / "nbgrader"
        _run("nbgrader", "autograde", _LAB, "--course-dir", str(course), cwd=course, home=home)
        down(Home(home))

    return Result(
        f"{SUBMISSIONS} submissions / nbgrader autograde", [timed(ours)], [timed(yardstick)], "0.33 x"
    )


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
