"""MLTable files: which files a table consists of, and how they are to be read.

The format: https://learn.microsoft.com/azure/machine-learning/reference-yaml-mltable. Only tables
that read their files whole are evaluated here; one that also filters or samples says so by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from academy.datasets.trees import Entry, entries
from academy.errors import InvalidField, NotFound, Unsupported, choices
from academy.paths import confined

FILE_NAME = "MLTable"

READERS = frozenset({"read_delimited", "read_parquet", "read_json_lines"})

_FIELDS = frozenset({"$schema", "type", "paths", "transformations", "metadata", "traits"})
_PATHS = frozenset({"file", "folder", "pattern"})


@dataclass(frozen=True)
class TablePath:
    """One entry of ``paths``: a file, a folder or a pattern, relative to the table or a URI."""

    kind: str
    value: str

    @property
    def is_uri(self) -> bool:
        return "://" in self.value or self.value.startswith("azureml:")


@dataclass(frozen=True)
class Table:
    """An MLTable file: its paths, its reader (None when it names none) and the reader's options."""

    folder: Path
    paths: tuple[TablePath, ...]
    reader: str | None
    options: Mapping[str, Any]


def read(folder: Path) -> Table:
    """Read the MLTable in ``folder``.

    Raises
    ------
    NotFound
        When the folder holds no MLTable.
    InvalidField, Unsupported
        When it is malformed, or has parts that cannot be evaluated here; each is named.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        held = sorted(item.name for item in folder.iterdir())[:10] if folder.is_dir() else []
        raise NotFound(f"The folder {folder.name!r} holds no file {FILE_NAME!r}. It holds: {choices(held)}.")
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidField(
            f"The MLTable in {folder.name!r} is not YAML: {error}.", target=FILE_NAME
        ) from error
    if not isinstance(content, dict):
        raise InvalidField(
            f"The MLTable in {folder.name!r} must be a mapping with 'paths'.", target=FILE_NAME
        )
    unknown = sorted(content.keys() - _FIELDS)
    if unknown:
        raise Unsupported(
            f"The MLTable in {folder.name!r} has {choices(unknown)}, which cannot be evaluated here. "
            f"Supported: {choices(_FIELDS)}.",
            target=str(unknown[0]),
        )
    reader, options = _reader(folder.name, content.get("transformations") or [])
    return Table(folder, _paths(folder.name, content.get("paths")), reader, options)


def select(table: Table, references: Mapping[str, str]) -> list[Entry]:
    """Return the files that the table consists of, in the order of its paths, each once.

    ``references`` gives the local path of each URI among the paths. Files beside the table keep their
    relative names; the others lie below the last part of their URI.
    """
    chosen: dict[str, Entry] = {}
    for path in table.paths:
        found = _referenced(path, references) if path.is_uri else _relative(table.folder, path)
        if not found:
            raise NotFound(
                f"The MLTable in {table.folder.name!r} names the {path.kind} {path.value!r}, but no file "
                "is there.",
                target=FILE_NAME,
            )
        for entry in found:
            chosen.setdefault(entry.name, entry)
    return list(chosen.values())


def _paths(name: str, given: object) -> tuple[TablePath, ...]:
    if not isinstance(given, list) or not given:
        raise InvalidField(f"The MLTable in {name!r} has no 'paths'.", target="paths")
    paths = []
    for item in given:
        if not isinstance(item, dict) or len(item) != 1 or not item.keys() <= _PATHS:
            raise InvalidField(
                f"The MLTable in {name!r} has the path {item!r}. Each is one of {choices(_PATHS)} with a "
                "value.",
                target="paths",
            )
        ((kind, value),) = item.items()
        paths.append(TablePath(kind, str(value)))
    return tuple(paths)


def _reader(name: str, given: object) -> tuple[str | None, Mapping[str, Any]]:
    steps = given if isinstance(given, list) else [given]
    named = [_step(step) for step in steps]
    others = [step for step, _ in named if step not in READERS]
    if others:
        raise Unsupported(
            f"The MLTable in {name!r} has the transformations {choices(others)}, which cannot be evaluated "
            f"here. Supported: {choices(READERS)}. Use mode ro_mount or direct and mltable.load in the job.",
            target="transformations",
        )
    if len(named) > 1:
        raise InvalidField(
            f"The MLTable in {name!r} reads its files more than once.", target="transformations"
        )
    return named[0] if named else (None, {})


def _step(step: object) -> tuple[str, Mapping[str, Any]]:
    if isinstance(step, dict) and len(step) == 1:
        ((name, options),) = step.items()
        return str(name), options if isinstance(options, dict) else {}
    return str(step), {}


def _relative(folder: Path, path: TablePath) -> list[Entry]:
    relative = path.value.removeprefix("./")
    if path.kind == "pattern":
        confined(folder, relative)
        found = sorted(item for item in folder.glob(relative) if item.is_file() and item.name != FILE_NAME)
    else:
        found = [confined(folder, relative)]
    return [
        Entry(entry.file.relative_to(folder).as_posix(), entry.file, entry.size_bytes)
        for item in found
        if item.exists()
        for entry in entries(item)
        if entry.name != FILE_NAME
    ]


def _referenced(path: TablePath, references: Mapping[str, str]) -> list[Entry]:
    if path.value not in references or not Path(references[path.value]).exists():
        return []
    root = Path(references[path.value])
    prefix = f"{root.name}/" if root.is_dir() else ""
    return [Entry(prefix + entry.name, entry.file, entry.size_bytes) for entry in entries(root)]
