"""The calls that a training loop makes, answered without MLflow's server where they are plain.

A call is plain when nothing about it needs judging: valid names, a run that is active, no parameter
that changes. It is carried out here in one durable transaction. Any other call raises ``NotPlain`` and
is left to MLflow's own handler, which carries it out or refuses it in MLflow's own words.
"""

from __future__ import annotations

import json
import math
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.experiments.runs import RUN_NAME_TAG, put_tags
from academy.experiments.session import Session

# What mlflow.utils.validation allows; anything near a limit is left to MLflow.
_KEY = re.compile(r"[/\w.\- :]{1,250}")
_RUN_ID = re.compile(r"[a-zA-Z0-9][\w\-]{0,254}", re.ASCII)
_MAX_PARAM = 6000
_MAX_TAG = 8000
_MAX_METRICS = 1000
_MAX_PARAMS_OR_TAGS = 100
_INT64 = 2**63

# SQL has no infinity: MLflow stores the largest double, and NaN as 0 with a mark.
_LARGEST = 1.7976931348623157e308
_SPELLED = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}

_METRIC_FIELDS = frozenset(
    {"key", "value", "timestamp", "step", "model_id", "dataset_name", "dataset_digest"}
)
_RUN_FIELDS = frozenset({"run_id", "run_uuid"})

_INSERT_METRIC = (
    'INSERT INTO metrics ("key", value, timestamp, run_uuid, step, is_nan)'
    " VALUES (:key, :value, :timestamp, :run, :step, :is_nan) ON CONFLICT DO NOTHING"
)
# The latest metric is the one of the highest step, then time, then value, whichever came last.
_KEEP_LATEST = (
    'INSERT INTO latest_metrics ("key", value, timestamp, run_uuid, step, is_nan)'
    ' VALUES (:key, :value, :timestamp, :run, :step, :is_nan) ON CONFLICT ("key", run_uuid) DO UPDATE SET'
    " value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan"
    " WHERE (excluded.step, excluded.timestamp, excluded.value) >"
    " (latest_metrics.step, latest_metrics.timestamp, latest_metrics.value)"
)
_INSERT_PARAM = (
    'INSERT INTO params ("key", value, run_uuid) VALUES (:key, :value, :run) ON CONFLICT DO NOTHING'
)


class NotPlain(Exception):
    """MLflow's own handler must see this call."""


@dataclass(frozen=True)
class Metric:
    """One value of a metric; ``value`` and ``is_nan`` as they are stored."""

    key: str
    value: float
    timestamp: int
    step: int
    is_nan: bool


@dataclass(frozen=True)
class Entries:
    """What one call logs to one run."""

    run_id: str
    metrics: tuple[Metric, ...] = ()
    params: Mapping[str, str] | None = None
    tags: Mapping[str, str] | None = None


def parse(call: str, content: bytes) -> Entries:
    """Return what a call logs: ``log-metric``, ``log-parameter``, ``set-tag`` or ``log-batch``.

    Raises
    ------
    NotPlain
        When MLflow's own handler must judge it.
    """
    try:
        body = json.loads(content)
    except ValueError:
        raise NotPlain from None
    if not isinstance(body, dict):
        raise NotPlain
    run_id = body.get("run_id")
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id) or body.get("run_uuid", run_id) != run_id:
        raise NotPlain
    rest = {key: value for key, value in body.items() if key not in _RUN_FIELDS}
    if call == "log-metric":
        return Entries(run_id, metrics=(_metric(rest),))
    if call == "log-parameter":
        return Entries(run_id, params=_pairs([rest], _MAX_PARAM))
    if call == "set-tag":
        return Entries(run_id, tags=_tags([rest]))
    return _batch(run_id, rest)


def write(session: Session, entries: Entries) -> None:
    """Write what was parsed, all or nothing.

    Raises
    ------
    NotPlain
        When the run is not there or not active, or a parameter would change.
    """
    run = {"run": entries.run_id}
    found = session.row("SELECT lifecycle_stage FROM runs WHERE run_uuid = :run", run)
    if found is None or found[0] != "active":
        raise NotPlain
    for key, value in (entries.params or {}).items():
        _write_param(session, entries.run_id, key, value)
    if entries.metrics:
        rows = [{**run, **vars(metric)} for metric in entries.metrics]
        session.execute_many(_INSERT_METRIC, rows)
        session.execute_many(_KEEP_LATEST, _newest(rows))
    if entries.tags:
        put_tags(session, entries.run_id, entries.tags)


def _write_param(session: Session, run_id: str, key: str, value: str) -> None:
    row = {"run": run_id, "key": key, "value": value}
    if not session.execute(_INSERT_PARAM, row):
        old = session.row('SELECT value FROM params WHERE run_uuid = :run AND "key" = :key', row)
        if old is None or old[0] != value:
            raise NotPlain


def _newest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        other = newest.get(row["key"])
        if other is None or _age(row) > _age(other):
            newest[row["key"]] = row
    return [newest[key] for key in sorted(newest)]


def _age(row: Mapping[str, Any]) -> tuple[int, int, float]:
    return row["step"], row["timestamp"], row["value"]


def _batch(run_id: str, body: Mapping[str, Any]) -> Entries:
    if not body.keys() <= {"metrics", "params", "tags"}:
        raise NotPlain
    metrics, params, tags = (_list(body.get(key, [])) for key in ("metrics", "params", "tags"))
    if len(metrics) > _MAX_METRICS or max(len(params), len(tags)) > _MAX_PARAMS_OR_TAGS:
        raise NotPlain
    if len(metrics) + len(params) + len(tags) > _MAX_METRICS:
        raise NotPlain
    pairs = _pairs(params, _MAX_PARAM)
    if len(pairs) != len(params):
        raise NotPlain
    return Entries(run_id, tuple(_metric(item) for item in metrics), pairs, _tags(tags))


def _list(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotPlain
    return value


def _metric(item: Mapping[str, Any]) -> Metric:
    if not item.keys() <= _METRIC_FIELDS:
        raise NotPlain
    if item.get("model_id") or item.get("dataset_name") or item.get("dataset_digest"):
        raise NotPlain  # also a metric of an MLflow 3 model
    value = _number(item.get("value"))
    timestamp, step = _integer(item.get("timestamp")), _integer(item.get("step", 0))
    if timestamp < 0:
        raise NotPlain
    is_nan = math.isnan(value)
    stored = 0.0 if is_nan else max(-_LARGEST, min(_LARGEST, value))
    return Metric(_key(item.get("key")), stored, timestamp, step, is_nan)


def _pairs(items: list[dict[str, Any]], limit: int) -> dict[str, str]:
    pairs = {}
    for item in items:
        value = item.get("value")
        if item.keys() != {"key", "value"} or not isinstance(value, str) or len(value) > limit:
            raise NotPlain
        pairs[_key(item["key"])] = value
    return pairs


def _tags(items: list[dict[str, Any]]) -> dict[str, str]:
    tags = _pairs(items, _MAX_TAG)
    if RUN_NAME_TAG in tags:
        raise NotPlain  # it renames the run as well
    return tags


def _key(key: Any) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise NotPlain
    if posixpath.normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        raise NotPlain
    return key


def _number(value: Any) -> float:
    if isinstance(value, str) and value in _SPELLED:
        return _SPELLED[value]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotPlain
    try:
        return float(value)
    except OverflowError:
        raise NotPlain from None


def _integer(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -_INT64 <= value < _INT64:
        raise NotPlain
    return value
