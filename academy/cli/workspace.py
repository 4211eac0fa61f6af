"""``academy workspace …``"""

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
def workspace() -> None:
    """Workspaces: what jobs, data and models belong to."""


@workspace.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@click.option("--location", "-l")
@click.option("--display-name")
@options.description
@options.tags
@options.changes
@options.no_wait
@click.pass_obj
def create(
    scope: Scope,
    /,
    file: Path | None,
    tags: Sequence[str],
    changes: Sequence[str],
    no_wait: bool,
    **fields: Any,
) -> Any:
    """Create a workspace with its datastores and compute targets."""
    wanted = specification(file, {**fields, "tags": options.pairs(tags, "--tags")}, changes)
    client = scope.client()
    poller = client.workspaces.begin_create(wanted.load("workspace"))
    return None if no_wait else poller.result()


@workspace.command(cls=Verb)
@click.option("--name", "-n", help="Default: --workspace-name, or the home's own.")
@click.pass_obj
def show(scope: Scope, /, name: str | None) -> Any:
    """Show a workspace."""
    client = scope.client()
    return client.workspaces.get(name or client.workspace_name)


@workspace.command("list", cls=Verb)
@options.max_results
@click.pass_obj
def list_(scope: Scope, /, max_results: int | None) -> Any:
    """List the workspaces of a resource group."""
    return first(scope.client().workspaces.list(), max_results)


@workspace.command(cls=Verb)
@click.option(
    "--path",
    "-p",
    default=".",
    type=click.Path(path_type=Path),
    help="A folder, or a file that ends in .json. Default: the working directory.",
)
@click.option("--force", is_flag=True, help="Overwrite a config.json of another workspace.")
@click.pass_obj
def config(scope: Scope, /, path: Path, force: bool) -> Any:
    """Write the config.json that MLClient.from_config reads."""
    from academy.client import write_config

    file = write_config(
        path,
        workspace=scope.workspace,
        resource_group=scope.resource_group,
        subscription_id=scope.subscription,
        overwrite=force,
    )
    return {"path": str(file.absolute())}
