"""Azure's curated environments, from the files in ``environments/curated``.

A folder there holds ``environment.yml`` (names, Python, where it differs from Azure's),
``requirements.in`` and ``requirements.lock``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from academy.environments.built import normalised
from academy.environments.definition import EnvironmentSpec, LockFile
from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import curated_environments
from academy.errors import NotFound, choices

# Azure shows its curated environments in workspaces under this prefix.
PREFIX = "AzureML-"

# The name under which Academy's own Python goes.
OWN = "academy"

_FIELDS = frozenset(
    {
        "name", "aliases", "version", "python", "image", "description", "differs", "elsewhere", "imports",
        "tags",
    }
)  # fmt: skip


@dataclass(frozen=True)
class CuratedDocument:
    """One curated environment as the REST API shows it; ``properties`` are those of its document."""

    name: str
    version: str
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class Curated:
    """One folder of ``environments/curated``."""

    spec: EnvironmentSpec
    aliases: tuple[str, ...]
    description: str
    tags: Mapping[str, str]
    imports: tuple[str, ...] = ()
    differs: tuple[str, ...] = field(default=())


def find(name: str, reference: str) -> EnvironmentSpec:
    """Return the curated environment of a name (with ``AzureML-`` or without) at a version or label.

    All versions hold the same: what Azure's newest one does.

    Raises
    ------
    NotFound
        When there is none of that name, listing those there are; or the version is not a number.
    """
    found = get(name)
    if found is None:
        raise NotFound(
            f"There is no curated environment {name!r} here. There are: {choices(names())}. Any other can be "
            "made from an image and a conda file.",
            target="properties.environmentId",
        )
    if reference != "latest" and not reference.isdecimal():
        raise NotFound(
            f"The curated environment {name!r} has no version or label {reference!r}. Give a number, or "
            "'latest'.",
            target="properties.environmentId",
        )
    if reference in ("latest", found.spec.version):
        return found.spec
    note = (
        f"Version {reference} of {found.spec.name} is not kept here: this holds what version "
        f"{found.spec.version} holds."
    )
    return replace(found.spec, version=reference, notes=(*found.spec.notes, note))


def get(name: str) -> Curated | None:
    """Return the curated environment of a name or alias, or None."""
    return _by_name(curated_environments()).get(name.lower().removeprefix(PREFIX.lower()))


def names() -> list[str]:
    """Return the names of all curated environments, aliases left out."""
    return sorted({item.spec.name for item in _by_name(curated_environments()).values()})


def imports(name: str) -> tuple[str, ...]:
    """Return the modules that a curated environment is there for."""
    found = get(name)
    return found.imports if found else ()


def documents() -> list[CuratedDocument]:
    """Return all curated environments as a workspace lists them: under ``AzureML-`` names."""
    return [document(name, "latest") for name in names()]


def document(name: str, reference: str) -> CuratedDocument:
    """Return one curated environment as the REST API shows it; ``NotFound`` as ``find``."""
    spec = find(name, reference)
    found = get(name)
    assert found is not None
    shown = name if name.lower().startswith(PREFIX.lower()) else f"{PREFIX}{spec.name}"
    properties: dict[str, Any] = {
        "description": found.description,
        "environmentType": "Curated",
        "image": spec.image,
        "isAnonymous": False,
        "isArchived": False,
        "osType": "Linux",
        "properties": {},
        "tags": dict(found.tags),
    }
    return CuratedDocument(shown, spec.version, {k: v for k, v in properties.items() if v is not None})


def renamed(spec: EnvironmentSpec, name: str, version: str) -> EnvironmentSpec:
    """Return the same content under the name of the asset that refers to it."""
    return replace(spec, name=name, version=version)


def package_of(requirement: str) -> str:
    """Return the name of the package that a requirement line is for, in its normal spelling."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return normalised(match[1]) if match else requirement


@functools.cache
def _by_name(root: Path) -> Mapping[str, Curated]:
    """Return all, by their names and aliases in lower case, read once a process."""
    folders = sorted(path.parent for path in root.glob("*/environment.yml"))
    if not folders:
        raise EnvironmentBuildError(
            f"The curated environments are missing: {root} holds none. Academy runs from a checkout "
            "installed with `pip install -e .` (`make setup` does that)."
        )
    found: dict[str, Curated] = {OWN: _own()}
    for folder in folders:
        item = _load(folder)
        for name in (item.spec.name, *item.aliases):
            found[name.lower().removeprefix(PREFIX.lower())] = item
    return found


def _own() -> Curated:
    spec = EnvironmentSpec(OWN, "1", own=True)
    return Curated(spec, (), "The Python that Academy itself runs in. Azure has no such environment.", {})


def _load(folder: Path) -> Curated:
    content = yaml.safe_load((folder / "environment.yml").read_text(encoding="utf-8"))
    unknown = sorted(content.keys() - _FIELDS)
    if unknown:
        raise EnvironmentBuildError(f"{folder / 'environment.yml'} has an unknown field {unknown[0]!r}.")
    lines = (folder / "requirements.in").read_text(encoding="utf-8").splitlines()
    spec = EnvironmentSpec(
        name=content["name"],
        version=str(content["version"]),
        python=content["python"],
        requirements=tuple(line for line in lines if line and not line.startswith("#")),
        lock=LockFile.of(folder / "requirements.lock"),
        image=content["image"],
        elsewhere=content.get("elsewhere"),
    )
    return Curated(
        spec=spec,
        aliases=tuple(content.get("aliases", ())),
        description=content["description"],
        tags={str(key): str(value) for key, value in content.get("tags", {}).items()},
        imports=tuple(content.get("imports", ())),
        differs=tuple(content.get("differs", ())),
    )
