"""What a lab may have made, by name: by the values that its checks saw, and by what the notebook says.

Light: the kernel notes the values with each check.
"""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.errors import InvalidField
from academy.labs.collection import Lab
from academy.labs.manifest import Manifest, Resource
from academy.labs.parameters import parameters_of
from academy.store.lab_event import Event

# Where an event keeps the values.
NAMES = "names"

# No resource has a longer name.
_LONGEST = 260


@dataclass(frozen=True)
class Made:
    """What a lab may have made: resources with their names, and those whose name nothing tells.

    What was there before ``since``, in seconds since 1970, is not the lab's.
    """

    named: tuple[tuple[Resource, str], ...]
    unnamed: tuple[Resource, ...]
    since: float


def made_by(copy: Lab, manifest: Manifest, events: Iterable[Event], step: str | None = None) -> Made:
    """Return what the copy, or one step of it, may have made."""
    own = [event for event in events if event.lab == copy.id]
    resources = [one for one in manifest.resources if step in (None, one.step)]
    values = [parameters_in(copy.notebook), *_recorded(own)]
    found = tuple(dict.fromkeys(pair for one in values for pair in named(resources, one)))
    known = {resource for resource, _ in found}
    # A copy that was handed over by hand has no entry of its start, but its files came with it.
    began = [event.at for event in own] + [file.lstat().st_ctime for file in copy.folder.glob("*")]
    return Made(found, tuple(one for one in resources if one not in known), min(began, default=0.0))


def parameters_in(notebook: Path) -> dict[str, Any]:
    """Return the values of the notebook's ``parameters`` cell, as the learner set them.

    A value that only running the cell would tell is left out.
    """
    try:
        found = parameters_of(json.loads(notebook.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, InvalidField):
        return {}
    values = {}
    for parameter in found:
        try:
            values[parameter.name] = ast.literal_eval(parameter.default)
        except (ValueError, SyntaxError):
            continue
    return values


def named(resources: Iterable[Resource], values: Mapping[str, Any]) -> Iterator[tuple[Resource, str]]:
    """Yield each resource with its name, once; one whose name needs an unknown value is left out."""
    seen = set()
    for resource in resources:
        try:
            name = resource.name.format_map(dict(values))
        except (KeyError, IndexError, ValueError, AttributeError):
            continue
        if name and (resource.type, name) not in seen:
            seen.add((resource.type, name))
            yield resource, name


def names_in(resources: Iterable[Resource], namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that the notebook has for what stands in the resources' names, for the record."""
    found = {}
    for resource in resources:
        for name in _placeholders(resource.name):
            value = namespace.get(name)
            if isinstance(value, str | int | float) and len(str(value)) <= _LONGEST:
                found[name] = value
    return found


def _placeholders(text: str) -> Iterator[str]:
    try:
        for _, field, _, _ in string.Formatter().parse(text):
            if field:
                yield re.split(r"[.\[]", field, maxsplit=1)[0]
    except ValueError:
        return  # a brace too many: `academy lab lint` says so


def _recorded(events: Sequence[Event]) -> Iterator[Mapping[str, Any]]:
    for event in reversed(events):
        names = event.data.get(NAMES)
        if isinstance(names, Mapping) and names:
            yield names
