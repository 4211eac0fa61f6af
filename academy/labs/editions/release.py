"""Releasing labs: learners' editions, looked through for what they must not hold, and instructors' packs."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from academy.errors import Conflict, InvalidField, UserError
from academy.labs.collection import MANIFEST, Lab
from academy.labs.editions.edition import write_edition
from academy.labs.editions.fitness import faults
from academy.labs.editions.leaks import Leak, look
from academy.labs.editions.pack import Pack, make_pack, read_pack
from academy.paths import writing

__all__ = ["LeakFound", "Pack", "Released", "make_pack", "read_pack", "release"]

_MOST_SAID = 20


@dataclass(frozen=True)
class Released:
    """A learner's edition as it was released, and the instructor's pack that goes with it."""

    lab: Lab
    pack: Pack | None = None


class LeakFound(UserError):
    """Something of a solution or hidden test is in what learners would get."""


def release(labs: Sequence[Lab], to: Path, *, pack: Path | None = None) -> list[Released]:
    """Write the learners' editions of the labs into ``to``, and their packs into ``pack``.

    All of them are made and looked through before the first one appears.

    Raises
    ------
    LeakFound
        Something of a solution or hidden test remains; nothing is released.
    InvalidField
        A lab is not fit to be released; the message says where and why.
    Conflict
        An edition or a pack is there already.
    UserError
        A target lies in another, or is a lab itself.
    """
    to, packs = to.absolute(), pack.absolute() if pack else None
    _refuse_places(labs, to, packs)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(workshop(to))
        moves = [(place / lab.id, to / lab.id) for lab in labs]
        examine(labs, place)
        if packs:
            store = stack.enter_context(workshop(packs, "--pack"))
            moves += [(store / lab.id, packs / lab.id) for lab in labs]
            for lab in labs:
                make_pack(lab, store)
        _publish(moves)
    return [_released(lab.id, to, packs) for lab in labs]


def refuse_lab(folder: Path, option: str) -> None:
    """Refuse a target that is a lab itself: what is written there would be taken for a part of it."""
    if os.path.lexists(folder / MANIFEST):
        raise UserError(
            f"{folder} is a lab itself: it holds {MANIFEST}. Labs lie beside each other, not one in another. "
            f"Did you mean {option} {folder.parent}?"
        )


def examine(labs: Sequence[Lab], place: Path) -> None:
    """Write the learners' editions into ``place``, and refuse labs of which they hold too much."""
    _refuse([fault for lab in labs for fault in _made(lab, place)])


@contextlib.contextmanager
def workshop(folder: Path, option: str = "--to") -> Iterator[Path]:
    """Yield a hidden folder inside ``folder`` that is gone afterwards; an error leaves no trace."""
    with writing(folder, f"Choose another {option}."):
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(dir=folder, prefix=".release."))
    try:
        yield place
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        if made:
            with contextlib.suppress(OSError):  # someone else has put something in
                folder.rmdir()
        raise
    shutil.rmtree(place)


def _made(lab: Lab, place: Path) -> list[str | Leak]:
    """Write the lab's edition into ``place``, and return what is wrong with it."""
    edition = write_edition(lab, place / lab.id)
    looked = look(lab, edition.folder)
    return [
        *(replace(leak, place=f"{lab.id}/{leak.place}") for leak in looked.leaks),
        *(
            f"{lab.id}: cell {cell} says in metadata.academy.shows that it shows the task {task!r}, and "
            "nothing of that task's solution stands in it. Take the task out of the list."
            for cell, task in looked.stale
        ),
        *(f"{lab.id}: {fault}" for fault in faults(lab, edition)),
    ]


def _refuse(wrong: Sequence[str | Leak]) -> None:
    if not wrong:
        return
    said = [str(fault) for fault in wrong[:_MOST_SAID]]
    if len(wrong) > _MOST_SAID:
        said.append(f"and {len(wrong) - _MOST_SAID} more")
    lines = "".join(f"\n  {line}" for line in said)
    leaks = [fault for fault in wrong if isinstance(fault, Leak)]
    if leaks:
        raise LeakFound(
            "Nothing is released: something of a solution or hidden test remains in what learners would get."
            f"{lines}\nTake it out, or move the markers so that they hold only what is the learner's to find."
            f"{_way_out(leaks)}"
        )
    raise InvalidField(f"Nothing is released: a lab is not fit for it.{lines}")


def _way_out(leaks: Sequence[Leak]) -> str:
    """Return what to do where a cell is meant to give what a solution holds too, if there is such a cell."""
    cells = sorted({(leak.cell, leak.task) for leak in leaks if leak.cell})
    if not cells:
        return ""
    cell, task = cells[0]
    return (
        f" A cell that gives it on purpose says so in its metadata; cell {cell}: "
        f'"academy": {{"shows": ["{task}"]}}.'
    )


def _publish(moves: Sequence[tuple[Path, Path]]) -> None:
    finished: list[Path] = []
    try:
        for source, target in moves:
            source.rename(target)
            finished.append(target)
    except BaseException:
        for target in finished:
            shutil.rmtree(target, ignore_errors=True)
        raise


def _released(lab_id: str, to: Path, packs: Path | None) -> Released:
    folder = to / lab_id
    return Released(
        Lab(lab_id, folder / f"{lab_id}.ipynb", folder), read_pack(packs, lab_id) if packs else None
    )


def _refuse_places(labs: Sequence[Lab], to: Path, packs: Path | None) -> None:
    refuse_lab(to, "--to")
    if packs:
        refuse_lab(packs, "--pack")
    if packs and (packs.is_relative_to(to) or to.is_relative_to(packs)):
        raise UserError(
            f"The pack {packs} and the release {to} lie one inside the other, and learners would get the "
            "solutions. Give --pack a folder elsewhere."
        )
    for folder in (to, packs) if packs else (to,):
        for lab in labs:
            if os.path.lexists(folder / lab.id):
                raise Conflict(
                    f"{folder / lab.id} is there already, and is left as it is. "
                    "Choose another folder, or move it away."
                )
