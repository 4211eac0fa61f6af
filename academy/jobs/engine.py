"""The engine of jobs: accepts them, lets them wait and start, and records how they end.

The document says what was accepted and how it ended; the folder says all in between. The engine holds
nothing that it cannot find again, so it may be killed at any moment.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select

from academy.datasets.locate import Locator
from academy.errors import Conflict, InvalidField
from academy.experiments.runs import RUN_NAME_TAG
from academy.experiments.tracking import Tracking
from academy.jobs import command, document
from academy.jobs.dispatch import ENGINE, Dispatcher
from academy.jobs.document import Progress
from academy.jobs.finish import Finisher
from academy.jobs.open_jobs import OpenJobs
from academy.jobs.plan import CommandPlan
from academy.jobs.queue import Ticket
from academy.jobs.record import JobStatus, State
from academy.jobs.resolve import Resolver
from academy.jobs.signals import CANCEL_SIGNAL
from academy.paths import ArtifactFolder, Home, JobFolder, checked_name, write_atomic
from academy.signing import Signer
from academy.store.documents import Body, Document, Documents
from academy.store.ids import ResourceId, Workspace
from academy.store.tables import documents as table
from academy.store.versions import Versions

# Folders and files have names made of the job's, and a file system takes 255 bytes.
LONGEST_NAME = 200


class JobEngine:
    """All jobs of a home.

    Ids compare without regard to case, folders and runs do not: whatever is asked for by name is done under
    the name in the job's document.
    """

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
        self._open = OpenJobs(documents)
        self._dispatcher = Dispatcher(
            documents,
            self._resolver,
            Finisher(documents, versions, tracking),
            lambda ticket: home.job(ticket.workspace.key, ticket.name),
            self._open.has_ended,
        )

    def submit(self, workspace: Workspace, name: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Accept a job, or change what may change of one that is there.

        Everything that can be refused is refused before anything is stored. When this returns, the job
        is kept whatever happens to the service.
        """
        properties = body.get("properties") or {}
        id = workspace.child("jobs", checked_name(name))
        if self._documents.find(id) is not None:
            return self.update(workspace, name, properties, who=who)
        _check_length(name)
        spec = command.read(properties)
        plan = self._resolver.plan(workspace, name, spec)
        compute = self._resolver.compute(workspace, spec.compute_id)
        self._make_run(workspace, name, spec.experiment, properties, who)
        new = document.new_document(properties, spec, plan, self._services(workspace, plan))
        try:
            self._documents.create(id, new, who=who)
        except Conflict:
            # Somebody else submitted the same name in between; theirs is the job.
            return self.update(workspace, name, properties, who=who)
        if self._dispatcher.accept(Ticket(workspace, name, compute, accepted_at=time.time(), plan=plan)):
            self._documents.update(id, _queued, who=ENGINE, action="queue")
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
            self._tracking.set_tags(_workspace(changed), changed.name, tags)
        return self.shown(changed)

    def cancel(self, workspace: Workspace, name: str, *, who: str) -> Document:
        """Ask for the end of a job; one that has ended stays as it is."""
        found = self._documents.get(workspace.child("jobs", name))
        if self.progress(found).status.is_finished():
            return self.get(workspace, name)
        self._documents.update(found.id, _cancel_requested, who=who, action="cancel")
        folder = self.folder(found)
        folder.root.mkdir(parents=True, exist_ok=True)
        # The file first: a supervisor that is just starting looks for it when it can take signals.
        write_atomic(folder.cancel_file, who.encode())
        state = None if self._dispatcher.cancel_waiting(found.id) else State.read(folder)
        if state is not None and state.supervisor is not None:
            state.supervisor.send(CANCEL_SIGNAL)
        return self.get(workspace, name)

    def get(self, workspace: Workspace, name: str) -> Document:
        """Return the job as it is at this moment."""
        found = self._documents.get(workspace.child("jobs", name))
        if not document.is_recorded(found):
            self._dispatcher.tend(self._ticket(found))
        run = self._tracking.find_run(_workspace(found), found.name)
        return document.shown(found, self.progress(found).status, run)

    def shown(self, found: Document) -> Document:
        """Return a job's document with the status of this moment."""
        status = JobStatus(found.properties["status"])
        return document.shown(found, status if status.is_finished() else self.progress(found).status)

    def wait(self, workspace: Workspace, name: str, timeout_s: float) -> bool:
        """Wait until a job has ended and that is recorded; say whether it has."""
        return self._dispatcher.wait(workspace.child("jobs", name), timeout_s)

    def progress(self, found: Document) -> Progress:
        """Return where a job is, when it came there, and why it failed."""
        return document.progress(found, self.folder(found))

    def delete(self, workspace: Workspace, name: str, *, who: str) -> None:
        """Delete a job that has ended, with its folder and its artifacts."""
        found = self.get(workspace, name)
        status = found.properties["status"]
        if not JobStatus(status).is_finished():
            raise Conflict(f"The job {found.name!r} is {status}. Cancel it first.", target=found.id)
        self._documents.delete(found.id, who=who)
        shutil.rmtree(self.artifacts(found).root, ignore_errors=True)
        shutil.rmtree(self.folder(found).root, ignore_errors=True)

    def is_open(self, name: str) -> bool:
        """Say whether any workspace has a job of this name whose end is not recorded."""
        return name in self._open

    def running_on(self, workspace: Workspace, compute: str) -> list[str]:
        """Return the names of the jobs that run on a compute."""
        return self._dispatcher.running_on((workspace.key, compute.lower()))

    def folder(self, found: Document) -> JobFolder:
        """Return the folder of a job."""
        return self._home.job(_workspace(found).key, found.name)

    def artifacts(self, found: Document) -> ArtifactFolder:
        """Return the folder of a job's artifacts."""
        return self._resolver.artifacts(_workspace(found), found.name)

    def recover(self) -> None:
        """Take up every job that has not ended, when the service starts."""
        self._dispatcher.recover([self._ticket(found) for found in self._unfinished()])

    def wake(self) -> None:
        """Start what can be started, because a compute has changed."""
        self._dispatcher.wake()

    def close(self) -> None:
        """Leave the jobs to their supervisors."""
        self._dispatcher.close()

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
        uri = self._tracking.uri(workspace, self._address())
        default, _ = self._tracking.addressed("/")
        root = f"{self._address()}/mlflow" if workspace.key == default.key else uri
        page = f"{root}/#/experiments/{experiment}/runs/{plan.name}"
        return document.services(workspace.id, tracking_uri=uri, page=page)

    def _ticket(self, found: Document) -> Ticket:
        compute = self._resolver.compute_name(found.properties.get("computeId"))
        return Ticket(_workspace(found), found.name, compute, found.created_at)

    def _unfinished(self) -> list[Document]:
        ended = [status.value for status in JobStatus if status.is_finished()]
        status = table.c.body["properties"]["status"].as_string()
        open_jobs = table.c.collection.endswith("/jobs") & status.not_in(ended)
        query = select(table.c.id).where(open_jobs).order_by(table.c.sequence)
        with self._documents.engine.connect() as connection:
            ids = connection.execute(query).scalars().all()
        return [self._documents.get(id) for id in ids]


def _workspace(found: Document) -> Workspace:
    return ResourceId.parse(found.id).workspace


def _check_length(name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise InvalidField(
            f"The job name {name[:20]!r}… has {len(name)} characters; at most {LONGEST_NAME} are possible. "
            "Choose a shorter one.",
            target="name",
        )


def _cancel_requested(body: Body) -> Body:
    # It may have ended in between.
    ended = JobStatus(body["properties"]["status"]).is_finished()
    return body if ended else _with_status(body, JobStatus.CANCEL_REQUESTED)


def _queued(body: Body) -> Body:
    # A job that was ended meanwhile is not queued again.
    if body["properties"]["status"] != JobStatus.NOT_STARTED.value:
        return body
    return _with_status(body, JobStatus.QUEUED)


def _with_status(body: Body, status: JobStatus) -> Body:
    return {**body, "properties": {**body["properties"], "status": status.value}}
