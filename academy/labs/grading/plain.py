"""Values as plain data: what the grader and a learner's kernel tell each other, as JSON and nothing else.

A value is a JSON scalar, or an object of one key: its kind. Whoever reads checks kind, type and size of
everything and builds exact types of Python's own, so that nothing a submission made up is ever asked
whether it equals something: no pickle, no ``eval``. What is no plain data stays where it is, and is
passed on under the name that ``other`` gives it.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import decimal
import json
import math
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from academy.errors import AcademyError

Node = Any
Other = Callable[[Any], Node]

MOST_ITEMS = 1_000_000
MOST_BYTES = 32_000_000
MOST_DEPTH = 50

_EXACT_INTEGERS = 2**63


class TooLarge(AcademyError):
    """A value has more items, bytes or levels than the grader takes."""


class Garbled(AcademyError):
    """What came is not a value as ``encode`` writes it."""


class Budget:
    """What one value may still hold; both sides count, as neither trusts the other's word."""

    def __init__(self) -> None:
        self._items, self._bytes = MOST_ITEMS, MOST_BYTES

    def item(self, depth: int) -> None:
        self._items -= 1
        if depth > MOST_DEPTH:
            raise TooLarge(f"The value is nested deeper than {MOST_DEPTH} levels.")
        if self._items < 0:
            raise TooLarge(f"The value has more than {MOST_ITEMS} items.")

    def room(self, count: int) -> None:
        """Refuse what would not fit, before it is copied."""
        if self._bytes < count:
            raise TooLarge(f"The value has more than {MOST_BYTES} bytes.")

    def bytes(self, count: int) -> None:
        self.room(count)
        self._bytes -= count


class Encoder:
    """Turns a value into a node. ``kinds`` adds types beyond Python's own: see ``tables``."""

    def __init__(self, other: Other, kinds: tuple[tuple[type, Callable[..., Node]], ...] = ()) -> None:
        self._other, self._kinds, self.budget = other, (*kinds, *_ENCODERS), Budget()

    def encode(self, value: Any, depth: int = 0) -> Node:
        self.budget.item(depth)
        if value is None or value is True or value is False:
            return value
        for kind, write in self._kinds:
            if isinstance(value, kind):
                return write(self, value, depth + 1)
        return self._other(value)

    def each(self, values: Any, depth: int) -> list[Node]:
        return [self.encode(value, depth) for value in values]

    def data(self, content: bytes) -> str:
        self.budget.bytes(len(content))
        return base64.b64encode(content).decode("ascii")

    def other(self, value: Any) -> Node:
        return self._other(value)


class Decoder:
    """Turns a node into a value, or refuses it. ``other`` reads what was passed on under a name."""

    def __init__(self, other: Other, kinds: Mapping[str, Callable[..., Any]] | None = None) -> None:
        self.other, self._kinds, self.budget = other, {**_DECODERS, **(kinds or {})}, Budget()

    def decode(self, node: Node, depth: int = 0) -> Any:
        self.budget.item(depth)
        if node is None or type(node) in (bool, int, float):
            return node
        if type(node) is str:
            self.budget.bytes(len(node))
            return node
        if type(node) is not dict or len(node) != 1:
            raise Garbled(
                f"{type(node).__name__} is no value: it takes a scalar, or a kind and what it holds."
            )
        ((kind, content),) = node.items()
        if kind == "object":
            return self.other(content)
        if kind not in self._kinds:
            raise Garbled(f"There is no kind of value {kind[:40]!r}.")
        try:
            return self._kinds[kind](self, content, depth + 1)
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise Garbled(f"A value of the kind {kind} is not valid: {str(error)[:200]}") from None

    def each(self, nodes: Node, depth: int) -> list[Any]:
        return [self.decode(node, depth) for node in expect(nodes, list)]

    def data(self, text: Node) -> bytes:
        self.budget.bytes(len(expect(text, str)))
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise Garbled(f"Bytes are not in base64: {error}") from None


def expect(node: Node, kind: type) -> Any:
    """Return the node, which must be of exactly this type of JSON."""
    if type(node) is not kind:
        raise Garbled(f"{type(node).__name__} stands where {kind.__name__} is due.")
    return node


def dumps(node: Node) -> str:
    """Return the node as text in base64, which no message changes on its way."""
    return base64.b64encode(json.dumps(node, allow_nan=False).encode()).decode("ascii")


