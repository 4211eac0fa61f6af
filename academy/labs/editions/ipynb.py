"""Read and write notebook files; one that is old, or lacks cell ids, is brought to nbformat 4.5."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from academy.errors import InvalidField, NotFound, choices
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
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidField(f"{where} is not a notebook: {_json_error(text, error)}") from None
    if not isinstance(found, dict):
        raise InvalidField(f"{where} is not a notebook: it holds a {type(found).__name__}, not an object.")
    if "\\ud" in text.lower():  # halves of characters, which no file can hold
        found = json.loads(json.dumps(found, ensure_ascii=False).encode(errors="replace"))
    major = found.get("nbformat")
    if not isinstance(major, int) or major not in nbformat.versions:
        known = choices(nbformat.versions)
        raise InvalidField(
            f"{where} is not a notebook that can be read: its nbformat is {major!r}, not {known}."
        )
    if major == 4:
        _fill(found, where)
    try:
        found = nbformat.versions[major].to_notebook_json(found)
        found = nbformat.convert(found, 4)
    except Exception as error:  # noqa: BLE001  nbformat raises whatever it meets in a damaged file
        raise InvalidField(
            f"{where} is a damaged notebook of nbformat {major}: {type(error).__name__}: {error}. "
            "Open it in JupyterLab and save it."
        ) from None
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


def _json_error(text: str, error: Exception) -> str:
    if not text.strip():
        return "the file is empty."
    if isinstance(error, json.JSONDecodeError):
        return (
            f"its JSON breaks off or is damaged at line {error.lineno}, column {error.colno} ({error.msg})."
        )
    return f"{type(error).__name__}: {error}."


def _fill(found: dict[str, Any], where: str) -> None:
    """Give a notebook of nbformat 4 and its cells the metadata that they lack, and refuse what is no cell."""
    cells = found.get("cells")
    if not isinstance(cells, list):
        raise InvalidField(f"{where} is not a notebook: it has no list of cells.")
    for part in (found, *cells):
        if not isinstance(part, dict):
            raise InvalidField(f"{where}: {json.dumps(part)[:40]} stands where a cell should be.")
        if not isinstance(part.get("metadata"), dict):
            part["metadata"] = {}


def _completed(found: NotebookNode, where: str) -> NotebookNode:
    """Check what the rest relies on, and fill in what nbformat 4.5 asks of each cell."""
    cells = found.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise InvalidField(f"{where} is not a notebook: it has no list of cells.")
    for index, cell in enumerate(cells):
        if not isinstance(cell.get("source"), str):
            raise InvalidField(f"{where}: cell number {index + 1} has no text as its source.")
        if cell.get("cell_type") not in CELL_TYPES:
            raise InvalidField(
                f"{where}: cell number {index + 1} is of the type {cell.get('cell_type')!r}, "
                f"not one of {', '.join(CELL_TYPES)}."
            )
        if not isinstance(cell.get("id"), str):
            cell["id"] = _new_id(cell, index)
        if cell["cell_type"] == "code":
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)
    found["nbformat"], found["nbformat_minor"] = 4, 5
    return found


def _new_id(cell: NotebookNode, index: int) -> str:
    """Return an id that is the same whenever the same file is read."""
    return hashlib.sha256(f"{index}\n{cell['source']}".encode()).hexdigest()[:12]
