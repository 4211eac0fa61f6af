"""``academy datastore …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import specification
from academy.cli.output import first
from academy.cli.verb import Scope, Verb


@click.group()
def datastore() -> None:
    """Datastores: where data and artifacts lie."""


@datastore.command(cls=Verb)
@options.yaml_file
@options.optional_name
@options.changes
@click.pass_obj
def create(scope: Scope, /, file: Path, name: str | None, changes: Sequence[str]) -> Any:
    """Create or change a datastore."""
    wanted = specification(file, {"name": name}, changes)
    client = scope.client()
    return client.datastores.create_or_update(wanted.load("datastore"))


@datastore.command(cls=Verb)
@options.name
@click.pass_obj
def show(scope: Scope, /, name: str) -> Any:
    """Show a datastore."""
    return scope.client().datastores.get(name)


@datastore.command("list", cls=Verb)
@options.max_results
@click.pass_obj
def list_(scope: Scope, /, max_results: int | None) -> Any:
    """List datastores."""
    return first(scope.client().datastores.list(), max_results)


@datastore.command(cls=Verb)
@options.name
@options.yes
@click.pass_obj
def delete(scope: Scope, /, name: str, yes: bool) -> None:
    """Forget a datastore; its files stay."""
    options.confirm(f"Delete the datastore {name!r}", yes)
    scope.client().datastores.delete(name)
