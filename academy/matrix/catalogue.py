"""What the files in ``environments/`` say, as frozen values. ``reading.py`` makes them from the files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Stage(StrEnum):
    """The matrix's rows: where in its lifecycle a model is."""

    TRAINING = "training"
    INFERENCE = "inference"


class Compute(StrEnum):
    """The matrix's columns: whose machines they are."""

    HYBRID = "hybrid"
    CLOUD = "cloud"


class CellId(StrEnum):
    """The four environments; each is also the name of its folder in ``environments/``."""

    DEVELOPER = "developer"
    HOSTED = "hosted"
    UNMANAGED = "unmanaged"
    MANAGED = "managed"

    @property
    def stage(self) -> Stage:
        return Stage.TRAINING if self in (CellId.DEVELOPER, CellId.HOSTED) else Stage.INFERENCE

    @property
    def compute(self) -> Compute:
        return Compute.HYBRID if self in (CellId.DEVELOPER, CellId.UNMANAGED) else Compute.CLOUD


class Operator(StrEnum):
    """Who sets machines up and keeps them running."""

    OWNER = "owner"
    SHARED = "shared"
    PLATFORM = "platform"


class DataPlace(StrEnum):
    """Where data is worked on, from the narrowest to the widest."""

    ON_PREMISES = "on_premises"  # machines of one's own; nothing leaves
    TENANT = "tenant"  # the cloud, in a subscription and network of one's own
    SERVICE = "service"  # a ready-made service that many customers share


class Billing(StrEnum):
    """What is paid for."""

    OWN = "own"  # machines that are there already; no bill from the service
    PER_USE = "per_use"  # nothing while nothing is asked
    WHILE_RUNNING = "while_running"  # by the hour, and it can be stopped
    WHILE_EXISTING = "while_existing"  # by the hour until it is deleted


class Rollout(StrEnum):
    """How a change reaches production."""

    MANUAL = "manual"  # whatever the owner builds
    REPEATABLE = "repeatable"  # versions that can be put back
    GRADUAL = "gradual"  # a share of the traffic first


class Evidence(StrEnum):
    """Who keeps the record of what ran."""

    OWN = "own"  # the owner has to: nobody else does
    RECORDED = "recorded"  # the platform records runs, versions and who did what
    LIMITED = "limited"  # what happens inside is not shown to the customer


class Skill(StrEnum):
    """What a team has to know."""

    PYTHON = "python"
    R = "r"
    DOTNET = "dotnet"
    SQL = "sql"
    SPARK = "spark"
    LINUX = "linux"
    WINDOWS = "windows"
    CONTAINERS = "containers"
    KUBERNETES = "kubernetes"
    WEB = "web"
    LOW_CODE = "low_code"


@dataclass(frozen=True)
class Resource:
    """Something to learn from; ``confirmed`` is false for an address that was not seen to answer."""

    title: str
    url: str
    minutes: int
    kind: str
    confirmed: bool


# Level (100, 200, 300) → what there is to learn from.
Resources = Mapping[int, tuple[Resource, ...]]


@dataclass(frozen=True)
class Traits:
    """What choosing looks at.

    ``skills`` are needed all together; of ``any_skill`` one is enough (empty: none is asked for).
    ``retiring`` says when and what to take instead, or is None: it is for a service that goes as a whole.
    ``ready_made`` says that it answers with models that are there already, and takes none of one's own;
    ``low_code`` that it is made for people who write no code, and code of one's own is the exception.
    """

    stages: tuple[Stage, ...]
    data: tuple[DataPlace, ...]
    operator: Operator
    skills: tuple[Skill, ...]
    any_skill: tuple[Skill, ...]
    languages_any: bool
    gpu: bool
    multi_node: bool
    realtime: bool
    batch: bool
    scale_to_zero: bool
    autoscale: bool
    offline: bool
    billing: Billing
    rollout: Rollout
    evidence: Evidence
    retiring: str | None = None
    ready_made: bool = False
    low_code: bool = False


@dataclass(frozen=True)
class Service:
    """One service in the cell where it belongs; ``id`` is its file's name.

    ``also_in`` are further cells that it can be met in.
    """

    id: str
    cell: CellId
    name: str
    formerly: tuple[str, ...]
    summary: str
    frameworks: tuple[str, ...]
    languages: tuple[str, ...]
    price_model: str
    run_by: str
    choose_when: tuple[str, ...]
    avoid_when: tuple[str, ...]
    traits: Traits
    resources: Resources
    sources: tuple[str, ...]
    also_in: tuple[CellId, ...] = ()


@dataclass(frozen=True)
class Here:
    """What stands for a cell on this machine, and the commands that reach it."""

    text: str
    commands: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One of the four environments."""

    id: CellId
    name: str
    definition: str
    use_cases: tuple[str, ...]
    personas: tuple[str, ...]
    tools: tuple[str, ...]
    frameworks: tuple[str, ...]
    languages: tuple[str, ...]
    set_up_by: str
    supported_by: str
    upkeep: str
    here: Here
    resources: Resources
    sources: tuple[str, ...]
    services: tuple[Service, ...]


class MoveKind(StrEnum):
    """What going from one cell to another is."""

    SAME = "same"
    USUAL = "usual"  # developer → unmanaged, hosted → managed
    CROSSING = "crossing"  # developer → managed, hosted → unmanaged: possible and costly
    SIDEWAYS = "sideways"  # the same stage on other machines
    BACK = "back"  # from inference to training


@dataclass(frozen=True)
class Move:
    """A way between two cells, and its price in words."""

    origin: CellId
    goal: CellId
    kind: MoveKind
    summary: str
    price: tuple[str, ...]


@dataclass(frozen=True)
class Catalogue:
    """The whole matrix."""

    cells: Mapping[CellId, Cell]
    moves: Mapping[tuple[CellId, CellId], Move]

    def services(self) -> Iterator[Service]:
        """Yield all services, cell by cell."""
        for cell in self.cells.values():
            yield from cell.services

    def move(self, origin: CellId, goal: CellId) -> Move:
        """Return the way from one cell to another."""
        return self.moves[origin, goal]
