"""What a learner does with labs, for the command line, JupyterLab and widgets alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from academy.errors import Conflict, InvalidField, NotFound, ServiceUnavailable
from academy.labs.collection import Collection, Lab
from academy.labs.editions.edition import write_edition
from academy.labs.learning import cards as card_index
from academy.labs.learning import own_copy
from academy.labs.learning.events import EventKind, Events, kept_events
from academy.labs.learning.feedback import Hint
from academy.labs.learning.made import Made, made_by
from academy.labs.learning.progress import Progress, progress
from academy.labs.learning.reset import ResetReport, check_step, reset_lab, reset_step
from academy.labs.learning.source import solution_of
from academy.labs.learning.submit import Submitted, write_submission
from academy.labs.learning.teardown import standing
from academy.labs.manifest import Manifest
from academy.paths import Home
from academy.service.process import up

Card = card_index.Card

_WORK_ELSEWHERE = "Mend its permissions, or set ACADEMY_WORK to another folder."

__all__ = ["Card", "Hint", "Learner", "ResetReport", "Submitted"]


class Learner:
    """The one learner of a home, and the labs of a collection.

    What is asked for is recorded, for which the service is started when it does not run. A lab is named by
    its id, or by its number alone.
    """

    def __init__(self, home: Home, collection: Collection | None = None) -> None:
        self.home = home
        self.collection = collection or Collection.locate()

    def cards(self) -> list[card_index.Card]:
        """Return every lab with the learner's progress and own copy; starts no service."""
        return list(card_index.cards(self.home, self.collection).cards)

    def lab(self, lab_id: str) -> Lab:
        """Return a lab of the collection, or one that only the learner has a copy of."""
        return card_index.find_lab(self.home, self.collection, lab_id)

    def copy(self, lab_id: str) -> Lab:
        """Return the learner's own copy.

        Raises
        ------
        NotFound
            There is none yet.
        Conflict
            Its folder is there, and lacks the notebook or ``lab.yml``.
        """
        copy = self.copy_to_reset(lab_id)
        if not own_copy.exists(copy):
            raise _incomplete(copy)
        return copy

    def sound_copy(self, lab_id: str) -> Lab:
        """Return the learner's own copy, with a ``lab.yml`` that can be read.

        Raises
        ------
        InvalidField
            It cannot; the message says how to restore it.
        """
        copy = self.copy(lab_id)
        try:
            _ = copy.manifest
        except InvalidField as error:
            raise own_copy.damaged(error, copy) from None
        return copy

    def copy_to_reset(self, lab_id: str) -> Lab:
        """Return the learner's own copy, be it whole or not.

        Raises
        ------
        NotFound
            There is none yet.
        """
        copy = own_copy.copy_of(self.home, self.lab(lab_id))
        if not copy.folder.exists():
            raise NotFound(
                f"You have no copy of {copy.id} in {self.home.work} yet. "
                f"'academy lab start {copy.id}' makes one."
            )
        return copy

    def start(self, lab_id: str) -> Path:
        """Make the learner's own copy unless there is one, and return its notebook; nothing is overwritten.

        Raises
        ------
        Conflict
            A folder of that name is there, and is no copy of the lab.
        """
        lab = self.lab(lab_id)
        copy = own_copy.copy_of(self.home, lab)
        if own_copy.exists(copy):
            return copy.notebook
        if copy.folder.exists():
            raise _incomplete(copy)
        self._write_copy(lab)
        self._record(lab, EventKind.STARTED)
        return copy.notebook

    def open(self, lab_id: str) -> Path:
        """Return the notebook of the learner's own copy, made when there is none."""
        notebook = self.start(lab_id)
        self._record(self.lab(lab_id), EventKind.OPENED)
        return notebook

    def progress(self, lab_id: str) -> Progress:
        """Return how far the learner is; starts no service."""
        lab = self.lab(lab_id)
        return progress(lab.manifest, kept_events(self.home, lab.id))

    def hint(self, lab_id: str, task_id: str) -> Hint:
        """Return the next of the task's hints, and record that it was asked for; the last one comes again."""
        lab = self.lab(lab_id)
        task = lab.manifest.task(task_id)
        if not task.hints:
            return Hint(0, 0, "")
        events = Events(up(self.home))
        seen = progress(lab.manifest, events.read(lab.id)).task(task.id).hints
        level = min(seen + 1, len(task.hints))
        events.append(lab.id, EventKind.HINTED, task.id, level=level)
        return Hint(level, len(task.hints), task.hints[level - 1])

    def solution(self, lab_id: str, task_id: str) -> str:
        """Return a solution of the task, and record that; empty when the lab was handed out without."""
        lab = self.lab(lab_id)
        copy = own_copy.copy_of(self.home, lab)
        found = solution_of(self.home, lab, task_id) or solution_of(self.home, copy, task_id)
        if found:
            self._record(lab, EventKind.SOLUTION_SHOWN, task_id)
        return found

    def made(self, lab_id: str, step: str | None = None) -> Made:
        """Return what the copy, or one step of it, may have made in the workspace, and a reset would undo.

        Raises
        ------
        NotFound
            The lab has no such step; the message names those that it has.
        """
        copy = self.copy_to_reset(lab_id) if step is None else self.copy(lab_id)
        if step is not None:
            check_step(self._original(copy), step)
        try:
            events = kept_events(self.home, copy.id)
        except ServiceUnavailable:  # its record is in a database that only a running service reads
            events = Events(up(self.home)).read(copy.id)
        return made_by(copy, self._manifest(copy), events, step)

    def undoes(self, made: Made) -> tuple[str, ...]:
        """Return which of it is there, so that a reset would undo it; changes nothing."""
        return standing(up(self.home), made)

    def reset(self, lab_id: str, step: str | None = None) -> ResetReport:
        """Restore the copy, or one step of it; the old copy is kept aside, what it made is torn down."""
        copy = self.copy_to_reset(lab_id)
        lab = self._original(copy)
        made = self.made(lab_id, step)
        info = up(self.home)
        if step is None:
            report = reset_lab(info, copy, made, lambda: self._write_copy(lab))
        else:
            report = reset_step(info, copy, step, made, lambda folder: write_edition(lab, folder))
        kept = str(report.kept) if report.kept else None
        Events(info).append(lab.id, EventKind.RESET, step=step, kept=kept, removed=list(report.removed))
        return report

    def hand_in(self, lab_id: str, to: Path | None = None, *, learner: str | None = None) -> Submitted:
        """Write what there is to hand in; say what it holds, and what was left out."""
        copy = self.copy(lab_id)
        info = up(self.home)
        events = Events(info)
        now = progress(self._manifest(copy), events.read(copy.id))
        submitted = write_submission(copy, now, to or self.home.work / "submissions", learner=learner)
        events.append(copy.id, EventKind.SUBMITTED, file=submitted.file.name, points=now.points)
        return submitted

    def _manifest(self, copy: Lab) -> Manifest:
        """Return what the lab says of itself: in the copy, or in its original where the copy's is damaged."""
        try:
            return copy.manifest
        except (InvalidField, NotFound) as error:
            try:
                return self._original(copy).manifest
            except NotFound:
                raise own_copy.damaged(error, copy) from None

    def _original(self, copy: Lab) -> Lab:
        """Return what the copy was made from: in this collection, or in the one that the copy names."""
        record = own_copy.read_record(copy.folder)
        for collection in (self.collection, *([Collection(record.collection)] if record else [])):
            for lab in collection.labs():
                if lab.id == copy.id and lab.folder != copy.folder:
                    return lab
        raise NotFound(
            f"There is nothing to restore {copy.id} from: {self.collection.root} does not hold it. Give the "
            "folder that you got the lab from with --collection, or set ACADEMY_LABS to it."
        )

    def _write_copy(self, lab: Lab) -> None:
        copy = own_copy.copy_of(self.home, lab)
        self.home.prepare()
        try:
            write_edition(lab, copy.folder, otherwise=_WORK_ELSEWHERE)
        except Conflict:
            if not own_copy.exists(copy):
                raise
            return  # another window made it in the same moment; theirs is as good
        own_copy.write_record(copy, self.collection)

    def _record(self, lab: Lab, kind: EventKind, task: str | None = None, **data: Any) -> None:
        Events(up(self.home)).append(lab.id, kind, task, **data)


def _incomplete(copy: Lab) -> Conflict:
    lacks = " and ".join(own_copy.missing(copy))
    return Conflict(
        f"{copy.folder} is there, and is no copy of the lab: it lacks {lacks}. Nothing was changed. "
        f"'academy lab reset {copy.id}' keeps the folder aside, and makes a fresh copy in its place."
    )
