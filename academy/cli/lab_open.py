"""``academy lab open``: JupyterLab with the labs in view."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from academy.cli.verb import Scope, ServiceCommand, said_when_slow


@click.command("open", cls=ServiceCommand)
@click.argument("lab", required=False)
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Default: 8888, or the next one that is free.")
@click.pass_obj
def open_labs(scope: Scope, /, lab: str | None, no_browser: bool, port: int | None) -> None:
    """Open JupyterLab with the labs in view, or with your own copy of LAB.

    It shows your work folder, answers on this machine only, and runs until Ctrl-C. When it runs
    already, its page is opened.
    """
    from academy.jupyterlab.installation import Installation
    from academy.jupyterlab.session import Session

    installation = Installation()
    if not installation.is_current():
        installation.install()
    notebook = _own_copy(scope, lab) if lab else None
    scope.home.work.mkdir(parents=True, exist_ok=True)
    session = Session(scope.home, notebook)
    address = session.running() if port is None else None
    if address is not None:
        click.echo(f"JupyterLab runs already: {address}")
        if not no_browser:
            click.launch(address)
        return
    command = session.command(port=port, browser=not no_browser)
    click.echo(f"JupyterLab starts in {scope.home.work}; Ctrl-C ends it.")
    sys.stdout.flush()
    # JupyterLab takes this process over, so that Ctrl-C and signals reach it as if it had been called.
    os.execve(command[0], command, session.environment(os.environ))


def _own_copy(scope: Scope, lab: str) -> Path:
    from academy.labs.learning.learner import Learner

    with said_when_slow(f"Starting the service of {scope.home.root} …"):
        return Learner(scope.home).open(lab)
