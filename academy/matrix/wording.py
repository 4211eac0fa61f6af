"""What traits are called in sentences and tables that a person reads."""

from __future__ import annotations

from academy.matrix.catalogue import (
    Billing,
    DataPlace,
    Evidence,
    Operator,
    Rollout,
    Skill,
    Stage,
    Traits,
)

RETIRING = "It retires"

STAGES = {Stage.TRAINING: "training and testing", Stage.INFERENCE: "inference"}
PLACES = {
    DataPlace.ON_PREMISES: "on premises",
    DataPlace.TENANT: "in the cloud, in a subscription of one's own",
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
    Skill.WEB: "web applications",
    Skill.LOW_CODE: "low-code tools",
}
BILLINGS = {
    Billing.OWN: "no bill; the machines are one's own",
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


def trait_facts(traits: Traits) -> list[tuple[str, str]]:
    """Return terms and what is said of them, in the order of the traits."""
    return [
        ("Stages", ", ".join(STAGES[stage] for stage in traits.stages)),
        ("Data", "; ".join(PLACES[place] for place in traits.data)),
        ("Machines kept by", OPERATORS[traits.operator]),
        ("Skills", skills(traits)),
        ("GPU", _yes(traits.gpu)),
        ("Several machines", _yes(traits.multi_node)),
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
    """Return the skills that are asked for: "Spark, and one of Python, R, SQL"."""
    needed = ", ".join(SKILLS[skill] for skill in traits.skills)
    any_of = " or ".join(SKILLS[skill] for skill in traits.any_skill)
    return ", and ".join(part for part in (needed, any_of) if part) or "none in particular"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
