"""The commands about the service itself: up, down, status, logs, open."""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from academy.cli.verb import Failure, Scope, ServiceCommand, said_when_slow
from academy.errors import NotFound

if TYPE_CHECKING:
    from academy.service.process import ServiceInfo

STOPPED = 3
FOLLOW_S = 0.2

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("up", cls=ServiceCommand)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Default: the port used last, or a free one. 0: a free one."
)
@as_json
@click.pass_obj
def start(scope: Scope, /, port: int | None, as_json: bool) -> None:
    """Start the service, unless it runs, and return when it answers."""
    info = running(scope, port)
    if as_json:
        click.echo(json.dumps(_state(scope), indent=2))
    else:
        click.echo(f"Academy answers at {info.address} (home {info.home}, process {info.pid}).")


@click.command("down", cls=ServiceCommand)
@as_json
@click.pass_obj
def stop(scope: Scope, /, as_json: bool) -> None:
    """End the service. Jobs that run go on, and are found again at the next 'up'."""
    from academy.service.process import down

    with said_when_slow("Waiting for the service to end …"):
        ended = down(scope.home)
    if as_json:
        click.echo(json.dumps(_state(scope), indent=2))
    else:
        click.echo(f"{'Ended the service of' if ended else 'No service ran in'} {scope.home.root}.")


@click.command(cls=ServiceCommand)
@as_json
@click.pass_obj
def status(scope: Scope, /, as_json: bool) -> None:
    """Tell whether the service runs; exit status 3 when it does not."""
    found = _state(scope)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        click.echo(
            "\n".join(f"{key + ':':<9}{'-' if value is None else value}" for key, value in found.items())
        )
        if found["state"] == "stale":
            click.echo("It was killed, or the machine was. 'academy up' starts it again and finds its jobs.")
    if found["state"] != "running":
        raise click.exceptions.Exit(STOPPED)


@click.command(cls=ServiceCommand)
@click.option("--lines", "-n", type=click.IntRange(min=0), default=100, show_default=True)
@click.option("--follow", "-f", is_flag=True, help="Go on until Ctrl-C.")
@click.pass_obj
def logs(scope: Scope, /, lines: int, follow: bool) -> None:
    """Show the end of the service's log."""
    log = scope.home.log_file
    if not log.exists():
        raise NotFound(
            f"There is no log in {scope.home.root}: no service ran there yet. 'academy up' starts one."
        )
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in deque(file, maxlen=lines):
            click.echo(line, nl=False)
        while follow:
            time.sleep(FOLLOW_S)
            for line in file:
                click.echo(line, nl=False)


@click.command("open", cls=ServiceCommand)
@click.argument("page", default="/mlflow/")
@click.option("--no-browser", is_flag=True, help="Print the address instead; it is good for a minute.")
@click.pass_obj
def open_page(scope: Scope, /, page: str, no_browser: bool) -> None:
    """Open PAGE of the service in the browser: MLflow's own unless another is named."""
    address = _login_link(scope, page)
    if no_browser:
        click.echo(address)
    else:
        _launch(address)


def open_in_browser(scope: Scope, url: str) -> None:
    """Open a page of the service that the SDK names, such as a job's ``studio_url``."""
    _launch(_login_link(scope, url.removeprefix(running(scope).address)))


def _login_link(scope: Scope, page: str) -> str:
    from academy.service.auth import LOGIN_S
    from academy.signing import Signer, Use

    info = running(scope)
    signer = Signer(scope.home.key_file.read_bytes())
    owner = signer.verify_token(_token(scope))["upn"]
    code = signer.token(owner, lifetime_s=LOGIN_S, use=Use.LOGIN)
    return f"{info.address}/login?{urlencode({'code': code, 'next': page})}"


def _launch(address: str) -> None:
    if click.launch(address):
        raise Failure("There is no browser to open. Try 'academy open --no-browser'.")


def running(scope: Scope, port: int | None = None) -> ServiceInfo:
    """Return the service of the home, started when it does not run."""
    from academy.service.process import up

    with said_when_slow(f"Starting the service of {scope.home.root} …"):
        return up(scope.home, port=port)


def _state(scope: Scope) -> dict[str, Any]:
    from academy.service import process

    return process.status(scope.home).to_json()


def _token(scope: Scope) -> str:
    return scope.home.token_file.read_text().strip()
