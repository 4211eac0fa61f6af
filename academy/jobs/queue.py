"""Which job starts next: first come, first served, on each compute and on the machine as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from academy.jobs.plan import CommandPlan
from academy.store.ids import Workspace


@dataclass(frozen=True)
class Ticket:
    """A job that waits or runs, and the compute that it waits for or runs on.

    ``plan`` is at hand for a job that this service accepted; otherwise it lies in the job's folder.
    """

    workspace: Workspace
    name: str
    compute: str
    accepted_at: float
    plan: CommandPlan | None = None

    @property
    def id(self) -> str:
        return self.workspace.child("jobs", self.name)

    @property
    def place(self) -> tuple[str, str]:
        """The compute, told apart from one of the same name in another workspace."""
        return self.workspace.key, self.compute.lower()


class Queue:
    """Jobs that wait and jobs that run. Not locked: the engine is."""

    def __init__(self, machine_slots: int) -> None:
        self._machine_slots = machine_slots
        self._waiting: dict[str, Ticket] = {}
        self._running: dict[str, Ticket] = {}

    def add(self, ticket: Ticket) -> None:
        """Let a job wait behind all that wait already."""
        self._waiting[ticket.id] = ticket

    def occupy(self, ticket: Ticket) -> None:
        """Note a job that runs already."""
        self._running[ticket.id] = ticket

    def leave(self, job_id: str) -> Ticket | None:
        """Take a job out, whether it waits or runs."""
        return self._waiting.pop(job_id, None) or self._running.pop(job_id, None)

    def find(self, job_id: str) -> Ticket | None:
        """Return the ticket of a job that waits or runs."""
        return self._waiting.get(job_id) or self._running.get(job_id)

    def is_waiting(self, job_id: str) -> bool:
        """Say whether a job still waits."""
        return job_id in self._waiting

    def take(self, most: Callable[[Ticket], int | None]) -> Ticket | None:
        """Return the first job whose compute has room, which then runs; None when there is none.

        ``most`` gives how many jobs the compute of a ticket runs at a time; None: no limit of its own.
        """
        if len(self._running) >= self._machine_slots:
            return None
        full: set[tuple[str, str]] = set()
        for ticket in self._waiting.values():
            if ticket.place in full:
                continue
            limit = most(ticket)
            if limit is None or len(self.running_on(ticket.place)) < limit:
                self._running[ticket.id] = self._waiting.pop(ticket.id)
                return ticket
            full.add(ticket.place)
        return None

    def running_on(self, place: tuple[str, str]) -> list[str]:
        """Return the names of the jobs that run on a compute."""
        return [ticket.name for ticket in self._running.values() if ticket.place == place]
