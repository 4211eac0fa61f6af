"""``academy matrix show``: the grid, a cell, or a service."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import click

from academy.cli.output import prose_width, render
from academy.cli.verb import Scope, ServiceCommand
from academy.matrix.catalogue import Catalogue, Cell, Move, Service
from academy.matrix.finding import find, guests
from academy.matrix.plain import plain
from academy.matrix.reading import LEVELS, load
from academy.matrix.text import cell_text, grid, learning_text, service_text


@click.command("show", cls=ServiceCommand)
@click.argument("name", required=False, metavar="[CELL|SERVICE]")
@click.option(
    "--level",
    type=click.Choice([str(level) for level in LEVELS]),
    help="What to learn from at this level only: 100 first contact, 200 use, 300 depth.",
)
@click.option(
    "--output",
    "-o",
    type=click.Choice(["text", "json", "yaml", "table", "tsv"]),
    default="text",
    help="How the result looks.",
)
@click.pass_obj
def show(scope: Scope, /, name: str | None, level: str | None, output: str) -> None:
    """Show the matrix, a cell of it, or a service. Starts nothing.

    A cell is developer, hosted, unmanaged or managed. A service goes by its id, such as compute-cluster, or
    by its name.
    """
    catalogue = load()
    found = catalogue if name is None else find(catalogue, name)
    only = None if level is None else int(level)
    if output == "text":
        click.echo(_text(catalogue, found, only))
    elif output in ("json", "yaml"):
        click.echo(render(_at_level(plain(found), level), output))
    else:
        click.echo(render(_rows(catalogue, found, only, with_url=output == "tsv"), output))


def _text(catalogue: Catalogue, found: Catalogue | Cell | Service, level: int | None) -> str:
    width = prose_width()
    if isinstance(found, Cell):
        return cell_text(found, width, guests(catalogue, found.id), _ways_from(catalogue, found), level)
    if isinstance(found, Service):
        return service_text(found, width, level)
    if level is not None:
        return learning_text(catalogue, width, level)
    following = "'academy matrix show NAME' shows a cell or a service, and what to learn from."
    return "\n".join([grid(catalogue, width), "", *wrap(following, width)])


def _ways_from(catalogue: Catalogue, cell: Cell) -> list[Move]:
    return [
        move for (origin, goal), move in catalogue.moves.items() if origin is cell.id and goal is not cell.id
    ]


def _rows(
    catalogue: Catalogue, found: Catalogue | Cell | Service, level: int | None, with_url: bool
) -> list[dict[str, Any]]:
    """Return services as rows; of one service, or with a level, what there is to learn from."""
    if isinstance(found, Service) or level is not None:
        return _learning_rows(catalogue, found, level, with_url)
    services = (
        [*found.services, *guests(catalogue, found.id)] if isinstance(found, Cell) else catalogue.services()
    )
    return [
        {
            "cell": one.cell,
            "service": one.id,
            "operator": one.traits.operator,
            "billing": one.traits.billing,
            "title": one.name,
        }
        for one in services
    ]


def _learning_rows(
    catalogue: Catalogue, found: Catalogue | Cell | Service, level: int | None, with_url: bool
) -> list[dict[str, Any]]:
    holders = list(catalogue.cells.values()) if isinstance(found, Catalogue) else [found]
    return [
        {
            "of": holder.id,
            "level": at,
            "minutes": resource.minutes,
            "confirmed": resource.confirmed,
            "title": resource.title,
            **({"url": resource.url} if with_url else {}),
        }
        for holder in holders
        for at, resources in holder.resources.items()
        if level in (None, at)
        for resource in resources
    ]


def _at_level(value: Any, level: str | None) -> Any:
    """Return plain data whose resources are those of one level only."""
    if level is None:
        return value
    if isinstance(value, list):
        return [_at_level(item, level) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: {level: item[level]} if key == "resources" else _at_level(item, level)
        for key, item in value.items()
    }