def loads(text: str) -> Node:
    """Read what ``dumps`` wrote."""
    try:
        return json.loads(base64.b64decode(text, validate=True), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Garbled(f"What came is not JSON: {str(error)[:200]}") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _write_text(encoder: Encoder, value: str, _depth: int) -> Node:
    encoder.budget.bytes(len(value))
    return str.__str__(value)  # of a subclass too: its text


def _write_int(_encoder: Encoder, value: int, _depth: int) -> Node:
    exact = int.__int__(value)
    return exact if abs(exact) < _EXACT_INTEGERS else {"int": hex(exact)}


def _write_float(_encoder: Encoder, value: float, _depth: int) -> Node:
    exact = float.__float__(value)
    return exact if math.isfinite(exact) else {"float": repr(exact)}


def _write_mapping(encoder: Encoder, value: Any, depth: int) -> Node:
    pairs = [[encoder.encode(key, depth), encoder.encode(item, depth)] for key, item in value.items()]
    return {"dict": pairs}


def _read_float(_decoder: Decoder, node: Node, _depth: int) -> float:
    return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[expect(node, str)]


def _read_mapping(decoder: Decoder, node: Node, depth: int) -> dict[Any, Any]:
    pairs = [decoder.each(pair, depth) for pair in expect(node, list)]
    return {key: item for key, item in pairs}  # noqa: C416  a pair of three is refused here


def _read_time(_decoder: Decoder, node: Node, _depth: int) -> datetime.datetime:
    return datetime.datetime.fromisoformat(expect(node, str))


def _read_span(_decoder: Decoder, node: Node, _depth: int) -> datetime.timedelta:
    return datetime.timedelta(*(expect(part, int) for part in expect(node, list)))


def _read_int(_decoder: Decoder, node: Node, _depth: int) -> int:
    return int(expect(node, str)[:1_000_000], 16)


def _sequence(name: str) -> Callable[..., Node]:
    return lambda encoder, value, depth: {name: encoder.each(value, depth)}


def _span(value: datetime.timedelta) -> list[int]:
    return [value.days, value.seconds, value.microseconds]


# In the order in which they are tried: a datetime is a date.
_ENCODERS: tuple[tuple[type, Callable[..., Node]], ...] = (
    (str, _write_text),
    (int, _write_int),
    (float, _write_float),
    (list, _sequence("list")),
    (tuple, _sequence("tuple")),
    (dict, _write_mapping),
    (set, _sequence("set")),
    (frozenset, _sequence("frozenset")),
    (bytes, lambda encoder, value, _: {"bytes": encoder.data(bytes(value))}),
    (bytearray, lambda encoder, value, _: {"bytes": encoder.data(bytes(value))}),
    (complex, lambda _encoder, value, _: {"complex": [repr(value.real), repr(value.imag)]}),
    (range, lambda _encoder, value, _: {"range": [hex(value.start), hex(value.stop), hex(value.step)]}),
    (datetime.datetime, lambda _encoder, value, _: {"datetime": value.isoformat()}),
    (datetime.date, lambda _encoder, value, _: {"date": value.isoformat()}),
    (datetime.time, lambda _encoder, value, _: {"time": value.isoformat()}),
    (datetime.timedelta, lambda _encoder, value, _: {"timedelta": _span(value)}),
    (decimal.Decimal, lambda _encoder, value, _: {"decimal": str(value)}),
    (pathlib.PurePath, lambda _encoder, value, _: {"path": str(value)}),
)

_DECODERS: dict[str, Callable[..., Any]] = {
    "int": _read_int,
    "float": _read_float,
    "list": lambda decoder, node, depth: decoder.each(node, depth),
    "tuple": lambda decoder, node, depth: tuple(decoder.each(node, depth)),
    "dict": _read_mapping,
    "set": lambda decoder, node, depth: set(decoder.each(node, depth)),
    "frozenset": lambda decoder, node, depth: frozenset(decoder.each(node, depth)),
    "bytes": lambda decoder, node, _: decoder.data(node),
    "complex": lambda _decoder, node, _: complex(*(float(expect(part, str)) for part in node)),
    "range": lambda _decoder, node, _: range(*(int(expect(part, str), 16) for part in node)),
    "datetime": _read_time,
    "date": lambda _decoder, node, _: datetime.date.fromisoformat(expect(node, str)),
    "time": lambda _decoder, node, _: datetime.time.fromisoformat(expect(node, str)),
    "timedelta": _read_span,
    "decimal": lambda _decoder, node, _: decimal.Decimal(expect(node, str)),
    "path": lambda _decoder, node, _: pathlib.PurePosixPath(expect(node, str)),
}
