"""How changes reach production, what can be shown of what ran, and whose model it is."""

from __future__ import annotations

from academy.matrix.catalogue import Evidence, Rollout, Stage
from academy.matrix.needs import AuditDemand, Changes, ModelSource, Needs
from academy.matrix.ranked import Reason
from academy.matrix.rules.reason import Candidate, refused, speaks_against, speaks_for

_OFTEN = {Changes.WEEKLY: "each week", Changes.DAILY: "each day"}


def changes(needs: Needs, one: Candidate) -> Reason | None:
    often = _OFTEN.get(needs.changes)
    training = needs.stage is Stage.TRAINING
    if often is None:
        return None
    if one.traits.rollout is Rollout.MANUAL:
        return speaks_against(
            "changes",
            1 if training else 2,
            f"You change something {often}, and here each change is made by hand.",
        )
    if one.traits.rollout is Rollout.GRADUAL and not training:
        return speaks_for(
            "changes", 2, f"A change {often} can go to a share of the requests first, and be taken back."
        )
    return speaks_for("changes", 1, f"What changes {often} is kept as versions that can be run again.")


def seldom_changes(needs: Needs, one: Candidate) -> Reason | None:
    """A change now and then weighs little, but one that goes wrong has to be taken back all the same."""
    if needs.changes in _OFTEN or needs.stage is not Stage.INFERENCE:
        return None
    by_hand = one.traits.rollout is Rollout.MANUAL
    if needs.changes is Changes.RARELY:
        text = "Changes are made by hand here, which is little when they are rare."
        return speaks_for("changes", 0, text) if by_hand else None
    if by_hand:
        return speaks_against("changes", 0.5, "Each change is made by hand, and so is taking it back.")
    if one.traits.rollout is Rollout.GRADUAL:
        return speaks_for(
            "changes", 0.5, "A change can go to a share of the requests first, and be taken back."
        )
    return None


def record_of_what_ran(needs: Needs, one: Candidate) -> Reason | None:
    if needs.audit is AuditDemand.NONE:
        return None
    regulated = needs.audit is AuditDemand.REGULATED
    if one.traits.evidence is Evidence.RECORDED:
        return speaks_for(
            "audit", 3 if regulated else 1, "The platform records what ran, which version, and who did what."
        )
    if one.traits.evidence is Evidence.OWN:
        return speaks_against(
            "audit",
            2 if regulated else 1,
            "Nobody but you keeps the record of what ran: set an audit trail up.",
        )
    if regulated:
        return refused("audit", "What happens inside is not shown to customers, so that it cannot be proved.")
    return speaks_against("audit", 1, "What happens inside is not shown to customers.")


def whose_model(needs: Needs, one: Candidate) -> Reason | None:
    if needs.stage is not Stage.INFERENCE:
        return None
    if one.traits.ready_made:
        if needs.model is ModelSource.OWN:
            return refused("model", "It answers with ready-made models and takes none of your own.")
        if needs.model is ModelSource.READY_MADE:
            return speaks_for("model", 3, "It has the model ready: nothing to train, nothing to deploy.")
        return speaks_against(
            "model", 3, "It answers with ready-made models alone: not with one of your own."
        )
    if needs.model is ModelSource.READY_MADE:
        return speaks_against(
            "model", 2, "You would bring the ready-made model yourselves, and keep it running."
        )
    return None


def retiring(needs: Needs, one: Candidate) -> Reason | None:
    if one.traits.retiring is None:
        return None
    return refused("retiring", f"It is being retired. {one.traits.retiring}")


RULES = (changes, seldom_changes, record_of_what_ran, whose_model, retiring)
