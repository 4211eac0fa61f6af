"""``academy lab release``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from academy.cli.verb import ServiceCommand, said_when_slow
from academy.errors import UserError

if TYPE_CHECKING:
    from academy.labs.collection import Lab

_folder = click.Path(file_okay=False, path_type=Path)


def _no_zip(_context: click.Context, _option: click.Parameter, folder: Path | None) -> Path | None:
    if folder and folder.suffix.lower() == ".zip":
        raise click.BadParameter(
            f"{folder} is the name of a zip file, and a folder is written. "
            f"Name a folder, such as {folder.with_suffix('')}."
        )
    return folder


@click.command("release", cls=ServiceCommand)
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@click.option(
    "--to",
    metavar="DIR",
    required=True,
    type=_folder,
    callback=_no_zip,
    help="Where the editions go, one folder for each lab.",
)
@click.option(
    "--pack",
    metavar="DIR",
    type=_folder,
    callback=_no_zip,
    help="Also write the instructor's packs into this folder, one folder for each lab, for grading.",
)
@click.option(
    "--collection",
    metavar="DIR",
    type=_folder,
    help="Where the labs are. Default: ACADEMY_LABS, or Academy's own.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["academy", "nbgrader"]),
    default="academy",
    show_default=True,
    help="nbgrader: DIR is a course folder, and gets source/LAB for 'nbgrader generate_assignment'.",
)
def release(labs: tuple[str, ...], to: Path, pack: Path | None, collection: Path | None, layout: str) -> None:
    """Make learners' editions of the labs, all of them when none is named.

    A solution or hidden test that is found anywhere in them is an error, and nothing is written.
    """
    from academy.labs.collection import Collection

    place = Collection.locate(collection)
    chosen = place.chosen(labs)
    if not chosen:
        raise place.has_none()
    if layout == "nbgrader":
        if pack:
            raise UserError(
                "--pack goes with --format academy: nbgrader keeps its hidden tests in the source."
            )
        _to_nbgrader(chosen, to)
        return
    from academy.labs.editions.release import release as release_labs

    with said_when_slow("Looking through the editions for what remains of solutions …"):
        made = release_labs(chosen, to, pack=pack)
    for one in made:
        manifest = one.lab.manifest
        click.echo(f"{one.lab.folder}: {len(manifest.tasks)} tasks, {manifest.points:g} points")
    click.echo(
        "No output is in them. Solutions and hidden tests were looked for, word for word and with variables "
        "renamed, and not found. What is short, or written another way, only a reader finds."
    )
    if pack:
        click.echo(
            f"Instructor's packs: {pack.absolute()}. They hold the solutions; keep them from learners."
        )


def _to_nbgrader(chosen: list[Lab], to: Path) -> None:
    from academy.labs.editions.nbgrader_format import to_nbgrader

    for lab in chosen:
        click.echo(f"{to_nbgrader(lab, to)}")
    click.echo(
        "These are sources, with solutions. 'nbgrader generate_assignment LAB' makes what learners get."
    )
