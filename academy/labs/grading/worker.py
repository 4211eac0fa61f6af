"""The grading process of one submission: it holds the hidden tests, and no code of the learner's runs in it.

It is forked from the nursery, speaks with one kernel and one service, and ends with the submission.
"""

from __future__ import annotations

import ast
import errno
import resource
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_output

from academy.errors import AcademyError, InvalidField
from academy.labs.checks import CheckResult
from academy.labs.collection import CHECKS, MANIFEST
from academy.labs.editions import ipynb
from academy.labs.editions.edition import own
from academy.labs.editions.merge import Merged, put_back
from academy.labs.editions.pack import Pack, read_pack
from academy.labs.editions.stubs import is_said_by_stub
from academy.labs.grading.conversation import Ended, Reply
from academy.labs.grading.deferral import waiting
from academy.labs.grading.marking import Marking, no_hidden, not_reached
from academy.labs.grading.neutral import Neutral
from academy.labs.grading.outputs import Outputs
from academy.labs.grading.revival import Kernel, LabOver
from academy.labs.grading.room import Room
from academy.labs.grading.scores import TaskScore
from academy.labs.grading.snapshot import snapshot
from academy.labs.grading.supervised import Supervised
from academy.labs.manifest import Limits, Task
from academy.service.process import status

# What learners are given and do not change: it comes from the release.
_LOCKED = (CHECKS, MANIFEST, "data")
_MOST_NOTEBOOK_BYTES = 100 * 1024**2
# What this process may need beyond what it was forked with, whatever a submission sends.
_MEMORY_BYTES = 3 * 1024**3

_UNWRITABLE = (InvalidField, ValueError, TypeError, AttributeError, LookupError, RecursionError)

_NOT_SHOWN = "what it found is not shown: hidden tests ran before it"
_WITHHELD = "What this cell printed is not kept: hidden tests ran before it.\n"


@dataclass(frozen=True)
class Order:
    """What is to be graded; ``pack`` is the folder of packs, ``executed`` the file to write or nothing."""

    lab: str
    folder: str
    pack: str
    room: str
    executed: str
    limits: Mapping[str, Any]


def work(argument: Mapping[str, Any], descriptor: int) -> dict[str, Any]:
    """Grade one submission; the descriptor is the line to the supervisor."""
    order = Order(**argument)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, resource.RLIM_INFINITY))
    pack = read_pack(Path(order.pack), order.lab)
    room, limits = Room(Path(order.room)), Limits(**order.limits)
    with socket.socket(fileno=descriptor) as connection:
        try:
            prepared = prepare(Path(order.folder), pack, room)
        except AcademyError as error:
            return {"error": error.message}
        supervised = Supervised(connection)
        supervised.ask("service")
        neutral = Neutral.of(room, _address(room))  # before any code of the learner's could change it
        grading = Grading(pack, prepared, room, limits, supervised)
        scores = grading.run()
    notes = (*prepared.notes, *grading.notes)
    if order.executed:
        neutral.outputs(prepared.notebook)
        notes = (*notes, *_write(prepared.notebook, Path(order.executed)))
    found = {"tasks": [asdict(score) for score in scores], "notes": notes, "details": prepared.details}
    shown: dict[str, Any] = neutral.plain(found)
    return shown


def prepare(submission: Path, pack: Pack, room: Room) -> Merged:
    """Lay out the edition that is graded, and return its notebook and what was set right.

    Raises
    ------
    AcademyError
        There is no notebook that can be read.
    """
    handed_in = room.aside / "submission"
    left_out = snapshot(submission, handed_in)
    file = handed_in / pack.release.notebook.name
    if file.exists() and file.stat().st_size > _MOST_NOTEBOOK_BYTES:
        raise InvalidField(f"The notebook is larger than {_MOST_NOTEBOOK_BYTES // 1024**2} MB.")
    if file.name in left_out:
        raise InvalidField(f"{file.name} is a link or no plain file.")
    merged = put_back(ipynb.read(pack.release.notebook), ipynb.read(file))
    snapshot(pack.release.folder, room.lab)
    notes = [f"{name} was left out: it is a link or no plain file." for name in left_out]
    for path in sorted(handed_in.rglob("*")):
        name = path.relative_to(handed_in)
        if path.is_file() and name.parts[0] not in (*_LOCKED, file.name):
            try:
                (room.lab / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, room.lab / name)
            except OSError as error:
                notes.append(f"{name} was left out: {error.strerror}.")
    ipynb.write(merged.notebook, room.lab / file.name)
    return replace(merged, notes=(*merged.notes, *notes))


