"""The folder ``environments/``: a folder for each cell, a file for each service, and the moves between."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from academy.errors import NotFound, choices
from academy.matrix.catalogue import (
    Catalogue,
    Cell,
    CellId,
    Move,
    MoveKind,
    Resource,
    Resources,
    Service,
    Stage,
)
from academy.matrix.fields import At, did_you_mean, parse, record, sequence
from academy.matrix.finding import names_of

LEVELS = (100, 200, 300)
KINDS = ("docs", "module", "course", "article", "video")

_SERVICE_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_MINUTES = 600
_MAY_BE_EMPTY = ("formerly", "skills", "any_skill", "also_in", "price")


def catalogue_folder() -> Path:
    """Return the folder of the catalogue: it lies beside the package, in the checkout."""
    return Path(__file__).parents[2] / "environments"


def load(folder: Path | None = None) -> Catalogue:
    """Return the catalogue that the files in ``folder`` describe; by default this checkout's, read once.

    Raises
    ------
    NotFound
        A file or folder is missing.
    InvalidField
        A file is not YAML in UTF-8, or a field of it is missing, unknown or not valid; the message names
        the file, the field, the value and the choices.
    """
    return _read(folder) if folder is not None else _of_this_checkout()


@functools.cache
def _of_this_checkout() -> Catalogue:
    return _read(catalogue_folder())


def _read(folder: Path) -> Catalogue:
    if not folder.is_dir():
        raise NotFound(f"There is no folder {folder}. The catalogue of environments is there, in a checkout.")
    _check_files(folder)
    cells = {cell: _cell(folder / cell, cell) for cell in CellId}
    _check_once(cells.values(), folder)
    return Catalogue(MappingProxyType(cells), MappingProxyType(_moves(folder / "moves.yml")))


def _check_files(folder: Path) -> None:
    """Refuse a file that looks like a part of the catalogue and is at no place that is read."""
    for found in sorted({*folder.glob("*/cell.yml"), *folder.glob("*/services")}):
        name = found.parent.name
        if name not in tuple(CellId):
            cells = choices(CellId, in_order=True)
            At(found).refuse(f": the folder {name!r} is no cell.{did_you_mean(name, CellId)} Cells: {cells}.")
    moves, read = folder / "moves.yml", "A cell is CELL/cell.yml, a service CELL/services/ID.yml"
    inside = (file for cell in CellId for file in (folder / cell).rglob("*"))
    for file in sorted([*folder.glob("*"), *inside]):
        at_its_place = file == moves or (file.parent.parent == folder and file.name == "cell.yml")
        is_service = file.parent.name == "services" and file.parent.parent.parent == folder
        if _is_written(file) and not at_its_place and not (is_service and file.suffix == ".yml"):
            At(file).refuse(f" is not read. {read}; the moves are moves.yml.")


def _is_written(file: Path) -> bool:
    """Tell whether it is YAML that a person wrote; what begins with a dot is an editor's."""
    return file.suffix.lower() in (".yml", ".yaml") and not file.name.startswith(".")


def _cell(folder: Path, cell: CellId) -> Cell:
    at = At(folder / "cell.yml")
    said = parse(at.file)
    found = record(Cell, said, at, id=cell, services=_services(folder / "services", cell))
    _check_filled(found, at)
    _check_resources(found.resources, at.field("resources"))
    _check_addresses(found.sources, at.field("sources"))
    return found


def _services(folder: Path, cell: CellId) -> tuple[Service, ...]:
    found = tuple(_service(file, cell) for file in sorted(folder.glob("*.yml")) if _is_written(file))
    if not found:
        raise NotFound(f"The cell {cell} has no services: {folder} holds no *.yml file.")
    return found


def _service(file: Path, cell: CellId) -> Service:
    at = At(file)
    if not _SERVICE_ID.fullmatch(file.stem):
        at.refuse(
            f" has a name that is no id of a service: {file.stem!r}. "
            "It takes lower-case words with '-' between them, such as compute-cluster."
        )
    found = record(Service, parse(file), at, id=file.stem, cell=cell)
    _check_filled(found, at)
    _check_filled(found.traits, at.field("traits"))
    _check_stages(found, at)
    _check_resources(found.resources, at.field("resources"))
    _check_addresses(found.sources, at.field("sources"))
    return found


