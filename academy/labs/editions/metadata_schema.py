"""Our own metadata in a notebook: ``metadata.schema.json`` says what may stand there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from nbformat import NotebookNode

from academy.errors import InvalidField, choices
from academy.labs.editions import ipynb

SCHEMA = Path(__file__).with_name("metadata.schema.json")


def check_metadata(notebook: NotebookNode, where: str) -> None:
    """Refuse a notebook whose ``metadata.academy`` holds what nobody would read.

    Raises
    ------
    InvalidField
        The message names the file, the cell, the key, and the keys or values that are valid.
    """
    for fault in metadata_faults(notebook):
        raise InvalidField(f"{where}: {fault}", target="metadata.academy")


def metadata_faults(notebook: NotebookNode) -> Iterator[str]:
    """Yield what is wrong with a notebook's ``metadata.academy``, and with that of its cells."""
    yield from _faults("notebook", notebook.metadata.get("academy", {}), "the notebook")
    checks: dict[str, str] = {}
    for index, cell in enumerate(notebook.cells):
        own, where = cell.metadata.get("academy", {}), ipynb.place(cell, index)
        found = list(_faults("cell", own, where))
        yield from found
        if found or "check" not in own:
            continue
        if cell.cell_type != "code":
            yield f"{where}: metadata.academy.check stands on a {cell.cell_type} cell. A check is code."
        elif own["check"] in checks:
            yield (
                f"{where}: the task {own['check']!r} is checked by {checks[own['check']]} already. "
                "Keep one check cell for each task."
            )
        checks.setdefault(own["check"], where)


def _faults(part: str, value: Any, where: str) -> Iterator[str]:
    for error in sorted(_validator(part).iter_errors(value), key=lambda error: list(error.absolute_path)):
        yield f"{where}: {_in_words(part, error)}"


def _in_words(part: str, error: ValidationError) -> str:
    instance: Any = error.instance
    key = ".".join(["metadata.academy", *map(str, error.absolute_path)])
    if error.validator == "additionalProperties":
        known = _schema()["$defs"][part]["properties"]
        unknown = next(name for name in instance if name not in known)
        return f"{key} has no key {unknown!r}. Its keys: {choices(known)}."
    if error.validator == "not":
        return f"{key} has both task and check. A task is solved in one cell, and checked in the next."
    if error.validator == "pattern":
        form = "NN-verb-noun" if part == "notebook" else "lower-case words with '-' between them"
        return f"{key} is {instance!r}; it takes {form}."
    return f"{key} is {instance!r}; it takes a value of type {error.validator_value}."


@cache
def _schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return found


@cache
def _validator(part: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{part}", **_schema()})
