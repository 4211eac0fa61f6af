"""The commands about the service itself: up, down, status, logs, audit, open."""

from __future__ import annotations

import json
import time
import urllib.request
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode

import click

from academy.cli.output import terminal_width
from academy.cli.verb import Failure, Scope, ServiceCommand, said_when_slow
from academy.errors import NotFound, ServiceUnavailable

STOPPED = 3
FOLLOW_S = 0.2
AUDIT_PAGE = 1000

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command("up", cls=ServiceCommand)
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Default: the port used last, or a free one. 0: a free one."
)
@as_json
@click.pass_obj
def start(scope: Scope, /, port: int | None, as_json: bool) -> None:
    """Start the service, unless it runs, and return when it answers."""
    info = _running(scope, port)
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


@click.command(cls=ServiceCommand)
@click.option("--resource", help="Only this resource and what is below it (the beginning of its id).")
@as_json
@click.pass_obj
def audit(scope: Scope, /, resource: str | None, as_json: bool) -> None:
    """Show who did what to which resource, and when, oldest first.

    A terminal shows the end of a resource's id, as far as the line has room; a file or a pipe gets all of it.
    """
    entries = _audit_entries(scope, resource or "")
    if as_json:
        click.echo(json.dumps(list(entries), indent=2))
        return
    width = terminal_width()
    for entry in entries:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry["at"]))
        facts = f"{at}  {entry['who']:<16}  {entry['action']:<12}  "
        click.echo(facts + _end_of(entry["resource"], None if width is None else width - len(facts)))


def _end_of(resource: str, most: int | None) -> str:
    """Return the end of a resource's id, where its name is, in at most so many characters (but 20)."""
    if most is None or len(resource) <= max(most, 20):
        return resource
    return "…" + resource[1 - max(most, 20) :]


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
    _launch(_login_link(scope, url.removeprefix(_running(scope).address)))


def _login_link(scope: Scope, page: str) -> str:
    from academy.service.auth import LOGIN_S
    from academy.signing import Signer, Use

    info = _running(scope)
    signer = Signer(scope.home.key_file.read_bytes())
    owner = signer.verify_token(_token(scope))["upn"]
    code = signer.token(owner, lifetime_s=LOGIN_S, use=Use.LOGIN)
    return f"{info.address}/login?{urlencode({'code': code, 'next': page})}"


def _launch(address: str) -> None:
    if click.launch(address):
        raise Failure("There is no browser to open. Try 'academy open --no-browser'.")


def _running(scope: Scope, port: int | None = None) -> Any:
    from academy.service.process import up

    with said_when_slow(f"Starting the service of {scope.home.root} …"):
        return up(scope.home, port=port)


def _state(scope: Scope) -> dict[str, Any]:
    from academy.service import process

    return process.status(scope.home).to_json()


def _audit_entries(scope: Scope, resource: str) -> Iterator[dict[str, Any]]:
    address = _running(scope).address
    after = 0
    while True:
        query = urlencode({"resource": resource, "after": after, "top": AUDIT_PAGE}, quote_via=quote)
        page = _get(f"{address}/academy/audit?{query}", _token(scope))["value"]
        yield from page
        if len(page) < AUDIT_PAGE:
            return
        after = page[-1]["sequence"]


def _get(url: str, token: str) -> Any:
    # Loopback never goes through a proxy, whatever the environment says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with opener.open(request) as response:
            return json.load(response)
    except HTTPError as error:
        message = json.load(error)["error"]["message"]
        raise ServiceUnavailable(f"The service answered {error.code}: {message}") from error


def _token(scope: Scope) -> str:
    return scope.home.token_file.read_text().strip()
