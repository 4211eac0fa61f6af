"""What pytest collects: the cells of a lab's notebook, and the checks of its ``lab.yml``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from academy.errors import AcademyError, InvalidField
from academy.labs.collection import MANIFEST, Lab
from academy.labs.manifest import LAB_ID
from academy.labs.parameters import source_of
from academy.labs.suite.options import Edition
from academy.labs.suite.report import CellReport, CheckReport, EditionReport, Status, Verdict
from academy.labs.suite.results import Results
from academy.labs.suite.units import Unit

# Where the reports of this session are.
RESULTS = pytest.StashKey[Callable[[], Results]]()

_MOST = 60


class Fault(Exception):
    """What is wrong with a lab, in words; pytest shows it without a traceback of its own."""


class LabFile(pytest.File):
    """A file of a lab; ``editions`` are those that its items need to have run."""

    editions: tuple[Edition, ...] = (Edition.SOLVED, Edition.LEARNER)
    lab: Lab

    def collect(self) -> list[pytest.Item]:
        try:
            return list(self.items())
        except AcademyError as error:  # raised here, it would keep pytest from running the other labs
            return [FaultItem.from_parent(self, name="is valid", fault=error.message)]

    def items(self) -> Iterator[pytest.Item]:
        """Yield the items; an ``AcademyError`` says why the file has none."""
        raise NotImplementedError


class NotebookFile(LabFile):
    """A notebook: one item for each code cell, in order."""

    editions = (Edition.SOLVED,)

    def items(self) -> Iterator[pytest.Item]:
        try:
            cells = json.loads(self.path.read_text(encoding="utf-8-sig"))["cells"]
            # As ipynb.place says it, which imports nbformat.
            names = {
                number: f"cell {cell.get('id', '?')} (number {number}): {_short(source_of(cell))}"
                for number, cell in enumerate(cells, start=1)
                if cell["cell_type"] == "code"
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidField(f"{self.path} is not a notebook: {error}") from None
        for number, name in names.items():
            yield CellItem.from_parent(self, name=name, number=number)


class ManifestFile(LabFile):
    """A ``lab.yml``: two items for each task, and one for the editions as a whole."""

    def items(self) -> Iterator[pytest.Item]:
        for task in self.lab.manifest.tasks:
            for edition in self.editions:
                wanted = "passes solved" if edition is Edition.SOLVED else "fails unsolved"
                yield CheckItem.from_parent(self, name=f"{task.id} {wanted}", task=task.id, edition=edition)
        yield EditionsItem.from_parent(self, name="editions")


class LabItem(pytest.Item):
    """One fact about a lab; all items of a lab share its runs."""

    parent: LabFile

    def report(self, edition: Edition) -> EditionReport:
        return self.config.stash[RESULTS]().wait(Unit(self.parent.lab, edition))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        if isinstance(excinfo.value, Fault | AcademyError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.parent.lab.id}: {self.name}"


class FaultItem(LabItem):
    """The file can be read; it stands for the items that are not known when it cannot."""

    def __init__(self, *, fault: str, **parts: Any) -> None:
        super().__init__(**parts)
        self.fault = fault

    def runtest(self) -> None:
        told = [problem for edition in self.parent.editions for problem in self.report(edition).problems]
        raise Fault("\n".join(dict.fromkeys(told)) or self.fault)


class CellItem(LabItem):
    """A cell runs, and gives its stored output."""

    def __init__(self, *, number: int, **parts: Any) -> None:
        super().__init__(**parts)
        self.number = number

    def runtest(self) -> None:
        report = self.report(Edition.SOLVED)
        cell = next((cell for cell in report.cells if cell.number == self.number), None)
        if cell is None:
            raise Fault("\n".join(report.problems))
        self._show(cell)
        if cell.status in (Status.SKIPPED, Status.NOT_REACHED):
            pytest.skip(cell.reason)
        if cell.status.is_fault:
            shown = (f"{cell.status}: {cell.reason}", cell.difference, cell.traceback)
            raise Fault("\n".join(part for part in shown if part))

    def _show(self, cell: CellReport) -> None:
        if cell.reached:
            self.add_report_section("call", "output", cell.reached)
        if cell.stderr:
            self.add_report_section("call", "stderr", cell.stderr)
        self.user_properties.append(("seconds", round(cell.seconds, 3)))


class CheckItem(LabItem):
    """The check of a task passes on the solved edition, and fails on the learner's."""

    def __init__(self, *, task: str, edition: Edition, **parts: Any) -> None:
        super().__init__(**parts)
        self.task, self.edition = task, edition

    def runtest(self) -> None:
        report = self.report(self.edition)
        check = next((check for check in report.checks if check.task == self.task), None)
        if check is None:
            raise Fault("\n".join(report.problems))
        _judge(check)


class EditionsItem(LabItem):
    """Both editions could be run, and check nothing that ``lab.yml`` does not have."""

    def runtest(self) -> None:
        known = {task.id for task in self.parent.lab.manifest.tasks}
        reports = [self.report(edition) for edition in self.parent.editions]
        problems = [problem for report in reports for problem in report.problems]
        problems += [c.fault for report in reports for c in report.checks if c.fault and c.task not in known]
        if problems:
            raise Fault("\n".join(dict.fromkeys(problems)))


def lab_file(file: Path, parent: pytest.Collector) -> LabFile | None:
    """Return the collector of a file of a lab in a collection; ``None`` for every other file."""
    lab = lab_of(file)
    if lab is None:
        return None
    kind = NotebookFile if file.suffix == ".ipynb" else ManifestFile
    made: LabFile = kind.from_parent(parent, path=file)
    made.lab = lab
    return made


def lab_of(file: Path) -> Lab | None:
    """Return the lab that a notebook or ``lab.yml`` belongs to, by the layout of a collection."""
    folder = file.parent
    if file.suffix == ".ipynb" and folder.name == "notebooks":
        lab = Lab(file.stem, file, folder.parent / "labs" / file.stem)
    elif file.name == MANIFEST and folder.parent.name == "labs":
        lab = Lab(folder.name, folder.parent.parent / "notebooks" / f"{folder.name}.ipynb", folder)
    else:
        return None
    complete = lab.notebook.is_file() and (lab.folder / MANIFEST).is_file()
    return lab if complete and LAB_ID.fullmatch(lab.id) else None


def _judge(check: CheckReport) -> None:
    if check.fault:
        raise Fault(f"{check.fault}\n{check.message}".strip())
    if check.verdict in (Verdict.NO_RESULT, Verdict.MISSING):
        pytest.skip(check.message or str(check.verdict))


def _short(source: str) -> str:
    line = next((line.strip() for line in source.splitlines() if line.strip()), "")
    # '::' parts the names in a node's id.
    line = line.replace("::", ": :")
    return line if len(line) <= _MOST else line[: _MOST - 1] + "…"
