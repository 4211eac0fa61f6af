"""Groups whose commands' modules are imported when they run, so that help is fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group of sections; each names its commands, where each is (``module:object``), and what help says."""

    sections: Mapping[str, Mapping[str, tuple[str, str]]] = {}

    def _all(self) -> dict[str, tuple[str, str]]:
        return {name: found for section in self.sections.values() for name, found in section.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._all())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        found = self._all().get(cmd_name)
        if found is None:
            return None
        module, _, attribute = found[0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[Any, Any, list[str]]:
        if args[0] not in self._all():
            ctx.fail(f"No such command {args[0]!r}. Choose from {', '.join(self._all())}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in self.sections.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])
