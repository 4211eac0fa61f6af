"""What a place has to allow: the stage, the data, a missing connection, the hardware, the languages."""

from __future__ import annotations

from academy.matrix.catalogue import DataPlace, Skill
from academy.matrix.languages import names
from academy.matrix.needs import Budget, Hardware, Needs
from academy.matrix.ranked import Reason
from academy.matrix.rules.reason import (
    Candidate,
    first_sentence,
    listed,
    refused,
    speaks_against,
    speaks_for,
)
from academy.matrix.wording import PLACES, STAGES

_WIDTH = {place: width for width, place in enumerate(DataPlace)}


def stage(needs: Needs, one: Candidate) -> Reason | None:
    if needs.stage not in one.traits.stages:
        made_for = listed(STAGES[found] for found in one.traits.stages)
        return refused("stage", f"It is made for {made_for}, and you ask for {STAGES[needs.stage]}.")
    if one.cell.stage is not needs.stage:
        return refused(
            "stage",
            f"In this cell it is used for {STAGES[one.cell.stage]}; you ask for {STAGES[needs.stage]}.",
        )
    return speaks_for("stage", 0, f"What it is: {first_sentence(one.service.summary)}")


def data_may_go_there(needs: Needs, one: Candidate) -> Reason | None:
    if needs.data is None:
        return None
    narrowest = min(one.traits.data, key=_WIDTH.__getitem__)
    if _WIDTH[narrowest] > _WIDTH[needs.data]:
        return refused(
            "data", f"The data has to stay {PLACES[needs.data]}; here it is worked on {PLACES[narrowest]}."
        )
    if needs.budget is Budget.OWN_MACHINES and needs.data is DataPlace.TENANT:
        # The data might go to the cloud, and nothing that could be rented there is wanted.
        at_home = DataPlace.ON_PREMISES in one.traits.data
        return speaks_for("data", 1, "The data stays on machines of your own.") if at_home else None
    if needs.data is DataPlace.SERVICE or needs.data not in one.traits.data:
        return None
    points = 2 if needs.data is DataPlace.ON_PREMISES else 1
    return speaks_for("data", points, f"The data stays {PLACES[needs.data]}.")


def data_leaves_traces(needs: Needs, one: Candidate) -> Reason | None:
    stays = needs.data is DataPlace.ON_PREMISES and DataPlace.ON_PREMISES in one.traits.data
    if not stays or one.traits.offline:
        return None
    return speaks_against(
        "data",
        1,
        "The data stays, but it is steered from the cloud: names, logs and metrics go there. Ask whether "
        "they may.",
    )


def without_connection(needs: Needs, one: Candidate) -> Reason | None:
    if not needs.offline:
        return None
    if one.traits.offline:
        return speaks_for("offline", 2, "It works without a connection to the cloud.")
    return refused("offline", "It needs a connection to the cloud, and you have to do without one.")


def gpu(needs: Needs, one: Candidate) -> Reason | None:
    if needs.hardware is not Hardware.GPU or one.traits.ready_made:
        return None  # of a ready-made model the service chooses the hardware
    if one.traits.gpu:
        return speaks_for("hardware", 1, "GPUs can be used.")
    return refused("hardware", "It has no GPU, and the work needs one.")


def several_machines(needs: Needs, one: Candidate) -> Reason | None:
    if needs.hardware is not Hardware.CLUSTER or one.traits.ready_made:
        return None
    if not one.traits.multi_node:
        return refused("hardware", "It is one machine, and the work needs several together.")
    if one.traits.autoscale:
        return speaks_for("hardware", 3, "Work is spread over machines, which come and go with it.")
    return speaks_against("hardware", 1, "Several machines are possible, but you have to join them by hand.")


def more_than_needed(needs: Needs, one: Candidate) -> Reason | None:
    """Platforms for many machines are a burden where one machine does, unless the team knows them."""
    for skill, name in ((Skill.KUBERNETES, "Kubernetes"), (Skill.SPARK, "Spark")):
        asked = skill in one.traits.skills and skill not in needs.skills
        if asked and needs.hardware is not Hardware.CLUSTER:
            return speaks_against(
                "hardware", 1, f"{name} is made for many machines, and is much to look after where one does."
            )
    return None


def languages(needs: Needs, one: Candidate) -> Reason | None:
    if not needs.languages:
        return None
    wanted = sorted(needs.languages)
    unnamed = [language for language in wanted if not names(one.service, language)]
    if not unnamed:
        return speaks_for("languages", 1, f"{listed(wanted)} can be used.")
    if one.traits.languages_any:
        return speaks_against(
            "languages",
            1,
            f"{listed(unnamed)} is possible, but you have to install or package it yourselves.",
        )
    offered = listed(one.service.languages)
    return refused("languages", f"{listed(unnamed)} cannot be used: it takes {offered}.")


RULES = (
    stage,
    data_may_go_there,
    data_leaves_traces,
    without_connection,
    gpu,
    several_machines,
    more_than_needed,
    languages,
)
