"""Points for one task: its check and its hidden tests, looked at from outside the learner's kernel."""

from __future__ import annotations

import contextlib
import os
import shutil
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from academy.client import connect
from academy.errors import AcademyError
from academy.labs.checks import Check, CheckResult, Facts, load_checks, run_check
from academy.labs.editions import ipynb
from academy.labs.editions.pack import Pack
from academy.labs.grading.hidden import Own, imports_of, run_hidden
from academy.labs.grading.remote import Asked, NoAnswer, RemoteValues
from academy.labs.grading.room import Room
from academy.labs.grading.scores import HiddenResult, TaskScore
from academy.labs.grading.snapshot import snapshot
from academy.labs.manifest import Task
from academy.labs.time_limit import TooLate, time_limit
from academy.service.process import up

# Beyond the kernel's own limit: for what a check does here, such as looking at the service.
_SLACK_S = 10.0


@dataclass
class Marking:
    """Marks the tasks of one submission.

    The service is asked where the supervisor started it, whatever a job wrote into the home. A job can
    still write the home's database, and with it what the service answers: it runs as the service does.
    """

    pack: Pack
    room: Room
    kernel: Asked
    limit_s: float
    _clients: dict[str, Any] = field(default_factory=dict)

    def check(self, task: Task) -> TaskScore:
        """Run the check of a task on how things stand now; its hidden tests count nothing yet."""
        facts, values = self._facts()
        found = self._guarded(lambda: run_check(self._checks, task, facts), values)
        check = found if isinstance(found, CheckResult) else not_reached(task, str(found))
        return TaskScore(task.id, task.title, check, no_hidden(task, "they were not reached"), values.trouble)

    def hidden(self, task: Task) -> tuple[HiddenResult | None, str]:
        """Run the hidden tests of a task; return their result, and what kept the notebook from answering."""
        if not task.hidden_points:
            return None, ""
        _, values = self._facts()
        own = Own(self._imports, self._client)
        source = self.pack.hidden.get(task.id, "")
        found = self._guarded(lambda: run_hidden(source, task, values, own), values)
        return found if isinstance(found, HiddenResult) else no_hidden(task, str(found)), values.trouble

    @cached_property
    def _checks(self) -> dict[str, Check]:
        return load_checks(self.pack.lab.checks_file)

    @cached_property
    def _imports(self) -> dict[str, tuple[str, str | None]]:
        cells = ipynb.read(self.pack.lab.notebook).cells
        return imports_of(cell.source for cell in cells if cell.cell_type == "code")

    def _client(self) -> Any:
        address = up(self.room.noted).address  # another one, when it had to be started again
        if address not in self._clients:
            self._clients = {address: connect(self.room.noted.root)}
        return self._clients[address]

    def _facts(self) -> tuple[Facts, RemoteValues]:
        """Return the facts; the folder is a copy, which the learner's processes cannot change or see."""
        folder = self.room.aside / "folder"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with contextlib.suppress(AcademyError):  # too much to copy: the check finds what is there
            snapshot(self.room.lab, folder)
        os.chdir(folder)
        self._client()  # points MLflow at the service, too
        values = RemoteValues(self.kernel, self.limit_s)
        return Facts(values, folder, self._client), values

    def _guarded(self, work: Callable[[], Any], values: RemoteValues) -> Any:
        """Do the work within its time; return what it gives, or the words for why it gave nothing."""
        try:
            with time_limit(self.limit_s + _SLACK_S, values.late):
                return work()
        except TooLate:
            return _said(values.late())
        except AcademyError as error:
            return error.message
        except NoAnswer as error:
            return _said(error)
        except Exception as error:  # noqa: BLE001  an author's code, on what a learner made
            traceback.print_exc()  # in the log of this process, which is the instructor's
            return f"{type(error).__name__}: {error}"


def not_reached(task: Task, reason: str) -> CheckResult:
    """Return the result of a check that could not run."""
    message = f"{task.title}: not yet. {reason[:1].upper()}{reason[1:]}".rstrip(". ") + "."
    return CheckResult(task.id, False, 0.0, task.points, message, found=reason)


def no_hidden(task: Task, reason: str) -> HiddenResult | None:
    """Return the result of hidden tests that could not run; None when the task has none."""
    if not task.hidden_points:
        return None
    return HiddenResult(0.0, task.hidden_points, 0, 0, (reason,))


def _said(error: NoAnswer) -> str:
    return f"{error.expected}; found {error.found}"
