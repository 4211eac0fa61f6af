"""papermill's engine of the suite: warm kernels, and limits that keep what was reached."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from jupyter_core.utils import ensure_event_loop
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines

from academy.labs.nursery import Child
from academy.labs.suite.report import Status

NAME = "academy-suite"
START_TIMEOUT_S = 60.0

# What nbclient says of kernels that die is said in the report.
_logger = logging.getLogger(f"{__name__}.client")
_logger.addHandler(logging.NullHandler())
_logger.propagate = False


@dataclass
class Course:
    """One run: what it may take, and, as it goes on, how far it got.

    Parameters
    ----------
    kernels
        The class of kernel managers (see ``academy.labs.nursery.kernel``).
    cell_s, lab_s
        What one cell, and the run as a whole, may take.
    go_on
        A cell that fails, or that takes too long, does not end the run: the learner's edition.
    last
        The id of the last cell to run; papermill may put cells of its own before it.
    on_start
        Is told of the kernel when it answers.
    why_ended
        Says in words why a kernel that died was ended from outside; empty when it was not.
    """

    kernels: Any
    cwd: str
    cell_s: float
    lab_s: float
    go_on: bool = False
    last: str | None = None
    why_ended: Callable[[], str] = str
    on_start: Callable[[Child], None] = lambda _child: None
    notebook: NotebookNode | None = None
    ended: dict[str, tuple[Status, str]] = field(default_factory=dict)
    deadline: float = 0.0

    def cell_timeout_s(self, _cell: NotebookNode | None = None) -> float:
        # nbclient takes 0 for no limit at all.
        return max(0.1, min(self.cell_s, self.deadline - time.monotonic()))

    def over(self) -> bool:
        return time.monotonic() >= self.deadline


class _Cut(Exception):
    """The run ends here; what was reached is in the notebook."""


class _Client(PapermillNotebookClient):  # type: ignore[misc]
    """papermill's client, which goes cell by cell and notes how each ended."""

    def __init__(self, nb_man: Any, course: Course, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self._course = course
        self.kernel_manager_class = course.kernels
        self.timeout_func = course.cell_timeout_s
        self.interrupt_on_timeout = course.go_on
        # With it, a cell that ignores the interrupt ends the run, and is not waited for again.
        self.error_on_timeout = {"ename": "TimeoutError", "evalue": "the limit of the cell", "traceback": []}
        # The kernel, its service and all that they started are ended by their process tree anyway.
        self.shutdown_kernel = "immediate"

    def start_new_kernel_client(self, **options: Any) -> Any:
        client = super().start_new_kernel_client(**options)
        self._course.on_start(self.km.child)
        return client

    def papermill_execute_cells(self) -> None:
        course = self._course
        course.deadline = time.monotonic() + course.lab_s
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type != "code":
                continue
            if course.over():
                course.ended[cell.id] = (Status.TIMED_OUT, _lab_limit(course))
                raise _Cut
            self.nb_man.cell_start(cell, index)
            try:
                self._execute_one(cell, index)
            finally:
                self.nb_man.cell_complete(self.nb.cells[index], cell_index=index)
            if cell.id == course.last:
                break

    def _execute_one(self, cell: NotebookNode, index: int) -> None:
        course = self._course
        try:
            self.execute_cell(cell, index)
        except CellExecutionError as error:
            self._note(cell, index, error, Status.FAILED, f"{error.ename}: {error.evalue}".removesuffix(": "))
            if not course.go_on:
                raise _Cut from None
        except CellTimeoutError as error:
            self._note(cell, index, error, Status.TIMED_OUT, _limit(course))
            raise _Cut from None
        except DeadKernelError as error:
            reason = course.why_ended() or "the kernel died"
            self._note(cell, index, error, Status.CUT, reason)
            raise _Cut from None
        else:
            course.ended[cell.id] = (Status.PASSED, "")

    def _note(self, cell: NotebookNode, index: int, error: Exception, status: Status, reason: str) -> None:
        self.nb_man.cell_exception(cell, cell_index=index, exception=error)
        self._course.ended[cell.id] = (status, reason)


class SuiteEngine(NBClientEngine):  # type: ignore[misc]
    """Runs a notebook along a ``Course``, given as papermill's engine option ``course``."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, course: Course, **_options: Any
    ) -> None:
        course.notebook = nb_man.nb
        client = _Client(
            nb_man,
            course,
            kernel_name=kernel_name,
            startup_timeout=START_TIMEOUT_S,
            log=_logger,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        try:
            client.execute(cwd=course.cwd)
        except _Cut:
            pass


def register() -> None:
    """Make papermill know the engine by its name."""
    papermill_engines.register(NAME, SuiteEngine)


@contextmanager
def own_event_loop() -> Iterator[None]:
    """Close the event loop that nbclient uses in this thread, and what a dead kernel left waiting in it."""
    loop = ensure_event_loop()
    try:
        yield
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def _limit(course: Course) -> str:
    if course.over():
        return _lab_limit(course)
    return f"the cell took longer than its limit of {course.cell_s:g} seconds (limits.cell_s in lab.yml)"


def _lab_limit(course: Course) -> str:
    return f"the lab took longer than its limit of {course.lab_s:g} seconds (limits.lab_s in lab.yml)"
