"""Where a lab's solutions are: in the source of its collection, if that came along."""

from __future__ import annotations

from collections.abc import Iterator

from academy.errors import NotFound
from academy.labs.collection import Collection, Lab
from academy.labs.editions.edition import solutions
from academy.labs.learning.own_copy import read_record
from academy.paths import Home


def solution_of(home: Home, lab: Lab, task_id: str) -> str:
    """Return a solution of the task, or nothing when this lab was handed out without."""
    lab.manifest.task(task_id)  # refuses an unknown one
    for source in _sources(home, lab):
        if source.is_edition or not source.notebook.is_file():
            continue
        found = solutions(source).get(task_id)
        if found:
            return found
    return ""


def _sources(home: Home, lab: Lab) -> Iterator[Lab]:
    """Yield the lab itself, the lab that this copy was made from, and the one of the usual collection."""
    yield lab
    made_from = read_record(lab.folder)
    for collection in ([Collection(made_from.collection)] if made_from else []) + [Collection.locate()]:
        try:
            yield collection.lab(lab.id)
        except NotFound:
            continue
