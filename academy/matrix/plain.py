"""The catalogue's values as plain data, as JSON and YAML have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from academy.matrix.catalogue import Catalogue


def plain(value: Any) -> Any:
    """Return mappings, lists, texts and numbers for ``value``; a level is a text, as JSON's keys are."""
    if isinstance(value, Catalogue):
        return {"cells": plain(list(value.cells.values())), "moves": plain(list(value.moves.values()))}
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
