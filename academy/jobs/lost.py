"""What is left to do for a job whose supervisor is gone, and for any job that is recorded."""

from __future__ import annotations

import contextlib
import logging
import time

from academy.datasets import inputs, outputs, trees
from academy.errors import AcademyError, Conflict, StorageFull
from academy.jobs import artifacts, failures
from academy.jobs.plan import CommandPlan
from academy.jobs.processes import end_all, marked
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.paths import JobFolder

# With these errors a job's folder still holds what it wrote, and must keep it.
NOT_COLLECTED = frozenset({StorageFull.code, Conflict.code, "StorageError"})

logger = logging.getLogger(__name__)


def conclude(folder: JobFolder, plan: CommandPlan, *, accepted_at: float) -> Done:
    """Do the supervisor's last duties in its place, and write the record that it did not.

    What its job left running is ended, what the job wrote is kept.
    """
    left_over = marked(folder.root)
    end_all(left_over, grace_s=plan.grace_s)
    artifacts.collect(folder.work, plan.artifacts, logger.info)
    for item in plan.outputs:
        with contextlib.suppress(AcademyError):
            outputs.collect(item, folder.outputs, logger.info)
    if folder.cancel_file.exists():
        return unstarted(folder, JobStatus.CANCELED, None, accepted_at=accepted_at)
    error = failures.of_lost_supervisor(plan.artifacts, left_over=len(left_over))
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


def clean(folder: JobFolder, done: Done) -> None:
    """Delete what only the running job needed: its copies of code and inputs."""
    inputs.discard(folder.inputs)
    trees.remove(folder.environment)
    if done.error is None or done.error.code not in NOT_COLLECTED:
        trees.remove(folder.work)
        trees.remove(folder.outputs)
