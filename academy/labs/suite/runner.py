"""``python -m academy.labs.suite.runner FOLDER``: runs labs for pytest, in a process of its own.

So pytest imports nothing of what runs labs, its filters of warnings and its capturing do not reach it,
and under pytest-xdist each lab is run once, whichever worker its items went to.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import NoReturn

from academy.labs.nursery import Nursery
from academy.labs.nursery.death import end_with_parent
from academy.labs.suite.junit import write_junit
from academy.labs.suite.options import options_of
from academy.labs.suite.page import write_page
from academy.labs.suite.report import LabReport
from academy.labs.suite.results import Results
from academy.labs.suite.schedule import Gathering, run_units
from academy.labs.suite.units import unit_of
from academy.paths import read_json


def main() -> None:
    """Run what the request asks for; each report is written when it is there."""
    signal.signal(signal.SIGTERM, _leave)  # pytest ends early: with -x, or by Ctrl-C
    end_with_parent(signal.SIGTERM, os.getppid())
    results = Results(Path(sys.argv[1]))
    request = read_json(results.request_file)
    assert request is not None
    units = [unit_of(found) for found in request["units"]]
    options, jobs = options_of(request["options"]), request["jobs"]
    gathering = Gathering(units)
    done: list[LabReport] = []
    began = time.monotonic()
    with Nursery() as nursery:
        for unit, found in run_units(units, options, jobs, nursery):
            lab = gathering.add(unit, found)
            if lab is not None and request["report"]:
                # Written anew for each lab: who asked may not wait for the last.
                done.append(lab)
                folder = Path(request["report"])
                write_junit(done, folder / "junit.xml")
                write_page(done, folder / "report.html", seconds=time.monotonic() - began, jobs=jobs)
            results.put(unit, found)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    """End as an interpreter ends, so that what runs is ended, and its folders are removed."""
    sys.exit(1)


if __name__ == "__main__":
    main()
