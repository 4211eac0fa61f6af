"""Which lab a notebook is: by what it is called, where it lies, or what its first argument says."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from academy.errors import NotFound, choices
from academy.labs.collection import MANIFEST, Collection, Lab, edition_in
from academy.labs.language import texts
from academy.labs.manifest import LAB_ID
from academy.paths import Home


def current_lab(home: Home, namespace: Mapping[str, Any], *, call: str = "check", task: str = "") -> Lab:
    """Return the lab that the notebook of this process is.

    ``ACADEMY_LAB`` says so outright; else the notebook's own file does, which Jupyter names in
    ``JPY_SESSION_NAME`` and VS Code in the namespace; else an edition in the working folder. Tools that
    run a notebook of a collection, such as papermill, tell nothing: there the ``task`` does, where only
    one lab has a task of that name.

    Raises
    ------
    NotFound
        None of these tells; the message says how to name the lab, and which there are.
    """
    named = os.environ.get("ACADEMY_LAB")
    if named:
        return named_lab(home, named)
    notebook = notebook_file(namespace)
    found = _of_file(home, notebook) if notebook is not None else None
    if found is not None:
        return found
    try:
        return edition_in(Path.cwd())
    except NotFound:
        only = _only_lab_with(task)
        if only is not None:
            return only
        known = choices(lab.id for lab in Collection.locate().labs())
        example = f'{call}("NN-verb-noun/…")'
        raise NotFound(texts()("notebook.no-lab", call=example, labs=known)) from None


def named_lab(home: Home, lab_id: str) -> Lab:
    """Return the lab of this id: the copy in the working folder, the collection around it, the learner's own.

    Raises
    ------
    NotFound
        It is in none of these, nor in the collection of ``ACADEMY_LABS`` or the one that comes with Academy.
    """
    here = Path.cwd()
    if not LAB_ID.fullmatch(lab_id):
        return Collection.locate().lab(lab_id)
    return (
        _edition(here, lab_id)
        or _in_collection(here, lab_id)
        or _edition(home.work / lab_id, lab_id)
        or Collection.locate().lab(lab_id)
    )


def notebook_file(namespace: Mapping[str, Any]) -> Path | None:
    """Return the file of the notebook that this process runs, where its application says."""
    told = os.environ.get("JPY_SESSION_NAME") or namespace.get("__vsc_ipynb_file__")
    return Path(told) if isinstance(told, str) and told.endswith(".ipynb") else None


def _of_file(home: Home, notebook: Path) -> Lab | None:
    for candidate in _names_of(notebook):
        if (notebook.parent / MANIFEST).is_file():
            return Lab(candidate, notebook, notebook.parent)
        around = _in_collection(notebook.parent, candidate)
        if around is not None:
            return around
        try:
            return named_lab(home, candidate)
        except NotFound:
            continue
    return None


def _only_lab_with(task: str) -> Lab | None:
    """Return the one lab that has the task, where the working folder is a collection's ``notebooks/``."""
    here = Path.cwd()
    if not task or here.name != "notebooks":
        return None
    found = [lab for lab in Collection(here.parent).labs() if task in {one.id for one in lab.manifest.tasks}]
    return found[0] if len(found) == 1 else None


def _names_of(notebook: Path) -> Iterator[str]:
    """Yield what lab the notebook may be; its content is read only where its name did not tell."""
    if LAB_ID.fullmatch(notebook.stem):
        yield notebook.stem
    recorded = _recorded_in(notebook)
    if recorded is not None:
        yield recorded


def _recorded_in(notebook: Path) -> str | None:
    """Return the lab that the notebook's metadata names; a copy may have any file name."""
    try:
        found = json.loads(notebook.read_text(encoding="utf-8"))["metadata"]["academy"]["lab"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, str) and LAB_ID.fullmatch(found) else None


def _edition(folder: Path, lab_id: str) -> Lab | None:
    notebook = folder / f"{lab_id}.ipynb"
    there = notebook.is_file() and (folder / MANIFEST).is_file()
    return Lab(lab_id, notebook, folder) if there else None


def _in_collection(folder: Path, lab_id: str) -> Lab | None:
    """Return the lab of the collection whose ``notebooks/`` this folder is."""
    root = folder.parent
    if folder.name == "notebooks" and (root / "labs" / lab_id / MANIFEST).is_file():
        return Collection(root).lab(lab_id)
    return None
