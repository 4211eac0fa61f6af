"""``academy audit show``: what is on record of a job, a model, a deployment or a local run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from academy.cli.audit_target import Opened, opened_all, target_options
from academy.cli.output import terminal_width
from academy.cli.verb import Scope, ServiceCommand, said_when_slow
from academy.errors import NotFound

if TYPE_CHECKING:
    from academy.audit.chain import Sealed
    from academy.audit.export import Export

record_number = click.option(
    "--record", "number", type=click.IntRange(min=1), metavar="N", help="This record instead of the newest."
)

# What a line of the list ends with when the record is not as it was sealed.
CHANGED = "  (changed)"


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

    Without a target, list all records, oldest first: those of the local runs of this folder or the nearest
    one above it, and those of the service if it runs.
    """
    several = opened_all(scope, target)
    if all_ and (several[0].target is not None or number is not None):
        raise click.UsageError("--all lists all records. Leave it out to see one thing's.")
    if several[0].target is None and number is None:
        _list(several, output)
        return
    found = _with_record(several, number)
    export = chosen(found, number)
    if output == "json":
        click.echo(json.dumps(_as_json(export, found.place), indent=2, ensure_ascii=False))
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
    runs = None if found.folder else found.local_runs()
    return Export.of(own or found.sealed(), everything, head, number, runs)


def _with_record(several: Sequence[Opened], number: int | None) -> Opened:
    """Return the ledger that a record's number is of."""
    if number is None or len(several) == 1:
        return several[0]
    having = [one for one in several if any(sealed.sequence == number for sealed in one.sealed())]
    if len(having) > 1:
        raise click.UsageError(f"There is a record {number} in each of two ledgers. {_ways(several)}")
    if not having:
        counts = " and ".join(
            f"{len(one.sealed())} of {one.title[0].lower()}{one.title[1:]}" for one in several
        )
        raise NotFound(f"There is no record {number}; there are {counts}. 'academy audit show' lists them.")
    return having[0]


def _ways(several: Sequence[Opened]) -> str:
    return "Say which one: " + " or ".join(
        f"--ledger {one.folder.root.parent}" if one.folder else f"--home {one.place}" for one in several
    )


def _list(several: Sequence[Opened], output: str) -> None:
    if output == "json":
        for one in several:
            _say_breaks(one, as_note=True)
        listed = [_in_list(one, sealed) for one in several for sealed in one.sealed()]
        click.echo(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    for number, one in enumerate(several):
        if one.is_found:
            click.echo(f"{chr(10) if number else ''}{one.title}:")
        _print(one)


def _print(found: Opened) -> None:
    from academy.audit.text import line

    records = found.sealed()
    if not records:
        made = (
            "'academy audit run -- python train.py' makes one."
            if found.folder
            else "A job that ends, a model, a deployment each make one."
        )
        click.echo(f"There are no records yet. {made}", err=True)
    width = terminal_width()
    for sealed in records:
        mark = "" if sealed.is_whole else CHANGED
        click.echo(line(sealed)[: None if width is None else width - len(mark)] + mark)
    _say_breaks(found)


def _say_breaks(found: Opened, *, as_note: bool = False) -> None:
    from academy.audit.chain import breaks
    from academy.audit.finding import not_whole, whole

    if broken := not_whole(breaks(*whole(found.records))):
        click.echo(f"{broken} 'academy audit verify' says more.", err=as_note)


def _in_list(found: Opened, sealed: Sealed) -> dict[str, Any]:
    names = ("kind", "name", "id", "status", "who")
    facts = {name: sealed.body.get(name) for name in names}
    return {
        "ledger": found.place,
        "sequence": sealed.sequence,
        "at": sealed.at,
        **facts,
        "changed": not sealed.is_whole,
        "hash": sealed.hash,
    }


def _as_json(export: Export, place: str) -> dict[str, Any]:
    chain = [
        {
            "kind": step.kind,
            "name": step.name,
            "level": step.level,
            "record": step.sealed.sequence if step.sealed else None,
            "deleted": step.deleted.sequence if step.deleted else None,
            "sha256": step.sha256,
            "ledger": step.place or place,
        }
        for step in export.steps
    ]
    return {**export.sealed.to_json(), "records": list(export.several), "chain": chain}
