"""``academy audit show``: what is on record of a job, a model, a deployment or a local run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from academy.cli.audit_target import Opened, opened, target_options
from academy.cli.output import terminal_width
from academy.cli.verb import Scope, ServiceCommand, said_when_slow
from academy.errors import NotFound

if TYPE_CHECKING:
    from academy.audit.chain import Sealed
    from academy.audit.export import Export

record_number = click.option(
    "--record", "number", type=click.IntRange(min=1), metavar="N", help="This record instead of the newest."
)


@click.command("show", cls=ServiceCommand)
@target_options
@record_number
@click.option("--packages", is_flag=True, help="List every package with its hash.")
@click.option("--all", "all_", is_flag=True, help="List all records, as without a target.")
@click.option(
    "--output", "-o", type=click.Choice(["text", "json"]), default="text", help="How the result looks."
)
@click.pass_obj
def show(
    scope: Scope, /, number: int | None, packages: bool, all_: bool, output: str, **target: str | None
) -> None:
    """Show what is on record: who, when, on what machine, packages, code, data, results, and the chain.

    Without a target, list all records, oldest first.
    """
    found = opened(scope, target, needed=False)
    if all_ and (found.target is not None or number is not None):
        raise click.UsageError("--all lists all records. Leave it out to see one thing's.")
    if found.target is None and number is None:
        _list(found, output)
        return
    export = chosen(found, number)
    if output == "json":
        click.echo(json.dumps(_as_json(export), indent=2, ensure_ascii=False))
        return
    from academy.audit.text import told

    click.echo(told(export, all_packages=packages))


def chosen(found: Opened, number: int | None) -> Export:
    """Return the record that was asked for, with its chain."""
    from academy.audit.export import Export
    from academy.audit.finding import whole

    with said_when_slow("Reading the records …"):
        everything, head = whole(found.records)
        if found.target is None:
            own = [sealed for sealed in everything if sealed.sequence == number]
        else:
            own = [
                sealed for sealed in everything if str(sealed.body.get("id")).lower() == str(found.id).lower()
            ]
    if not own and found.target is None:
        raise NotFound(
            f"There is no record {number}; there are {len(everything)}. 'academy audit show' lists them."
        )
    return Export.of(own or found.sealed(), everything, head, number)


def _list(found: Opened, output: str) -> None:
    from academy.audit.text import line

    records: Sequence[Sealed] = found.sealed()
    if output == "json":
        listed = [_in_list(sealed) for sealed in records]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    if not records:
        click.echo(
            "There are no records yet. A job that ends, a model, a deployment each make one.", err=True
        )
        return
    width = terminal_width()
    for sealed in records:
        click.echo(line(sealed)[:width])


def _in_list(sealed: Sealed) -> dict[str, Any]:
    names = ("kind", "name", "id", "status", "who")
    facts = {name: sealed.body.get(name) for name in names}
    return {"sequence": sealed.sequence, "at": sealed.at, **facts, "hash": sealed.hash}


def _as_json(export: Export) -> dict[str, Any]:
    chain = [
        {
            "kind": step.kind,
            "name": step.name,
            "level": step.level,
            "record": step.sealed.sequence if step.sealed else None,
            "deleted": step.deleted.sequence if step.deleted else None,
            "sha256": step.sha256,
        }
        for step in export.steps
    ]
    return {**export.sealed.to_json(), "records": list(export.several), "chain": chain}
