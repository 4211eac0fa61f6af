"""``academy audit log``: who did what to which resource, and when."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import click

from academy.cli.output import terminal_width
from academy.cli.service import as_json, running
from academy.cli.verb import Scope, ServiceCommand

PAGE = 1000


@click.command("log", cls=ServiceCommand)
@click.option("--resource", help="Only this resource and what is below it (the beginning of its id).")
@as_json
@click.pass_obj
def log(scope: Scope, /, resource: str | None, as_json: bool) -> None:
    """Show who did what to which resource, and when, oldest first.

    A terminal shows the end of a resource's id, as far as the line has room; a file or a pipe gets all of it.
    """
    entries = _entries(scope, resource or "")
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


def _entries(scope: Scope, resource: str) -> Iterator[dict[str, Any]]:
    from academy.service.loopback import Loopback

    loopback = Loopback(running(scope))
    after = 0
    while True:
        page = loopback.get("/academy/audit", resource=resource, after=after, top=PAGE)["value"]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]["sequence"]
