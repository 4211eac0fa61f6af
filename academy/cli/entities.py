"""Entities of the SDK made from a YAML file, flags and ``--set``; and changed by ``--set``."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from academy.cli.options import pairs
from academy.errors import choices


@dataclass(frozen=True)
class Specification:
    """What ``create`` was given: a YAML file, and fields that win over it."""

    file: Path | None
    fields: Mapping[str, Any]

    def load(self, kind: str) -> Any:
        """Return the entity, by the SDK's ``load_KIND``."""
        from academy.client.sdk import import_sdk

        loader = getattr(import_sdk(), f"load_{kind}")
        overrides = [{key: value} for key, value in self.fields.items()]
        if self.file is not None:
            return loader(source=self.file, params_override=overrides)
        # Paths among the flags are relative to the working directory.
        origin = str(Path.cwd() / "flags.yml")
        return loader(source=io.StringIO("{}"), relative_origin=origin, params_override=overrides)


def specification(file: Path | None, fields: Mapping[str, Any], changes: Sequence[str] = ()) -> Specification:
    """Check what ``create`` was given: flags win over the file, and ``--set`` over both."""
    given = {key: value for key, value in fields.items() if value not in (None, {}, "")}
    found = Specification(file, given | pairs(changes, "--set"))
    if file is None and not found.fields:
        raise click.UsageError("Give --file, or the resource's fields by flags or --set.")
    return found


def check_mutable(changes: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Refuse to change what Azure does not let change, before the service is asked."""
    for path in changes:
        if path.split(".")[0] not in allowed:
            raise click.BadParameter(
                f"{path!r} cannot be changed. Choose from {choices(allowed)}.", param_hint="--set"
            )


def change(entity: Any, changes: Mapping[str, Any]) -> None:
    """Set fields of ``entity`` by dotted paths."""
    for path, value in changes.items():
        root, *rest = path.split(".")
        if not rest:
            setattr(entity, root, _like(getattr(entity, root, None), value))
            continue
        if getattr(entity, root, None) is None:
            setattr(entity, root, {})
        _change_inside(getattr(entity, root), rest, value, path)


def _change_inside(holder: Any, keys: list[str], value: Any, path: str) -> None:
    *parents, last = keys
    if isinstance(holder, dict):
        # Tags may have dots in their names.
        name = ".".join(keys)
        holder[name] = _like(holder.get(name), value)
        return
    for parent in parents:
        holder = getattr(holder, parent, None)
    if not hasattr(holder, last):
        raise click.BadParameter(f"There is no field {path!r}.", param_hint="--set")
    setattr(holder, last, _like(getattr(holder, last), value))


def _like(current: Any, value: Any) -> Any:
    """Return text from the command line as the type that the field has now."""
    if isinstance(current, bool):
        return str(value).lower() == "true"
    if isinstance(current, int | float):
        try:
            return type(current)(value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is not a number.", param_hint="--set") from None
    return value