def _check_stages(service: Service, at: At) -> None:
    """Each cell that a service is in has a stage that it is for, and each such stage has a cell."""
    if service.cell in service.also_in:
        at.field("also_in").refuse(f" holds {str(service.cell)!r}, the cell that the file is in.")
    cells = (service.cell, *service.also_in)
    for cell in cells:
        if cell.stage not in service.traits.stages:
            at.field("traits.stages").refuse(
                f" lacks {str(cell.stage)!r}, the stage of the cell {str(cell)!r}, which the service is in."
            )
    for stage in service.traits.stages:
        if stage not in {cell.stage for cell in cells}:
            at.field("also_in").refuse(
                f" has no cell for {str(stage)!r}, which traits.stages holds. "
                f"Cells of it: {choices(_of_stage(stage), in_order=True)}."
            )


def _of_stage(stage: Stage) -> list[CellId]:
    return [cell for cell in CellId if cell.stage is stage]


def _check_once(cells: Iterable[Cell], folder: Path) -> None:
    """Refuse a name that means two things: a service that has two files, or is called as a cell is."""
    seen: dict[str, Service] = {}
    for service in (service for cell in cells for service in cell.services):
        for word in names_of(service):
            if word in tuple(CellId):
                At(_file_of(service, folder)).refuse(f": a service cannot be called {word!r}: a cell is.")
            before = seen.setdefault(word, service)
            if before is not service:
                At(_file_of(service, folder)).refuse(
                    f": {_file_of(before, folder)} is called {word!r} too. "
                    "A service has one file and its own names; also_in names its further cells."
                )


def _file_of(service: Service, folder: Path) -> Path:
    return folder / service.cell / "services" / f"{service.id}.yml"


def _check_resources(resources: Resources, at: At) -> None:
    for level in resources:
        if level not in LEVELS:
            at.refuse(f" has no level {level}. Its levels: {choices(LEVELS)}.")
    for level in LEVELS:
        here = at.field(str(level))
        if not resources.get(level):
            here.refuse(" is missing or empty; each level takes at least one thing to learn from.")
        for index, resource in enumerate(resources[level]):
            _check_resource(resource, here.item(index))


def _check_resource(resource: Resource, at: At) -> None:
    _check_address(resource.url, at.field("url"))
    if not 0 < resource.minutes <= _LONGEST_MINUTES:
        at.field("minutes").refuse(f" is {resource.minutes}; it takes 1 to {_LONGEST_MINUTES}.")
    if resource.kind not in KINDS:
        meant = did_you_mean(resource.kind, KINDS)
        at.field("kind").refuse(f" is {resource.kind!r}.{meant} It takes one of {choices(KINDS)}.")


def _check_addresses(addresses: Sequence[str], at: At) -> None:
    for index, address in enumerate(addresses):
        _check_address(address, at.item(index))


def _check_address(address: str, at: At) -> None:
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", address)
    except ValueError:  # such as https://[
        good = False
    if not good:
        at.refuse(f" is {address!r}; it takes an address that begins with https:// or http://.")


def _check_filled(found: Any, at: At) -> None:
    for field in fields(found):
        if getattr(found, field.name) == () and field.name not in _MAY_BE_EMPTY:
            at.field(field.name).refuse(" is an empty list; it takes at least one.")


def _moves(file: Path) -> dict[tuple[CellId, CellId], Move]:
    found: dict[tuple[CellId, CellId], Move] = {}
    at = At(file)
    for index, item in enumerate(sequence(parse(file), at)):
        here = At(file, f"[{index}]")
        move = record(Move, item, here)
        ends = (move.origin, move.goal)
        if ends in found:
            here.refuse(f": the move from {move.origin} to {move.goal} is there already.")
        kind = _kind(*ends)
        if move.kind is not kind:
            here.field("kind").refuse(
                f" is {str(move.kind)!r}; from {move.origin} to {move.goal} is {str(kind)!r}."
            )
        found[ends] = move
    missing = [f"{a} to {b}" for a in CellId for b in CellId if (a, b) not in found]
    if missing:
        at.refuse(f" lacks the moves from {', from '.join(missing)}.")
    return found


def _kind(origin: CellId, goal: CellId) -> MoveKind:
    """Return what the two cells' places in the matrix make of the way between them."""
    if origin is goal:
        return MoveKind.SAME
    if origin.stage is goal.stage:
        return MoveKind.SIDEWAYS
    if origin.stage is Stage.INFERENCE:
        return MoveKind.BACK
    return MoveKind.USUAL if origin.compute is goal.compute else MoveKind.CROSSING
