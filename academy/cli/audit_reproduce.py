"""``academy audit reproduce``: run again what is on record, and compare the metrics."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli.audit_target import opened, target_options
from academy.cli.terminable import terminable
from academy.cli.verb import Scope, ServiceCommand

if TYPE_CHECKING:
    from academy.reproduction.wishes import Wishes

_NOT_REPRODUCED = 1


def _finite(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    if not math.isfinite(value):
        raise click.BadParameter(f"{value} is no tolerance. Give a number from 0 to 1, such as 1e-6.")
    return value


def _places(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> dict[str, Path]:
    places = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise click.BadParameter(f"{value!r} is not NAME=PATH, such as train.csv=/data/train.csv.")
        places[name] = Path(path).expanduser().absolute()
    return places


@click.command(cls=ServiceCommand)
@target_options
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    callback=_finite,
    default=1e-6,
    show_default=True,
    help="How far apart two metrics may be, as a share of the larger one.",
)
@click.option(
    "--leave-out",
    multiple=True,
    metavar="METRIC",
    help="A metric that may differ, such as a duration; * and ? stand for any characters. Repeatable.",
)
@click.option(
    "--data",
    multiple=True,
    callback=_places,
    metavar="NAME=PATH",
    help="Where an input of a local run is now. Repeatable.",
)
@click.option("--anyway", is_flag=True, help="Go on although code, data or packages are not what they were.")
@click.option(
    "--output", "-o", type=click.Choice(("text", "json")), default="text", help="How the result looks."
)
@click.pass_obj
def reproduce(
    scope: Scope,
    /,
    *,
    tolerance: float,
    leave_out: tuple[str, ...],
    data: dict[str, Path],
    anyway: bool,
    output: str,
    **options: Any,
) -> None:
    """Run again what a job, model, deployment or local run comes from, and compare the metrics.

    Its code, its data and its record are checked first. The environment is built anew from the package index,
    at the versions on record; then it runs as a new job (or in a temporary folder), and every metric is
    compared. Exit status 0 says that all came out the same within the tolerance, 1 that something did not.
    """
    from academy.reproduction.result import Tolerance
    from academy.reproduction.wishes import Wishes

    wishes = Wishes(Tolerance(tolerance), leave_out, anyway, data)
    with terminable():
        found = _reproduced(scope, options, wishes)
    if output == "json":
        click.echo(json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    else:
        from academy.reproduction.text import text

        click.echo(text(found))
    if not found.is_reproduced:
        click.get_current_context().exit(_NOT_REPRODUCED)


def _reproduced(scope: Scope, options: dict[str, Any], wishes: Wishes) -> Any:
    from academy.audit.record import Kind
    from academy.reproduction.reproduce import reproduce as reproduce_target

    there = opened(scope, options)
    kept = [one for one in there.sealed() if one.body.get("kind") != Kind.DELETION]
    assert there.target is not None
    return reproduce_target(
        there.target,
        (kept or there.sealed())[-1],
        there.records,
        service=there.service,
        local=there.runs,
        wishes=wishes,
        say=lambda line: click.echo(line, err=True),
    )
