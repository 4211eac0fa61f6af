"""Results on stdout: as JSON, YAML, a table or tab-separated values, as ``az`` has them."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from academy.cli.query import search

FORMATS = ("json", "yaml", "table", "tsv", "none")

# What a table shows of each row, in this order, where rows have it.
_COLUMNS = (
    "name",
    "version",
    "latest version",
    "display_name",
    "type",
    "experiment_name",
    "status",
    "provisioning_state",
    "state",
    "size",
    "auth_mode",
    "traffic",
    "model",
    "instance_count",
    "path",
    "location",
    "resource_group",
)
_CELL = 48


def render(result: Any, output: str, query: str | None = None) -> str:
    """Return ``result`` (an entity of the SDK, plain data, or an iterable of them) as text."""
    plain = to_plain(result)
    if query is not None:
        plain = search(query, plain)
    if output == "none" or plain is None:
        return ""
    if output == "json":
        return json.dumps(plain, indent=2, ensure_ascii=False, default=str)
    if output == "yaml":
        return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).rstrip()
    return _tsv(plain) if output == "tsv" else _table(plain)


def to_plain(value: Any) -> Any:
    """Return plain data for ``value``: an entity says what it is by its public ``dump``."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if hasattr(value, "dump"):
        stream = io.StringIO()
        dumped = value.dump(stream)
        return to_plain(dumped) if isinstance(dumped, Mapping) else yaml.safe_load(stream.getvalue())
    if isinstance(value, Iterable):
        return [to_plain(item) for item in value]
    if hasattr(value, "as_dict"):
        return to_plain(value.as_dict())
    return str(value)


def first(items: Iterable[Any], count: int | None) -> list[Any]:
    """Return at most ``count`` items of a listing, fetching no more pages than that needs."""
    return list(itertools.islice(items, count))


def _tsv(plain: Any) -> str:
    rows = plain if isinstance(plain, list) else [plain]
    return "\n".join("\t".join(_scalars(row)) for row in rows)


def _scalars(row: Any) -> list[str]:
    values = row.values() if isinstance(row, Mapping) else row if isinstance(row, list) else [row]
    return ["" if isinstance(value, Mapping | list) else _cell(value) for value in values]


def _table(plain: Any) -> str:
    rows = [
        row if isinstance(row, Mapping) else {"result": row}
        for row in (plain if isinstance(plain, list) else [plain])
    ]
    columns = [name for name in _COLUMNS if any(row.get(name) is not None for row in rows)]
    columns = columns or list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(name))[:_CELL] for name in columns] for row in rows]
    titles = [name.replace("_", " ").upper() for name in columns]
    widths = [max(map(len, column)) for column in zip(titles, *cells, strict=True)]
    lines = [titles, ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return " ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
