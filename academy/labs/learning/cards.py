"""The labs there are, and how far the learner is with each: what a list needs, and nothing slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from academy.errors import AcademyError
from academy.labs.collection import Collection, Lab, called, not_known
from academy.labs.learning.events import kept_events
from academy.labs.learning.own_copy import copy_of, damaged, exists
from academy.labs.learning.progress import Progress, progress
from academy.paths import Home
from academy.store.lab_event import Event


@dataclass(frozen=True)
class Card:
    """One lab; ``copy`` is the notebook of the learner's own copy, where there is one."""

    lab: Lab
    progress: Progress
    copy: Path | None


@dataclass(frozen=True)
class Cards:
    """All labs whose ``lab.yml`` can be read; ``broken`` has a line for each other, with what is wrong.

    ``unknown`` says why progress could not be read, and is empty when it could.
    """

    cards: tuple[Card, ...]
    unknown: str = ""
    broken: tuple[str, ...] = ()


def cards(home: Home, collection: Collection) -> Cards:
    """Return a card for each lab: those of the collection, then those that only the learner has."""
    unknown, events = "", []
    try:
        events = kept_events(home)
    except AcademyError as error:
        unknown = error.message
    return replace(cards_with(home, collection, events), unknown=unknown)


def cards_with(home: Home, collection: Collection, events: Sequence[Event]) -> Cards:
    """Return the same with the progress that these events add up to."""
    found, broken = [], []
    for lab in known_labs(home, collection):
        try:
            found.append(card_of(home, lab, events))
        except AcademyError as error:
            copy = copy_of(home, lab)
            said = damaged(error, copy) if lab.folder == copy.folder else error
            broken.append(" ".join(said.message.split()))
    return Cards(tuple(found), broken=tuple(broken))


def known_labs(home: Home, collection: Collection) -> list[Lab]:
    """Return the collection's labs, and copies of others that lie in the learner's own folder."""
    labs = collection.labs()
    known = {lab.id for lab in labs}
    own = Collection(home.work).labs() if home.work.is_dir() else []
    return labs + [lab for lab in own if lab.id not in known]


def find_lab(home: Home, collection: Collection, name: str) -> Lab:
    """Return one of the known labs, by its id or its number alone.

    Raises
    ------
    NotFound
        There is none; the message names those there are.
    UserError
        Several labs have this number; the message names them.
    """
    known = known_labs(home, collection)
    found = called(name, known)
    if found:
        return found
    raise not_known(name, known, f"{collection.root} or {home.work}")


def card_of(home: Home, lab: Lab, events: Sequence[Event]) -> Card:
    """Return the card of one lab."""
    copy = copy_of(home, lab)
    return Card(lab, progress(lab.manifest, events), copy.notebook if exists(copy) else None)
