"""``academy environment …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import assets, options
from academy.cli.verb import Scope, Verb

KIND = assets.Kind("environment", "environments")


@click.group()
def environment() -> None:
    """Software environments: the packages that a job sees, and no others."""


@environment.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@options.version
@click.option("--image", "-i")
@click.option("--conda-file", "-c")
@click.option("--build-context", "-b", help="A folder with a Dockerfile.")
@click.option("--dockerfile-path", "-d", help="The Dockerfile, relative to the build context.")
@click.option("--os-type", type=click.Choice(["linux", "windows"]))
@options.description
@options.tags
@options.changes
@click.pass_obj
def create(
    scope: Scope, /, file: Path | None, tags: Sequence[str], changes: Sequence[str], **fields: str | None
) -> Any:
    """Register an environment; the next version when none is given."""
    build = {
        "build.path": fields.pop("build_context"),
        "build.dockerfile_path": fields.pop("dockerfile_path"),
    }
    given = {**fields, **build, "tags": options.pairs(tags, "--tags")}
    return assets.create(scope, KIND, file, given, changes)


assets.add_verbs(environment, KIND)
