"""What is left to do for a job whose supervisor is gone, and for any job that is recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial

from academy.datasets import inputs, outputs, trees
from academy.errors import AcademyError, Conflict, StorageFull
from academy.jobs import artifacts, failures
from academy.jobs.plan import TOKEN_VARIABLE, CommandPlan
from academy.jobs.processes import end_all, marked
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.paths import JobFolder

# With these errors a job's folder still holds what it wrote, and must keep it.
NOT_COLLECTED = frozenset({StorageFull.code, Conflict.code, "StorageError"})

logger = logging.getLogger(__name__)


def conclude(folder: JobFolder, plan: CommandPlan, *, accepted_at: float) -> Done:
    """Do the supervisor's last duties in its place, and write the record that it did not.

    What its job left running is ended, what the job wrote is kept. What cannot be collected stays in the
    folder, and the record says so; only a full disk is waited for.

    Raises
    ------
    StorageFull
        When the disk is full; calling again goes on where it was.
    """
    left_over = marked(folder.root)
    end_all(left_over, grace_s=plan.grace_s)
    uncollected = _collect(folder, plan)
    if folder.cancel_file.exists():
        return unstarted(folder, JobStatus.CANCELED, uncollected, accepted_at=accepted_at)
    error = failures.of_lost_supervisor(plan.artifacts, left_over=len(left_over))
    if uncollected is not None:
        error = JobError(uncollected.code, f"{error.message}\n{uncollected.message}")
    return unstarted(folder, JobStatus.FAILED, error, accepted_at=accepted_at)


def unstarted(folder: JobFolder, status: JobStatus, error: JobError | None, *, accepted_at: float) -> Done:
    """Write the record of a job that has no supervisor (any more), and return the one that counts."""
    state = State.read(folder)
    started_at = state.times.get(JobStatus.RUNNING.value) if state else None
    now = time.time()
    done = Done(
        status=status,
        accepted_at=accepted_at,
        done_at=now,
        started_at=started_at,
        ended_at=now if started_at else None,
        error=error,
        warnings=state.warnings if state else (),
    )
    folder.root.mkdir(parents=True, exist_ok=True)
    done.write(folder)
    written = Done.read(folder)
    assert written is not None
    return written


def forget_token(folder: JobFolder, plan: CommandPlan) -> None:
    """Take the token out of the plan in the folder of a job that has ended."""
    if TOKEN_VARIABLE not in plan.variables or not folder.plan_file.exists():
        return
    try:
        plan.without_token().write(folder)
    except OSError:
        # The token is refused from now on anyway.
        logger.exception("The token in %s could not be removed.", folder.plan_file)


def clean(folder: JobFolder, done: Done) -> None:
    """Delete what only the running job needed: its copies of code and inputs."""
    inputs.discard(folder.inputs)
    trees.remove(folder.environment)
    if done.error is None or done.error.code not in NOT_COLLECTED:
        trees.remove(folder.work)
        trees.remove(folder.outputs)


def _collect(folder: JobFolder, plan: CommandPlan) -> JobError | None:
    """Keep what the job wrote; return why something of it is still in the folder."""
    steps: list[Callable[[], None]] = [
        partial(artifacts.collect, folder.work, plan.artifacts, logger.info),
        *(partial(outputs.collect, item, folder.outputs, logger.info) for item in plan.outputs),
    ]
    failed: JobError | None = None
    for step in steps:
        try:
            step()
        except StorageFull:
            raise
        except AcademyError as error:
            # That an output was not written is no second failure.
            if error.code in NOT_COLLECTED:
                failed = failed or JobError.of(error)
        except OSError as error:
            failed = failed or JobError("StorageError", f"What the job wrote cannot be collected: {error}.")
    return failed
