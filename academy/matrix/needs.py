"""What a team needs, as one frozen value; needs that contradict each other are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from academy.errors import InvalidField
from academy.matrix.catalogue import DataPlace, Operator, Skill, Stage
from academy.matrix.fields import At, choice, mapping, typed


class Traffic(StrEnum):
    """How requests come, when a model is to answer."""

    NONE = "none"
    OCCASIONAL = "occasional"
    STEADY = "steady"
    SPIKY = "spiky"
    BULK = "bulk"


class Latency(StrEnum):
    """How long an answer may take."""

    INTERACTIVE = "interactive"  # somebody waits for the page
    SECONDS = "seconds"
    HOURS = "hours"


class Budget(StrEnum):
    """How the team can pay."""

    ANY = "any"
    OWN_MACHINES = "own_machines"  # nothing can be rented
    PAY_PER_USE = "pay_per_use"  # nothing while nothing runs
    FIXED = "fixed"  # the same sum each month


class Hardware(StrEnum):
    """The least that the work needs."""

    CPU = "cpu"
    GPU = "gpu"
    CLUSTER = "cluster"


class Changes(StrEnum):
    """How often the model or its code changes."""

    RARELY = "rarely"
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"


class ModelSource(StrEnum):
    """Whose model is to answer."""

    OWN = "own"
    READY_MADE = "ready_made"  # one that a service has already: speech, documents, language


class AuditDemand(StrEnum):
    """What has to be shown of what ran."""

    NONE = "none"
    ON_REQUEST = "on_request"
    REGULATED = "regulated"


@dataclass(frozen=True)
class Needs:
    """What is known of a situation. Only the stage has to be said; the rest begins at what asks least.

    Each field takes an enum's member or its text, the sets any list of them: ``Needs(stage="training",
    skills={"python"})``. ``data`` is the widest place where the data may go. Of ``data``, ``operator``,
    ``latency`` and ``model``, None means that it does not matter; of ``traffic``, that nothing is said of it,
    which is worth saying where a model is to answer. ``skills`` empty means that the team can
    learn what it takes. ``languages`` are those that the code is written in, each of which has to be
    possible; empty means any. ``offline`` says that it has to work without a connection to the cloud.

    Raises
    ------
    InvalidField
        A value is none of the valid ones, or two needs contradict each other.
    """

    stage: Stage
    data: DataPlace | None = None
    operator: Operator | None = None
    skills: frozenset[Skill] = frozenset()
    traffic: Traffic | None = None
    latency: Latency | None = None
    budget: Budget = Budget.ANY
    hardware: Hardware = Hardware.CPU
    languages: frozenset[str] = frozenset()
    changes: Changes = Changes.MONTHLY
    audit: AuditDemand = AuditDemand.NONE
    offline: bool = False
    model: ModelSource | None = None

    def __post_init__(self) -> None:
        at = At(Path("Needs"))
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            # Frozen, and what it was given is yet to be read.
            object.__setattr__(self, name, _read(kind, value, at.field(name), name in _MAY_BE_NONE))
        found = [text for is_so, text in CONTRADICTIONS if is_so(self)]
        if found:
            raise InvalidField(f"These needs contradict each other. {' '.join(map(self._filled, found))}")

    def _filled(self, text: str) -> str:
        shown = {field.name: _shown(getattr(self, field.name)) for field in fields(self)}
        return text.format_map(shown)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str = "Needs") -> Needs:
        """Return the needs that a file or a form says; ``source`` is what an error names as its place.

        A field that holds None, as an empty one in YAML does, was not said.
        """
        at = At(Path(source))
        found = mapping(values, at, [field.name for field in fields(cls)])
        said = {
            name: _read(_KINDS[name], value, at.field(name), name in _MAY_BE_NONE)
            for name, value in found.items()
            if value is not None
        }
        if "stage" not in said:
            at.refuse(f" does not say the stage. Say stage: {Stage.TRAINING} or stage: {Stage.INFERENCE}.")
        try:
            return cls(**said)
        except InvalidField as error:
            raise InvalidField(f"{at}: {error.message}", target=error.target) from None

    def to_mapping(self) -> dict[str, Any]:
        """Return all fields as plain values in a stated order, as ``from_mapping`` reads them."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


