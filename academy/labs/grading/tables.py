"""Arrays and tables as plain data: numpy's bytes with a checked type, pandas' columns through Arrow.

Nothing of Arrow's metadata is read: labels, index and types travel beside the columns, as values do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from academy.labs.grading.plain import MOST_BYTES, Decoder, Encoder, Garbled, Node, Other, expect

_DTYPE = re.compile(r"[<>|=][biufcSUMm]\d{1,7}(\[\d{0,6}[a-zA-Z]{1,2}\])?")
# Types of pandas' own that Arrow's columns do not say.
_NULLABLE = re.compile(r"(U?Int(8|16|32|64)|Float(32|64)|boolean|string)")
_ZONED = re.compile(r"datetime64\[(?:s|ms|us|ns), ([A-Za-z0-9_+:/-]{1,40})\]")
_ARROW = (
    *(pa.types.is_boolean, pa.types.is_integer, pa.types.is_floating, pa.types.is_null),
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_timestamp, pa.types.is_duration),
    *(pa.types.is_date, pa.types.is_time),
)


def encoder(other: Other) -> Encoder:
    """Return an encoder that knows arrays and tables too."""
    return Encoder(other, _ENCODERS)


def decoder(other: Other) -> Decoder:
    """Return a decoder that knows arrays and tables too."""
    return Decoder(other, _DECODERS)


def _write_array(encoder: Encoder, value: Any, depth: int) -> Node:
    if isinstance(value, np.ma.MaskedArray) or value.dtype.kind not in "biufcSUMmO":
        return encoder.other(value)
    if value.dtype.kind == "O":
        return {"objects": [list(value.shape), encoder.each(value.ravel().tolist(), depth)]}
    encoder.budget.room(value.nbytes)
    content = np.ascontiguousarray(value).tobytes()
    return {"array": [value.dtype.str, list(value.shape), encoder.data(content)]}


def _write_scalar(encoder: Encoder, value: Any, depth: int) -> Node:
    return (
        {"scalar": _write_array(encoder, np.asarray(value), depth)}
        if value.dtype.kind != "V"
        else (encoder.other(value))
    )


def _write_frame(encoder: Encoder, value: pd.DataFrame, depth: int) -> Node:
    encoder.budget.room(int(value.memory_usage(index=True).sum()))
    columns = [value.iloc[:, place] for place in range(value.shape[1])]
    arrow, objects, types = [], [], []
    for place, column in enumerate(columns):
        if column.dtype == object:
            objects.append([place, encoder.each(column.tolist(), depth)])
        elif isinstance(column.dtype, pd.PeriodDtype | pd.IntervalDtype | pd.SparseDtype):
            return encoder.other(value)
        else:
            types.append([place, str(column.dtype)])
            zoned = isinstance(column.dtype, pd.DatetimeTZDtype)
            plain = column.dt.tz_convert("UTC").dt.tz_localize(None) if zoned else column
            arrow.append((str(place), pa.array(plain, from_pandas=True)))
    return {
        "frame": {
            "rows": len(value),
            "arrow": encoder.data(_stream(arrow)),
            "objects": objects,
            "types": types,
            "columns": _write_labels(encoder, value.columns, depth),
            "index": _write_index(encoder, value.index, depth),
        }
    }


def _stream(columns: list[tuple[str, Any]]) -> bytes:
    table = pa.table([array for _, array in columns], names=[name for name, _ in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _write_labels(encoder: Encoder, labels: pd.Index, depth: int) -> Node:
    found: Any = labels.tolist()
    if isinstance(labels, pd.RangeIndex):
        found = range(labels.start, labels.stop, labels.step)
    return [encoder.encode(found, depth), encoder.encode(list(labels.names), depth)]


def _write_index(encoder: Encoder, index: pd.Index, depth: int) -> Node:
    names = encoder.encode(list(index.names), depth)
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = index.to_frame(index=False)
    levels.columns = pd.RangeIndex(levels.shape[1])
    return {"levels": encoder.encode(levels, depth + 1), "names": names}


def _write_series(encoder: Encoder, value: pd.Series[Any], depth: int) -> Node:
    frame = value.to_frame()
    frame.columns = pd.RangeIndex(1)
    return {"series": [_write_frame(encoder, frame, depth), encoder.encode(value.name, depth)]}


def _read_array(decoder: Decoder, node: Node, _depth: int) -> Any:
    name, shape, content = expect(node, list)
    if not _DTYPE.fullmatch(expect(name, str)):
        raise Garbled(f"{name[:40]!r} is no type of an array.")
    dtype, lengths, data = np.dtype(name), _shape(shape), decoder.data(content)
    if math.prod(lengths) * dtype.itemsize != len(data):
        raise Garbled(f"An array of shape {lengths} and type {name} does not have {len(data)} bytes.")
    if not dtype.itemsize:
        return np.zeros(lengths, dtype)
    return np.frombuffer(data, dtype).reshape(lengths).copy()


def _read_objects(decoder: Decoder, node: Node, depth: int) -> Any:
    shape, items = expect(node, list)
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(decoder.each(items, depth)):
        array[place] = item
    return array.reshape(_shape(shape))


def _shape(node: Node) -> tuple[int, ...]:
    lengths = tuple(expect(part, int) for part in expect(node, list))
    if len(lengths) > 32 or any(not 0 <= length <= MOST_BYTES for length in lengths):
        raise Garbled(f"An array cannot have the shape {str(lengths)[:100]}.")
    return lengths


def _read_scalar(decoder: Decoder, node: Node, depth: int) -> Any:
    array = decoder.decode(node, depth)
    if type(array) is not np.ndarray or array.shape != ():
        raise Garbled("A scalar is an array without a shape.")
    return array[()]


def _read_frame(decoder: Decoder, node: Node, depth: int) -> pd.DataFrame:
    rows = expect(node["rows"], int)
    columns: dict[int, Any] = dict(_read_arrow(decoder.data(node["arrow"]), rows))
    for place, items in expect(node["objects"], list):
        columns[expect(place, int)] = pd.Series(_as_objects(decoder.each(items, depth)), dtype=object)
    for place, name in expect(node["types"], list):
        if _NULLABLE.fullmatch(expect(name, str)):
            columns[place] = columns[place].astype(name)
        elif zone := _ZONED.fullmatch(name):
            columns[place] = columns[place].dt.tz_localize("UTC").dt.tz_convert(zone[1])
    if sorted(columns) != list(range(len(columns))) or any(len(one) != rows for one in columns.values()):
        raise Garbled("The columns of a table are not each there once, with as many rows.")
    index = _read_index(decoder, node["index"], depth)
    if len(index) != rows:
        raise Garbled("A table's index is not as long as the table.")
    frame = pd.DataFrame({place: columns[place] for place in range(len(columns))}, index=range(rows))
    frame.columns = _read_labels(decoder, node["columns"], depth)
    frame.index = index
    return frame


def _read_arrow(content: bytes, rows: int) -> list[tuple[int, Any]]:
    try:
        table = pa.ipc.open_stream(content).read_all()
        for field in table.schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            if not any(is_of(kind) for is_of in _ARROW):
                raise Garbled(f"A table has a column of the type {str(field.type)[:80]}.")
        if table.nbytes > 4 * MOST_BYTES:
            raise Garbled("A table is larger than what it came in.")
        table.validate(full=True)
        names = [int(name) for name in table.column_names]
        return list(zip(names, (column.to_pandas() for column in table.columns), strict=True))
    except (pa.ArrowException, OSError) as error:
        raise Garbled(f"A table's columns, {rows} rows, are not Arrow's: {str(error)[:200]}") from None


def _as_objects(items: list[Any]) -> Any:
    array = np.empty(len(items), dtype=object)
    for place, item in enumerate(items):
        array[place] = item
    return array


def _read_labels(decoder: Decoder, node: Node, depth: int) -> Any:
    labels, names = decoder.each(node, depth)
    if len(names) > 1:
        return pd.MultiIndex.from_tuples(expect(labels, list), names=names)
    return pd.Index(labels if type(labels) is range else expect(labels, list), name=names[0])


def _read_index(decoder: Decoder, node: Node, depth: int) -> Any:
    names = expect(decoder.decode(node["names"], depth), list)
    if "range" in node:
        start, stop, step = (expect(part, int) for part in node["range"])
        return pd.RangeIndex(start, stop, step, name=names[0])
    levels = expect(decoder.decode(node["levels"], depth), pd.DataFrame)
    if len(names) > 1:
        return pd.MultiIndex.from_frame(levels, names=names)
    return pd.Index(levels[0], name=names[0])


def _read_series(decoder: Decoder, node: Node, depth: int) -> pd.Series[Any]:
    frame, name = decoder.each(node, depth)
    series: pd.Series[Any] = expect(frame, pd.DataFrame)[0]
    return series.rename(name)


def _read_missing(_decoder: Decoder, node: Node, _depth: int) -> Any:
    return {"NaT": pd.NaT, "NA": pd.NA}[expect(node, str)]


_ENCODERS: tuple[tuple[type, Callable[..., Node]], ...] = (
    # A Timestamp is a datetime, and NaT says that it is one; numpy's float64 is a float.
    (type(pd.NaT), lambda _encoder, _value, _depth: {"missing": "NaT"}),
    (type(pd.NA), lambda _encoder, _value, _depth: {"missing": "NA"}),
    (pd.Timestamp, lambda _encoder, value, _depth: {"timestamp": value.isoformat()}),
    (pd.Timedelta, lambda _encoder, value, _depth: {"span": value.isoformat()}),
    (np.generic, _write_scalar),
    (np.ndarray, _write_array),
    (pd.DataFrame, _write_frame),
    (pd.Series, _write_series),
    (pd.Index, lambda encoder, value, depth: {"index": _write_index(encoder, value, depth)}),
)

_DECODERS: dict[str, Callable[..., Any]] = {
    "missing": _read_missing,
    "timestamp": lambda _decoder, node, _depth: pd.Timestamp(expect(node, str)),
    "span": lambda _decoder, node, _depth: pd.Timedelta(expect(node, str)),
    "scalar": _read_scalar,
    "array": _read_array,
    "objects": _read_objects,
    "frame": _read_frame,
    "series": _read_series,
    "index": _read_index,
}
