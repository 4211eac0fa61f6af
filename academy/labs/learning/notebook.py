"""``check("task")``, ``hint("task")`` and ``solution("task")`` in a cell: shown, and recorded.

``%load_ext academy`` and the Academy kernel put the three into the notebook.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

from academy.client import connect
from academy.client.credential import MachineCredential
from academy.client.sdk import import_sdk
from academy.errors import AcademyError, NotFound, ServiceUnavailable, choices
from academy.labs.checks import Facts, OwnValues, load_checks, run_check
from academy.labs.collection import Lab
from academy.labs.language import texts
from academy.labs.learning import live_kernels
from academy.labs.learning.current import current_lab, named_lab
from academy.labs.learning.events import EventKind, Events
from academy.labs.learning.feedback import (
    CHECKS_MIME,
    Checked,
    Feedback,
    Hint,
    of_check,
    of_hint,
    of_solution,
    stable,
)
from academy.labs.learning.made import NAMES, names_in
from academy.labs.learning.progress import Progress, TaskProgress, progress
from academy.labs.manifest import Task
from academy.paths import Home
from academy.service.process import status, up

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_HELD_AS = "_academy_guide"

# A check in a notebook that takes longer ends as one that did not pass.
CHECK_LIMIT_S = 30.0

# The longest message that the record keeps.
_MESSAGE = 2000

# What to say to whoever runs a cell.
_UNRECORDED = "notebook.not-recorded"

_Shown = TypeVar("_Shown", bound=Feedback)


def check(task: str = "", *more: object) -> Checked:
    """Check one task of this lab: show what was expected, what was found and what to try, and record it.

    Parameters
    ----------
    task
        The task's id, as the notebook names it; ``"NN-verb-noun/task"`` for one of another lab.

    Returns
    -------
    Checked
        The result, with ``passed``, ``points``, ``max_points`` and ``message``; true when it passed.
    """
    return guide().shown(lambda one: one.check(task, *more))


def hint(task: str = "", *more: object) -> Feedback:
    """Show the next of a task's three hints, and record that it was asked for."""
    return guide().shown(lambda one: one.hint(task, *more))


def solution(task: str = "", *more: object) -> Feedback:
    """Show a solution of a task, and record that it was looked at."""
    return guide().shown(lambda one: one.solution(task, *more))


def answer(lab_id: str, *tasks: str) -> Feedback:
    """Check tasks of a lab, all when none is named, for whoever asks this kernel from outside.

    Nothing is displayed. The MIME type ``CHECKS_MIME`` holds ``results`` (one ``CheckResult`` each, as JSON)
    and ``notes``.
    """
    return guide().answer(lab_id, tasks)


def guide() -> Guide:
    """Return what answers for this kernel's notebook."""
    shell = get_ipython()
    found: Guide | None = getattr(shell, _HELD_AS, None)
    return found or Guide(shell, Home.locate())


def install(shell: Any, home: Home) -> None:
    """Put ``check``, ``hint`` and ``solution`` into the notebook, where these names are free."""
    uninstall(shell)
    info = status(home).info
    made = Guide(shell, home, info.address if info else "")
    setattr(shell, _HELD_AS, made)
    free = {name: value for name, value in _NAMES.items() if name not in shell.user_ns}
    shell.push(free, interactive=False)
    made.note_kernel()


def uninstall(shell: Any) -> None:
    """Take them out again, unless the notebook uses a name for something of its own by now."""
    if getattr(shell, _HELD_AS, None) is None:
        return
    getattr(shell, _HELD_AS).forget_kernel()
    setattr(shell, _HELD_AS, None)
    for name, value in _NAMES.items():
        if shell.user_ns.get(name) is value:
            shell.drop_by_id({name: value})


_NAMES: dict[str, Callable[..., Feedback]] = {"check": check, "hint": hint, "solution": solution}


