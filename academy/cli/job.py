"""``academy job …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import specification
from academy.cli.output import first
from academy.cli.service import open_in_browser
from academy.cli.verb import Failure, Scope, Verb
from academy.errors import choices

# As in az ml; other listings give all there are.
DEFAULT_RESULTS = 50

_MUTABLE = ("description", "display_name", "properties", "tags")


@click.group()
def job() -> None:
    """Jobs: run, watch, fetch."""


@job.command(cls=Verb)
@options.yaml_file
@options.optional_name
@options.changes
@click.option("--stream", "-s", is_flag=True, help="Show the job's log (on stderr) until it ends.")
@click.option("--web", "-e", is_flag=True, help="Open the job's page.")
@click.option("--skip-validation", is_flag=True)
@click.pass_obj
def create(
    scope: Scope,
    /,
    file: Path,
    name: str | None,
    changes: Sequence[str],
    skip_validation: bool,
    **after: bool,
) -> Any:
    """Submit a job."""
    wanted = specification(file, {"name": name}, changes)
    client = scope.client()
    submitted = client.jobs.create_or_update(wanted.load("job"), skip_validation=skip_validation)
    if after["web"]:
        _open(scope, submitted)
    if after["stream"]:
        client.jobs.stream(submitted.name)
        return client.jobs.get(submitted.name)
    return submitted


@job.command(cls=Verb)
@options.yaml_file
@options.optional_name
@options.changes
@click.pass_obj
def validate(scope: Scope, /, file: Path, name: str | None, changes: Sequence[str]) -> Any:
    """Check a job's file; nothing is submitted."""
    wanted = specification(file, {"name": name}, changes)
    client = scope.client()
    result = client.jobs.validate(wanted.load("job"))
    if not result.passed:
        raise Failure("; ".join(f"{field}: {text}" for field, text in result.error_messages.items()))
    return {"passed": True}


@job.command(cls=Verb)
@options.name
@click.option("--web", "-e", is_flag=True, help="Open the job's page.")
@click.pass_obj
def show(scope: Scope, /, name: str, web: bool) -> Any:
    """Show a job."""
    found = scope.client().jobs.get(name)
    if web:
        _open(scope, found)
    return found


@job.command("list", cls=Verb)
@options.max_results
@options.views
@click.option("--parent-job-name", "-p", help="List the children of this one.")
@click.pass_obj
def list_(scope: Scope, /, max_results: int | None, parent_job_name: str | None, **flags: bool) -> Any:
    """List jobs, the newest first; 50 unless --max-results says otherwise."""
    options.check_view(**flags)
    found = scope.client().jobs.list(parent_job_name=parent_job_name, list_view_type=options.view(**flags))
    return first(found, max_results or DEFAULT_RESULTS)


@job.command(cls=Verb)
@options.name
@options.no_wait
@click.pass_obj
def cancel(scope: Scope, /, name: str, no_wait: bool) -> None:
    """End a job and all its processes."""
    poller = scope.client().jobs.begin_cancel(name)
    if not no_wait:
        poller.result()


@job.command(cls=Verb, prints=True)
@options.name
@click.pass_obj
def stream(scope: Scope, /, name: str) -> None:
    """Show a job's log until it ends; exit status 1 when it failed."""
    scope.client().jobs.stream(name)


@job.command(cls=Verb)
@options.name
@click.option("--all", "all_", is_flag=True, help="Named outputs too.")
@click.option("--output-name", help="This output alone.")
@options.download_path
@click.pass_obj
def download(scope: Scope, /, name: str, all_: bool, output_name: str | None, download_path: Path) -> None:
    """Fetch a finished job's logs and outputs."""
    scope.client().jobs.download(name, download_path=download_path, output_name=output_name, all=all_)


@job.command(cls=Verb)
@options.name
@click.pass_obj
def archive(scope: Scope, /, name: str) -> None:
    """Hide a job from listings."""
    scope.client().jobs.archive(name)


@job.command(cls=Verb)
@options.name
@click.pass_obj
def restore(scope: Scope, /, name: str) -> None:
    """Show an archived job in listings again."""
    scope.client().jobs.restore(name)


@job.command(cls=Verb)
@options.name
@options.changes
@click.pass_obj
def update(scope: Scope, /, name: str, changes: Sequence[str]) -> Any:
    """Change a job's display name, description, tags or properties."""
    fields: dict[str, Any] = {}
    for path, value in options.pairs(changes, "--set").items():
        root, _, key = path.partition(".")
        if root not in _MUTABLE or bool(key) != (root in ("tags", "properties")):
            raise click.BadParameter(
                f"{path!r} cannot be changed. Choose from {choices(_MUTABLE)}, as tags.KEY=VALUE.",
                param_hint="--set",
            )
        if key:
            fields.setdefault(root, {})[key] = value
        else:
            fields[root] = value
    if not fields:
        raise click.UsageError("Say what to change: --set display_name=TEXT or --set tags.KEY=VALUE.")
    return scope.client().jobs.update(name, **fields)


@job.command("show-services", cls=Verb)
@options.name
@click.option("--node-index", "-i", type=int, default=0)
@click.pass_obj
def show_services(scope: Scope, /, name: str, node_index: int) -> Any:
    """Show the services of a job on one of its nodes."""
    found = scope.client().jobs.show_services(name, node_index=node_index)
    return {key: vars(service) for key, service in (found or {}).items()}


def _open(scope: Scope, found: Any) -> None:
    if not found.studio_url:
        raise Failure(f"The job {found.name!r} has no page.")
    open_in_browser(scope, found.studio_url)
