"""From JSON to tables and tensors: shapes that callers send, and casting by a model's signature."""

from __future__ import annotations

import base64
import importlib
from typing import Any

from .messages import BadInput

FLOATS = {"float": "float32", "double": "float64"}
WHOLES = {"integer": "int32", "long": "int64"}


def is_split(value: Any) -> bool:
    """Tell whether this is pandas' split form: ``{"columns": …, "index": …, "data": …}``."""
    return isinstance(value, dict) and "data" in value and set(value) <= {"columns", "index", "data"}


def frame(form: str, value: Any, names: list[str] | None) -> Any:
    """Return rows, records, columns or the split form as a DataFrame.

    ``names`` are the signature's columns: rows that name none get them, in order.
    """
    pandas = importlib.import_module("pandas")
    if form == "dataframe_split" and not is_split(value):
        raise BadInput("'dataframe_split' must hold 'data', and may hold 'columns' and 'index'.")
    try:
        if is_split(value):
            columns = value.get("columns") or _fitting(names, value["data"])
            return pandas.DataFrame(value["data"], index=value.get("index"), columns=columns)
        if isinstance(value, dict):
            lists = all(isinstance(one, list) for one in value.values())
            return pandas.DataFrame(value if lists else [value])
        if isinstance(value, list):
            records = bool(value) and isinstance(value[0], dict)
            return pandas.DataFrame(value, columns=None if records else _fitting(names, value))
    except (ValueError, TypeError) as error:
        raise BadInput(f"The input is not a table: {error}") from error
    raise BadInput(f"{form!r} must hold a list or an object, not a {type(value).__name__}.")


def refuse_missing(wanted: list[str], given: list[str], what: str) -> None:
    """Refuse an input that lacks columns or tensors, naming them and what came in their place."""
    missing = [name for name in wanted if name not in given]
    if missing:
        extra = [name for name in given if name not in wanted]
        other = f"; it has {extra}, which the model does not know" if extra else ""
        raise BadInput(f"The input lacks the {what} {missing}{other}.")


def array(value: Any, spec: Any) -> Any:
    """Return one tensor of the signature's type."""
    try:
        return importlib.import_module("numpy").array(value, dtype=spec.type)
    except (ValueError, TypeError) as error:
        raise BadInput(f"The tensor {spec.name!r} cannot be read as {spec.type}: {error}") from error


def column(values: Any, spec: Any) -> Any:
    """Cast one column to its type in the signature (an int sent for a double becomes a double)."""
    kind = getattr(spec.type, "name", "")
    try:
        if kind in FLOATS:
            return values.astype(FLOATS[kind])
        if kind in WHOLES:
            return _whole(values, WHOLES[kind])
        if kind == "boolean":
            return _boolean(values)
        if kind == "datetime":
            return importlib.import_module("pandas").to_datetime(values)
        if kind == "binary":
            return values.map(lambda text: base64.b64decode(text, validate=True))
    except (ValueError, TypeError, OverflowError) as error:
        raise BadInput(f"The column {values.name!r} must be of type {kind}: {error}") from error
    return values


def _fitting(names: list[str] | None, rows: Any) -> list[str] | None:
    width = len(rows[0]) if rows and isinstance(rows[0], list) else 1
    if names is not None and len(names) != width:
        raise BadInput(f"The model takes the {len(names)} columns {names}; the rows hold {width} values.")
    return names


def _whole(values: Any, kind: str) -> Any:
    if values.isna().any():
        raise ValueError("a value is missing")
    numbers = values.astype("float64")
    if not (numbers == numbers.round()).all():
        raise ValueError("a value is not a whole number")
    return values.astype(kind)


def _boolean(values: Any) -> Any:
    if not all(isinstance(one, bool) for one in values.tolist()):
        raise ValueError("the values must be true or false")
    return values.astype("bool")