# How each field is read: one value of an enum, a set of them, a set of texts, or yes and no.
_KINDS: Mapping[str, Any] = {
    "stage": Stage,
    "data": DataPlace,
    "operator": Operator,
    "skills": (Skill,),
    "traffic": Traffic,
    "latency": Latency,
    "budget": Budget,
    "hardware": Hardware,
    "languages": (str,),
    "changes": Changes,
    "audit": AuditDemand,
    "offline": bool,
    "model": ModelSource,
}
_MAY_BE_NONE = ("data", "operator", "traffic", "latency", "model")


def _read(kind: Any, value: Any, at: At, may_be_none: bool) -> Any:
    if value is None and may_be_none:
        return None
    if isinstance(kind, tuple):
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, Iterable) or isinstance(items, Mapping):
            at.refuse(f" is {value!r}; it takes a list.")
        return frozenset(_one(kind[0], item, at) for item in items)
    return _one(kind, value, at)


def _one(kind: Any, value: Any, at: At) -> Any:
    if issubclass(kind, StrEnum):
        return choice(kind, value, at)
    found = typed(kind, value, at)
    return found.strip() if isinstance(found, str) else found


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
    return str(value) if isinstance(value, StrEnum) else value


def _shown(value: Any) -> str:
    """Return a value as a sentence on contradictions names it."""
    plain = _plain(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    return ", ".join(map(repr, plain)) if isinstance(plain, list) else repr(plain)


def _writes_no_code(needs: Needs) -> bool:
    return needs.skills == {Skill.LOW_CODE}


# What cannot be at the same time, and the ways out. Each names both fields and both values.
CONTRADICTIONS: tuple[tuple[Callable[[Needs], bool], str], ...] = (
    (
        lambda needs: needs.stage is Stage.TRAINING and needs.traffic not in (None, Traffic.NONE),
        "stage is {stage} and traffic is {traffic}, but nobody asks a model while it is trained: "
        "leave traffic out, or ask for stage 'inference'.",
    ),
    (
        lambda needs: needs.stage is Stage.TRAINING and needs.latency is not None,
        "stage is {stage} and latency is {latency}, but a model that is trained does not answer yet: "
        "leave latency out, or ask for stage 'inference'.",
    ),
    (
        lambda needs: needs.stage is Stage.TRAINING and needs.model is ModelSource.READY_MADE,
        "stage is {stage} and model is {model}, but a ready-made model is there already: "
        "ask for stage 'inference', or for model 'own'.",
    ),
    (
        lambda needs: needs.stage is Stage.INFERENCE and needs.traffic is Traffic.NONE,
        "stage is {stage} and traffic is {traffic}, but a model that answers has requests: say traffic "
        "'occasional', 'steady', 'spiky' or 'bulk', or ask for stage 'training'.",
    ),
    (
        lambda needs: (
            needs.stage is Stage.INFERENCE
            and needs.traffic is Traffic.BULK
            and needs.latency in (Latency.INTERACTIVE, Latency.SECONDS)
        ),
        "traffic is {traffic} and latency is {latency}, but what is scored in bulk is answered as a whole: "
        "say latency 'hours' or leave it out, or say traffic 'steady' or 'spiky' where each request waits "
        "for its answer.",
    ),
    (
        lambda needs: needs.data is DataPlace.ON_PREMISES and needs.operator is Operator.PLATFORM,
        "data is {data} and operator is {operator}, but a platform runs its own machines, and the data may "
        "not go there: say operator 'owner' or 'shared', or data 'tenant'.",
    ),
    (
        lambda needs: needs.offline and needs.data in (DataPlace.TENANT, DataPlace.SERVICE),
        "offline is {offline} and data is {data}, but without a connection no data reaches the cloud: say "
        "data 'on_premises' or leave it out, or leave offline out.",
    ),
    (
        lambda needs: needs.offline and needs.operator is Operator.PLATFORM,
        "offline is {offline} and operator is {operator}, but a platform is reached over a connection: say "
        "operator 'owner', or leave offline out.",
    ),
    (
        lambda needs: needs.budget is Budget.OWN_MACHINES and needs.operator is Operator.PLATFORM,
        "budget is {budget} and operator is {operator}, but a platform's machines are rented: say operator "
        "'owner' or 'shared', or budget 'pay_per_use', 'fixed' or 'any'.",
    ),
    (
        lambda needs: _writes_no_code(needs) and needs.operator is Operator.OWNER,
        "skills is {skills} alone and operator is {operator}, but who runs machines has to know more than "
        "low-code tools: say operator 'platform', or add what the team knows, such as 'linux' and 'python'.",
    ),
)
