"""What a job's folder says of it: where it is, and how it ended.

``state.json`` is replaced at each step and may be lost with the power; ``done.json`` is written last,
waited for on the disk, and never changed. Times are seconds since 1970.
"""

from __future__ import annotations

import enum
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from academy.errors import AcademyError
from academy.jobs.processes import ProcessId
from academy.paths import JobFolder, read_json, write_json


class JobStatus(enum.Enum):
    """The statuses of Azure ML that a job here goes through, in order."""

    NOT_STARTED = "NotStarted"
    QUEUED = "Queued"
    PREPARING = "Preparing"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    def is_finished(self) -> bool:
        """Whether the job can change no more."""
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELED)


@dataclass(frozen=True)
class JobError:
    """Why a job failed: a code of its own for each reason, and words for the learner."""

    code: str
    message: str

    @classmethod
    def of(cls, error: AcademyError) -> JobError:
        return cls(error.code, error.message)


@dataclass(frozen=True)
class State:
    """A job on its way: ``times`` says when it entered each status it has been in."""

    status: JobStatus
    supervisor: ProcessId | None = None
    process: ProcessId | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def entered(self, status: JobStatus, **changes: Any) -> State:
        """Return the state after the step to ``status``, taken now."""
        return replace(self, status=status, times={**self.times, status.value: time.time()}, **changes)

    def write(self, folder: JobFolder) -> None:
        """Replace the state file. It is not waited for: after a power failure no process lives anyway.

        Only the job's supervisor writes it, so the draft beside it may have a fixed name.
        """
        value = {
            "status": self.status.value,
            "supervisor": vars(self.supervisor) if self.supervisor else None,
            "process": vars(self.process) if self.process else None,
            "times": dict(self.times),
            "warnings": list(self.warnings),
        }
        folder.state_draft.write_text(json.dumps(value), encoding="utf-8")
        os.replace(folder.state_draft, folder.state_file)

    @classmethod
    def read(cls, folder: JobFolder) -> State | None:
        """Return what the state file says, or None when the job was not started yet."""
        value = read_json(folder.state_file)
        if value is None:
            return None
        return cls(
            status=JobStatus(value["status"]),
            supervisor=_process(value["supervisor"]),
            process=_process(value["process"]),
            times=value["times"],
            warnings=tuple(value["warnings"]),
        )


@dataclass(frozen=True)
class Done:
    """How a job ended.

    ``accepted_at`` is when the service had stored it, ``started_at`` and ``ended_at`` bound its command
    (None when that never ran), ``done_at`` is when this record was written.
    """

    status: JobStatus
    accepted_at: float
    done_at: float
    started_at: float | None = None
    ended_at: float | None = None
    exit_code: int | None = None
    error: JobError | None = None
    warnings: tuple[str, ...] = ()

    def write(self, folder: JobFolder) -> None:
        """Write the record, unless there is one already, and wait until it is on the disk."""
        if folder.done_file.exists():
            return
        value = {
            "status": self.status.value,
            "acceptedAt": self.accepted_at,
            "startedAt": self.started_at,
            "endedAt": self.ended_at,
            "doneAt": self.done_at,
            "exitCode": self.exit_code,
            "error": vars(self.error) if self.error else None,
            "warnings": list(self.warnings),
        }
        write_json(folder.done_file, value)

    @classmethod
    def read(cls, folder: JobFolder) -> Done | None:
        """Return the record, or None while the job has not ended."""
        value = read_json(folder.done_file)
        if value is None:
            return None
        return cls(
            status=JobStatus(value["status"]),
            accepted_at=value["acceptedAt"],
            done_at=value["doneAt"],
            started_at=value["startedAt"],
            ended_at=value["endedAt"],
            exit_code=value["exitCode"],
            error=JobError(**value["error"]) if value["error"] else None,
            warnings=tuple(value["warnings"]),
        )


def _process(value: Mapping[str, Any] | None) -> ProcessId | None:
    return None if value is None else ProcessId(**value)
