"""``academy class``: what a room of learners needs, and how to set one up."""

from __future__ import annotations

import json
from pathlib import Path

import click

from academy.cli.verb import Scope, ServiceCommand


@click.command("class", cls=ServiceCommand)
@click.option("--learners", type=click.IntRange(1), default=20, show_default=True, help="How many at once.")
@click.option(
    "--samples", type=click.IntRange(1, 9), default=3, show_default=True, help="Measure so many times."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--tljh",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write a recipe for The Littlest JupyterHub into this folder.",
)
@click.option(
    "--collection",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the labs are. Default: ACADEMY_LABS, or Academy's own.",
)
@click.pass_obj
def class_(
    _scope: Scope,
    /,
    *,
    learners: int,
    samples: int,
    as_json: bool,
    tljh: Path | None,
    collection: Path | None,
) -> None:
    """Print what a room needs: memory and disk for each learner, measured on this machine.

    A service, a kernel, a job and JupyterLab are started in a temporary home, measured and ended, several
    times; the medians count. Your own service is left alone. It takes up to a minute.
    """
    from academy.labs.classroom import room as rooms
    from academy.labs.classroom.measure import measure
    from academy.labs.classroom.recipe import write_recipe
    from academy.labs.collection import Collection
    from academy.labs.language import texts

    measured = measure(Collection.locate(collection), lambda line: click.echo(line, err=True), samples)
    room = rooms.Room(measured, learners)
    written = write_recipe(room, tljh.absolute(), texts().language) if tljh else []
    if as_json:
        click.echo(json.dumps({**rooms.as_json(room), "written": [str(file) for file in written]}, indent=2))
        return
    click.echo(rooms.as_text(room))
    if tljh:
        names = ", ".join(file.name for file in written)
        click.echo(f"\nWritten to {tljh}: {names}. Begin with README.md.")
    else:
        click.echo("\n'academy class --tljh DIR' writes a recipe for The Littlest JupyterHub.")
