"""``academy audit export``: records as JSON, as a bill of materials, or as a page."""

from __future__ import annotations

from pathlib import Path

import click

from academy.cli.audit_show import chosen, record_number
from academy.cli.audit_target import opened, target_options
from academy.cli.verb import Scope, ServiceCommand

FORMATS = ("json", "cyclonedx", "cyclonedx-xml", "html", "schema")


@click.command("export", cls=ServiceCommand)
@target_options
@record_number
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="json",
    show_default=True,
    help="json: sealed records with their chain. cyclonedx: bill of materials, version 1.6. html: a page to "
    "read or print. schema: the JSON's own schema.",
)
@click.option(
    "--to",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Where to write it. Default: standard output.",
)
@click.pass_obj
def export(scope: Scope, /, number: int | None, format_: str, to: Path | None, **target: str | None) -> None:
    """Write what is on record of one thing, and of the chain that it is in, for others to read.

    'academy audit verify --file FILE' checks a JSON export, also on another machine.
    """
    text = _schema() if format_ == "schema" else _text(scope, target, number, format_)
    if to is None:
        click.echo(text, nl=False)
        return
    from academy.paths import write_atomic, writing

    with writing(to, "Name another file with --to."):
        to.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(to, text)
    click.echo(f"Wrote {to}.", err=True)


def _text(scope: Scope, target: dict[str, str | None], number: int | None, format_: str) -> str:
    from academy.audit.export import of_broken, of_changed

    found = chosen(opened(scope, target), number)
    for warning in (*of_changed(found), *of_broken(found)):
        click.echo(f"{warning} 'academy audit verify' says more.", err=True)
    if format_ == "html":
        from academy.audit.page import page

        return page(found)
    if format_ == "json":
        return found.text()
    from academy.audit.bom import bill

    return bill(found, xml=format_ == "cyclonedx-xml")


def _schema() -> str:
    from academy.client.sdk import quick_jsonschema

    with quick_jsonschema():
        from academy.audit.schema import schema_text
    return schema_text()