@dataclass
class Guide:
    """Answers for the notebook that ``shell`` runs; ``home`` is that of the service it talks to.

    ``address`` is where that service answered when the notebook was pointed at it.
    """

    shell: Any
    home: Home
    address: str = ""
    _clients: dict[tuple[str, str], MLClient] = field(default_factory=dict, repr=False)
    # Hints shown while no service could record them.
    _unrecorded: dict[str, int] = field(default_factory=dict, repr=False)

    def check(self, *given: object) -> Checked:
        lab, task = self._task(given, "check")
        return self._checked(lab, task, notes=self._awake())

    def hint(self, *given: object) -> Feedback:
        lab, task = self._task(given, "hint")
        notes = self._awake()
        so_far = max(self._progress(lab, task).hints, self._unrecorded.get(f"{lab.id}/{task.id}", 0))
        level = min(so_far + 1, len(task.hints))
        if level:
            self._unrecorded[f"{lab.id}/{task.id}"] = level
            notes += self._record(lab, EventKind.HINTED, task, level=level)
        text = task.hints[level - 1] if level else ""
        return of_hint(Hint(level, len(task.hints), text), task, notes=notes)

    def solution(self, *given: object) -> Feedback:
        lab, task = self._task(given, "solution")
        notes = self._awake()
        # It reads notebooks with nbformat, which takes longer to import than all of this.
        found: str = importlib.import_module("academy.labs.learning.source").solution_of(
            self.home, lab, task.id
        )
        if found:
            notes += self._record(lab, EventKind.SOLUTION_SHOWN, task)
        return of_solution(found, task, notes=notes)

    def answer(self, lab_id: str, names: tuple[str, ...]) -> Feedback:
        lab = named_lab(self.home, lab_id)
        own = current_lab(self.home, self.shell.user_ns)
        lab = own if own.id == lab.id else lab
        tasks = [lab.manifest.task(name) for name in names] if names else list(lab.manifest.tasks)
        notes = self._awake()
        found = [self._checked(lab, task, "notebook.not-recorded-outside") for task in tasks]
        results = [stable(one.result) for one in found]
        text = "\n".join([*notes, *(one.text for one in found)])
        return Feedback({"text/plain": text, CHECKS_MIME: {"lab": lab.id, "results": results}})

    def shown(self, act: Callable[[Guide], _Shown]) -> _Shown:
        """Do something, show it below the cell, and return it so that it is not shown a second time there."""
        try:
            feedback = act(self)
        except AcademyError as error:
            raise UsageError(error.message) from error  # IPython shows it without a traceback
        if self.shell is None:
            return feedback
        self.shell.display_pub.publish(data=feedback.data, metadata={})
        count = self.shell.execution_count
        return replace(feedback, shown=lambda: self.shell.execution_count == count)

    def note_kernel(self) -> None:
        """Say in the home that this kernel has a lab open, if it has."""
        try:
            lab = current_lab(self.home, self.shell.user_ns)
        except AcademyError:
            return  # an ordinary notebook
        # Loaded when this process is a kernel; a terminal's IPython has nobody to reach it.
        application = sys.modules.get("ipykernel.kernelapp")
        if application is not None and application.IPKernelApp.initialized():
            file = Path(application.IPKernelApp.instance().abs_connection_file)
            live_kernels.note(self.home, lab, file)

    def forget_kernel(self) -> None:
        live_kernels.forget(self.home)

    def _task(self, given: tuple[object, ...], call: str) -> tuple[Lab, Task]:
        name = given[0] if len(given) == 1 and isinstance(given[0], str) else ""
        lab_id, slash, task = name.rpartition("/")
        if slash:
            lab = named_lab(self.home, lab_id)
        else:
            lab = current_lab(self.home, self.shell.user_ns, call=call, task=task)
        if not task:
            known = choices((one.id for one in lab.manifest.tasks), in_order=True)
            is_empty = len(given) == 1 and isinstance(given[0], str)
            key = "notebook.no-task" if is_empty else "notebook.one-task"
            raise NotFound(texts()(key, call=f'{call}("…")', tasks=known))
        return lab, lab.manifest.task(task)

    def _checked(
        self, lab: Lab, task: Task, unrecorded: str = _UNRECORDED, *, notes: tuple[str, ...] = ()
    ) -> Checked:
        facts = Facts(OwnValues(self.shell.user_ns), lab.folder, self._client)
        own = load_checks(lab.checks_file)
        result = run_check(own, task, facts, hint=f'hint("{task.id}")', limit_s=CHECK_LIMIT_S)
        found = {name: getattr(result, name) for name in ("passed", "points", "max_points")}
        shortened = {name: getattr(result, name)[:_MESSAGE] for name in ("message", "error")}
        notes += self._record(lab, EventKind.CHECKED, task, unrecorded=unrecorded, **found, **shortened)
        so_far = TaskProgress(task) if result.passed else self._progress(lab, task)
        return of_check(result, so_far, notes=notes)

    def _awake(self) -> tuple[str, ...]:
        """Start the service when it does not run, before anything waits for it; return what to say of it.

        One that cannot be started is no reason to fail: why is said, and what does not need it goes on.
        """
        now, say = status(self.home), texts()
        notes: tuple[str, ...] = ()
        if now.state == "running" and now.info is not None:
            address = now.info.address
        else:
            try:
                address = up(self.home).address
            except (AcademyError, OSError, subprocess.SubprocessError) as error:
                reason = str(error).partition("\n")[0].rstrip(":")  # below it is the log's end
                return (say("notebook.service-not-started", reason=reason),)
            notes = (say("notebook.service-started"),)
        if self.address not in ("", address):
            _follow(self.address, address)
            notes += (say("notebook.service-moved", address=address),)
        return notes

    def _record(
        self, lab: Lab, kind: EventKind, task: Task, *, unrecorded: str = _UNRECORDED, **data: Any
    ) -> tuple[str, ...]:
        """Record an event; return what to say when that could not be done, which is no reason to fail.

        With it go the values that name what the lab makes: only the kernel knows those that are computed. A
        lab's source is no learner's work, though its checks run: what is reached there is nobody's progress.
        """
        if not lab.is_edition:
            return ()
        data[NAMES] = names_in(lab.manifest.resources, self.shell.user_ns)
        now = status(self.home)
        try:
            if now.state != "running" or now.info is None:
                return (texts()(unrecorded),)
            Events(now.info).append(lab.id, kind, task.id, **data)
        except ServiceUnavailable:
            return (texts()(unrecorded),)
        except (AcademyError, OSError) as error:
            return (texts()("notebook.not-recorded-because", reason=error),)
        return ()

    def _progress(self, lab: Lab, task: Task) -> TaskProgress:
        now = status(self.home)
        try:
            events = Events(now.info).read(lab.id) if now.state == "running" and now.info else []
        except (AcademyError, OSError):
            events = []  # what cannot be recorded says so; this only chooses the words
        found: Progress = progress(lab.manifest, events)
        return found.task(task.id)

    def _client(self) -> MLClient:
        """Return a client of the service and workspace that this process is pointed at; kept for the next."""
        now = status(self.home)
        if now.state != "running" or now.info is None:
            raise ServiceUnavailable(texts()("notebook.no-service", home=self.home.root))
        scope = _scope(os.environ)
        if not all(scope) or not os.environ.get("IDENTITY_ENDPOINT", "").startswith(now.info.address):
            return connect(self.home.root)
        key = (now.info.address, "/".join(scope))
        if key not in self._clients:
            self._clients[key] = import_sdk().MLClient(MachineCredential.of_environment(), *scope)
        return self._clients[key]


def _follow(old: str, new: str) -> None:
    """Point MLflow, where this process has it, from one address of the service to the next."""
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None and mlflow.get_tracking_uri().startswith(f"{old}/"):
        mlflow.set_tracking_uri(mlflow.get_tracking_uri().replace(old, new, 1))


def _scope(variables: Mapping[str, str]) -> tuple[str, str, str]:
    names = ("SUBSCRIPTION", "RESOURCEGROUP", "WORKSPACE_NAME")
    subscription, group, workspace = (variables.get(f"AZUREML_ARM_{name}", "") for name in names)
    return subscription, group, workspace
