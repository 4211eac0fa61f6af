"""Keeps the audit trail: follows the audit log, and appends a record of what ended, came or went.

Its place is the last act that the ledger has records of, so it may be killed at any moment: what is not
there yet is made when the service runs again, and nothing is there twice.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from academy.audit.deletion_records import of_deletion
from academy.audit.deployment_record import of_deployment
from academy.audit.job_record import of_job
from academy.audit.model_record import REGISTERED, of_model
from academy.audit.record import Kind, Record
from academy.audit.sources import Sources
from academy.audit.subject import DEPLOYMENT_ENDS, JOB_ENDS, Subject, name_of, subject_of
from academy.errors import StorageFull
from academy.store.audit import Entry
from academy.store.documents import Document, timestamp

logger = logging.getLogger(__name__)

# The entry that the migration to the ledger left in the audit log of a home that is older.
BEGINNING = "/academy/audit/records"

_BATCH = 500
_RETRY_S = 5.0

# Changes come in groups, and whoever waits for a job has more use of this moment than its record has.
_PAUSE_S = 0.1
_CLOSE_S = 2.0
_ENDS = {Kind.JOB: JOB_ENDS, Kind.MODEL: ("create",), Kind.DEPLOYMENT: DEPLOYMENT_ENDS}


class Recorder:
    """One a service. ``catch_up`` may be called by anybody at any time; the thread does it after changes."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._lock = threading.Lock()
        self._place: int | None = None
        self._beginning: Entry | None = None
        self._wakeup = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="audit-recorder", daemon=True)

    def start(self) -> None:
        """Begin to follow, with what an earlier service has left."""
        self._wakeup.set()
        self._thread.start()

    def close(self) -> None:
        """Stop; what is left is recorded when the service runs again."""
        self._closed.set()
        self._wakeup.set()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)

    def wake(self) -> None:
        """Have the thread look: something has changed."""
        self._wakeup.set()

    def catch_up(self) -> None:
        """Return when all that is in the audit log by now is on record."""
        self._catch_up(threading.Event())

    def catch_up_with(self, id: str) -> None:
        """Return when all that was done at or below ``id`` is on record: its evidence is about to go."""
        if self._sources.log.read(resource_prefix=id, after=self._place or 0, top=1):
            self.catch_up()

    def _follow(self) -> None:
        while not self._closed.is_set():
            self._wakeup.wait()
            self._closed.wait(_PAUSE_S)
            self._wakeup.clear()
            try:
                self._catch_up(self._closed)
            except Exception:
                # A full disk, most of all. The acts stay in the audit log until they are on record.
                logger.exception("The audit trail could not be written; it is tried again.")
                self._closed.wait(_RETRY_S)
                self._wakeup.set()

    def _catch_up(self, stop: threading.Event) -> None:
        with self._lock:
            if self._place is None:
                self._beginning = self._sources.log.newest(BEGINNING)
                self._place = self._sources.ledger.last_act()
            while entries := self._sources.log.follow(self._place, top=_BATCH):
                for entry in entries:
                    if stop.is_set():
                        return
                    self._record(entry)
                    self._place = entry.sequence

    def _record(self, entry: Entry) -> None:
        subject = subject_of(entry)
        if subject is None or self._is_history(entry, subject):
            return
        records = self._made(entry, subject)
        if records:
            self._sources.ledger.append_all(records, act=entry.sequence)

    def _is_history(self, entry: Entry, subject: Subject) -> bool:
        """Say whether an act from before there were records left nothing that is still there as it was."""
        if self._beginning is None or entry.sequence > self._beginning.sequence:
            return False
        if subject.kind is Kind.DELETION or self._sources.documents.find(subject.id) is None:
            return True
        actions, before = _ENDS[subject.kind], self._beginning.sequence
        last = self._sources.log.newest(entry.resource, actions=actions, before=before)
        return last is not None and last.sequence != entry.sequence

    def _made(self, entry: Entry, subject: Subject) -> list[Record]:
        try:
            if subject.kind is Kind.DELETION:
                return of_deletion(self._sources, entry)
            found = self._sources.documents.find(subject.id)
            if found is None:
                return [_bare(entry, subject, "It was deleted before its record was made.")]
            return [self._since(entry, self._of(entry, subject, found))]
        except (SQLAlchemyError, StorageFull):
            raise  # this passes: it is tried again
        except Exception as error:
            logger.exception("The record of %s is not whole.", subject.id)
            note = f"What is known of it could not be put together ({type(error).__name__})."
            return [_bare(entry, subject, note)]

    def _of(self, entry: Entry, subject: Subject, found: Document) -> Record:
        if subject.kind is Kind.JOB:
            return of_job(self._sources, found, entry)
        if subject.kind is Kind.MODEL:
            return of_model(self._sources, found, entry.who)
        return of_deployment(self._sources, found, entry)

    def _since(self, entry: Entry, record: Record) -> Record:
        """Say on the record of something older than the audit trail why evidence is missing."""
        if self._beginning is None or entry.sequence > self._beginning.sequence:
            return record
        began = timestamp(self._beginning.at)
        note = (
            f"The audit trail of this home is kept since {began}; this is from before, and was not watched."
        )
        if record.model is not None:
            note += " The files of the model were hashed then, not when it was registered."
        return replace(record, notes=(note, *record.notes))


def _bare(entry: Entry, subject: Subject, note: str) -> Record:
    """Return the record that the audit log alone gives."""
    status = REGISTERED if subject.kind is Kind.MODEL else entry.action.capitalize()
    at = timestamp(entry.at)
    return Record(
        kind=subject.kind,
        name=name_of(subject.id),
        id=subject.id,
        who=entry.who,
        status="Deleted" if subject.kind is Kind.DELETION else status,
        created_at=at if subject.kind is Kind.MODEL else None,
        ended_at=None if subject.kind is Kind.MODEL else at,
        notes=(note,),
    )
