"""What traits are called in sentences and tables that a person reads."""

from __future__ import annotations

from academy.matrix.catalogue import (
    Billing,
    DataPlace,
    Evidence,
    MoveKind,
    Operator,
    Rollout,
    Skill,
    Stage,
    Traits,
)

STAGES = {Stage.TRAINING: "training and testing", Stage.INFERENCE: "inference"}
PLACES = {
    DataPlace.ON_PREMISES: "on premises",
    DataPlace.TENANT: "in the cloud, in your own subscription",
    DataPlace.SERVICE: "in a service that many customers share",
}
OPERATORS = {
    Operator.OWNER: "the owner",
    Operator.SHARED: "the owner and the platform",
    Operator.PLATFORM: "the platform",
}
SKILLS = {
    Skill.PYTHON: "Python",
    Skill.R: "R",
    Skill.DOTNET: ".NET",
    Skill.SQL: "SQL",
    Skill.SPARK: "Spark",
    Skill.LINUX: "Linux",
    Skill.WINDOWS: "Windows",
    Skill.CONTAINERS: "containers",
    Skill.KUBERNETES: "Kubernetes",
    Skill.WEB: "web services",
    Skill.LOW_CODE: "low-code tools",
}
BILLINGS = {
    Billing.OWN: "no bill; the machines are your own",
    Billing.PER_USE: "by use; nothing while nothing is asked",
    Billing.WHILE_RUNNING: "by the hour while it runs; it can be stopped",
    Billing.WHILE_EXISTING: "by the hour until it is deleted",
}
ROLLOUTS = {
    Rollout.MANUAL: "whatever the owner builds",
    Rollout.REPEATABLE: "versions that can be put back",
    Rollout.GRADUAL: "a share of the traffic first",
}
EVIDENCE = {
    Evidence.OWN: "the owner has to keep it",
    Evidence.RECORDED: "the platform keeps it",
    Evidence.LIMITED: "what happens inside is not shown",
}

KINDS = {
    MoveKind.SAME: "the same cell",
    MoveKind.USUAL: "the usual way",
    MoveKind.CROSSING: "crossing over",
    MoveKind.SIDEWAYS: "the same stage on other machines",
    MoveKind.BACK: "the way back",
}


def trait_facts(traits: Traits) -> list[tuple[str, str]]:
    """Return terms and what is said of them, in the order of the traits."""
    hidden = "the platform's own, out of sight" if traits.ready_made else ""
    made_for = [("Made for", "people who write no code")] if traits.low_code else []
    return [
        ("Stages", ", ".join(STAGES[stage] for stage in traits.stages)),
        ("Data", "; ".join(PLACES[place] for place in traits.data)),
        ("Machines kept by", OPERATORS[traits.operator]),
        ("Skills", skills(traits)),
        *made_for,
        ("Model", "ready-made" if traits.ready_made else "your own"),
        ("GPU", hidden or _yes(traits.gpu)),
        ("Several machines", hidden or _yes(traits.multi_node)),
        ("Single requests", _yes(traits.realtime)),
        ("Batches", _yes(traits.batch)),
        ("Free when idle", _yes(traits.scale_to_zero)),
        ("Scales by itself", _yes(traits.autoscale)),
        ("Works offline", _yes(traits.offline)),
        ("Billing", BILLINGS[traits.billing]),
        ("Rollout", ROLLOUTS[traits.rollout]),
        ("Record of runs", EVIDENCE[traits.evidence]),
    ]


def skills(traits: Traits) -> str:
    """Return the skills that are asked for: ``Spark; and one of Python, R, SQL``."""
    needed = ", ".join(SKILLS[skill] for skill in traits.skills)
    any_of = ", ".join(SKILLS[skill] for skill in traits.any_skill)
    if len(traits.any_skill) > 1:
        any_of = f"one of {any_of}"
    return "; and ".join(part for part in (needed, any_of) if part) or "none in particular"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
