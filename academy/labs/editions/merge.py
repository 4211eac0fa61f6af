"""The notebook to grade: the released one with what is the learner's put into it.

- Cells of a task hold what the learner wrote, wherever that went: under another id, as Markdown, as a copy.
- All other released cells are as released, and stand where they stood, deleted ones too. What a learner
  added to one of them (imports, definitions, new names) is kept in a cell after it, or before a check;
  changes of given code and of parameters are not: a task is graded on what everyone was given.
- Cells of the learner's own stay behind the cell that they stood behind.
- Paths of the lab's source (``../labs/NN-verb-noun/``) are as in the edition: some work in the source itself.
"""

from __future__ import annotations

import copy
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell

from academy.labs.editions.additions import additions, names_set
from academy.labs.editions.edition import in_one_folder, own, tags
from academy.labs.editions.matching import Match, match, same_text
from academy.labs.editions.notes import Kind, Note, folded


@dataclass(frozen=True)
class Merged:
    """The notebook to grade, without outputs, and what was set right in it, in words.

    ``details`` are the notes on single cells that ``notes`` tell as one; ``untouched`` are the tasks whose
    cells hold what was released.
    """

    notebook: NotebookNode
    notes: tuple[str, ...]
    details: tuple[str, ...] = ()
    untouched: frozenset[str] = frozenset()


def put_back(release: NotebookNode, submission: NotebookNode) -> Merged:
    """Put what a learner wrote into the notebook that they were given.

    Read both with ``ipynb.read``: it brings old notebooks up to date, and refuses what is none.
    """
    notes: list[Note] = []
    handed_in, submission = submission, in_one_folder(submission, own(release)["lab"])
    found = match(release.cells, submission.cells)
    notes += map(Note, _on_the_whole(release, handed_in, found))
    extra = _extra_cells(release, submission, found, notes)
    locked = [cell for cell in release.cells if cell.cell_type == "code" and not own(cell).get("task")]
    given = names_set(cell.source for cell in locked)
    cells = list(extra.get(-1, ()))
    for index, cell in enumerate(release.cells):
        places = found.of.get(index, [])
        submitted = submission.cells[places[0]] if places else None
        if index in found.recognised and submitted is not None and not _is_same(cell, submitted):
            text = f"{_named(cell)} was recognised by what it holds or where it stands."
            notes.append(Note(text, Kind.RECOGNISED, cell.id))
        cells += _graded(cell, submitted, given, notes)
        cells += extra.get(index, ())
    made = copy.deepcopy(release)
    made["cells"] = cells
    return Merged(made, *folded(notes), _untouched(release, made))


def _untouched(release: NotebookNode, made: NotebookNode) -> frozenset[str]:
    """Return the tasks for which nothing was written into any of their cells."""
    written = {cell.id: cell for cell in made.cells}
    tasks = {own(cell).get("task") for cell in release.cells} - {None}
    touched = {own(cell).get("task") for cell in release.cells if not _is_same(cell, written[cell.id])}
    return frozenset(str(task) for task in tasks - touched)


def _on_the_whole(release: NotebookNode, submission: NotebookNode, found: Match) -> Iterator[str]:
    expected, lab = (own(one).get("lab") for one in (release, submission))
    if lab and expected and lab != expected:
        yield f"This is a notebook of the lab {lab}, not of {expected}."
    elif not any(found.of.values()):
        yield "None of the cells is known: this may be another notebook than the one that was given."


