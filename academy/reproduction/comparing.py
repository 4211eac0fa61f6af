"""Comparing two runs: metrics within a tolerance, outputs by hash, and the verdict."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from rapidfuzz import process

from academy.audit.local.data import METRICS, MODEL
from academy.audit.record import Record
from academy.datasets.mlmodel import MLMODEL
from academy.errors import InvalidField, choices
from academy.evidence.evidence import Data
from academy.reproduction.result import ComparedMetric, ComparedOutput, Metric, Tolerance, Verdict

# MLflow's own measurements of the machine; no two runs have the same.
_SYSTEM = "system/*"


def check_left_out(patterns: Sequence[str], recorded: Mapping[str, Metric]) -> None:
    """Refuse a pattern that fits no metric on record: it may be misspelt."""
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in recorded):
            near = process.extractOne(pattern, list(recorded), score_cutoff=60)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise InvalidField(
                f"No metric on record is called {pattern!r}.{meant} There are: {choices(recorded)}.",
                target="leave-out",
            )


def metrics(
    recorded: Mapping[str, Metric],
    found: Mapping[str, Metric],
    tolerance: Tolerance,
    leave_out: Sequence[str],
) -> tuple[ComparedMetric, ...]:
    """Return every metric of either run; one that a run lacks is a mismatch."""
    names = [*recorded, *(name for name in found if name not in recorded)]
    patterns = (*leave_out, _SYSTEM)
    return tuple(
        ComparedMetric(
            name,
            recorded.get(name),
            found.get(name),
            None
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
            else matches(recorded.get(name), found.get(name), tolerance),
        )
        for name in names
    )


def matches(recorded: Metric | None, found: Metric | None, tolerance: Tolerance) -> bool:
    """Say whether two values are as good as the same; NaN is like NaN, infinity like infinity."""
    if recorded is None or found is None:
        return False
    one, other = float(recorded), float(found)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return math.isclose(one, other, rel_tol=min(tolerance.relative, 1.0), abs_tol=tolerance.absolute)


def outputs(recorded: Record, found: Record) -> tuple[ComparedOutput, ...]:
    """Return the outputs of both runs with the hashes of what is in them."""
    before, now = _written(recorded), _written(found)
    return tuple(_output(name, before.get(name), now.get(name)) for name in {**now, **before})


def _output(name: str, before: Data | None, now: Data | None) -> ComparedOutput:
    first, second = (one.tree if one else None for one in (before, now))
    is_model = any(one is not None and one.kind == MODEL for one in (before, now))
    hashes = [one.sha256 if one else None for one in (first, second)]
    compared = ComparedOutput(name, hashes[0], hashes[1], is_dated=is_model)
    if first is None or second is None or compared.same:
        return replace(compared, holds_model=is_model)
    files = [{file.name: file.sha256 for file in one.files} for one in (first, second)]
    differing = sorted(file for file in {**files[0], **files[1]} if files[0].get(file) != files[1].get(file))
    models = [file for file in differing if PurePosixPath(file).name == MLMODEL]
    others = tuple(file for file in differing if file not in models)
    # Of a very large folder not all files are listed: what else differs is not known.
    are_all_known = all(one.count == len(one.files) for one in (first, second))
    return replace(
        compared,
        is_dated=is_model or bool(models and not others and are_all_known),
        holds_model=is_model or bool(models),
        others=others,
    )


def mismatches(
    recorded: Record, found: Record, compared: Sequence[ComparedMetric], tolerance: Tolerance
) -> tuple[str, ...]:
    """Return a sentence on each thing that is not as it was."""
    said = []
    if recorded.status != found.status:
        said.append(f"It ended as {found.status}; on record it is {recorded.status}.")
    for metric in compared:
        if metric.matches is False:
            said.append(_sentence(metric, tolerance))
    return tuple(said)


def verdict(
    mismatched: Sequence[str], compared: Sequence[ComparedMetric], written: Sequence[ComparedOutput]
) -> Verdict:
    """Say what came of it. Outputs decide only where no metric can: few files are the same twice."""
    if mismatched:
        return Verdict.DIFFERENT
    if any(metric.matches for metric in compared):
        return Verdict.REPRODUCED
    known = [output.same for output in written if not output.is_dated]
    if not known or None in known:
        return Verdict.NOTHING_TO_COMPARE
    return Verdict.REPRODUCED if all(known) else Verdict.DIFFERENT


def shown(value: Metric | None) -> str:
    """Return a metric as people read it, in ten digits."""
    return "missing" if value is None else value if isinstance(value, str) else f"{value:.10g}"


def _written(record: Record) -> dict[str, Data]:
    # The metrics file is compared as metrics.
    written = record.evidence.outputs if record.evidence else ()
    return {item.name: item for item in written if item.kind != METRICS}


def _sentence(metric: ComparedMetric, tolerance: Tolerance) -> str:
    if metric.found is None:
        return f"The metric {metric.name!r} was {shown(metric.recorded)} and was not logged this time."
    if metric.recorded is None:
        return f"The metric {metric.name!r} is {shown(metric.found)} and is not on record."
    by = f", which is {metric.difference:.3g} apart" if metric.difference is not None else ""
    return (
        f"The metric {metric.name!r} was {shown(metric.recorded)} and is {shown(metric.found)}{by}; the "
        f"tolerance is {tolerance.relative:g} of the larger one."
    )
