"""Which jobs run: starts those that wait when there is room, and records those that have ended."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from academy.errors import AcademyError
from academy.jobs import command, lost
from academy.jobs.document import is_recorded
from academy.jobs.finish import Finisher
from academy.jobs.forkserver import ForkServer
from academy.jobs.plan import CommandPlan
from academy.jobs.processes import ProcessId
from academy.jobs.queue import Queue, Ticket
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.jobs.resolve import Resolver
from academy.jobs.watch import Watcher
from academy.paths import JobFolder
from academy.store.documents import Documents

logger = logging.getLogger(__name__)

# Whom the audit log names for what the engine does by itself.
ENGINE = "academy"

# Jobs wait for each other or sleep often enough that a small machine has room for a few.
_FEWEST_SLOTS = 4
_SETTLERS = 4


class Dispatcher:
    """The queue, the fork server that starts supervisors, and the watch over them.

    ``folder_of`` gives the folder of a ticket's job; ``has_ended`` is told the name of each job whose end
    is recorded.
    """

    def __init__(
        self,
        documents: Documents,
        resolver: Resolver,
        finisher: Finisher,
        folder_of: Callable[[Ticket], JobFolder],
        has_ended: Callable[[str], None],
    ) -> None:
        self._documents = documents
        self._resolver = resolver
        self._finisher = finisher
        self._folder_of = folder_of
        self._has_ended = has_ended
        self._server = ForkServer()
        self._lock = threading.RLock()
        self._queue = Queue(max(_FEWEST_SLOTS, os.cpu_count() or 1))
        self._settling: set[str] = set()
        self._recorded = threading.Condition()
        self._settlers = ThreadPoolExecutor(_SETTLERS, "job-settler")
        self._watcher = Watcher(self._supervisor_ended)

    def accept(self, ticket: Ticket) -> bool:
        """Start a job now, or let it wait; say whether it waits."""
        with self._lock:
            self._queue.add(ticket)
            self.wake()
            return self._queue.is_waiting(ticket.id)

    def recover(self, tickets: list[Ticket]) -> None:
        """Take up jobs that have not ended, in the order in which they were accepted."""
        self._server.warm()
        for ticket in tickets:
            self._take_up(ticket)
        self.wake()

    def tend(self, ticket: Ticket) -> None:
        """Take up a job that has not ended if nobody looks after it, as after a full disk."""
        with self._lock:
            if self._queue.find(ticket.id) is not None or ticket.id in self._settling:
                return
            self._take_up(ticket)
        self.wake()

    def wake(self) -> None:
        """Start what can be started: a job has come or gone, or a compute has changed."""
        with self._lock:
            while (ticket := self._queue.take(self._most_jobs)) is not None:
                self._start(ticket)

    def cancel_waiting(self, job_id: str) -> bool:
        """End a job that still waits; say whether it did."""
        with self._lock:
            ticket = self._queue.find(job_id) if self._queue.is_waiting(job_id) else None
            if ticket is None:
                return False
            self._queue.leave(job_id)
        lost.unstarted(self._folder_of(ticket), JobStatus.CANCELED, None, accepted_at=ticket.accepted_at)
        self._settle_soon(ticket)
        return True

    def running_on(self, place: tuple[str, str]) -> list[str]:
        """Return the names of the jobs that run on a compute."""
        with self._lock:
            return self._queue.running_on(place)

    def wait(self, job_id: str, timeout_s: float) -> bool:
        """Wait until a job has ended and that is recorded; say whether it has."""
        deadline = time.monotonic() + timeout_s
        with self._recorded:
            while not is_recorded(self._documents.get(job_id)):
                if not self._recorded.wait(max(0.0, deadline - time.monotonic())):
                    return is_recorded(self._documents.get(job_id))
        return True

    def close(self) -> None:
        """Leave the jobs to their supervisors."""
        self._watcher.close()
        self._settlers.shutdown(cancel_futures=True)
        self._server.close()

    def _take_up(self, ticket: Ticket) -> None:
        folder = self._folder_of(ticket)
        begun = State.read(folder) is not None or Done.read(folder) is not None
        with self._lock:
            if begun:
                self._queue.occupy(ticket)
                self._settle_soon(ticket, again=True)
            else:
                self._queue.add(ticket)

    def _most_jobs(self, ticket: Ticket) -> int | None:
        return self._resolver.most_jobs(ticket.workspace, ticket.compute)

    def _start(self, ticket: Ticket) -> None:
        try:
            self._launch(ticket, self._folder_of(ticket))
        except OSError:
            # A full disk, most of all. The job is kept, and is tried again when somebody looks for it.
            logger.exception("%s could not be started now.", ticket.id)
            self._queue.leave(ticket.id)

    def _launch(self, ticket: Ticket, folder: JobFolder) -> None:
        try:
            self._keep_plan(ticket)
            started = self._server.start(folder, accepted_at=ticket.accepted_at)
        except AcademyError as error:
            lost.unstarted(folder, JobStatus.FAILED, JobError.of(error), accepted_at=ticket.accepted_at)
            self._settle_soon(ticket)
        else:
            self._watcher.watch_descriptor(ticket.id, started.ended)

    def _plan(self, ticket: Ticket) -> CommandPlan:
        """Return the job's plan, made again if the service was killed before it was kept."""
        plan = ticket.plan or CommandPlan.read(self._folder_of(ticket))
        if plan is not None:
            return plan
        spec = command.read(self._documents.get(ticket.id).properties)
        return self._resolver.plan(ticket.workspace, ticket.name, spec)

    def _keep_plan(self, ticket: Ticket) -> None:
        folder = self._folder_of(ticket)
        if not folder.plan_file.exists():
            folder.root.mkdir(parents=True, exist_ok=True)
            self._plan(ticket).write(folder)

    def _supervisor_ended(self, job_id: str) -> None:
        with self._lock:
            ticket = self._queue.find(job_id)
        if ticket is not None:
            self._settle_soon(ticket)

    def _settle_soon(self, ticket: Ticket, *, again: bool = False) -> None:
        """Settle in the background; ``again`` says that it may have been done already."""
        with self._lock:
            if ticket.id in self._settling:
                return
            self._settling.add(ticket.id)
        self._settlers.submit(self._settle, ticket, again)

    def _settle(self, ticket: Ticket, again: bool) -> None:
        supervisor = None
        try:
            if not again or not is_recorded(self._documents.get(ticket.id)):
                supervisor = self._record_unless_alive(ticket)
        except Exception:
            logger.exception("The end of %s could not be recorded; it is tried again.", ticket.id)
            raise
        finally:
            with self._lock:
                self._settling.discard(ticket.id)
                if supervisor is None:
                    self._queue.leave(ticket.id)
            self.wake()
        if supervisor is not None:
            self._watcher.watch(ticket.id, supervisor)

    def _record_unless_alive(self, ticket: Ticket) -> ProcessId | None:
        """Record how a job ended, or return the supervisor that it still has."""
        folder = self._folder_of(ticket)
        done, state = Done.read(folder), State.read(folder)
        supervisor = state.supervisor if state else None
        if done is None and supervisor is not None and supervisor.is_alive():
            return supervisor
        plan = self._plan(ticket)
        if done is None:
            done = lost.conclude(folder, plan, accepted_at=ticket.accepted_at)
        with self._lock:
            self._queue.leave(ticket.id)
        # The next job need not wait for the rest.
        self.wake()
        # Before the end is recorded: a service that is killed does not look at the folder again after that.
        lost.forget_token(folder, plan)
        self._finisher.finish(ticket.workspace, plan, done, who=ENGINE)
        self._has_ended(ticket.name)
        with self._recorded:
            self._recorded.notify_all()
        lost.clean(folder, done)
        return None
