"""Editions: a lab in one folder, as learners get it, or with its solutions in.

Nothing of a solution may remain in a learner's edition; ``leaks`` looks for what does.
"""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from academy.errors import Conflict, InvalidField, choices
from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.layout import as_text, files_of, in_edition
from academy.labs.editions.markers import Kind, Region, regions, replaced
from academy.labs.editions.metadata_schema import check_metadata
from academy.labs.editions.stubs import ending_of, stripped
from academy.paths import writing

# What a run, a tool or another format leaves in metadata.
_TRACES = (
    "widgets",
    "papermill",
    "execution",
    "ExecuteTime",
    "nbgrader",
    "signature",
    "celltoolbar",
    "varInspector",
)


def learner_edition(notebook: NotebookNode, lab_id: str) -> NotebookNode:
    """Return the notebook as learners get it: no solution, no hidden test, no output.

    Cells that hold a check cannot be edited or deleted in JupyterLab, cells of a task cannot be deleted.
    """
    made = _bare(notebook, lab_id)
    kept = []
    for index, cell in enumerate(made.cells):
        where = ipynb.place(cell, index)
        source = cell.source
        cell.source = stripped(source, where, ending_of(cell), _task(cell))
        if cell.source != source:
            cell.source = cell.source.rstrip()
        if source.strip() and not cell.source.strip():
            continue  # all of it was a hidden test
        _keep_attachments(cell, source)
        if own(cell).get("check"):
            cell.metadata.update(editable=False, deletable=False)
        elif own(cell).get("task"):
            cell.metadata["deletable"] = False
        kept.append(cell)
    made["cells"] = kept
    return made


def solved_edition(notebook: NotebookNode, lab_id: str, *, markers: bool = False) -> NotebookNode:
    """Return what a learner hands in who solved every task; ``markers`` keeps those, and the hidden tests."""
    made = _bare(notebook, lab_id)
    if markers:
        return made

    kept = []
    for index, cell in enumerate(made.cells):
        source = cell.source
        cell.source = _solved(source, ipynb.place(cell, index))
        if cell.source.strip() or not source.strip():
            kept.append(cell)
    made["cells"] = kept
    return made


def in_one_folder(notebook: NotebookNode, lab_id: str) -> NotebookNode:
    """Return a copy whose paths are those of an edition, with all else as it is."""
    made = copy.deepcopy(notebook)
    made.metadata.setdefault("academy", NotebookNode())["lab"] = lab_id
    for cell in made.cells:
        cell.source = in_edition(cell.source, lab_id)
    return made


def write_edition(
    lab: Lab, folder: Path, *, solved: bool = False, otherwise: str = "Choose another place."
) -> Lab:
    """Write the lab's learner's edition, or the solved one, as ``folder``; it appears whole or not at all.

    ``otherwise`` is what to do where nothing can be written.

    Raises
    ------
    Conflict
        The folder is there already.
    InvalidField
        The notebook, its metadata or its markers are not as they should be.
    """
    if os.path.lexists(folder):
        raise Conflict(
            f"{folder} is there already, and is left as it is. Choose another place, or move it away."
        )
    notebook = ipynb.read(lab.notebook)
    check_metadata(notebook, str(lab.notebook))
    made = solved_edition(notebook, lab.id) if solved else learner_edition(notebook, lab.id)
    with writing(folder.parent, otherwise):
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        ipynb.write(made, partial / lab.notebook.name)
        write_files(lab, partial, solved=solved)
        partial.chmod(0o755)
        partial.rename(folder)
    except OSError as error:
        if not folder.exists():
            raise
        raise Conflict(f"{folder} was made by someone else meanwhile, and is left as it is.") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Lab(lab.id, folder / lab.notebook.name, folder)


def write_files(lab: Lab, folder: Path, *, solved: bool = False, markers: bool = False) -> None:
    """Copy what the lab has beside its notebook; regions in text files go the way of the notebook's."""
    for name in files_of(lab):
        source, target = lab.folder / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        text = None if markers else as_text(content)
        if text is not None:
            text = _solved(text, str(name)) if solved else stripped(text, str(name), name.suffix)
            if name.suffix in (".md", ".yml", ".yaml") or len(name.parts) == 1:
                text = in_edition(text, lab.id)
            content = text.encode()
        target.write_bytes(content)
        # A lab may be shared read-only; a learner's copy is theirs to write.
        target.chmod(0o644 | source.stat().st_mode & 0o111)