class Grading:
    """Runs the notebook, and marks each task where its check stands."""

    def __init__(
        self, pack: Pack, prepared: Merged, room: Room, limits: Limits, supervised: Supervised
    ) -> None:
        self._pack, self._room, self._limits, self._supervised = pack, room, limits, supervised
        self._notebook, self._untouched = prepared.notebook, prepared.untouched
        until = time.monotonic() + limits.lab_s
        self._kernel = Kernel(supervised.start, limit_s=limits.cell_s, until=until)
        self._marking = Marking(pack, room, self._kernel, limits.cell_s)
        self._scores: dict[str, TaskScore] = {}
        self._cuts: dict[str, str] = {}
        self._waiting: list[str] = []
        self._waits = waiting(self._notebook, pack.hidden)
        self._withheld = False
        self.notes: list[str] = []

    def run(self) -> list[TaskScore]:
        """Run all; return the score of every task of the lab."""
        over = ""
        try:
            self._run_cells()
        except LabOver as error:
            over = f"time: {error.message} Its limit is {self._limits.lab_s:.0f} s."
            self.notes.append(f"The lab was cut. {over}")
        for task in self._pack.manifest.tasks:
            if task.id in self._waiting:
                self._kernel.extend(self._limits.cell_s)
                self._mark_hidden(task)
        self._kernel.close()
        found = [
            self._scores.get(task.id) or zero(task, over, cut=over) for task in self._pack.manifest.tasks
        ]
        return [replace(score, blank=self._is_blank(score)) for score in found]

    def _is_blank(self, score: TaskScore) -> bool:
        """Tell whether nothing was written for a task, or a test met what stands for its solution."""
        if score.blank or any(map(is_said_by_stub, score.hidden.details if score.hidden else ())):
            return True
        return score.task in self._untouched and not score.check.points

    def _run_cells(self) -> None:
        for index, cell in enumerate(self._notebook.cells):
            if cell.cell_type == "code":
                self._run_cell(index, cell)
            task = self._checked_in(cell)
            if task is not None:
                self._mark(task, cell)
        for task in self._pack.manifest.tasks:
            if task.id not in self._scores:
                self._mark(task, None)

    def _run_cell(self, index: int, cell: NotebookNode) -> None:
        source = without_check(cell.source) if self._checked_in(cell) else cell.source
        if not source.strip():
            return
        outputs = Outputs()
        reply = self._kernel.run(source, outputs)
        cell.update(outputs=outputs.found, execution_count=_count(reply))
        if self._withheld and outputs.found:
            cell["outputs"] = [new_output("stream", name="stderr", text=_WITHHELD)]
        cut = self._cut(reply)
        if cut:
            place = ipynb.place(self._notebook.cells[index], index)
            self.notes.append(f"{place[0].upper()}{place[1:]} was cut: {cut}.")
            task = self._task_of(index)
            if task and not self._cuts.get(task):
                self._cuts[task] = cut

    def _cut(self, reply: Reply) -> str:
        """Return what ended a cell early, in words."""
        exceeded = str(self._supervised.ask("service"))
        limit = f"time: it took longer than {self._kernel.allowed_s:.0f} s"
        if reply.ended is Ended.INTERRUPTED:
            return limit
        if reply.ended is Ended.STUCK:
            return f"{limit} and did not let itself be interrupted"
        if reply.ended is Ended.DEAD:
            return self._kernel.ended_by or "it ended the kernel"
        if reply.content.get("ename") == "MemoryError":
            return f"memory: it needed more than {self._limits.memory_gb:g} GB"
        if not exceeded and _file_ended(reply):
            most = self._room.kernels(self._limits).file_gb
            return f"disk: it wrote a file larger than {most:g} GB"
        return exceeded

    def _mark(self, task: Task, cell: NotebookNode | None) -> None:
        """Run a task's check, and its hidden tests unless they can wait."""
        score = self._marking.check(task)
        score = replace(score, blank=is_said_by_stub(score.check.found))
        if self._withheld:
            score = replace(score, check=_without_values(score.check, task))
        self._scores[task.id] = replace(score, cut=self._cuts.get(task.id) or score.cut)
        if cell is not None:
            points = f"{score.check.points:g} of {score.check.max_points:g} points"
            text = f"{score.check.message.rstrip('.')}. {points}."
            cell.outputs.append(new_output("display_data", {"text/plain": text}))
        if not task.hidden_points:
            return
        if task.id in self._waits:
            self._waiting.append(task.id)
        else:
            self._mark_hidden(task)
            self._withheld = True

    def _mark_hidden(self, task: Task) -> None:
        score = self._scores[task.id]
        hidden, trouble = self._marking.hidden(task)
        self._scores[task.id] = replace(score, hidden=hidden, cut=score.cut or trouble)

    def _checked_in(self, cell: NotebookNode) -> Task | None:
        """Return the task that is checked in a cell; those of the release alone say so."""
        named = own(cell).get("check")
        return next((task for task in self._pack.manifest.tasks if task.id == named), None)

    def _task_of(self, index: int) -> str:
        """Return the task that a cell is of: its own, or, for a learner's cell, that of the next check."""
        cells = self._notebook.cells
        named = own(cells[index])
        if named:
            return str(named.get("task") or named.get("check") or "")
        later = (own(cell).get("check") for cell in cells[index:])
        return str(next(filter(None, later), ""))


