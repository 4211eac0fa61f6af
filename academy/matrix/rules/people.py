"""What a service asks of people: who runs the machines, what the team has to know."""

from __future__ import annotations

from collections.abc import Iterable

from academy.matrix.catalogue import Operator, Skill, Stage
from academy.matrix.needs import Needs
from academy.matrix.ranked import Reason
from academy.matrix.rules.reason import (
    Candidate,
    first_sentence,
    listed,
    refused,
    speaks_against,
    speaks_for,
)
from academy.matrix.wording import SKILLS

# How heavily it weighs that a team has to learn it; what is not here takes weeks, not months.
_HARD = {Skill.KUBERNETES: 3, Skill.SPARK: 3, Skill.DOTNET: 3, Skill.PYTHON: 3, Skill.R: 3}
_USUAL = 1.5
# Knowledge that a service is the better for when the team has it.
_SPECIAL = frozenset({Skill.KUBERNETES, Skill.SPARK, Skill.DOTNET, Skill.R, Skill.LOW_CODE})
# Who writes programs has a computer, whose operating system need not be learnt; to look after it is work.
_WRITES_PROGRAMS = frozenset({Skill.PYTHON, Skill.R, Skill.DOTNET, Skill.SPARK, Skill.WEB, Skill.CONTAINERS})
_OF_A_COMPUTER = frozenset({Skill.LINUX, Skill.WINDOWS})

_RUNS = {
    Operator.OWNER: "you run it",
    Operator.SHARED: "you share it",
    Operator.PLATFORM: "the platform runs it",
}
_WANTED = {
    Operator.OWNER: "You want to run it yourselves",
    Operator.SHARED: "You want to share the work with a platform",
    Operator.PLATFORM: "You want a platform to run it",
}
# Wanted, found → how much that counts; None: it cannot be.
_MEETING: dict[tuple[Operator, Operator], float | None] = {
    (Operator.OWNER, Operator.OWNER): 2,
    (Operator.OWNER, Operator.SHARED): -1,
    (Operator.OWNER, Operator.PLATFORM): None,
    (Operator.SHARED, Operator.OWNER): -2,
    (Operator.SHARED, Operator.SHARED): 2,
    (Operator.SHARED, Operator.PLATFORM): 0.5,
    (Operator.PLATFORM, Operator.OWNER): None,
    (Operator.PLATFORM, Operator.SHARED): -2,
    (Operator.PLATFORM, Operator.PLATFORM): 2,
}


def operator(needs: Needs, one: Candidate) -> Reason | None:
    if needs.operator is None:
        return None
    points = _MEETING[needs.operator, one.traits.operator]
    link = "and" if needs.operator is one.traits.operator else "but"
    said = first_sentence(one.service.run_by)
    text = f"{_WANTED[needs.operator]}, {link} here {_RUNS[one.traits.operator]}: {said}"
    if points is None:
        return refused("operator", text)
    return speaks_for("operator", points, text) if points > 0 else speaks_against("operator", -points, text)


def skills(needs: Needs, one: Candidate) -> Reason | None:
    if not needs.skills:
        return None
    missing = [skill for skill in Skill if skill in one.traits.skills and skill not in needs.skills]
    choice = one.traits.any_skill if not needs.skills.intersection(one.traits.any_skill) else ()
    if not missing and not choice:
        return _has_what_it_takes(needs, one)
    if not missing and _OF_A_COMPUTER.issuperset(choice) and needs.skills & _WRITES_PROGRAMS:
        return _looks_after_a_computer(needs, choice)
    asked = [SKILLS[skill] for skill in missing]
    if choice:
        asked.append(listed((SKILLS[skill] for skill in choice), "or"))
    if needs.skills == {Skill.LOW_CODE}:
        return refused(
            "skills", f"The team works with low-code tools alone, and it asks for {listed(asked)}."
        )
    points = sum(_HARD.get(skill, _USUAL) for skill in missing)
    points += min((_HARD.get(skill, _USUAL) for skill in choice), default=0)
    return speaks_against("skills", points, f"The team would have to learn {listed(asked)} first.")


def _looks_after_a_computer(needs: Needs, systems: Iterable[Skill]) -> Reason:
    serves = needs.stage is Stage.INFERENCE
    text = (
        f"Looking after {listed((SKILLS[one] for one in systems), 'or')} comes on top of what the team knows."
    )
    return speaks_against("skills", 1 if serves else 0.5, text)


def _has_what_it_takes(needs: Needs, one: Candidate) -> Reason:
    used = [skill for skill in Skill if skill in needs.skills and _asks_for(one, skill)]
    if not used:
        return speaks_for("skills", 2, "It asks for nothing that the team would have to learn.")
    special = any(skill in _SPECIAL for skill in used)
    return speaks_for("skills", 3 if special else 2, f"The team knows what it takes: {_names(used)}.")


def own_code(needs: Needs, one: Candidate) -> Reason | None:
    """A tool for people who write no code stands in the way of a team that does."""
    if not one.traits.low_code or Skill.LOW_CODE in needs.skills:
        return None
    text = "It is made for people who write no code; code of your own has little room in it."
    if needs.languages:  # there is code already
        return speaks_against("languages", 3, text)
    return speaks_against("skills", 1.5 if needs.skills else 0.5, text)


def _asks_for(one: Candidate, skill: Skill) -> bool:
    return skill in one.traits.skills or skill in one.traits.any_skill


def _names(skills: list[Skill]) -> str:
    return listed(SKILLS[skill] for skill in skills)


RULES = (operator, skills, own_code)
