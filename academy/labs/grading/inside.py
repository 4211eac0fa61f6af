"""The learner's end: runs in the kernel, where it answers what the grader asks about the notebook.

Nothing here is secret, and nothing that it says is believed: a submission may change all of it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from academy.labs.grading.plain import Node, dumps, loads
from academy.labs.grading.tables import decoder, encoder

_MOST_TEXT = 400
_MOST_ITERATED = 100_000

# Values that the grader has been told of, and may ask about further, by a name made up here.
_held: dict[str, Any] = {}


def answer(namespace: Mapping[str, Any], question: str) -> str:
    """Answer one question: ``{"do": "get" | "attribute" | "item" | "length" | "items" | "call", …}``."""
    try:
        return dumps({"value": encoder(_hold).encode(_found(namespace, loads(question)))})
    except BaseException as error:  # noqa: BLE001  the learner's code may raise anything, an exit too
        return dumps({"error": _described(error)})


def _found(namespace: Mapping[str, Any], question: Mapping[str, Any]) -> Any:
    do = question["do"]
    if do == "get":
        return _target(namespace, question)
    if do == "attribute":
        return getattr(_target(namespace, question), question["attribute"])
    if do == "length":
        return len(_target(namespace, question))
    if do == "items":
        return _several(_target(namespace, question))
    read = decoder(_read_held)
    if do == "item":
        return _target(namespace, question)[read.decode(question["key"])]
    args, kwargs = read.decode(question["args"]), read.decode(question["kwargs"])
    return _target(namespace, question)(*args, **kwargs)


def _target(namespace: Mapping[str, Any], question: Mapping[str, Any]) -> Any:
    if "held" in question:
        return _held[question["held"]]
    if question["name"] not in namespace:
        raise Missing(question["name"])
    return namespace[question["name"]]


class Missing(Exception):
    """The notebook has no such name."""


def _several(value: Any) -> list[Any]:
    found: list[Any] = []
    for item in value:
        if len(found) == _MOST_ITERATED:
            raise ValueError(f"more than {_MOST_ITERATED} items")
        found.append(item)
    return found


def _hold(value: Any) -> Node:
    key = secrets.token_hex(8)
    _held[key] = value
    kind = type(value)
    return {"object": {"held": key, "type": f"{kind.__module__}.{kind.__qualname__}", "text": _text(value)}}


def _read_held(node: Node) -> Any:
    return _held[node["held"]]


def _text(value: Any) -> str:
    try:
        return repr(value)[:_MOST_TEXT]
    except Exception:  # noqa: BLE001  a learner's __repr__ may raise anything
        return object.__repr__(value)


def _described(error: BaseException) -> Node:
    try:
        message = str(error)
    except Exception:  # noqa: BLE001
        message = ""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return {"missing": isinstance(error, Missing), "kinds": kinds[:20], "message": message[:4000]}
