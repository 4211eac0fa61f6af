"""Restoring a learner's copy, or one step of it. The old copy is kept aside, what it made is torn down."""

from __future__ import annotations

import contextlib
import copy as copying
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

from academy.errors import Conflict, InvalidField, NotFound, choices
from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.learning.made import Made
from academy.labs.learning.own_copy import damaged, files_in, same_content
from academy.labs.learning.teardown import tear_down
from academy.service.process import ServiceInfo

# The folder beside the copies for those that a reset replaced.
KEPT = "kept"


@dataclass(frozen=True)
class ResetReport:
    """``kept`` is where the old copy lies, ``removed`` says what was done to what it had made.

    No old copy is kept of files that are as they were at first. ``restored`` are the files of a step that
    are so again.
    """

    kept: Path | None
    removed: tuple[str, ...]
    restored: tuple[str, ...] = ()


def reset_lab(info: ServiceInfo, copy: Lab, made: Made, write_copy: Callable[[], None]) -> ResetReport:
    """Tear down what the lab made, move the copy aside, and have a fresh one written.

    Raises
    ------
    Conflict
        There is no place for the old copy; nothing was done.
    """
    kept = _aside(copy.folder)
    removed = tear_down(info, made)
    _keep(copy.folder, kept)
    try:
        write_copy()
    except BaseException:
        if not copy.folder.exists():
            kept.rename(copy.folder)  # better the old copy than none
            _drop_empty(kept.parent)
        raise
    if kept.is_symlink() or not same_content(kept, copy.folder):
        return ResetReport(kept, removed)
    shutil.rmtree(kept)
    _drop_empty(kept.parent)
    return ResetReport(None, removed)


def reset_step(
    info: ServiceInfo, copy: Lab, step: str, made: Made, write_edition: Callable[[Path], Lab]
) -> ResetReport:
    """Tear down what the step made, and put its cells and files back as they were at first.

    A file belongs to the step when a cell of the step names it. What the learner added elsewhere stays.

    Raises
    ------
    InvalidField
        The notebook cannot be read any more, so that only the whole lab can be restored.
    Conflict
        There is no place for the old copy; nothing was done.
    """
    _check_place(copy.folder)
    with tempfile.TemporaryDirectory(dir=copy.folder.parent, prefix=".reset.") as place:
        fresh = write_edition(Path(place) / copy.id)
        original = ipynb.read(fresh.notebook)
        try:
            found = ipynb.read(copy.notebook)
        except InvalidField as error:
            raise damaged(error, copy) from None
        removed = tear_down(info, made)
        wanted = restored(found, original, step)
        files = tuple(_changed_files(original, step, fresh.folder, copy.folder))
        if wanted == found and not files:
            return ResetReport(None, removed)
        kept = _aside(copy.folder)
        shutil.copytree(copy.folder, kept, symlinks=True)
        if wanted != found:
            ipynb.write(wanted, copy.notebook)
        for name in files:
            _restore(fresh.folder / name, copy.folder / name)
    return ResetReport(kept, removed, files)


def check_step(original: Lab, step: str) -> None:
    """Refuse a step that the lab does not have.

    Raises
    ------
    NotFound
        The message names the steps that it has.
    """
    steps = {step_of(cell) for cell in ipynb.read(original.notebook).cells} - {""}
    if step not in steps:
        raise NotFound(f"The lab {original.id} has no step {step!r}. Steps: {choices(steps)}.")


def restored(own: NotebookNode, original: NotebookNode, step: str) -> NotebookNode:
    """Return the learner's notebook with the cells of one step as they were at first, each in its place.

    What the learner added to the step goes; it is known by the step in its metadata, as a pasted cell has.
    """
    wanted = {cell.id: cell for cell in original.cells if step_of(cell) == step}
    cells: list[NotebookNode] = []
    missing = dict(wanted)
    for cell in own.cells:
        if cell.id in wanted:
            if cell.id in missing:
                cells.append(copying.deepcopy(missing.pop(cell.id)))
        elif step_of(cell) != step:
            cells.append(cell)
    order = [cell.id for cell in original.cells]
    for cell_id, cell in missing.items():
        cells.insert(_place(cells, order[: order.index(cell_id)]), copying.deepcopy(cell))
    made = copying.deepcopy(own)
    made["cells"] = cells
    return made


def step_of(cell: NotebookNode) -> str:
    """Return the step that the cell is of, or nothing."""
    own = cell.metadata.get("academy")
    found = own.get("step") if isinstance(own, dict) else None
    return found if isinstance(found, str) else ""


def _place(cells: Sequence[NotebookNode], before: Sequence[str]) -> int:
    """Return the index behind the nearest cell that comes before in the original."""
    at = {cell.id: index for index, cell in enumerate(cells)}
    return next((at[cell_id] + 1 for cell_id in reversed(before) if cell_id in at), 0)


def _changed_files(original: NotebookNode, step: str, fresh: Path, own: Path) -> Iterator[str]:
    source = "\n".join(cell.source for cell in original.cells if step_of(cell) == step)
    for name in files_in(fresh):
        if name.suffix == ".ipynb" or not re.search(rf"(?<![\w.-]){re.escape(name.name)}(?![\w-])", source):
            continue
        target = own / name
        if not target.is_file() or target.read_bytes() != (fresh / name).read_bytes():
            yield str(name)


def _restore(fresh: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)  # a link that the learner put there is replaced, not written through
    shutil.copy2(fresh, target)


def _keep(folder: Path, kept: Path) -> None:
    """Move the folder; a link is made anew, for a relative one would lead elsewhere from there."""
    if folder.is_symlink():
        kept.symlink_to(folder.resolve())
        folder.unlink()
    else:
        folder.rename(kept)


def _aside(folder: Path) -> Path:
    """Return a name for the folder's old content that nothing has yet; its parent is there."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    place = _check_place(folder)
    place.mkdir(exist_ok=True)
    name, number = place / f"{stamp}-{folder.name}", 2
    while name.exists():
        name, number = place / f"{stamp}-{number}-{folder.name}", number + 1
    return name


def _check_place(folder: Path) -> Path:
    """Return the folder for old copies, which may not be there yet; refuse what is no folder."""
    place = folder.with_name(KEPT)
    if place.exists() and not place.is_dir():
        raise Conflict(f"Old copies are kept in the folder {place}, but that is a file. Rename or move it.")
    return place


def _drop_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):  # other copies are in it
        folder.rmdir()
