"""``academy online-deployment …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import change, check_mutable, specification
from academy.cli.output import first
from academy.cli.verb import Scope, Verb

CONTAINERS = ("inference-server", "storage-initializer")

_MUTABLE = (
    "app_insights_enabled",
    "code_configuration",
    "description",
    "environment",
    "environment_variables",
    "instance_count",
    "instance_type",
    "liveness_probe",
    "model",
    "readiness_probe",
    "request_settings",
    "tags",
)


@click.group("online-deployment")
def online_deployment() -> None:
    """Online deployments: a model behind an endpoint."""


@online_deployment.command(cls=Verb)
@options.yaml_file
@options.optional_name
@click.option("--endpoint-name", "-e")
@click.option("--all-traffic", is_flag=True, help="Send all of the endpoint's traffic here once it stands.")
@click.option("--skip-script-validation", is_flag=True)
@options.changes
@options.no_wait
@click.pass_obj
def create(
    scope: Scope, /, file: Path, changes: Sequence[str], no_wait: bool, all_traffic: bool, **flags: Any
) -> Any:
    """Create a deployment."""
    if all_traffic and no_wait:
        raise click.UsageError("--all-traffic needs the deployment to stand; leave --no-wait out.")
    skip = flags.pop("skip_script_validation")
    given = specification(file, flags, changes)
    client = scope.client()
    wanted = given.load("online_deployment")
    poller = client.online_deployments.begin_create_or_update(wanted, skip_script_validation=skip)
    if no_wait:
        return None
    created = poller.result()
    if all_traffic:
        endpoint = client.online_endpoints.get(wanted.endpoint_name)
        endpoint.traffic = {wanted.name: 100}
        client.online_endpoints.begin_create_or_update(endpoint).result()
    return created


@online_deployment.command(cls=Verb)
@options.name
@options.endpoint
@click.pass_obj
def show(scope: Scope, /, name: str, endpoint_name: str) -> Any:
    """Show a deployment."""
    return scope.client().online_deployments.get(name, endpoint_name)


@online_deployment.command("list", cls=Verb)
@options.endpoint
@options.max_results
@click.pass_obj
def list_(scope: Scope, /, endpoint_name: str, max_results: int | None) -> Any:
    """List an endpoint's deployments."""
    return first(scope.client().online_deployments.list(endpoint_name), max_results)


@online_deployment.command(cls=Verb)
@options.name
@options.endpoint
@options.yes
@options.no_wait
@click.pass_obj
def delete(scope: Scope, /, name: str, endpoint_name: str, yes: bool, no_wait: bool) -> None:
    """Delete a deployment."""
    options.confirm(f"Delete the deployment {name!r} of {endpoint_name!r}", yes)
    poller = scope.client().online_deployments.begin_delete(name, endpoint_name)
    if not no_wait:
        poller.result()


@online_deployment.command("get-logs", cls=Verb, prints=True)
@options.name
@options.endpoint
@click.option("--lines", "-l", type=click.IntRange(min=1), default=5000)
@click.option("--container", "-c", type=click.Choice(CONTAINERS), default=CONTAINERS[0])
@click.pass_obj
def get_logs(scope: Scope, /, name: str, endpoint_name: str, lines: int, container: str) -> None:
    """Show the end of a deployment's log."""
    text = scope.client().online_deployments.get_logs(name, endpoint_name, lines, container_type=container)
    click.echo(text)


@online_deployment.command(cls=Verb)
@options.name
@options.endpoint
@options.optional_yaml_file
@click.option("--skip-script-validation", is_flag=True)
@options.changes
@options.no_wait
@click.pass_obj
def update(
    scope: Scope, /, name: str, endpoint_name: str, file: Path | None, changes: Sequence[str], **flags: bool
) -> Any:
    """Change a deployment in place."""
    if file is None and not changes:
        raise click.UsageError("Say what to change: --set instance_count=2, or --file.")
    fields = options.pairs(changes, "--set")
    check_mutable(fields, _MUTABLE)
    client = scope.client()
    if file is None:
        wanted = client.online_deployments.get(name, endpoint_name)
        change(wanted, fields)
    else:
        given = specification(file, {"name": name, "endpoint_name": endpoint_name}, changes)
        wanted = given.load("online_deployment")
    poller = client.online_deployments.begin_create_or_update(
        wanted, skip_script_validation=flags["skip_script_validation"]
    )
    return None if flags["no_wait"] else poller.result()
