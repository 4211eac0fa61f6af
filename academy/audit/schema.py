"""The schema of exported records: ``record.schema.json`` beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from academy.errors import InvalidField

FILE = "record.schema.json"


def schema_text() -> str:
    """Return the schema as it is published."""
    return files("academy.audit").joinpath(FILE).read_text(encoding="utf-8")


@cache
def schema() -> Mapping[str, Any]:
    """Return the schema as JSON values."""
    value: dict[str, Any] = json.loads(schema_text())
    return value


def check(export: object, named: str) -> None:
    """Refuse what is no export: name the first field at fault.

    Raises
    ------
    InvalidField
        ``named`` is not what the schema says.
    """
    found = best_match(Draft202012Validator(schema()).iter_errors(export))
    if found is None:
        return
    where = ".".join(str(part) for part in found.absolute_path) or "the whole of it"
    text = found.message if len(found.message) <= 200 else found.message[:199] + "…"
    raise InvalidField(
        f"{named} is no export of audit records: {where}: {text}. "
        "'academy audit export --format json' writes one; '--format schema' prints what it has to be.",
        target=where,
    )
