"""The file that describes a place to run: ``--target production.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from academy.environments import requirements as pip_lines
from academy.environments.definition import DEFAULT_PYTHON, EnvironmentSpec
from academy.errors import AcademyError, InvalidField, NotFound, choices
from academy.evidence.evidence import Gpu
from academy.matrix.catalogue import Catalogue, CellId, Skill
from academy.matrix.fields import At, did_you_mean, parse, record
from academy.migration.report import End, Host
from academy.migration.versions import pins

EXAMPLE = """\
# What is not known is left out; the report then says so.
name: the server in the plant
service: kubernetes            # of 'academy matrix show', for the skills that it asks for
python: "3.10"                 # in quotes
system: Linux
distribution: Debian GNU/Linux 12 (bookworm)
architecture: x86_64
cores: 4
memory_gb: 8
gpus: 0
packages:                      # or requirements: FILE, beside this one
  - mlflow==3.17.2
  - scikit-learn==1.7.2
data: []                       # paths and addresses that can be read from there
secrets: []                    # names of environment variables that are set there; never their values
skills: [linux, containers]    # what the people there know
"""


@dataclass(frozen=True)
class TargetFile:
    """The fields of a target file, as they are written."""

    name: str | None = None
    service: str | None = None
    python: str | None = None
    system: str | None = None
    distribution: str | None = None
    architecture: str | None = None
    cores: int | None = None
    memory_gb: float | None = None
    gpus: int | None = None
    driver: str | None = None
    packages: tuple[str, ...] | None = None
    requirements: str | None = None
    data: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    skills: tuple[Skill, ...] | None = None


@dataclass(frozen=True)
class Target:
    """A place as a file describes it, and what can be built of it here; None when it names no packages."""

    end: End
    spec: EnvironmentSpec | None


def read(file: Path, cell: CellId, catalogue: Catalogue) -> Target:
    """Return the place that the file describes.

    Raises
    ------
    NotFound
        There is no such file, or no requirements file that it names.
    InvalidField
        A field is unknown or not valid; the message names it and the choices.
    """
    said, at = _parsed(file), At(file)
    found = record(TargetFile, said, at)
    _check(found, at)
    _check_service(found, at, cell, catalogue)
    lines = _lines(found, at)
    pinned, limited = pins(lines)
    unknown = [
        text
        for field, text in _UNKNOWN.items()
        if getattr(found, field) is None and not (field == "packages" and lines)
    ]
    name = found.name or file.name
    end = End(
        cell=cell,
        name=name,
        sources=(f"{file} says so",),
        python=found.python,
        host=_host(found),
        packages=pinned,
        asked=limited,
        data=found.data,
        secrets=found.secrets,
        skills=None if found.skills is None else tuple(map(str, found.skills)),
        service=found.service,
        unknown=tuple(unknown),
    )
    spec = EnvironmentSpec(_label(name), "target", found.python or DEFAULT_PYTHON, lines) if lines else None
    return Target(end, spec)


UNKNOWN_PYTHON = "its Python"

_MOST_GB = 1e9

_UNKNOWN = {
    "python": UNKNOWN_PYTHON,
    "system": "its operating system",
    "architecture": "its architecture",
    "cores": "its cores",
    "memory_gb": "its memory",
    "gpus": "whether it has GPUs",
    "packages": "its packages",
    "data": "which data can be read from there",
    "secrets": "which secrets are set there",
    "skills": "what the people there know",
}


def _parsed(file: Path) -> Mapping[str, Any]:
    try:
        said = parse(file)
    except NotFound:
        near = [one.name for one in sorted(file.parent.glob("*.y*ml"))] if file.parent.is_dir() else []
        listed = f" In {file.parent}: {choices(near)}." if near else ""
        raise NotFound(
            f"There is no target file {file}.{did_you_mean(file.name, near)}{listed} "
            "'academy matrix migrate --help' shows how one is written."
        ) from None
    names = [field.name for field in fields(TargetFile)]
    if not isinstance(said, Mapping):
        raise InvalidField(f"{file} holds no fields. Its fields: {choices(names, in_order=True)}.")
    if isinstance(said.get("python"), int | float) and not isinstance(said["python"], bool):
        At(file).field("python").refuse(
            f' is the number {said["python"]}. Put the version in quotes, such as python: "3.10": '
            "without them YAML reads 3.10 as 3.1."
        )
    if said.get("memory_gb") is not None:
        return {**said, "memory_gb": _gigabytes(said["memory_gb"], At(file).field("memory_gb"))}
    return said


def _gigabytes(value: object, at: At) -> float:
    # A small machine has a part of one.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < _MOST_GB:  # type: ignore[operator]
        at.refuse(f" is {value!r}; it takes a number above 0, such as 0.5 or 16.")
    return float(value)  # type: ignore[arg-type]


def _check(found: TargetFile, at: At) -> None:
    if found.cores is not None and found.cores < 1:
        at.field("cores").refuse(f" is {found.cores}; it takes a whole number from 1 on.")
    if found.gpus is not None and found.gpus < 0:
        at.field("gpus").refuse(f" is {found.gpus}; it takes a whole number from 0 on.")
    if found.python is not None and not _is_python(found.python):
        at.field("python").refuse(f" is {found.python!r}; it takes a version such as '3.10' or '3.10.13'.")
    if found.packages is not None and found.requirements is not None:
        at.refuse(" has both 'packages' and 'requirements'. Give one of them.")
    for index, line in enumerate(found.packages or ()):
        _check_package(line, at.field("packages").item(index))


def _check_service(found: TargetFile, at: At, cell: CellId, catalogue: Catalogue) -> None:
    services = {service.id for service in catalogue.services()}
    if found.service is not None and found.service not in services:
        at.field("service").refuse(
            f" is {found.service!r}.{did_you_mean(found.service, services)} "
            f"It takes one of {choices(services)}."
        )
    there = {one.id for one in catalogue.services() if cell in (one.cell, *one.also_in)}
    for one in catalogue.services():
        if one.id == found.service and one.id not in there:
            at.field("service").refuse(
                f" is {one.id!r}, which is in {choices((one.cell, *one.also_in))}, and the move goes to "
                f"{str(cell)!r}. Move there, or name one of {choices(there)}."
            )


def _check_package(line: str, at: At) -> None:
    try:
        Requirement(line)
    except InvalidRequirement:
        at.refuse(f" is {line!r}; it takes NAME==VERSION, NAME, or NAME>=LOWEST,<HIGHEST.")


def _is_python(text: str) -> bool:
    parts = text.split(".")
    return 2 <= len(parts) <= 3 and parts[0] == "3" and all(part.isdecimal() for part in parts)


def _lines(found: TargetFile, at: At) -> tuple[str, ...]:
    if found.requirements is None:
        return found.packages or ()
    file = at.file.parent / found.requirements
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            f"{at.field('requirements')} is {found.requirements!r}, which cannot be read: {error}."
        ) from None
    try:
        return pip_lines.parse(text.splitlines(), where=str(file)).lines
    except AcademyError as error:
        raise InvalidField(error.message) from None


def _host(found: TargetFile) -> Host:
    gpus = None if found.gpus is None else tuple(Gpu("GPU", found.driver or "") for _ in range(found.gpus))
    memory = None if found.memory_gb is None else max(1, round(found.memory_gb * 1_000_000_000))
    return Host(found.system, found.distribution, found.architecture, found.cores, memory, gpus)


def _label(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in name) or "target"
