"""``academy audit run``: a local command with a record, without the service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli.verb import ServiceCommand

if TYPE_CHECKING:
    from academy.audit.local.run import Outcome

METRICS_SHOWN = 4

_EPILOG = """\b
Examples:
  academy audit run -- python train.py --epochs 5
  academy audit run --data data/train.csv --output model.pkl -- python train.py
  academy audit run --name baseline --metrics metrics.json -- .venv/bin/python train.py

The exit status is the command's own: 127 when there is no such command, 128 and the signal's number when a
signal ended it. What is kept as code is what git tracks or would; .amlignore leaves more out.
"""


class _Run(ServiceCommand):
    """What stands before the command are options of this one; all from the command on is its own."""

    allow_interspersed_args = False


@click.command("run", cls=_Run, epilog=_EPILOG)
@click.option("--name", help="What the run is called. Default: after the script, train-1, train-2 …")
@click.option(
    "--data", multiple=True, metavar="PATH", help="A file or folder that it reads; repeat for more."
)
@click.option(
    "--output", multiple=True, metavar="PATH", help="A file or folder that it writes; repeat for more."
)
@click.option("--metrics", "metrics_file", metavar="FILE", help="JSON that it writes: names to numbers.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- COMMAND [ARGUMENTS]...")
def run(
    name: str | None,
    data: tuple[str, ...],
    output: tuple[str, ...],
    metrics_file: str | None,
    command: tuple[str, ...],
) -> None:
    """Run a command in this folder, and put on record what ran, on what, and with which result.

    No service is needed. The record goes to .academy-audit in this folder: code, data and outputs with their
    hashes, every package, the machine, the command and its parameters, and the metrics. MLflow runs that the
    command makes are part of it.
    """
    from academy.audit.local.request import Request
    from academy.audit.local.run import run as run_recorded

    if not command:
        raise click.UsageError("Give the command behind '--': academy audit run -- python train.py")
    request = Request(command, Path.cwd(), name, data, output, metrics_file)
    outcome = run_recorded(request, os.environ)
    try:
        _say(outcome)
    except OSError:
        # Nobody reads any more. What waits to be written would fail once more at the end, and change the
        # exit status from the command's to 120.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    if outcome.failure is not None and outcome.exit_status == 0:
        raise SystemExit(outcome.failure.exit_status)
    raise SystemExit(outcome.exit_status)


def _say(outcome: Outcome) -> None:
    for warning in outcome.warnings:
        click.echo(f"academy: {warning}", err=True)
    record = outcome.record
    if outcome.sealed is None or outcome.failure is not None:
        click.echo(f"academy: The run {record.name} is not on record: {outcome.failure}", err=True)
        return
    metrics = "".join(
        f", {_number(name, value)}" for name, value in list(record.metrics.items())[:METRICS_SHOWN]
    )
    more = len(record.metrics) - METRICS_SHOWN
    click.echo(
        f"academy: Run {record.name} is record {outcome.sealed.sequence} of .academy-audit: {record.status}"
        f"{metrics}{f' and {more} more' if more > 0 else ''}.",
        err=True,
    )
    click.echo(
        f"academy: 'academy audit show --run {record.name}' shows it, "
        f"'academy audit verify --run {record.name}' checks it.",
        err=True,
    )


def _number(name: str, value: Any) -> str:
    return f"{name} {value:.6g}" if isinstance(value, float | int) else f"{name} {value}"
