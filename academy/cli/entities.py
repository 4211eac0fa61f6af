"""Entities of the SDK made from a YAML file, flags and ``--set``; and changed by ``--set``."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from academy.cli.options import pairs
from academy.errors import choices


def load(kind: str, file: Path | None, fields: Mapping[str, Any], changes: Sequence[str] = ()) -> Any:
    """Load what ``az ml KIND create`` was given: flags win over the file, ``--set`` over both."""
    from academy.client.sdk import import_sdk

    given = {key: value for key, value in fields.items() if value not in (None, {}, "")}
    overrides = [{key: value} for key, value in (given | pairs(changes, "--set")).items()]
    loader = getattr(import_sdk(), f"load_{kind}")
    if file is not None:
        return loader(source=file, params_override=overrides)
    if not overrides:
        raise click.UsageError("Give --file, or the resource's fields by flags or --set.")
    # Paths among the flags are relative to the working directory.
    return loader(
        source=io.StringIO("{}"), relative_origin=str(Path.cwd() / "flags.yml"), params_override=overrides
    )


def change(entity: Any, changes: Mapping[str, Any], allowed: Sequence[str]) -> None:
    """Set fields of ``entity`` by dotted paths; ``allowed`` are the fields that Azure lets change."""
    for path, value in changes.items():
        root, *rest = path.split(".")
        if root not in allowed:
            raise click.BadParameter(
                f"{root!r} cannot be changed. Choose from {choices(allowed)}.", param_hint="--set"
            )
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
