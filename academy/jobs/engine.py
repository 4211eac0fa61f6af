"""The engine of jobs: accepts them, lets them wait and start, and records how they end.

The document says what was accepted and how it ended; the folder says all in between. The engine holds
nothing that it cannot find again, so it may be killed at any moment.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select

from academy.datasets.locate import Locator
from academy.errors import AcademyError, Conflict
from academy.experiments.runs import RUN_NAME_TAG
from academy.experiments.tracking import Tracking
from academy.jobs import command, document, lost
from academy.jobs.document import Progress
from academy.jobs.finish import Finisher
from academy.jobs.forkserver import ForkServer, SupervisorNotStarted
from academy.jobs.plan import CommandPlan
from academy.jobs.queue import Queue, Ticket
from academy.jobs.record import Done, JobError, JobStatus, State
from academy.jobs.resolve import Resolver
from academy.jobs.signals import CANCEL_SIGNAL
from academy.jobs.watch import Watcher
from academy.paths import ArtifactFolder, Home, JobFolder, checked_name, write_atomic
from academy.signing import Signer
from academy.store.documents import Body, Document, Documents
from academy.store.ids import ResourceId, Workspace
from academy.store.tables import documents as table
from academy.store.versions import Versions

logger = logging.getLogger(__name__)

# Whom the audit log names for what the engine does by itself.
ENGINE = "academy"

_FEWEST_SLOTS = 4
_SETTLERS = 4


class JobEngine:
    """All jobs of a home."""

    def __init__(  # noqa: PLR0917 - one argument a room that it works with
        self,
        home: Home,
        documents: Documents,
        versions: Versions,
        locator: Locator,
        tracking: Tracking,
        signer: Signer,
        address: Callable[[], str],
    ) -> None:
        self._home = home
        self._documents = documents
        self._tracking = tracking
        self._address = address
        self._resolver = Resolver(documents, versions, locator, tracking, signer, address)
        self._finisher = Finisher(documents, versions, tracking)
        self._server = ForkServer()
        self._lock = threading.RLock()
        self._queue = Queue(max(_FEWEST_SLOTS, os.cpu_count() or 1))
        self._settling: set[str] = set()
        self._recorded = threading.Condition()
        self._settlers = ThreadPoolExecutor(_SETTLERS, "job-settler")
        self._watcher = Watcher(self._supervisor_ended)

    def submit(self, workspace: Workspace, name: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Accept a job, or change what may change of one that is there.

        Everything that can be refused is refused before anything is stored. When this returns, the job
        is kept whatever happens to the service.
        """
        properties = body.get("properties") or {}
        id = workspace.child("jobs", checked_name(name))
        if self._documents.find(id) is not None:
            return self.update(workspace, name, properties, who=who)
        spec = command.read(properties)
        plan = self._resolver.plan(workspace, name, spec)
        ticket = Ticket(workspace, name, self._resolver.compute(workspace, spec.compute_id), time.time())
        self._make_run(workspace, name, spec.experiment, properties, who)
        new = document.new_document(properties, spec, plan, self._services(workspace, plan))
        try:
            self._documents.create(id, new, who=who)
        except Conflict:
            # Somebody else submitted the same name in between; theirs is the job.
            return self.update(workspace, name, properties, who=who)
        self._accept(ticket, plan)
        return self.get(workspace, name)

    def update(
        self,
        workspace: Workspace,
        name: str,
        properties: Mapping[str, Any],
        *,
        who: str,
        merge_tags: bool = False,
    ) -> Document:
        """Change description, display name, tags, properties or the archive mark; refuse anything else.

        ``merge_tags`` adds to the tags, as run history does; ARM replaces them.
        """
        archived = properties.get("isArchived")
        changed = self._documents.update(
            workspace.child("jobs", name),
            lambda old: document.changed(old, properties, merge_tags=merge_tags),
            who=who,
            archived=None if archived is None else bool(archived),
        )
        renamed = {RUN_NAME_TAG: properties["displayName"]} if properties.get("displayName") else {}
        tags = {**(properties.get("tags") or {}), **renamed}
        if tags:
            self._tracking.set_tags(workspace, name, tags)
        return self.shown(changed)

    def cancel(self, workspace: Workspace, name: str, *, who: str) -> Document:
        """Ask for the end of a job; one that has ended stays as it is."""
        id = workspace.child("jobs", name)
        if self.progress(self._documents.get(id)).status.is_finished():
            return self.get(workspace, name)
        self._documents.update(id, _cancel_requested, who=who, action="cancel")
        folder = self.folder(workspace, name)
        folder.root.mkdir(parents=True, exist_ok=True)
        # The file first: a supervisor that is just starting looks for it when it can take signals.
        write_atomic(folder.cancel_file, who.encode())
        with self._lock:
            ticket = self._queue.find(id) if self._queue.is_waiting(id) else None
            if ticket is not None:
                lost.unstarted(folder, JobStatus.CANCELED, None, accepted_at=ticket.accepted_at)
                self._settle_soon(ticket)
        state = State.read(folder)
        if state is not None and state.supervisor is not None:
            state.supervisor.send(CANCEL_SIGNAL)
        return self.get(workspace, name)

    def get(self, workspace: Workspace, name: str) -> Document:
        """Return the job as it is at this moment."""
        found = self._documents.get(workspace.child("jobs", name))
        now = self.progress(found)
        if now.ended_at is not None and not now.status.is_finished():
            # Usually under way already; if it failed, as on a full disk, this tries again.
            self._settle_soon(self._ticket(found))
        return document.shown(found, now.status, self._tracking.find_run(workspace, name))

    def shown(self, found: Document) -> Document:
        """Return a job's document with the status of this moment."""
        status = JobStatus(found.properties["status"])
        return document.shown(found, status if status.is_finished() else self.progress(found).status)

    def wait(self, workspace: Workspace, name: str, timeout_s: float) -> bool:
        """Wait until a job has ended and that is recorded; say whether it has."""
        deadline = time.monotonic() + timeout_s
        id = workspace.child("jobs", name)
        with self._recorded:
            while not _is_recorded(self._documents.get(id)):
                if not self._recorded.wait(max(0.0, deadline - time.monotonic())):
                    return _is_recorded(self._documents.get(id))
        return True

    def progress(self, found: Document) -> Progress:
        """Return where a job is, when it came there, and why it failed."""
        workspace = ResourceId.parse(found.id).workspace
        return document.progress(found, self.folder(workspace, found.name))

    def delete(self, workspace: Workspace, name: str, *, who: str) -> None:
        """Delete a job that has ended, with its folder and its artifacts."""
        found = self.get(workspace, name)
        status = found.properties["status"]
        if not JobStatus(status).is_finished():
            raise Conflict(f"The job {name!r} is {status}. Cancel it first.", target=found.id)
        self._documents.delete(found.id, who=who)
        shutil.rmtree(self.artifacts(workspace, name).root, ignore_errors=True)
        shutil.rmtree(self.folder(workspace, name).root, ignore_errors=True)

    def running_on(self, workspace: Workspace, compute: str) -> list[str]:
        """Return the names of the jobs that run on a compute."""
        with self._lock:
            return self._queue.running_on((workspace.key, compute.lower()))

    def folder(self, workspace: Workspace, name: str) -> JobFolder:
        """Return the folder of a job."""
        return self._home.job(workspace.key, name)

    def artifacts(self, workspace: Workspace, name: str) -> ArtifactFolder:
        """Return the folder of a job's artifacts."""
        return self._resolver.artifacts(workspace, name)

    def recover(self) -> None:
        """Take up every job that has not ended, when the service starts."""
        self._server.warm()
        for found in self._unfinished():
            ticket = self._ticket(found)
            folder = self.folder(ticket.workspace, ticket.name)
            if State.read(folder) is None and Done.read(folder) is None:
                with self._lock:
                    self._queue.add(ticket)
            else:
                with self._lock:
                    self._queue.occupy(ticket)
                self._settle_soon(ticket)
        self.wake()

    def wake(self) -> None:
        """Start what can be started: a job has come or gone, or a compute has changed."""
        with self._lock:
            while (ticket := self._queue.take(self._most_jobs)) is not None:
                self._start(ticket)

    def close(self) -> None:
        """Leave the jobs to their supervisors."""
        self._watcher.close()
        self._settlers.shutdown(cancel_futures=True)
        self._server.close()

    def _accept(self, ticket: Ticket, plan: CommandPlan) -> None:
        folder = self.folder(ticket.workspace, ticket.name)
        folder.root.mkdir(parents=True, exist_ok=True)
        plan.write(folder)
        with self._lock:
            self._queue.add(ticket)
            self.wake()
            waits = self._queue.is_waiting(ticket.id)
        if waits:
            self._documents.update(ticket.id, _queued, who=ENGINE, action="queue")

    def _make_run(
        self, workspace: Workspace, name: str, experiment: str, properties: Mapping[str, Any], who: str
    ) -> None:
        earlier = self._tracking.find_run(workspace, name)
        if earlier is not None and earlier.status != "RUNNING":
            raise Conflict(
                f"The experiment {earlier.experiment!r} has a run {name!r} already, of a deleted job "
                "or made by MLflow itself. Choose another name for the job."
            )
        self._tracking.create_run(
            workspace,
            run_id=name,
            experiment=experiment,
            display_name=properties.get("displayName"),
            tags=properties.get("tags"),
            who=who,
        )

    def _services(self, workspace: Workspace, plan: CommandPlan) -> Body:
        experiment = plan.variables.get("MLFLOW_EXPERIMENT_ID")
        return document.services(
            workspace.id,
            tracking_uri=self._tracking.uri(workspace, self._address()),
            page=f"{self._address()}/mlflow/#/experiments/{experiment}/runs/{plan.name}",
        )

    def _most_jobs(self, ticket: Ticket) -> int | None:
        return self._resolver.most_jobs(ticket.workspace, ticket.compute)

    def _start(self, ticket: Ticket) -> None:
        folder = self.folder(ticket.workspace, ticket.name)
        try:
            self._plan(ticket)
            process = self._server.start(folder, accepted_at=ticket.accepted_at)
        except (AcademyError, OSError) as error:
            why = JobError.of(error) if isinstance(error, AcademyError) else _not_started(error)
            lost.unstarted(folder, JobStatus.FAILED, why, accepted_at=ticket.accepted_at)
            self._settle_soon(ticket)
        else:
            self._watcher.watch(ticket.id, process)

    def _ticket(self, found: Document) -> Ticket:
        workspace = ResourceId.parse(found.id).workspace
        compute = self._resolver.compute_name(found.properties.get("computeId"))
        return Ticket(workspace, found.name, compute, found.created_at)

    def _plan(self, ticket: Ticket) -> CommandPlan:
        """Return the job's plan, made again if the service was killed before it was kept."""
        folder = self.folder(ticket.workspace, ticket.name)
        plan = CommandPlan.read(folder)
        if plan is None:
            spec = command.read(self._documents.get(ticket.id).properties)
            plan = self._resolver.plan(ticket.workspace, ticket.name, spec)
            folder.root.mkdir(parents=True, exist_ok=True)
            plan.write(folder)
        return plan

    def _supervisor_ended(self, job_id: str) -> None:
        with self._lock:
            ticket = self._queue.find(job_id)
        if ticket is not None:
            self._settle_soon(ticket)

    def _settle_soon(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket.id in self._settling:
                return
            self._settling.add(ticket.id)
        self._settlers.submit(self._settle, ticket)

    def _settle(self, ticket: Ticket) -> None:
        """Record a job that has ended; watch one that has not."""
        try:
            self._look_after(ticket)
        except Exception:
            logger.exception("The end of %s could not be recorded; it is tried again.", ticket.id)
            raise
        finally:
            with self._lock:
                self._settling.discard(ticket.id)

    def _look_after(self, ticket: Ticket) -> None:
        if _is_recorded(self._documents.get(ticket.id)):
            return
        folder = self.folder(ticket.workspace, ticket.name)
        done, state = Done.read(folder), State.read(folder)
        supervisor = state.supervisor if state else None
        if done is None and supervisor is not None and supervisor.is_alive():
            self._watcher.watch(ticket.id, supervisor)
            return
        plan = self._plan(ticket)
        if done is None:
            done = lost.conclude(folder, plan, accepted_at=ticket.accepted_at)
        with self._lock:
            self._queue.leave(ticket.id)
        self.wake()
        self._finisher.finish(ticket.workspace, plan, done, who=ENGINE)
        with self._recorded:
            self._recorded.notify_all()
        lost.clean(folder)

    def _unfinished(self) -> list[Document]:
        ended = [status.value for status in JobStatus if status.is_finished()]
        status = table.c.body["properties"]["status"].as_string()
        open_jobs = table.c.collection.endswith("/jobs") & status.not_in(ended)
        query = select(table.c.id).where(open_jobs).order_by(table.c.sequence)
        with self._documents.engine.connect() as connection:
            ids = connection.execute(query).scalars().all()
        return [self._documents.get(id) for id in ids]


def _is_recorded(found: Document) -> bool:
    return JobStatus(found.properties["status"]).is_finished()


def _cancel_requested(body: Body) -> Body:
    return _with_status(body, JobStatus.CANCEL_REQUESTED)


def _queued(body: Body) -> Body:
    # A job that was ended meanwhile is not queued again.
    if body["properties"]["status"] != JobStatus.NOT_STARTED.value:
        return body
    return _with_status(body, JobStatus.QUEUED)


def _with_status(body: Body, status: JobStatus) -> Body:
    return {**body, "properties": {**body["properties"], "status": status.value}}


def _not_started(error: OSError) -> JobError:
    return JobError(SupervisorNotStarted.code, f"The job could not be started: {error}.")
