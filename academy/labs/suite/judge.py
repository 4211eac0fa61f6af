"""What a run means: each cell compared, each task's check as it should be. Notebooks in, reports out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nbformat import NotebookNode

from academy.errors import AcademyError
from academy.labs.editions import ipynb
from academy.labs.editions.edition import own
from academy.labs.learning.feedback import CHECK_MIME
from academy.labs.manifest import Manifest, Task
from academy.labs.suite.compare import Comparison, marks, written
from academy.labs.suite.options import Edition
from academy.labs.suite.report import CellReport, CheckReport, Status, Verdict

# Terminal colours in tracebacks.
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07")
_MOST_STDERR = 4000
_MOST_SHOWN = 4000
_MOST_LINES = 30
_ARROW = re.compile(r"^-+> \d+ (.*)$", re.MULTILINE)
_HIDDEN_TESTS = re.compile(r"###\s*BEGIN HIDDEN TESTS")

Ended = Mapping[str, tuple[Status, str]]


@dataclass(frozen=True)
class Ran:
    """A notebook as it was meant, as it was executed, and how each cell ended that was reached (by id)."""

    source: NotebookNode
    executed: NotebookNode | None
    ended: Ended

    def results(self) -> dict[str, Mapping[str, Any]]:
        """Return the last result of each task's check: the same that a learner sees."""
        found = {}
        for cell in self._executed_cells().values():
            for output in cell.get("outputs", ()):
                result = output.get("data", {}).get(CHECK_MIME)
                if result:
                    found[result["id"]] = result
        return found

    def outputs(self, cell_id: str) -> list[NotebookNode]:
        cell = self._executed_cells().get(cell_id)
        return list(cell.outputs) if cell is not None else []

    def seconds(self, cell_id: str) -> float:
        cell = self._executed_cells().get(cell_id)
        told = cell.metadata.get("papermill", {}).get("duration") if cell is not None else None
        return float(told or 0.0)

    def _executed_cells(self) -> dict[str, NotebookNode]:
        cells = self.executed.cells if self.executed is not None else ()
        return {cell.id: cell for cell in cells if cell.cell_type == "code"}


def cell_reports(ran: Ran, comparison: Comparison) -> tuple[CellReport, ...]:
    """Return a report of each code cell, in order, the outputs compared with the stored ones."""
    return tuple(
        _cell(ran, cell, index, comparison)
        for index, cell in enumerate(ran.source.cells)
        if cell.cell_type == "code"
    )


def check_reports(ran: Ran, manifest: Manifest, edition: Edition) -> tuple[CheckReport, ...]:
    """Return what each task's check said: on the solved edition it has to pass, on the learner's to fail."""
    results = ran.results()
    judge = _on_solved if edition is Edition.SOLVED else _on_learners
    known = {task.id for task in manifest.tasks}
    named = {
        ipynb.place(cell, index): own(cell).get("check")
        for index, cell in enumerate(ran.source.cells)
        if cell.cell_type == "code"
    }
    unknown = [
        CheckReport(
            task,
            task,
            Verdict.MISSING,
            fault=f"{place} checks the task {task!r}, which lab.yml does not have",
        )
        for place, task in named.items()
        if task and task not in known and edition is Edition.SOLVED
    ]
    return (*(judge(ran, task, results.get(task.id)) for task in manifest.tasks), *unknown)


def last_check(notebook: NotebookNode) -> str | None:
    """Return the id of the last cell that checks a task."""
    found = [str(cell.id) for cell in notebook.cells if cell.cell_type == "code" and own(cell).get("check")]
    return found[-1] if found else None


def first_line(source: str) -> str:
    """Return the line that a cell is known by: the first that says something."""
    return next((line.strip() for line in source.splitlines() if line.strip()), "")


def plain(text: str) -> str:
    """Return text without terminal colours."""
    return _ANSI.sub("", text)


def _cell(ran: Ran, cell: NotebookNode, index: int, comparison: Comparison) -> CellReport:
    status, reason = ran.ended.get(cell.id, (Status.NOT_REACHED, "a cell before it ended the run"))
    outputs, difference, traceback = ran.outputs(cell.id), "", ""
    if marks(cell).skip and status is not Status.NOT_REACHED:
        status, reason = Status.SKIPPED, "marked to be skipped"
    if status is Status.PASSED:
        try:
            difference = comparison.difference(cell, outputs)
        except AcademyError as error:
            status, reason = Status.FAILED, error.message
        if difference:
            status, reason = Status.DIFFERS, "the output differs from the stored one"
    if status is Status.FAILED:
        traceback = _traceback(outputs)
        if _hidden_tests_failed(ran, cell):
            reason = f"the hidden tests fail on the solved edition{_failing_line(traceback)}: {reason}"
    return CellReport(
        index + 1,
        cell.id,
        ipynb.place(cell, index),
        first_line(cell.source),
        status,
        ran.seconds(cell.id),
        difference,
        traceback,
        plain(reason).strip(),
        plain(written(outputs, "stderr"))[-_MOST_STDERR:],
        marks(cell).compare and cell.execution_count is not None,
        _last_shown(outputs) if status in (Status.TIMED_OUT, Status.CUT) else "",
    )


