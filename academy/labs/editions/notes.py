"""What was set right in a notebook, in words. Many notes of one kind are told as one."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

# From so many of one kind on, one sentence stands for all of them.
_MANY = 3
_MOST_NAMED = 3


class Kind(enum.StrEnum):
    """What happened to a cell, as many of them are told in one sentence."""

    CHANGED = "{count} given cells were changed and put back: {names}."
    MISSING = "{count} given cells were missing and put back: {names}."
    UNSOLVED = "{count} cells of tasks were missing and put back as released, unsolved: {names}."
    RECOGNISED = "{count} cells were recognised by what they hold or where they stand: {names}."
    OTHER = ""


@dataclass(frozen=True)
class Note:
    """One sentence, or two, on one cell; ``cell`` is its id."""

    text: str
    kind: Kind = Kind.OTHER
    cell: str = ""


def folded(notes: Sequence[Note]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the notes with many of one kind told as one, and the text of each that was told so."""
    of = {kind: [note for note in notes if note.kind is kind] for kind in Kind}
    many = {kind for kind, found in of.items() if kind is not Kind.OTHER and len(found) >= _MANY}
    told: list[str] = []
    for note in notes:
        if note.kind not in many:
            told.append(note.text)
        elif note is of[note.kind][0]:
            told.append(_of_many(note.kind, [one.cell for one in of[note.kind]]))
    return tuple(told), tuple(note.text for note in notes if note.kind in many)


def _of_many(kind: Kind, cells: Sequence[str]) -> str:
    rest = len(cells) - _MOST_NAMED
    names = ", ".join(cells[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    return kind.value.format(count=len(cells), names=names)
