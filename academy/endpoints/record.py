"""What a generation's folder says of it: whether it serves, where, and if not, why not."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from academy.jobs.processes import ProcessId
from academy.paths import DeploymentFolder, ReplicaFolder, read_json, write_json


class ReplicaStatus(enum.Enum):
    """How far the replicas of one generation are."""

    PREPARING = "Preparing"
    STARTING = "Starting"
    SERVING = "Serving"
    FAILED = "Failed"
    STOPPED = "Stopped"

    def is_finished(self) -> bool:
        """Whether nothing runs any more and nothing will."""
        return self in (ReplicaStatus.FAILED, ReplicaStatus.STOPPED)


@dataclass(frozen=True)
class Replica:
    """One scoring server; ``port`` is None until it is ready, and again while it starts anew."""

    process: ProcessId | None = None
    port: int | None = None
    restarts: int = 0


@dataclass(frozen=True)
class State:
    """A generation as its supervisor sees it."""

    status: ReplicaStatus
    supervisor: ProcessId | None = None
    replicas: tuple[Replica, ...] = ()
    error: str | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        """Where requests can go now."""
        return tuple(replica.port for replica in self.replicas if replica.port is not None)

    def write(self, folder: ReplicaFolder) -> None:
        """Replace the state file. It is not waited for: after a power failure no process lives anyway."""
        write_json(folder.state_file, {**asdict(self), "status": self.status.value}, durable=False)

    @classmethod
    def read(cls, folder: ReplicaFolder) -> State | None:
        """Return what the state file says, or None when no supervisor was here yet."""
        value = read_json(folder.state_file)
        if value is None:
            return None
        return cls(
            status=ReplicaStatus(value["status"]),
            supervisor=_process(value["supervisor"]),
            replicas=tuple(
                Replica(**{**one, "process": _process(one["process"])}) for one in value["replicas"]
            ),
            error=value["error"],
        )


@dataclass(frozen=True)
class Generations:
    """Which generation of a deployment serves, and how the newest one stands.

    ``newest`` is the generation that was put last; while it is not ``serving`` it is on its way, or
    has failed for the reason in ``error``. A failed one leaves the one before it serving.
    """

    serving: int | None = None
    newest: int = 0
    error: str | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the newest generation is on its way."""
        return self.newest != (self.serving or 0) and self.error is None

    def write(self, folder: DeploymentFolder) -> None:
        """Replace the record and wait for the disk."""
        write_json(folder.record_file, asdict(self))

    @classmethod
    def read(cls, folder: DeploymentFolder) -> Generations | None:
        """Return the record, or None when there is no such deployment."""
        value = read_json(folder.record_file)
        return None if value is None else cls(**value)


def _process(value: Mapping[str, Any] | None) -> ProcessId | None:
    return None if value is None else ProcessId(**value)
