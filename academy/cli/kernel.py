"""``academy kernel …``"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from academy.cli.verb import ServiceCommand

_prefix = click.option(
    "--prefix",
    default=sys.prefix,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The environment that Jupyter runs in.",
)


@click.group()
def kernel() -> None:
    """The Jupyter kernel "Academy (Azure ML on this machine)"."""


@kernel.command(cls=ServiceCommand)
@_prefix
def install(prefix: Path) -> None:
    """Install the kernel beside the package."""
    from academy.kernel import spec

    click.echo(f"Kernel {spec.DISPLAY_NAME!r}: {spec.install(prefix)}")


@kernel.command(cls=ServiceCommand)
@_prefix
def remove(prefix: Path) -> None:
    """Remove the kernel."""
    from academy.kernel import spec

    found = spec.uninstall(prefix)
    click.echo(f"{'Removed' if found else 'There was no kernel in'} {spec.folder(prefix)}")
