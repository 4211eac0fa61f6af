"""Checks asked for from outside: in the kernel of an open notebook, or in a fresh run of the copy."""

from __future__ import annotations

import copy as copying
import os
import queue
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode

from academy.errors import AcademyError, InvalidField, ServiceUnavailable
from academy.labs.checks import CheckResult
from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import own
from academy.labs.language import texts
from academy.labs.learning.feedback import CHECKS_MIME
from academy.labs.learning.live_kernels import LiveKernel
from academy.labs.learning.own_copy import damaged
from academy.paths import Home

# A kernel that is busy for longer is not waited for.
BUSY_S = 120.0

# A kernel answers in a few seconds; one that does not has lost its ports to another, and is started again.
_START_S = 20
_STARTS = 3

# Which cell of the copy a planned one is; those that ask for a check have no number.
_NUMBER = "academy_number"


@dataclass(frozen=True)
class CellError:
    """A cell that ended in an error; ``number`` counts the notebook's cells from 1."""

    number: int
    error: str


@dataclass(frozen=True)
class Answers:
    """What the checks found; ``text`` is what a notebook shows of them, ``errors`` of the cells before."""

    results: tuple[CheckResult, ...]
    text: str
    errors: tuple[CellError, ...] = ()


def ask_kernel(
    kernel: LiveKernel, lab_id: str, tasks: Sequence[str], *, timeout_s: float = BUSY_S
) -> Answers:
    """Check tasks, all when none is named, with the values of a notebook that is open.

    Raises
    ------
    ServiceUnavailable
        The kernel is busy, and stays so.
    """
    client = BlockingKernelClient(connection_file=kernel.connection_file)
    client.load_connection_file()
    client.start_channels()
    try:
        asked = client.execute(
            "",
            silent=True,
            store_history=False,
            allow_stdin=False,
            user_expressions={"academy": _expression(lab_id, tasks)},
        )
        found = _reply(client, asked, time.monotonic() + timeout_s)
    except queue.Empty:
        raise ServiceUnavailable(
            f"The kernel of the open notebook (process {kernel.pid}) did not answer within {timeout_s:.0f} "
            "seconds: a cell runs. Wait for it or interrupt it, or close the notebook to have your saved "
            "copy checked."
        ) from None
    finally:
        client.stop_channels()
    if found.get("status") != "ok":
        raise AcademyError(f"The open notebook could not check: {found.get('evalue', 'it gave no answer')}")
    return _answers([found["data"]], ())


def run_copy(home: Home, copy: Lab, tasks: Sequence[str], say: Callable[[str], None]) -> Answers:
    """Run the learner's copy from the top in a kernel of its own, up to the last check that is asked for.

    Each check is made where its cell stands, since what comes later may undo it. The file is not changed.
    The cells make what they make in the workspace; ``say`` is given a line about that before they run.

    Raises
    ------
    InvalidField
        The copy's notebook cannot be read.
    AcademyError
        The kernel died on the way.
    """
    wanted = [copy.manifest.task(name).id for name in tasks] or [task.id for task in copy.manifest.tasks]
    try:
        planned = plan_of(ipynb.read(copy.notebook), copy.id, wanted)
    except InvalidField as error:
        raise damaged(error, copy) from None
    limit_s = int(copy.manifest.limits.cell_s)
    say(texts()("cli.check-runs-copy", lab=copy.id))
    try:
        _execute(planned, home, copy, limit_s)
    except DeadKernelError as error:
        raise AcademyError(
            f"The kernel died while it ran {copy.notebook}, perhaps for want of memory. Open the notebook, "
            "and run its cells one by one to see which."
        ) from error
    _refuse_failed(planned)
    bundles = [data for cell in planned.cells for data in _checked_in(cell)]
    return _answers(bundles, tuple(_errors(planned, limit_s)))


