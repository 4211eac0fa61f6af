"""``academy data …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import assets, options
from academy.cli.verb import Scope, Verb

KIND = assets.Kind("data", "data")


@click.group()
def data() -> None:
    """Data assets: files, folders and tables that jobs name."""


@data.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@options.version
@click.option("--path", "-p", help="A local path or a URI.")
@click.option("--type", "-t", type=click.Choice(["uri_file", "uri_folder", "mltable"]))
@click.option("--datastore", help="Where a local path is uploaded to.")
@options.description
@options.tags
@options.changes
@click.pass_obj
def create(
    scope: Scope, /, file: Path | None, tags: Sequence[str], changes: Sequence[str], **fields: str | None
) -> Any:
    """Register a data asset; the next version when none is given."""
    return assets.create(scope, KIND, file, {**fields, "tags": options.pairs(tags, "--tags")}, changes)


assets.add_verbs(data, KIND)