def solutions(lab: Lab) -> dict[str, str]:
    """Return the solution of each task, as it would stand in an edition.

    A solution in a file belongs to the task in whose step the notebook names the file.
    """
    notebook = ipynb.read(lab.notebook)
    found: dict[str, list[str]] = {}
    for index, cell in enumerate(notebook.cells):
        for region in _of_kind(cell.source, ipynb.place(cell, index), Kind.SOLUTION):
            if not _task(cell):
                raise InvalidField(
                    f"{lab.notebook}, {ipynb.place(cell, index)}, line {region.first}: a solution stands in "
                    "a cell that is of no task. Set metadata.academy.task to the task's id."
                )
            found.setdefault(_task(cell), []).append(in_edition(region.text, lab.id))
    for name in files_of(lab):
        text = as_text((lab.folder / name).read_bytes())
        marked = _of_kind(text, str(lab.folder / name), Kind.SOLUTION) if text else ()
        if marked:
            shown = "\n\n".join(region.text for region in marked)
            found.setdefault(_task_of_file(lab, notebook, name), []).append(f"# In {name}:\n{shown}")
    return {task: "\n\n".join(parts) for task, parts in found.items()}


def hidden_tests(notebook: NotebookNode) -> dict[str, str]:
    """Return the source of the hidden tests of each task."""
    found: dict[str, list[str]] = {}
    for index, cell in enumerate(notebook.cells):
        where = ipynb.place(cell, index)
        for region in _of_kind(cell.source, where, Kind.HIDDEN_TESTS):
            task = own(cell).get("check")
            if not task:
                raise InvalidField(
                    f"{where}, line {region.first}: hidden tests stand in a cell that checks no task. "
                    "Set metadata.academy.check to the task's id."
                )
            found.setdefault(task, []).append(region.text)
    return {task: "\n".join(parts) for task, parts in found.items()}


def _bare(notebook: NotebookNode, lab_id: str) -> NotebookNode:
    """Return a copy in an edition's layout, with nothing in it that running it has left."""
    made = in_one_folder(notebook, lab_id)
    for key in _TRACES:
        made.metadata.pop(key, None)
    for cell in made.cells:
        for key in _TRACES:
            cell.metadata.pop(key, None)
        own(cell).pop("shows", None)  # the author's word to the release, and a hint to a learner
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
    return made


def _solved(text: str, where: str) -> str:
    return replaced(text, where, lambda region: list(region.lines) if region.kind is Kind.SOLUTION else [])


def _keep_attachments(cell: NotebookNode, source: str) -> None:
    """Leave out the pictures of an answer: in a cell that held one, only those that the rest names stay."""
    if cell.source == source or "attachments" not in cell:
        return
    answers = "\n".join(region.text for region in regions(source, "cell"))
    kept = {
        name: content
        for name, content in cell.attachments.items()
        if f"attachment:{name}" in cell.source and f"attachment:{name}" not in answers
    }
    if kept:
        cell["attachments"] = kept
    else:
        del cell["attachments"]


def own(cell: NotebookNode) -> NotebookNode:
    """Return what Academy has noted of a cell (its step, task or check) or notebook (its lab)."""
    found = cell.metadata.get("academy")
    return found if isinstance(found, NotebookNode) else NotebookNode()


def tags(cell: NotebookNode) -> tuple[str, ...]:
    """Return a cell's tags."""
    found = cell.metadata.get("tags")
    return tuple(str(tag) for tag in found) if isinstance(found, list) else ()


def _task(cell: NotebookNode) -> str:
    return str(own(cell).get("task", ""))


def _of_kind(text: str, where: str, kind: Kind) -> list[Region]:
    return [region for region in regions(text, where) if region.kind is kind]


def _task_of_file(lab: Lab, notebook: NotebookNode, name: Path) -> str:
    """Return the task that a file's solution is of: the one whose step names the file, or the only one."""
    naming = {
        key
        for cell in notebook.cells
        if name.name in cell.source
        for key in (own(cell).get("task"), own(cell).get("step"))
        if key
    }
    tasks = [task.id for task in lab.manifest.tasks if {task.id, task.step} & naming]
    if not tasks and len(lab.manifest.tasks) == 1:
        tasks = [lab.manifest.tasks[0].id]
    if len(tasks) != 1:
        raise InvalidField(
            f"{lab.folder / name} holds a solution, and it is not clear of which task. Name {name.name} in a "
            f"cell with that task's id or step in metadata.academy, and in no other task's. "
            f"Tasks that name it now: {choices(tasks)}."
        )
    return tasks[0]
