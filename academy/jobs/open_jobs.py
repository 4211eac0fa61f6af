"""Which jobs have not ended, asked at every call that a job makes."""

from __future__ import annotations

import threading

from academy.jobs.document import is_recorded
from academy.store.documents import Documents
from academy.store.ids import ResourceId


class OpenJobs:
    """The names of jobs whose end is not recorded; the documents are asked once for each.

    Names are looked for in every workspace and compare without regard to case.
    """

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._ends = 0

    def __contains__(self, name: str) -> bool:
        key = name.lower()
        if key in self._known:
            return True
        ends = self._ends
        if not self._is_open(name):
            return False
        with self._lock:
            # It may have ended since the documents were read.
            if ends == self._ends:
                self._known.add(key)
        return True

    def has_ended(self, name: str) -> None:
        """Note that the end of a job of this name is recorded."""
        with self._lock:
            self._ends += 1
            self._known.discard(name.lower())

    def _is_open(self, name: str) -> bool:
        for found in self._documents.among("/subscriptions/", "/workspaces"):
            workspace = ResourceId.parse(found.id).workspace
            job = self._documents.find(workspace.child("jobs", name))
            if job is not None and not is_recorded(job):
                return True
        return False
