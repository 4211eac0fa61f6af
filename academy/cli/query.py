"""``--query``: the paths of JMESPath that ``az ml`` scripts use, and no more.

``name``, ``services.Studio.endpoint``, ``[0].name``, ``[].name`` and ``"latest version"``. Filters,
functions and pipes are refused by name.
"""

from __future__ import annotations

import re
from typing import Any

import click

_STEP = re.compile(
    r"\.?(?:(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|\"(?P<quoted>[^\"]+)\"|\[(?P<index>-?\d+)\]|(?P<each>\[\*?\]))"
)


def search(query: str, data: Any) -> Any:
    """Return what ``query`` names in ``data``; None where there is nothing."""
    steps, position = [], 0
    while position < len(query):
        match = _STEP.match(query, position)
        if match is None or (position == 0 and query.startswith(".")):
            raise click.BadParameter(
                f"{query[position:]!r} in {query!r} is not supported. Supported: A, A.B, [0], [].",
                param_hint="--query",
            )
        steps.append(match.groupdict())
        position = match.end()
    return _follow(steps, data)


def _follow(steps: list[dict[str, str | None]], data: Any) -> Any:
    for number, step in enumerate(steps):
        if step["each"]:
            items = data if isinstance(data, list) else []
            found = [_follow(steps[number + 1 :], item) for item in items]
            return [item for item in found if item is not None]
        if step["index"]:
            data = _item(data, int(step["index"]))
        else:
            data = data.get(step["name"] or step["quoted"]) if isinstance(data, dict) else None
    return data


def _item(data: Any, index: int) -> Any:
    if not isinstance(data, list) or not -len(data) <= index < len(data):
        return None
    return data[index]
