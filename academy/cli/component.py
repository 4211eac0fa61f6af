"""``academy component …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import assets, options
from academy.cli.verb import Scope, Verb

KIND = assets.Kind("component", "components", ("description", "tags", "properties", "display_name"))


@click.group()
def component() -> None:
    """Components: steps that pipelines are made of."""


@component.command(cls=Verb)
@options.yaml_file
@options.optional_name
@options.version
@options.changes
@click.pass_obj
def create(scope: Scope, /, file: Path, changes: Sequence[str], **fields: str | None) -> Any:
    """Register a component; the next version when none is given."""
    return assets.create(scope, KIND, file, fields, changes)


assets.add_verbs(component, KIND)