def zero(task: Task, reason: str, *, cut: str = "") -> TaskScore:
    """Return the score of a task that was not reached."""
    return TaskScore(task.id, task.title, not_reached(task, reason), no_hidden(task, reason), cut)


def _without_values(check: CheckResult, task: Task) -> CheckResult:
    """Return a check's result without what it says of values, in which a learner may keep what tests gave."""
    if check.passed:
        return check
    plain = not_reached(task, _NOT_SHOWN)
    return replace(plain, points=check.points, seconds=check.seconds, error=check.error)


def without_check(source: str) -> str:
    """Return the source of a check's cell without the call of ``check``, which is made from outside."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return source
    lines = source.splitlines()
    for statement in reversed(statements):
        call = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") == "check":
            del lines[statement.lineno - 1 : statement.end_lineno]
    return "\n".join(lines)


def _address(room: Room) -> str:
    info = status(room.home).info
    return info.address if info else ""


def _file_ended(reply: Reply) -> bool:
    """Tell whether a cell failed because a file of its reached the largest size."""
    said = str(reply.content.get("evalue", ""))
    return reply.content.get("ename") == "OSError" and said.startswith(f"[Errno {errno.EFBIG}]")


def _count(reply: Reply) -> int | None:
    found = reply.content.get("execution_count")
    return found if type(found) is int else None


def _write(notebook: NotebookNode, target: Path) -> tuple[str, ...]:
    """Write the notebook as it ran; outputs that no notebook can hold are left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        ipynb.write(notebook, target)
        return ()
    except _UNWRITABLE:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.update(outputs=[], execution_count=None)
    try:
        ipynb.write(notebook, target)
    except _UNWRITABLE as error:
        return (f"The notebook as it ran is not kept, as it cannot be written: {type(error).__name__}.",)
    return ("Outputs were left out: they are not what a notebook can hold.",)
