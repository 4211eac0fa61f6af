"""What a team needs, as one frozen value; needs that contradict each other are refused."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from academy.matrix.catalogue import DataPlace, Operator, Skill, Stage


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


class AuditDemand(StrEnum):
    """What has to be shown of what ran."""

    NONE = "none"
    ON_REQUEST = "on_request"
    REGULATED = "regulated"


@dataclass(frozen=True)
class Needs:
    """What is known of a situation. Only the stage has to be said; the rest begins at what asks least.

    ``data`` is the widest place where the data may go. ``operator`` None means that it does not matter who
    runs the machines. ``skills`` empty means that the team can learn what it takes; ``languages`` empty
    means any. ``offline`` says that it has to work without a connection to the cloud.
    """

    stage: Stage
    data: DataPlace = DataPlace.SERVICE
    operator: Operator | None = None
    skills: frozenset[Skill] = frozenset()
    traffic: Traffic = Traffic.NONE
    latency: Latency | None = None
    budget: Budget = Budget.ANY
    hardware: Hardware = Hardware.CPU
    languages: frozenset[str] = frozenset()
    changes: Changes = Changes.MONTHLY
    audit: AuditDemand = AuditDemand.NONE
    offline: bool = False
