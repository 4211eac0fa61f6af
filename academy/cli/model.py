"""``academy model …``"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli import assets, options
from academy.cli.verb import Scope, Verb

KIND = assets.Kind("model", "models", ("description", "tags", "properties", "stage"))


@click.group()
def model() -> None:
    """Models: registered from a job's output, a folder or a file."""


@model.command(cls=Verb)
@options.optional_yaml_file
@options.optional_name
@options.version
@click.option("--path", "-p", help="A local path, or azureml://jobs/JOB/outputs/artifacts/paths/model/.")
@click.option("--type", "-t", type=click.Choice(["custom_model", "mlflow_model", "triton_model"]))
@click.option("--stage", "-s")
@options.description
@options.tags
@options.changes
@click.pass_obj
def create(
    scope: Scope, /, file: Path | None, tags: Sequence[str], changes: Sequence[str], **fields: str | None
) -> Any:
    """Register a model; the next version when none is given."""
    return assets.create(scope, KIND, file, {**fields, "tags": options.pairs(tags, "--tags")}, changes)


@model.command(cls=Verb)
@options.name
@click.option("--version", "-v", required=True)
@options.download_path
@click.pass_obj
def download(scope: Scope, /, name: str, version: str, download_path: Path) -> None:
    """Copy a model's files into a folder of its name."""
    scope.client().models.download(name, version, download_path=download_path)


assets.add_verbs(model, KIND)
