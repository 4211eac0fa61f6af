"""``academy online-endpoint …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import change, check_mutable, specification
from academy.cli.output import first
from academy.cli.verb import Scope, Verb

_MUTABLE = ("description", "tags", "traffic", "mirror_traffic")


@click.group("online-endpoint")
def online_endpoint() -> None:
    """Online endpoints: where models answer requests."""


@online_endpoint.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@click.option("--auth-mode", type=click.Choice(["key", "aml_token", "aad_token"]))
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
    """Create an endpoint."""
    wanted = specification(file, {**fields, "tags": options.pairs(tags, "--tags")}, changes)
    client = scope.client()
    poller = client.online_endpoints.begin_create_or_update(wanted.load("online_endpoint"))
    return None if no_wait else poller.result()


@online_endpoint.command(cls=Verb)
@options.name
@click.pass_obj
def show(scope: Scope, /, name: str) -> Any:
    """Show an endpoint."""
    return scope.client().online_endpoints.get(name)


@online_endpoint.command("list", cls=Verb)
@options.max_results
@click.pass_obj
def list_(scope: Scope, /, max_results: int | None) -> Any:
    """List endpoints."""
    return first(scope.client().online_endpoints.list(), max_results)


@online_endpoint.command(cls=Verb)
@options.name
@options.yes
@options.no_wait
@click.pass_obj
def delete(scope: Scope, /, name: str, yes: bool, no_wait: bool) -> None:
    """Delete an endpoint with its deployments."""
    options.confirm(f"Delete the endpoint {name!r} and its deployments", yes)
    poller = scope.client().online_endpoints.begin_delete(name)
    if not no_wait:
        poller.result()


@online_endpoint.command(cls=Verb)
@options.name
@options.optional_yaml_file
@click.option("--traffic", multiple=True, metavar="DEPLOYMENT=PERCENT", help='Such as "blue=90 green=10".')
@click.option("--mirror-traffic", multiple=True, metavar="DEPLOYMENT=PERCENT")
@options.changes
@options.no_wait
@click.pass_obj
def update(
    scope: Scope, /, name: str, file: Path | None, changes: Sequence[str], no_wait: bool, **flags: Any
) -> Any:
    """Change an endpoint's traffic, tags or description."""
    wanted = {f"{key}.{name}": value for key in flags for name, value in _percents(key, flags[key]).items()}
    fields: dict[str, Any] = {**wanted, **options.pairs(changes, "--set")}
    if not fields and file is None:
        raise click.UsageError("Say what to change: --traffic DEPLOYMENT=PERCENT, --set or --file.")
    check_mutable(fields, _MUTABLE)
    client = scope.client()
    if file is None:
        found = client.online_endpoints.get(name)
    else:
        found = specification(file, {"name": name}).load("online_endpoint")
    change(found, fields)
    poller = client.online_endpoints.begin_create_or_update(found)
    return None if no_wait else poller.result()


@online_endpoint.command(cls=Verb, prints=True)
@options.name
@click.option(
    "--request-file",
    "-r",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The request's JSON.",
)
@click.option(
    "--deployment-name",
    "--deployment",
    "-d",
    "deployment_name",
    help="Ask this deployment, whatever the traffic.",
)
@click.pass_obj
def invoke(scope: Scope, /, name: str, request_file: Path, deployment_name: str | None) -> None:
    """Send a request, and print the answer as it came."""
    answer = scope.client().online_endpoints.invoke(
        name, request_file=str(request_file), deployment_name=deployment_name
    )
    click.echo(answer)


@online_endpoint.command("get-credentials", cls=Verb)
@options.name
@click.pass_obj
def get_credentials(scope: Scope, /, name: str) -> Any:
    """Show an endpoint's keys or token."""
    found = vars(scope.client().online_endpoints.get_keys(name))
    return {_camel(key): value for key, value in found.items() if not key.startswith("_")}


@online_endpoint.command("regenerate-keys", cls=Verb)
@options.name
@click.option("--key-type", type=click.Choice(["primary", "secondary"]), default="primary")
@options.no_wait
@click.pass_obj
def regenerate_keys(scope: Scope, /, name: str, key_type: str, no_wait: bool) -> None:
    """Replace one of an endpoint's keys."""
    poller = scope.client().online_endpoints.begin_regenerate_keys(name, key_type=key_type)
    if not no_wait:
        poller.result()


def _percents(key: str, given: Sequence[str]) -> dict[str, int]:
    flag = f"--{key.replace('_', '-')}"
    try:
        return {name: int(percent) for name, percent in options.pairs(given, flag).items()}
    except ValueError:
        raise click.BadParameter("Traffic is in whole percent: blue=90.", param_hint=flag) from None


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
