"""Running a job once more in the service that ran it: submitted, followed, ended when the user ends it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.errors import AcademyError, Conflict, NotFound
from academy.jobs.plan import CommandPlan
from academy.jobs.record import Done, JobStatus
from academy.paths import Home, JobFolder
from academy.reproduction.repetition import names
from academy.reproduction.wishes import Say
from academy.service.loopback import Loopback
from academy.store.ids import ResourceId

_PAUSE_S = 0.2
_MOST_NAMES = 1000

# A job heeds SIGTERM or is killed after its grace; this is for what it leaves to be collected.
_END_PATIENCE_S = 60.0


@dataclass(frozen=True)
class ServiceJobs:
    """The jobs of a running service on this machine: their documents, and their folders."""

    loopback: Loopback

    def properties(self, id: str) -> Mapping[str, Any] | None:
        """Return a document's properties, or None when there is none."""
        try:
            found: Mapping[str, Any] = self.loopback.get(id)["properties"]
        except NotFound:
            return None
        return found

    def exists(self, id: str) -> bool:
        return self.properties(id) is not None

    def folder(self, id: str) -> JobFolder:
        """Return the folder of a job."""
        parsed = ResourceId.parse(id)
        return Home(Path(self.loopback.info.home)).job(parsed.workspace.key, parsed.path[-1])

    def plan(self, id: str) -> CommandPlan | None:
        """Return how a job ran, or None when its folder is gone."""
        return CommandPlan.read(self.folder(id))

    def why(self, id: str) -> str | None:
        """Return why a job failed, in its own words."""
        done = Done.read(self.folder(id))
        return done.error.message if done and done.error else None

    def run(self, original: str, properties: Mapping[str, Any], say: Say) -> str:
        """Submit a repetition of ``original``, follow it to its end, and return its id.

        What interrupts this (Ctrl-C) ends the job too.
        """
        begun: list[str] = []
        ended = False
        try:
            id = self._submit(original, properties, begun)
            self._follow(id, say)
            ended = True
        finally:
            if begun and not ended:
                self._end(begun[-1], say)
        return id

    def _submit(self, original: str, properties: Mapping[str, Any], begun: list[str]) -> str:
        parsed = ResourceId.parse(original)
        for name in itertools.islice(names(parsed.path[-1]), _MOST_NAMES):
            id = parsed.workspace.child("jobs", name)
            if self.exists(id):
                continue
            # Noted before it is sent: an interruption may come while the service takes it.
            begun.append(id)
            try:
                self.loopback.send("PUT", id, {"properties": dict(properties)})
            except AcademyError as error:
                begun.pop()
                if error.http_status != Conflict.http_status:
                    raise
                continue  # a job of that name was deleted, and its MLflow run is still there
            return id
        raise Conflict(
            f"The job {parsed.path[-1]!r} was repeated {_MOST_NAMES} times. Delete some of these jobs first."
        )

    def _follow(self, id: str, say: Say) -> None:
        name, shown = id.rpartition("/")[2], ""
        while True:
            properties = self.loopback.get(id)["properties"]
            status = properties["status"]
            if status != shown:
                say(f"Job {name}: {status}")
                shown = status
            if JobStatus(status).is_finished():
                return
            time.sleep(_PAUSE_S)

    def _end(self, id: str, say: Say) -> None:
        name = id.rpartition("/")[2]
        try:
            self.loopback.send("POST", f"{id}/cancel")
            deadline = time.monotonic() + _END_PATIENCE_S
            while time.monotonic() < deadline:
                if JobStatus(self.loopback.get(id)["properties"]["status"]).is_finished():
                    say(f"Job {name} was ended.")
                    return
                time.sleep(_PAUSE_S)
        except NotFound:
            return  # it did not come to be
        except AcademyError as error:
            say(f"Job {name} could not be ended: {error.message}")
            return
        say(f"Job {name} is still ending; 'academy job show --name {name}' tells when it has.")
