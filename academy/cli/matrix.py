"""``academy matrix …``: each command's module is imported when it runs."""

from __future__ import annotations

import click

from academy.cli.lazy import LazyGroup

# Where each command is, and what the group's help says of it.
_VERBS = {
    "show": ("academy.cli.matrix_show:show", "Show the matrix, a cell of it, or a service."),
    "recommend": (
        "academy.cli.matrix_recommend:recommend_command",
        "Say which environment fits what you need.",
    ),
    "migrate": ("academy.cli.matrix_migrate:migrate", "Report what moving from one cell to another takes."),
}


class _Matrix(LazyGroup):
    sections = {"Commands": _VERBS}


@click.group(cls=_Matrix)
def matrix() -> None:
    """The four environments: developer, hosted, unmanaged, managed."""
