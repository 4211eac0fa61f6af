"""A reproduction as text that a person reads."""

from __future__ import annotations

from collections.abc import Iterator

from academy.reproduction.comparing import shown
from academy.reproduction.result import (
    ComparedMetric,
    ComparedOutput,
    Environment,
    Reproduction,
    Verdict,
)

_SHOWN = 8


def text(found: Reproduction) -> str:
    """Return the whole result; its last lines are the verdict."""
    return "\n".join(_lines(found))


def _lines(found: Reproduction) -> Iterator[str]:
    kind = found.origin.kind
    yield f"{kind.capitalize()} {found.origin.name!r} was run again as {found.repeated.name!r}."
    yield from found.notes
    yield ""
    yield from _environment(found.environment)
    for difference in found.beforehand:
        yield f"Known before: {difference}"
    if found.metrics:
        yield ""
        yield from _table(found.metrics)
    if found.outputs:
        yield ""
        yield from map(_output, found.outputs)
    yield ""
    yield from _verdict(found)


def _environment(environment: Environment) -> Iterator[str]:
    how = "built anew" if environment.built else "Academy's own Python, not built anew"
    yield f"Environment {environment.text}: {how}, Python {environment.python}."
    if not environment.differences:
        by = "version and content" if environment.built else "version and list of files"
        yield f"All {environment.packages} packages are those on record, by {by}."
    yield from environment.differences[:_SHOWN]
    if len(environment.differences) > _SHOWN:
        yield f"{len(environment.differences) - _SHOWN} more packages differ; -o json has all."
    yield from environment.altered


def _table(metrics: tuple[ComparedMetric, ...]) -> Iterator[str]:
    rows = [("METRIC", "RECORDED", "NOW", "APART", ""), *map(_row, metrics)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(metric: ComparedMetric) -> tuple[str, str, str, str, str]:
    by = "" if metric.difference is None else f"{metric.difference:.3g}"
    said = {True: "", False: "differs", None: "left out"}[metric.matches]
    return metric.name, shown(metric.recorded), shown(metric.found), by, said


def _output(output: ComparedOutput) -> str:
    if output.holds_model and output.same is False:
        named = ", ".join(map(repr, output.others[:_SHOWN])) + (", …" if len(output.others) > _SHOWN else "")
        beside = f" Other files differ, too: {named}." if output.others else ""
        return f"Output {output.name!r}: an MLflow model, which holds its own id and time.{beside}"
    said = {
        True: "the same, byte for byte",
        False: "other bytes than on record",
        None: "not hashed in both runs",
    }[output.same]
    return f"Output {output.name!r}: {said}."


def _verdict(found: Reproduction) -> Iterator[str]:
    yield from found.mismatches
    compared = sum(metric.matches is not None for metric in found.metrics)
    if found.verdict is Verdict.REPRODUCED:
        what = f"{compared} metrics" if compared != 1 else "1 metric"
        yield (
            f"Reproduced: {what} within {found.tolerance.relative:g}."
            if compared
            else ("Reproduced: there are no metrics, and all outputs are the same, byte for byte.")
        )
    elif found.verdict is Verdict.DIFFERENT:
        yield (
            "Not reproduced. Random numbers without a seed and work on several threads are usual reasons; "
            "--tolerance and --leave-out say what may differ."
        )
    else:
        yield (
            "Not shown: neither run logged a metric, and outputs alone were not enough to compare. Log one "
            "with mlflow.log_metric."
        )
