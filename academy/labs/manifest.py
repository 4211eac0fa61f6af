"""``lab.yml``: what a lab says of itself. An unknown or ill-typed field is refused by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from academy.errors import InvalidField, NotFound, choices
from academy.matrix.catalogue import CellId
from academy.matrix.fields import parse
from academy.store import lab_event

LEVELS = (100, 200, 300)
CELLS = tuple(CellId)
RESOURCE_TYPES = ("online_endpoint", "job", "model", "data", "environment", "component", "compute")

LAB_ID = lab_event.LAB_ID


@dataclass(frozen=True)
class Task:
    """One thing that the learner does.

    ``points`` are those of its check, ``hidden_points`` those of its hidden tests. ``step`` is the
    ``metadata.academy.step`` of the cell that it is done in. ``hints`` are three, each saying more.
    """

    id: str
    title: str
    points: float
    step: str
    hints: tuple[str, ...]
    hidden_points: float = 0.0

    @property
    def max_points(self) -> float:
        return self.points + self.hidden_points


@dataclass(frozen=True)
class Resource:
    """A resource that a step makes, for ``reset``; ``{name}`` in its name is a notebook parameter.

    A job is named by its experiment.
    """

    step: str
    type: str
    name: str


@dataclass(frozen=True)
class Limits:
    """What one run of the lab may take; a run that needs more is cut there."""

    cell_s: float = 120.0
    lab_s: float = 900.0
    memory_gb: float = 4.0
    processes: int = 256


@dataclass(frozen=True)
class AzureCost:
    """What the same work takes on Azure: machines by size, hours and list price in US dollars an hour."""

    what: str
    size: str
    hours: float
    usd_per_hour: float

    @property
    def usd(self) -> float:
        return self.hours * self.usd_per_hour


@dataclass(frozen=True)
class Azure:
    """Minutes of waiting and cost of this lab on Azure; ``as_of`` says when the prices were read."""

    minutes: float = 0.0
    as_of: str = ""
    costs: tuple[AzureCost, ...] = ()

    @property
    def usd(self) -> float:
        return sum(cost.usd for cost in self.costs)


@dataclass(frozen=True)
class Manifest:
    """A lab's ``lab.yml``; ``id`` is the name of its folder."""

    id: str
    title: str
    level: int
    minutes: int
    cell: str
    objectives: tuple[str, ...]
    prerequisites: tuple[str, ...] = ()
    tasks: tuple[Task, ...] = ()
    resources: tuple[Resource, ...] = ()
    limits: Limits = Limits()
    azure: Azure = Azure()

    @property
    def points(self) -> float:
        """The most that a learner can reach."""
        return sum(task.max_points for task in self.tasks)

    def task(self, task_id: str) -> Task:
        """Return the task of this id; ``NotFound`` names the ones there are."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        known = choices((task.id for task in self.tasks), in_order=True)
        raise NotFound(f"The lab {self.id} has no task {task_id!r}. Tasks: {known}.")


def read_manifest(file: Path, lab_id: str | None = None) -> Manifest:
    """Read ``lab.yml``; the lab's id is the name of the folder that holds it, unless given.

    Raises
    ------
    NotFound
        There is no such file.
    InvalidField
        It is not YAML in UTF-8, or a field is missing, unknown, said twice, or not valid; the message names
        the file and the field.
    """
    if not file.exists():
        raise NotFound(f"There is no {file}. A lab says there what it is: title, level, minutes, …")
    found = parse(file)
    return manifest_of(lab_id or file.parent.name, found, where=str(file))


def manifest_of(lab_id: str, content: Any, *, where: str = "lab.yml") -> Manifest:
    """Return the manifest that the mapping ``content`` describes."""
    parts = _mapping(content, where)
    if isinstance(parts.get("azure"), Mapping):
        azure = dict(parts["azure"])
        azure["costs"] = _each(AzureCost, azure.get("costs", ()), f"{where}: azure.costs")
        parts["azure"] = _record(Azure, azure, f"{where}: azure")
    if "limits" in parts:
        parts["limits"] = _record(Limits, parts["limits"], f"{where}: limits")
    parts["tasks"] = _each(Task, parts.get("tasks", ()), f"{where}: tasks")
    parts["resources"] = _each(Resource, parts.get("resources", ()), f"{where}: resources")
    manifest: Manifest = _record(Manifest, {"id": lab_id, **parts}, where)
    _check(manifest, where)
    return manifest


_SCALARS: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "float": (int, float)}


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidField(f"{where} holds {type(value).__name__}, not a mapping of fields.", target=where)
    return {str(key): item for key, item in value.items()}


def _each(kind: type, value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidField(f"{where} is {value!r}, not a list.", target=where)
    return tuple(_record(kind, item, f"{where}[{index}]") for index, item in enumerate(value))


def _record(kind: type, value: Any, where: str) -> Any:
    """Build a dataclass from a mapping: every field known, none missing, scalars of their type."""
    parts = _mapping(value, where)
    known = {field.name: field for field in fields(kind)}
    for name in parts:
        if name not in known:
            raise InvalidField(f"{where} has no field {name!r}. Its fields: {choices(known)}.", target=name)
    for name, field in known.items():
        if name in parts:
            parts[name] = _typed(parts[name], str(field.type), f"{where}: {name}")
    try:
        return kind(**parts)
    except TypeError as error:
        missing = str(error).rpartition(":")[2].strip()
        raise InvalidField(f"{where} lacks {missing}.", target=where) from None


def _typed(value: Any, declared: str, where: str) -> Any:
    if declared == "tuple[str, ...]":
        if (
            isinstance(value, str)
            or not isinstance(value, Sequence)
            or not all(isinstance(v, str) for v in value)
        ):
            raise InvalidField(f"{where} is {value!r}, not a list of texts.", target=where)
        return tuple(value)
    wanted = _SCALARS.get(declared)
    if wanted and (not isinstance(value, wanted) or isinstance(value, bool)):
        raise InvalidField(f"{where} is {value!r}; it takes a value of type {declared}.", target=where)
    return value


def _check(lab: Manifest, where: str) -> None:
    def refuse(field: str, value: Any, valid: str) -> None:
        raise InvalidField(f"{where}: {field} is {value!r}; it takes {valid}.", target=field)

    if not LAB_ID.fullmatch(lab.id):
        refuse("the folder's name", lab.id, "NN-verb-noun, such as 05-track-experiments")
    if lab.level not in LEVELS:
        refuse("level", lab.level, choices(LEVELS))
    if lab.cell not in CELLS:
        refuse("cell", lab.cell, choices(CELLS))
    seen: set[str] = set()
    for task in lab.tasks:
        if not lab_event.TASK_ID.fullmatch(task.id) or task.id in seen:
            refuse("tasks: id", task.id, "lower-case words with '-' between them, each once")
        if task.points < 0 or task.hidden_points < 0 or task.max_points == 0:
            refuse(f"tasks: points of {task.id}", task.points, "numbers from 0 up, and not 0 in all")
        seen.add(task.id)
    for resource in lab.resources:
        if resource.type not in RESOURCE_TYPES:
            refuse("resources: type", resource.type, choices(RESOURCE_TYPES))
