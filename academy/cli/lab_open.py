"""``academy lab open``: JupyterLab with the labs in view."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from academy.cli.lab_learner import LabCommand, learner_of, starting
from academy.cli.verb import Scope
from academy.labs.collection import Collection
from academy.labs.language import texts
from academy.labs.learning.cards import find_lab


@click.command("open", cls=LabCommand)
@click.argument("lab", required=False)
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8888, or the next one that is free.")
@click.pass_obj
def open_labs(
    scope: Scope, /, lab: str | None, no_browser: bool, port: int | None, collection: Path | None
) -> None:
    """Open JupyterLab with the labs in view, or with your own copy of LAB.

    It shows your work folder, answers on this machine only, and runs until Ctrl-C. When it runs
    already, its page is opened.
    """
    chosen = Collection.locate(collection)
    if lab:
        find_lab(scope.home, chosen, lab)  # refuses an unknown one before anything is installed
    from academy.jupyterlab.installation import Installation
    from academy.jupyterlab.session import Session

    installation = Installation()
    if not installation.is_current():
        installation.install()
    notebook = _own_copy(scope, collection, lab) if lab else None
    scope.home.work.mkdir(parents=True, exist_ok=True)
    session = Session(scope.home, notebook)
    address = session.running() if port is None else None
    if address is not None:
        click.echo(f"JupyterLab runs already: {address}")
        if collection is not None:
            click.echo(texts()("cli.open-collection", folder=chosen.root), err=True)
        if not no_browser:
            click.launch(address)
        return
    command = session.command(port=port, browser=not no_browser)
    click.echo(f"JupyterLab starts in {scope.home.work}; Ctrl-C ends it.")
    sys.stdout.flush()
    # JupyterLab takes this process over, so that Ctrl-C and signals reach it as if it had been called.
    os.execve(command[0], command, session.environment(_with_labs(collection, chosen)))


def _own_copy(scope: Scope, collection: Path | None, lab: str) -> Path:
    with starting(scope):
        return learner_of(scope, collection).open(lab)


def _with_labs(given: Path | None, collection: Collection) -> dict[str, str]:
    """Return the environment of the server: its page and its notebooks take the labs from there."""
    return {**os.environ, **({} if given is None else {"ACADEMY_LABS": str(collection.root)})}
