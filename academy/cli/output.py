"""Results on stdout: as JSON, YAML, a table or tab-separated values, as ``az`` has them."""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from enum import Enum
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

_JOB_FACTS = (
    "name",
    "id",
    "status",
    "display_name",
    "experiment_name",
    "description",
    "tags",
    "command",
    "code",
)
_STATES = frozenset({"provisioning_state", "state", "created_by_type", "last_modified_by_type"})
_MEMBER = re.compile(r"[A-Za-z]+\.([A-Z_]+)")


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
    if hasattr(value, "dump"):  # before mappings: jobs are dictionaries too, of something else
        return _dumped(value)
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [to_plain(item) for item in value]
    value = value.value if isinstance(value, Enum) else value
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _dumped(entity: Any) -> Any:
    stream = io.StringIO()
    found = entity.dump(stream)
    plain = to_plain(found if isinstance(found, Mapping) else yaml.safe_load(stream.getvalue()))
    if "name" not in plain and getattr(entity, "status", None):
        # A job that was read back dumps itself as a pipeline's step would look.
        component = plain.pop("component", {})
        facts = {name: to_plain(getattr(entity, name, None)) for name in _JOB_FACTS}
        plain = {**facts, "creation_context": component.get("creation_context"), **plain}
    if "version" not in plain and getattr(entity, "latest_version", None):
        plain["latest version"] = entity.latest_version
    return _without_class_names(plain)


def _without_class_names(plain: Any) -> Any:
    """Return ``Succeeded`` for ``ProvisioningState.SUCCEEDED``, as the SDK writes some states."""
    if isinstance(plain, list):
        return [_without_class_names(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    for key, value in plain.items():
        member = _MEMBER.fullmatch(value) if key in _STATES and isinstance(value, str) else None
        plain[key] = member[1].title().replace("_", "") if member else _without_class_names(value)
    return plain


def terminal_width() -> int | None:
    """Return how many characters a line of the terminal has; nothing when stdout is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def prose_width() -> int:
    """Return how many characters a line of prose has: the terminal's, but no more than is easy to read."""
    return min(terminal_width() or 80, 110)


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
    if plain == []:
        return ""
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