def _hidden_tests_failed(ran: Ran, cell: NotebookNode) -> bool:
    checked = ran.results().get(own(cell).get("check", ""))
    return bool(checked and checked["passed"] and _HIDDEN_TESTS.search(cell.source))


def _traceback(outputs: list[NotebookNode]) -> str:
    raised = [output for output in outputs if output.output_type == "error"]
    return plain("\n".join("\n".join(output.traceback) for output in raised))


def _failing_line(traceback: str) -> str:
    """Return where in the cell it failed, as IPython's arrow points to it."""
    found = _ARROW.search(traceback)
    return f", at {found[1].strip()!r}" if found else ""


def _last_shown(outputs: list[NotebookNode]) -> str:
    """Return the last lines that a cell printed or displayed."""
    shown = plain(written(outputs, "stdout"))
    shown += "".join(
        f"{output.data.get('text/plain', '')}\n"
        for output in outputs
        if output.output_type in ("display_data", "execute_result")
    )
    lines = shown.rstrip().splitlines()
    last = "\n".join(["…", *lines[-_MOST_LINES:]] if len(lines) > _MOST_LINES else lines)
    return last if len(last) <= _MOST_SHOWN else "…" + last[-_MOST_SHOWN:]


def _on_solved(ran: Ran, task: Task, result: Mapping[str, Any] | None) -> CheckReport:
    if result is None:
        return _without_result(ran, task)
    verdict = _verdict(result)
    full = result["points"] == result["max_points"] == task.points
    fault = ""
    if verdict is not Verdict.PASSED:
        fault = f"the check of {task.id!r} does not pass on the solved edition: {_why(result)}"
    elif not full:
        fault = (
            f"the check of {task.id!r} gives {result['points']:g} points on the solved edition, "
            f"not the {task.points:g} of lab.yml"
        )
    return _of_result(ran, task, result, verdict, fault)


def _without_result(ran: Ran, task: Task) -> CheckReport:
    cell_id = _check_cell(ran, task)
    if cell_id is None:
        fault = (
            f"no cell checks the task {task.id!r} of lab.yml; put check({task.id!r}) into one, "
            "with metadata.academy.check"
        )
        return CheckReport(task.id, task.title, Verdict.MISSING, max_points=task.points, fault=fault)
    status, reason = ran.ended.get(cell_id, (Status.NOT_REACHED, "a cell before it ended the run"))
    # A cell that failed, or was not reached, is a fault already, and said where it is.
    fault = f"the check of {task.id!r} gave no result" if status is Status.PASSED else ""
    return CheckReport(
        task.id, task.title, Verdict.NO_RESULT, max_points=task.points, message=reason, fault=fault
    )


def _on_learners(ran: Ran, task: Task, result: Mapping[str, Any] | None) -> CheckReport:
    if result is None:
        cell_id = _check_cell(ran, task)
        if cell_id is None:
            # Said of the solved edition already.
            return CheckReport(task.id, task.title, Verdict.MISSING, max_points=task.points)
        _, reason = ran.ended.get(cell_id, (Status.NOT_REACHED, "a cell before it ended the run"))
        fault = (
            f"the check of {task.id!r} gave no result on the learner's edition: {reason or 'nothing shown'}"
        )
        return CheckReport(task.id, task.title, Verdict.NO_RESULT, max_points=task.points, fault=fault)
    verdict = _verdict(result)
    fault = ""
    if verdict is Verdict.PASSED:
        fault = (
            f"the check of {task.id!r} passes on the learner's edition, where nothing is solved: it proves "
            "nothing"
        )
    elif verdict is Verdict.ERROR:
        fault = f"the check of {task.id!r} fails by itself on the learner's edition: {_why(result)}"
    return _of_result(ran, task, result, verdict, fault)


def _of_result(ran: Ran, task: Task, result: Mapping[str, Any], verdict: Verdict, fault: str) -> CheckReport:
    seconds = ran.seconds(_check_cell(ran, task) or "")
    return CheckReport(
        task.id,
        task.title,
        verdict,
        result["points"],
        result["max_points"],
        result["message"],
        seconds,
        fault,
    )


def _verdict(result: Mapping[str, Any]) -> Verdict:
    if result["passed"]:
        return Verdict.PASSED
    return Verdict.ERROR if result.get("error") else Verdict.FAILED


def _why(result: Mapping[str, Any]) -> str:
    return str(result.get("error") or result["message"])


def _check_cell(ran: Ran, task: Task) -> str | None:
    return next((cell_id for cell_id, cell in _cells(ran).items() if own(cell).get("check") == task.id), None)


def _cells(ran: Ran) -> dict[str, NotebookNode]:
    return {cell.id: cell for cell in ran.source.cells if cell.cell_type == "code"}