def _graded(
    cell: NotebookNode, submitted: NotebookNode | None, given: frozenset[str], notes: list[Note]
) -> list[NotebookNode]:
    """Return the released cell as it is graded, with what the learner added to it."""
    made = _bare(cell)
    if own(cell).get("task"):
        if submitted is None:
            text = f"{_named(cell)} was missing. It was put back as released, unsolved."
            notes.append(Note(text, Kind.UNSOLVED, cell.id))
        else:
            made["source"] = _source_as(cell, submitted, notes)
            if cell.cell_type == "markdown" and "attachments" in submitted:
                made["attachments"] = copy.deepcopy(submitted.attachments)
        return [made]
    if cell.cell_type != "code":
        return [made]
    if submitted is None:
        notes.append(Note(f"{_named(cell)} was missing, and was put back.", Kind.MISSING, cell.id))
        return [made]
    if _is_same(cell, submitted):
        return [made]
    added = additions(cell.source, submitted.source, given) if submitted.cell_type == "code" else ""
    kept = " What it newly imports, defines or names is kept in a cell of its own; other changes are not."
    text = f"{_named(cell)} was changed, and was put back as released.{kept if added else ''}"
    notes.append(Note(text, Kind.CHANGED, cell.id))
    if not added:
        return [made]
    own_cell = new_code_cell(added, id=f"added-{cell.id}"[:64])
    return [own_cell, made] if own(cell).get("check") else [made, own_cell]


def _source_as(cell: NotebookNode, submitted: NotebookNode, notes: list[Note]) -> str:
    """Return what the learner wrote, as source of the type that the released cell has."""
    source: str = submitted.source
    if submitted.cell_type == cell.cell_type:
        return source
    kinds = f"a {submitted.cell_type} cell, and was turned back into {cell.cell_type}"
    notes.append(Note(f"{_named(cell)} was turned into {kinds}."))
    lines = source.strip().splitlines()
    if cell.cell_type == "code" and len(lines) > 1 and lines[0].startswith("```") and lines[-1] == "```":
        return "\n".join(lines[1:-1])
    return source


def _extra_cells(
    release: NotebookNode, submission: NotebookNode, found: Match, notes: list[Note]
) -> dict[int, list[NotebookNode]]:
    """Return the learner's own cells by the released cell that they stand behind; -1 is the beginning."""
    released = found.released
    copied = {place: index for index, places in found.of.items() for place in places[1:]}
    noted: set[int] = set()
    extra: dict[int, list[NotebookNode]] = defaultdict(list)
    behind = -1
    for place, cell in enumerate(submission.cells):
        if place in released:
            behind = released[place]
        elif "injected-parameters" in tags(cell):
            notes.append(Note("A cell of parameters that papermill put in was left out."))
        elif place in copied:
            index = copied[place]
            if index not in noted:
                noted.add(index)
                notes.append(Note(_on_copies(release.cells[index], len(found.of[index]))))
            if _is_own(release.cells[index], cell):
                extra[behind].append(_as_extra(cell, place))
        else:
            extra[behind].append(_as_extra(cell, place))
    return extra


def _is_own(released: NotebookNode, copied: NotebookNode) -> bool:
    """Tell whether a copy is of a cell that is the learner's, and was written in."""
    return bool(own(released).get("task")) and not same_text(copied.source, released.source)


def _on_copies(cell: NotebookNode, count: int) -> str:
    if own(cell).get("task"):
        return (
            f"{_named(cell)} is there {count} times. The last one that was written in counts; "
            "the others run where they stand."
        )
    return f"{_named(cell)} is there {count} times. It was put back once, as released."


def _named(cell: NotebookNode) -> str:
    if own(cell).get("task"):
        return f"The cell of the task {own(cell)['task']}"
    if own(cell).get("check"):
        return f"The check of the task {own(cell)['check']}"
    if "parameters" in tags(cell):
        return "The cell of parameters"
    return f"The given cell {cell.id}"


def _is_same(cell: NotebookNode, submitted: NotebookNode) -> bool:
    return bool(cell.cell_type == submitted.cell_type and same_text(cell.source, submitted.source))


def _bare(cell: NotebookNode) -> NotebookNode:
    made = copy.deepcopy(cell)
    if made.cell_type == "code":
        made.update(outputs=[], execution_count=None)
    return made


def _as_extra(cell: NotebookNode, place: int) -> NotebookNode:
    """Return a learner's own cell: without what would make it one of the lab's, under an id that none has."""
    made = _bare(cell)
    made["metadata"] = NotebookNode()
    digest = hashlib.sha256(f"{place}\n{cell.source}".encode(errors="replace")).hexdigest()
    made["id"] = f"extra-{digest[:12]}"
    return made
