"""``academy compute …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import change, check_mutable, specification
from academy.cli.output import first
from academy.cli.verb import Scope, Verb

TYPES = ("AmlCompute", "ComputeInstance")

_MUTABLE = ("min_instances", "max_instances", "idle_time_before_scale_down", "tags")
_instances = (
    click.option("--min-instances", type=click.IntRange(min=0)),
    click.option("--max-instances", type=click.IntRange(min=0)),
    click.option("--idle-time-before-scale-down", type=click.IntRange(min=0), help="Seconds."),
)


def scale(callback: options.Callback) -> options.Callback:
    """Add the flags of a cluster's scale."""
    for option in reversed(_instances):
        callback = option(callback)
    return callback


@click.group()
def compute() -> None:
    """Compute targets: clusters and instances."""


@compute.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@click.option("--type", "-t", type=click.Choice(TYPES, case_sensitive=False))
@click.option("--size", help="Such as STANDARD_DS3_V2; 'academy compute list-sizes' shows all.")
@click.option("--tier", type=click.Choice(["dedicated", "low_priority"]))
@options.description
@scale
@options.changes
@options.no_wait
@click.pass_obj
def create(scope: Scope, /, file: Path | None, changes: Sequence[str], no_wait: bool, **fields: Any) -> Any:
    """Create or change a compute target."""
    wanted = specification(file, fields, changes)
    client = scope.client()
    poller = client.compute.begin_create_or_update(wanted.load("compute"))
    return None if no_wait else poller.result()


@compute.command(cls=Verb)
@options.name
@click.pass_obj
def show(scope: Scope, /, name: str) -> Any:
    """Show a compute target."""
    return scope.client().compute.get(name)


@compute.command("list", cls=Verb)
@click.option("--type", "-t", "compute_type", type=click.Choice(TYPES, case_sensitive=False))
@options.max_results
@click.pass_obj
def list_(scope: Scope, /, compute_type: str | None, max_results: int | None) -> Any:
    """List compute targets."""
    return first(scope.client().compute.list(compute_type=compute_type), max_results)


@compute.command(cls=Verb)
@options.name
@options.yes
@options.no_wait
@click.pass_obj
def delete(scope: Scope, /, name: str, yes: bool, no_wait: bool) -> None:
    """Delete a compute target."""
    options.confirm(f"Delete the compute target {name!r}", yes)
    poller = scope.client().compute.begin_delete(name)
    if not no_wait:
        poller.result()


@compute.command(cls=Verb)
@options.name
@scale
@options.changes
@options.no_wait
@click.pass_obj
def update(scope: Scope, /, name: str, changes: Sequence[str], no_wait: bool, **flags: int | None) -> Any:
    """Change a cluster's scale or tags."""
    wanted = {key: value for key, value in flags.items() if value is not None}
    fields: dict[str, Any] = {**wanted, **options.pairs(changes, "--set")}
    if not fields:
        raise click.UsageError(
            "Say what to change: --min-instances, --max-instances or --set tags.KEY=VALUE."
        )
    check_mutable(fields, _MUTABLE)
    client = scope.client()
    found = client.compute.get(name)
    change(found, fields)
    poller = client.compute.begin_update(found)
    return None if no_wait else poller.result()


@compute.command("list-nodes", cls=Verb)
@options.name
@click.pass_obj
def list_nodes(scope: Scope, /, name: str) -> Any:
    """List the nodes of a cluster."""
    return [vars(node) for node in scope.client().compute.list_nodes(name)]


@compute.command("list-sizes", cls=Verb)
@click.option("--type", "-t", "compute_type", type=click.Choice(TYPES, case_sensitive=False))
@click.option("--location", "-l")
@click.pass_obj
def list_sizes(scope: Scope, /, compute_type: str | None, location: str | None) -> Any:
    """List the sizes that a compute target may have."""
    return first(scope.client().compute.list_sizes(location=location, compute_type=compute_type), None)


def _power(verb: str, text: str) -> click.Command:
    @click.command(verb, cls=Verb, help=text)
    @options.name
    @options.no_wait
    @click.pass_obj
    def command(scope: Scope, /, name: str, no_wait: bool) -> None:
        poller = getattr(scope.client().compute, f"begin_{verb}")(name)
        if not no_wait:
            poller.result()

    return command


for _verb in ("start", "stop", "restart"):
    compute.add_command(_power(_verb, f"{_verb.capitalize()} a compute instance."))
