"""What speaks for and against a whole cell, whichever of its services is taken."""

from __future__ import annotations

from academy.matrix.catalogue import Cell, CellId, Compute, DataPlace, Operator, Skill
from academy.matrix.needs import AuditDemand, Budget, Needs, Traffic
from academy.matrix.ranked import Reason
from academy.matrix.rules.reason import first_sentence, refused, speaks_against, speaks_for
from academy.matrix.wording import STAGES


def stage(needs: Needs, cell: Cell) -> Reason | None:
    if cell.id.stage is not needs.stage:
        return refused("stage", f"It is for {STAGES[cell.id.stage]}, and you ask for {STAGES[needs.stage]}.")
    return speaks_for("stage", 0, f"What it is: {first_sentence(cell.definition)}")


def operator(needs: Needs, cell: Cell) -> Reason | None:
    hybrid = cell.id.compute is Compute.HYBRID
    if needs.operator is Operator.OWNER:
        return (speaks_for if hybrid else speaks_against)(
            "operator", 1, f"You want to run it yourselves. Set up by: {cell.set_up_by}"
        )
    if needs.operator is Operator.PLATFORM:
        return (speaks_against if hybrid else speaks_for)(
            "operator", 1, f"You want a platform to run it. Upkeep: {cell.upkeep}"
        )
    return None


def data(needs: Needs, cell: Cell) -> Reason | None:
    if needs.data is not DataPlace.ON_PREMISES:
        return None
    if cell.id.compute is Compute.HYBRID:
        return speaks_for("data", 1, "It can be machines of your own, where the data is already.")
    return speaks_against("data", 1, "Its services run in the cloud, and the data may not go there.")


def machines(needs: Needs, cell: Cell) -> Reason | None:
    if needs.budget is not Budget.OWN_MACHINES or cell.id.compute is not Compute.HYBRID:
        return None
    return speaks_for("budget", 1, "It can be machines that you have already.")


def traffic(needs: Needs, cell: Cell) -> Reason | None:
    if needs.traffic is not Traffic.SPIKY:
        return None
    if cell.id is CellId.MANAGED:
        return speaks_for("traffic", 1, "Following the traffic is what the platform is there for.")
    if cell.id is CellId.UNMANAGED:
        return speaks_against("traffic", 1, "Peaks are yours to foresee: you keep it available.")
    return None


def skills(needs: Needs, cell: Cell) -> Reason | None:
    if needs.skills != {Skill.LOW_CODE}:
        return None
    if cell.id.compute is Compute.CLOUD:
        return speaks_for("skills", 1, "Nobody has to set machines up, so that low-code tools are enough.")
    return speaks_against(
        "skills", 1, "Everything is set up by the team itself, which takes more than low-code."
    )


def audit(needs: Needs, cell: Cell) -> Reason | None:
    if needs.audit is AuditDemand.NONE:
        return None
    if cell.id.compute is Compute.CLOUD:
        return speaks_for("audit", 1, "The platform keeps records of what ran.")
    return speaks_against(
        "audit",
        1,
        "An audit trail is required at release, and the team has to keep it: 'academy audit run' does for a "
        "script.",
    )


RULES = (stage, operator, data, machines, traffic, skills, audit)
