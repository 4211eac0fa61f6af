"""Grading submissions: each runs in processes of its own, and is marked from outside of them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from academy.errors import AcademyError
from academy.labs.checks import CheckResult
from academy.labs.editions.pack import Pack
from academy.labs.grading.room import Room, room
from academy.labs.grading.scores import Graded, HiddenResult, Submission, TaskScore
from academy.labs.grading.submissions import safe_name
from academy.labs.grading.supervisor import Supervisor
from academy.labs.grading.wholesome import wholesome_data
from academy.labs.grading.worker import Order
from academy.labs.manifest import Limits
from academy.labs.nursery import Nursery, NurseryError
from academy.labs.nursery.birth import Birth
from academy.labs.nursery.owner import plain_environment
from academy.labs.nursery.stack import STACK

# What a nursery imports for grading: the stack, and what each submission's service and grading process
# would import on their own, which takes most of the time.
MODULES = (
    *STACK,
    "academy.labs.grading.inside",
    "academy.labs.grading.worker",
)

# Beyond the lab's own limit: for starting, marking and writing.
_SLACK_S = 60.0


@dataclass(frozen=True)
class GradeOptions:
    """How to grade.

    ``executed`` is the folder for the notebooks as they ran (``executed/<learner>/<lab>.ipynb``); None
    keeps none. ``limits`` stand in for those of ``lab.yml``. ``temporary`` is where rooms are made.
    """

    executed: Path | None = None
    limits: Limits | None = None
    temporary: Path | None = None


def grade(submission: Submission, pack: Pack, options: GradeOptions, nursery: Nursery) -> Graded:
    """Run a submission and mark its tasks; whatever goes wrong is in the result, and costs no other one.

    The quickest nursery is ``Nursery(modules=MODULES)``.
    """
    began = time.monotonic()
    target = _executed(submission, options)
    try:
        with room(options.temporary) as own:
            found = _graded_in(own, submission, pack, options, nursery)
    except (AcademyError, OSError) as error:
        found = {"error": f"It could not be graded: {_reason(error)}"}
    except Exception as error:  # noqa: BLE001  one submission never ends the class's grading
        found = {"error": f"It could not be graded: {type(error).__name__}: {_reason(error)}"}
    found = wholesome_data(found)
    reason = str(found.get("error", ""))
    return Graded(
        submission=submission,
        tasks=() if reason else tuple(_score(task) for task in found["tasks"]),
        notes=tuple(found.get("notes", ())),
        details=tuple(found.get("details", ())),
        executed=target if target and target.exists() and not reason else None,
        seconds=time.monotonic() - began,
        error=reason,
    )


def grade_all(
    submissions: Sequence[Submission],
    packs: Mapping[str, Pack],
    options: GradeOptions,
    nursery: Nursery,
    *,
    jobs: int = 1,
    on_done: Callable[[Graded], None] | None = None,
) -> list[Graded]:
    """Grade submissions, ``jobs`` at a time; return the results in their order.

    ``packs`` holds a pack for each lab by its id. ``on_done`` is called here with each result when it is
    there.
    """
    with ThreadPoolExecutor(jobs, thread_name_prefix="grade") as pool:
        running = {
            pool.submit(grade, submission, packs[submission.lab], options, nursery): place
            for place, submission in enumerate(submissions)
        }
        done: dict[int, Graded] = {}
        try:
            for future in as_completed(running):
                done[running[future]] = future.result()
                if on_done is not None:
                    on_done(future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            nursery.close()  # so that those that run end now
            raise
    return [done[place] for place in range(len(submissions))]


def _graded_in(
    own: Room, submission: Submission, pack: Pack, options: GradeOptions, nursery: Nursery
) -> dict[str, Any]:
    limits = options.limits or pack.manifest.limits
    target = _executed(submission, options)
    order = Order(
        lab=pack.lab.id,
        folder=str(submission.folder.absolute()),
        pack=str(pack.lab.folder.parent.absolute()),
        room=str(own.root),
        executed=str(target.absolute()) if target else "",
        limits=asdict(limits),
    )
    supervisor = Supervisor(nursery, own, pack.lab.id, limits)
    ours, theirs = socket.socketpair()
    with ours:
        birth = Birth("academy.labs.grading.worker:work", asdict(order), _environment(own), str(own.aside))
        with theirs:
            child = nursery.bear(birth, [theirs.fileno()], log=own.aside / "grading.log")
        try:
            hung_up = supervisor.serve(ours, time.monotonic() + limits.lab_s + _SLACK_S)
            if not hung_up:
                raise NurseryError(f"It did not end within {limits.lab_s + _SLACK_S:.0f} seconds.")
            found: dict[str, Any] = child.result(_SLACK_S)
            return found
        finally:
            supervisor.close()
            child.kill()


def _environment(own: Room) -> dict[str, str]:
    """Return the grading process's environment; it keeps a home apart, which it writes nothing to."""
    return {**plain_environment(), "HOME": os.path.expanduser("~"), "ACADEMY_HOME": str(own.home.root)}


def _reason(error: Exception) -> str:
    """Return the last line of what went wrong: above it stand tracebacks, which are for a log."""
    lines = str(getattr(error, "message", error)).strip().splitlines()
    return lines[-1] if lines else type(error).__name__


def _executed(submission: Submission, options: GradeOptions) -> Path | None:
    if options.executed is None:
        return None
    return options.executed / safe_name(submission.learner) / f"{submission.lab}.ipynb"


def _score(found: Mapping[str, Any]) -> TaskScore:
    hidden = found["hidden"]
    return TaskScore(
        task=found["task"],
        title=found["title"],
        check=CheckResult(**found["check"]),
        hidden=HiddenResult(**{**hidden, "details": tuple(hidden["details"])}) if hidden else None,
        cut=found["cut"],
        blank=found["blank"],
    )
