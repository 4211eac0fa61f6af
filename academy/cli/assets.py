"""The verbs that data, models, environments and components share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from academy.cli import options
from academy.cli.entities import change, check_mutable, specification
from academy.cli.output import first
from academy.cli.verb import Scope, Verb


@dataclass(frozen=True)
class Kind:
    """One kind of versioned asset: its name in ``load_…``, the client's operations, what may change."""

    noun: str
    operations: str
    mutable: tuple[str, ...] = ("description", "tags", "properties")

    def of(self, client: Any) -> Any:
        return getattr(client, self.operations)


def create(
    scope: Scope, kind: Kind, file: Path | None, fields: Mapping[str, Any], changes: Sequence[str]
) -> Any:
    """Register an asset from a file and flags."""
    wanted = specification(file, fields, changes)
    operations = kind.of(scope.client())
    return operations.create_or_update(wanted.load(kind.noun))


def add_verbs(group: click.Group, kind: Kind) -> None:
    """Add show, list, archive, restore and update to ``group``."""
    for verb in (_show, _list, _archive, _restore, _update):
        group.add_command(verb(kind))


def _show(kind: Kind) -> click.Command:
    @click.command(cls=Verb)
    @options.name
    @options.version
    @options.label
    @click.pass_obj
    def show(scope: Scope, /, name: str, version: str | None, label: str | None) -> Any:
        """Show one version."""
        which = options.one_of(version, label)
        return kind.of(scope.client()).get(name, **which)

    return show


def _list(kind: Kind) -> click.Command:
    @click.command("list", cls=Verb)
    @click.option("--name", "-n", help="List the versions of this one.")
    @options.max_results
    @options.views
    @click.pass_obj
    def list_(scope: Scope, /, name: str | None, max_results: int | None, **flags: bool) -> Any:
        """List all, or the versions of one."""
        options.check_view(**flags)
        found = kind.of(scope.client()).list(name, list_view_type=options.view(**flags))
        return first(found, max_results)

    return list_


def _archive(kind: Kind) -> click.Command:
    @click.command(cls=Verb)
    @options.name
    @options.version
    @options.label
    @click.pass_obj
    def archive(scope: Scope, /, name: str, version: str | None, label: str | None) -> None:
        """Hide a version, or all of them, from listings."""
        which = _some_or_all(version, label)
        kind.of(scope.client()).archive(name, **which)

    return archive


def _restore(kind: Kind) -> click.Command:
    @click.command(cls=Verb)
    @options.name
    @options.version
    @options.label
    @click.pass_obj
    def restore(scope: Scope, /, name: str, version: str | None, label: str | None) -> None:
        """Show what was archived in listings again."""
        which = _some_or_all(version, label)
        kind.of(scope.client()).restore(name, **which)

    return restore


def _update(kind: Kind) -> click.Command:
    @click.command(cls=Verb)
    @options.name
    @options.version
    @options.label
    @options.changes
    @click.pass_obj
    def update(
        scope: Scope, /, name: str, version: str | None, label: str | None, changes: Sequence[str]
    ) -> Any:
        """Change the description, tags or properties of a version."""
        if not changes:
            raise click.UsageError("Say what to change: --set tags.KEY=VALUE or --set description=TEXT.")
        fields, which = options.pairs(changes, "--set"), options.one_of(version, label)
        check_mutable(fields, kind.mutable)
        operations = kind.of(scope.client())
        asset = operations.get(name, **which)
        change(asset, fields)
        return operations.create_or_update(asset)

    return update


def _some_or_all(version: str | None, label: str | None) -> dict[str, str]:
    return options.one_of(version, label) if version or label else {}
