"""Read and write notebook files; one that is old, or lacks cell ids, is brought to nbformat 4.5."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.reader import NotJSONError, reads

from academy.errors import InvalidField, NotFound
from academy.paths import write_atomic

CELL_TYPES = ("code", "markdown", "raw")


def read(path: Path) -> NotebookNode:
    """Read a notebook file as nbformat 4.5.

    Raises
    ------
    NotFound
        There is no such file.
    InvalidField
        It is not a notebook; the message says what is wrong with it.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"There is no notebook {path}.") from None
    except IsADirectoryError:
        raise InvalidField(f"{path} is a folder, not a notebook.") from None
    try:
        return parse(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError as error:
        raise InvalidField(f"{path} is not a notebook: it is not text in UTF-8 ({error}).") from None


def parse(text: str, where: str) -> NotebookNode:
    """Return the notebook that a text is; cells whose id is missing get one that follows from their text."""
    try:
        found: Any = reads(text)
    except NotJSONError:
        raise InvalidField(f"{where} is not a notebook: {_json_error(text)}") from None
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidField(f"{where} is not a notebook: {error or type(error).__name__}.") from None
    if not isinstance(found, Mapping):
        raise InvalidField(f"{where} is not a notebook: it holds {type(found).__name__}, not an object.")
    major = found.get("nbformat")
    if not isinstance(major, int) or not 1 <= major <= 4:
        raise InvalidField(f"{where} says nbformat {major!r}; known are 1 to 4. Save it with JupyterLab.")
    if major < 4:
        found = _upgraded(found, where)
    return _completed(found, where)


def write(notebook: NotebookNode, path: Path) -> None:
    """Write a notebook, beside and then renamed, after a look that it is valid."""
    write_atomic(path, text_of(notebook, str(path)))


def text_of(notebook: NotebookNode, where: str) -> str:
    """Return a notebook as the text of its file."""
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        raise InvalidField(f"{where} would not be a valid notebook: {error}") from None
    return str(nbformat.v4.writes(notebook)).rstrip("\n") + "\n"


def place(cell: NotebookNode, index: int) -> str:
    """Return what messages call a cell: its id, and its number counted from 1."""
    return f"cell {cell.get('id', '?')} (number {index + 1})"


def _json_error(text: str) -> str:
    if not text.strip():
        return "the file is empty."
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return (
            f"its JSON breaks off or is damaged at line {error.lineno}, column {error.colno} ({error.msg})."
        )
    return "it has none of a notebook's fields."


def _upgraded(found: NotebookNode, where: str) -> NotebookNode:
    try:
        return nbformat.convert(found, 4)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise InvalidField(
            f"{where} is of nbformat {found.get('nbformat')}, and cannot be brought to 4: "
            f"{type(error).__name__}: {error}. Open it in JupyterLab and save it."
        ) from None


def _completed(found: NotebookNode, where: str) -> NotebookNode:
    """Check what the rest relies on, and fill in what nbformat 4.5 asks of each cell."""
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise InvalidField(f"{where} is not a notebook: it has no list of cells.")
    for index, cell in enumerate(cells):
        if not isinstance(cell, dict) or not isinstance(cell.get("source"), str):
            raise InvalidField(f"{where}: cell number {index + 1} has no text as its source.")
        if cell.get("cell_type") not in CELL_TYPES:
            raise InvalidField(
                f"{where}: cell number {index + 1} is of the type {cell.get('cell_type')!r}, "
                f"not one of {', '.join(CELL_TYPES)}."
            )
        if not isinstance(cell.get("metadata"), Mapping):
            cell["metadata"] = NotebookNode()
        if not isinstance(cell.get("id"), str):
            cell["id"] = _new_id(cell, index)
        if cell["cell_type"] == "code":
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)
    if not isinstance(found.get("metadata"), Mapping):
        found["metadata"] = NotebookNode()
    found["nbformat"], found["nbformat_minor"] = 4, max(5, found.get("nbformat_minor") or 0)
    return found


def _new_id(cell: NotebookNode, index: int) -> str:
    """Return an id that is the same whenever the same file is read."""
    return hashlib.sha256(f"{index}\n{cell['source']}".encode()).hexdigest()[:12]
