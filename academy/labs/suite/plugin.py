"""Run labs as tests: ``pytest notebooks/ labs/``.

Collects ``notebooks/NN-verb-noun.ipynb`` (an item for each code cell) and ``labs/NN-verb-noun/lab.yml``
(items for each task: its check passes solved, fails unsolved) where both are there, and nothing else. With
``--nbval`` it stands back. All labs that are needed are run by one process, side by side and each once,
also under pytest-xdist.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from academy.errors import AcademyError
from academy.labs.parameters import parameters_of, read_given
from academy.labs.suite.given import lab_with_parameters
from academy.labs.suite.items import RESULTS, LabFile, LabItem, lab_file, lab_of
from academy.labs.suite.near import Tolerance
from academy.labs.suite.options import Edition, Options
from academy.labs.suite.results import Results
from academy.labs.suite.units import Unit
from academy.paths import write_json

_END_S = 30.0
_INPUT = "academy_suite"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; their names begin with ``--academy``."""
    group = parser.getgroup("academy", "Academy's labs")
    group.addoption(
        "--academy-update", action="store_true", help="Write the outputs of labs anew into their notebooks."
    )
    group.addoption(
        "--academy-report", metavar="DIR", help="Write junit.xml, report.html and executed notebooks there."
    )
    group.addoption(
        "--academy-jobs", metavar="N", type=_count, help="How many runs side by side. Default: the cores."
    )
    group.addoption(
        "--academy-parameter", action="append", default=[], metavar="NAME=VALUE", help="For one lab."
    )
    for kind, default, of in (("rtol", Tolerance.rtol, "Relative"), ("atol", Tolerance.atol, "Absolute")):
        group.addoption(
            f"--academy-{kind}",
            metavar="FLOAT",
            type=_amount,
            default=default,
            help=f"{of}, for numbers. Default: {default:g}.",
        )


def pytest_configure(config: pytest.Config) -> None:
    """Make what starts and ends the process that runs labs."""
    suite = Suite(config)
    config.stash[RESULTS] = lambda: suite.results
    config.pluginmanager.register(suite, "academy-suite")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> LabFile | None:
    """Collect files of labs."""
    option = parent.config.option
    if getattr(option, "nbval", False) or getattr(option, "nbval_lax", False):
        return None
    return lab_file(file_path, parent)


class Suite:
    """The labs of one session of pytest."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        worker: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._is_worker = worker is not None
        self._folder = Path(worker[_INPUT]) if worker is not None else None
        self._process: subprocess.Popen[bytes] | None = None
        self._noting: threading.Thread | None = None

    @property
    def results(self) -> Results:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="academy-pytest-"))
        return Results(self._folder)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell a worker of pytest-xdist where the reports will be."""
        node.workerinput[_INPUT] = str(self.results.root)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Start when the first worker has collected; all of them collect the same."""
        files = dict.fromkeys(self._config.rootpath / item.partition("::")[0] for item in ids)
        self._start(_units(path for path in files if path.suffix in (".ipynb", ".yml")))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Start what the items need, all of it, so that it runs side by side."""
        if not self._is_worker and not self._config.option.collectonly:
            items = [item for item in session.items if isinstance(item, LabItem)]
            self._start(_units(dict.fromkeys(item.path for item in items)))

    def pytest_unconfigure(self) -> None:
        """End the process that runs labs, and with it all that it started."""
        if self._is_worker or self._folder is None:
            return
        if self._process is not None:
            self._process.terminate()
            self._process.wait(_END_S)
        if self._noting is not None:
            self._noting.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, units: list[Unit]) -> None:
        if not units or self._process is not None:
            return
        option, results = self._config.option, self.results
        report = Path(option.academy_report).absolute() if option.academy_report else None
        folder = report / "notebooks" if report else None
        options = Options(
            Tolerance(option.academy_rtol, option.academy_atol),
            sanitize_with=_sanitize_with(getattr(option, "nbval_sanitize_with", None)),
            parameters=_values(units, option.academy_parameter, update=option.academy_update),
            update=option.academy_update,
            folder=folder,
        )
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        request = {
            "units": [unit.to_json() for unit in units],
            "options": options.to_json(),
            "jobs": option.academy_jobs or os.cpu_count() or 1,
            "report": str(report) if report else None,
        }
        write_json(results.request_file, request)
        command = [sys.executable, "-P", "-m", "academy.labs.suite.runner", str(results.root)]
        with results.log_file.open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._noting = threading.Thread(target=_note_end, args=(self._process, results), daemon=True)
        self._noting.start()


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _amount(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(text)
    return value


def _sanitize_with(name: str | None) -> Path | None:
    """Return the file of nbval's option."""
    if name is not None and not Path(name).is_file():
        raise pytest.UsageError(f"There is no file {name} to sanitize outputs with.")
    return Path(name).absolute() if name is not None else None


def _values(units: Sequence[Unit], given: Sequence[str], *, update: bool) -> dict[str, Any]:
    if not given:
        return {}
    labs = list(dict.fromkeys(unit.lab for unit in units))
    try:
        lab = lab_with_parameters(
            labs, update=update, named="--academy-parameter", update_named="--academy-update"
        )
        notebook = json.loads(lab.notebook.read_text(encoding="utf-8-sig"))
        return read_given(parameters_of(notebook), given)
    except AcademyError as error:
        raise pytest.UsageError(error.message) from None
    except (ValueError, KeyError) as error:
        raise pytest.UsageError(f"{lab.notebook} is not a notebook: {error}") from None


def _note_end(process: subprocess.Popen[bytes], results: Results) -> None:
    """Tell those who wait, also in workers, that there will be no more reports."""
    process.wait()
    if results.root.exists():
        results.ended_file.touch()


def _units(files: Iterable[Path]) -> list[Unit]:
    """Return what has to be run for these files: a notebook asks for the solved edition only."""
    found: dict[str, Unit] = {}
    for file in files:
        lab = lab_of(file)
        editions = (Edition.SOLVED,) if file.suffix == ".ipynb" else tuple(Edition)
        for unit in (Unit(lab, edition) for edition in editions if lab is not None):
            found.setdefault(unit.key, unit)
    return sorted(found.values(), key=lambda unit: (str(unit.lab.notebook), unit.edition is Edition.LEARNER))