def plan_of(notebook: NotebookNode, lab_id: str, wanted: Sequence[str]) -> NotebookNode:
    """Return the cells that are needed to check the tasks ``wanted``, each check at its place."""
    made = copying.deepcopy(notebook)
    places = {task: _place(made, task) for task in wanted}
    last = max(places.values(), default=-1)
    cells = []
    for index, cell in enumerate(made.cells[: last + 1]):
        here = [task for task, place in places.items() if place == index]
        if cell.cell_type == "code" and not own(cell).get("check"):
            cell.outputs = []
            cell.metadata[_NUMBER] = index + 1
            cells.append(cell)
        if here:
            cells.append(_asking_cell(lab_id, here))
    made["cells"] = cells
    return made


def _execute(planned: NotebookNode, home: Home, copy: Lab, limit_s: int) -> None:
    for attempt in range(1, _STARTS + 1):
        client = NotebookClient(
            planned,
            kernel_name="python3",
            timeout=limit_s,
            startup_timeout=_START_S,
            interrupt_on_timeout=True,
            allow_errors=True,
            extra_arguments=["--ext", "academy.kernel.startup"],
            resources={"metadata": {"path": str(copy.folder)}},
        )
        try:
            client.execute(env=_environment(home, copy), stderr=subprocess.DEVNULL)
            return
        except RuntimeError as error:
            # Its ports were free when they were chosen, and taken when it came to use them. Nothing has run.
            if "didn't respond" not in str(error) or attempt == _STARTS:
                raise


def _place(notebook: NotebookNode, task: str) -> int:
    """Return the index of the cell after which to check a task: its check's, else its last, else the end."""
    for key in ("check", "task"):
        found = [index for index, cell in enumerate(notebook.cells) if own(cell).get(key) == task]
        if found:
            return found[-1]
    return len(notebook.cells) - 1


def _asking_cell(lab_id: str, tasks: Sequence[str]) -> NotebookNode:
    return NotebookNode(
        cell_type="code",
        id=f"asks-{tasks[0]}"[:64],
        metadata=NotebookNode(),
        source=_expression(lab_id, tasks),
        outputs=[],
        execution_count=None,
    )


def _expression(lab_id: str, tasks: Sequence[str]) -> str:
    # Spelled out: the notebook may use any name for something of its own.
    arguments = ", ".join(map(repr, (lab_id, *tasks)))
    return f"__import__('academy.labs.learning.notebook', fromlist=['answer']).answer({arguments})"


def _reply(client: BlockingKernelClient, asked: str, deadline: float) -> Mapping[str, Any]:
    while True:
        message = client.get_shell_msg(timeout=max(deadline - time.monotonic(), 0))
        if message["parent_header"].get("msg_id") == asked:
            content = message["content"]
            answer: Mapping[str, Any] = (content.get("user_expressions") or {}).get("academy", content)
            return answer


def _environment(home: Home, copy: Lab) -> dict[str, str]:
    """Return the environment of a kernel that Jupyter starts for this notebook."""
    own = {"ACADEMY_HOME": str(home.root), "JPY_SESSION_NAME": str(copy.notebook)}
    return {**{name: value for name, value in os.environ.items() if name != "ACADEMY_LAB"}, **own}


def _checked_in(cell: NotebookNode) -> Iterator[Mapping[str, Any]]:
    for output in cell.get("outputs", ()):
        if CHECKS_MIME in output.get("data", {}):
            yield output.data


def _refuse_failed(planned: NotebookNode) -> None:
    for cell in planned.cells:
        for output in cell.outputs:
            if output.output_type == "error" and _NUMBER not in cell.metadata:
                raise AcademyError(f"The check could not be made: {output.evalue}")


def _errors(planned: NotebookNode, limit_s: int) -> Iterator[CellError]:
    for cell in planned.cells:
        for output in cell.get("outputs", ()):
            if output.output_type == "error" and _NUMBER in cell.metadata:
                error = f"{output.ename}: {output.evalue}"
                if output.ename == "KeyboardInterrupt":
                    error = texts()("cli.check-timeout", seconds=limit_s)
                yield CellError(cell.metadata[_NUMBER], error)


def _answers(bundles: Sequence[Mapping[str, Any]], errors: tuple[CellError, ...]) -> Answers:
    results = [CheckResult(**found) for data in bundles for found in data[CHECKS_MIME]["results"]]
    return Answers(tuple(results), "\n".join(data["text/plain"] for data in bundles), errors)
