"""How requests come, how long an answer may take, and how it is paid for."""

from __future__ import annotations

from academy.matrix.catalogue import Billing, Stage
from academy.matrix.needs import Budget, Latency, Needs, Traffic
from academy.matrix.ranked import Reason
from academy.matrix.rules.reason import (
    Candidate,
    first_sentence,
    refused,
    speaks_against,
    speaks_for,
)

_SINGLY = (Traffic.OCCASIONAL, Traffic.STEADY, Traffic.SPIKY)
_AT_ONCE = (Latency.INTERACTIVE, Latency.SECONDS)


def bulk(needs: Needs, one: Candidate) -> Reason | None:
    if needs.traffic is not Traffic.BULK:
        return None
    if not one.traits.batch:
        return refused("traffic", "It answers single requests, and yours are to be scored in bulk.")
    if one.traits.realtime:
        return speaks_for("traffic", 1, "It can score in bulk, beside single requests.")
    return speaks_for("traffic", 3, "It is made to score in bulk: many files or rows in one run.")


def peaks(needs: Needs, one: Candidate) -> Reason | None:
    if needs.traffic is not Traffic.SPIKY or not one.traits.realtime:
        return None
    if one.traits.autoscale:
        return speaks_for("traffic", 2, "It grows with a peak of requests, and shrinks after it.")
    return speaks_against(
        "traffic", 2, "It does not grow with a peak of requests: you size it for the highest."
    )


def idle_time(needs: Needs, one: Candidate) -> Reason | None:
    """What the time between requests costs, when they come now and then or in peaks."""
    if needs.traffic not in (Traffic.OCCASIONAL, Traffic.SPIKY) or not one.traits.realtime:
        return None
    if one.traits.billing is Billing.OWN:
        return None
    rare = needs.traffic is Traffic.OCCASIONAL
    between = "while nobody asks" if rare else "between peaks"
    if one.traits.scale_to_zero:
        return speaks_for(
            "traffic", 2 if rare else 1, f"It costs nothing {between}.{_price_unless_said(needs, one)}"
        )
    points = 2 if rare and one.traits.billing is Billing.WHILE_EXISTING else 1
    return speaks_against("traffic", points, f"It goes on costing {between}.{_price_unless_said(needs, one)}")


def steady(needs: Needs, one: Candidate) -> Reason | None:
    if needs.traffic is not Traffic.STEADY or not one.traits.realtime:
        return None
    if one.traits.billing is Billing.PER_USE:
        price = _price_unless_said(needs, one)
        return speaks_against(
            "traffic", 1, f"At steady traffic, paying for each use soon costs more than machines.{price}"
        )
    return speaks_for("traffic", 1, "Steady traffic makes good use of machines that are always there.")


def singly(needs: Needs, one: Candidate) -> Reason | None:
    if one.traits.realtime:
        return None
    if needs.latency in _AT_ONCE:  # such requests come singly, also where nothing is said of the traffic
        return refused(
            "latency", "It works through batches in minutes or hours, and each request waits for its answer."
        )
    if needs.traffic not in _SINGLY:
        return None
    return speaks_against(
        "traffic", 3, "It works through batches; requests that come singly have to be gathered."
    )


def waiting(needs: Needs, one: Candidate) -> Reason | None:
    if needs.latency not in _AT_ONCE or not one.traits.realtime:
        return None
    starts_cold = one.traits.scale_to_zero and one.traits.billing is not Billing.OWN
    has_pauses = needs.traffic is not Traffic.STEADY and not one.traits.ready_made
    if needs.latency is Latency.INTERACTIVE and starts_cold and has_pauses:
        return speaks_against(
            "latency", 1, "It answers at once when warm; after idle time the first one waits for a start."
        )
    return speaks_for("latency", 1, "It answers single requests at once.")


def nobody_waits(needs: Needs, one: Candidate) -> Reason | None:
    if needs.latency is not Latency.HOURS or one.traits.billing is Billing.OWN:
        return None
    if one.traits.batch and one.traits.scale_to_zero:
        return speaks_for("latency", 2, "Nobody waits, so machines run for the work alone and then stop.")
    if one.traits.billing is Billing.WHILE_EXISTING:
        return speaks_against(
            "latency", 1, "It is kept ready at all hours, though nobody waits for an answer."
        )
    return None


def own_machines(needs: Needs, one: Candidate) -> Reason | None:
    if needs.budget is not Budget.OWN_MACHINES:
        return None
    if one.traits.billing is Billing.OWN:
        return speaks_for("budget", 2, f"It runs on machines that you have. {_price(one)}")
    return refused("budget", f"It has to be rented, and there are only your own machines. {_price(one)}")


def pay_per_use(needs: Needs, one: Candidate) -> Reason | None:
    if needs.budget is not Budget.PAY_PER_USE:
        return None
    billing = one.traits.billing
    if billing is Billing.OWN:
        return speaks_for("budget", 1, "No bill for use; the machines are yours already.")
    if one.traits.scale_to_zero:
        return speaks_for("budget", 2, f"Nothing is paid while nothing runs. {_price(one)}")
    # Of requests that may come steadily, nobody can say yet that it idles.
    may_be_steady = needs.traffic is Traffic.STEADY or (
        needs.stage is Stage.INFERENCE and needs.traffic is None
    )
    if billing is Billing.WHILE_EXISTING and not may_be_steady:
        return refused("budget", f"It is billed while nothing runs, until it is deleted. {_price(one)}")
    return speaks_against("budget", 2, f"It is billed as long as it stands ready. {_price(one)}")


def fixed_sum(needs: Needs, one: Candidate) -> Reason | None:
    if needs.budget is not Budget.FIXED:
        return None
    if one.traits.billing is Billing.OWN:
        return speaks_for("budget", 1, "The machines are yours already: no bill that could swing.")
    if one.traits.billing is Billing.WHILE_EXISTING:
        return speaks_for("budget", 2, f"Each month costs the same. {_price(one)}")
    points = 2 if one.traits.billing is Billing.PER_USE else 1
    return speaks_against("budget", points, f"The bill follows the use, so that months differ. {_price(one)}")


def starting_anew(needs: Needs, one: Candidate) -> Reason | None:
    """Training comes and goes: machines that stop by themselves are not paid for between runs."""
    if needs.stage is not Stage.TRAINING or needs.budget is not Budget.ANY:
        return None
    if one.traits.billing is Billing.OWN or not one.traits.scale_to_zero:
        return None
    return speaks_for("budget", 1, f"Between runs nothing is paid. {_price(one)}")


def _price_unless_said(needs: Needs, one: Candidate) -> str:
    """Return the price, where no reason on the budget says it already."""
    return f" {_price(one)}" if needs.budget is Budget.ANY else ""


def _price(one: Candidate) -> str:
    return first_sentence(one.service.price_model)


RULES = (
    bulk,
    peaks,
    idle_time,
    steady,
    singly,
    waiting,
    nobody_waits,
    own_machines,
    pay_per_use,
    fixed_sum,
    starting_anew,
)
