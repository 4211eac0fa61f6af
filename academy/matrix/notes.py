"""What is true of the needs as a whole: a language that nothing names, a need that shuts everything out."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

from academy.matrix.catalogue import Catalogue, CellId, Stage
from academy.matrix.fields import did_you_mean
from academy.matrix.finding import guests
from academy.matrix.languages import canonical, known_languages
from academy.matrix.needs import Needs
from academy.matrix.ranked import Weight
from academy.matrix.rules import SERVICE_RULES
from academy.matrix.rules.reason import Candidate, listed

# What a need is called in a sentence.
NEEDS = {
    "stage": "the stage",
    "data": "where the data may go",
    "operator": "who runs it",
    "skills": "what the team knows",
    "traffic": "the traffic",
    "latency": "how long an answer may take",
    "budget": "the budget",
    "hardware": "the hardware",
    "languages": "the languages",
    "changes": "how often it changes",
    "audit": "what has to be proved",
    "offline": "the missing connection",
    "model": "whose model it is",
    "retiring": "its retirement",
}
# Without these there is no question: what is left when they are taken away is another situation.
_THE_QUESTION = ("stage", "traffic")


def candidates(catalogue: Catalogue, cell: CellId) -> tuple[Candidate, ...]:
    """Return the services of a cell, then those of other cells that can be met in it."""
    met = (*catalogue.cells[cell].services, *guests(catalogue, cell))
    return tuple(Candidate(one, cell) for one in met)


def unknown_languages(needs: Needs, catalogue: Catalogue) -> list[str]:
    """Say of each language that no service names that it is so, and what may have been meant."""
    known = known_languages(catalogue)
    keys = {canonical(one) for one in known}
    return [
        f"No service of the catalogue names the language {language!r}.{did_you_mean(language, known)} "
        "Where any language can be used, you bring it yourselves."
        for language in sorted(needs.languages)
        if canonical(language) not in keys
    ]


def unsaid_traffic(needs: Needs) -> list[str]:
    """Say, where requests are to be answered and nothing is said of them, that it is worth saying."""
    if needs.stage is not Stage.INFERENCE or needs.traffic is not None:
        return []
    return [
        "How requests come decides much, and nothing is said of it: say traffic 'occasional', 'steady', "
        "'spiky' or 'bulk' (--traffic on the command line)."
    ]


def ways_out(needs: Needs, catalogue: Catalogue) -> list[str]:
    """Say which one need, were it dropped, would let something fit."""
    alone = []
    for field in fields(needs):
        default = field.default
        if field.name in _THE_QUESTION or default is MISSING or getattr(needs, field.name) == default:
            continue
        fewer = replace(needs, **{field.name: default})
        names = [catalogue.cells[cell].name for cell in CellId if _is_open(fewer, catalogue, cell)]
        if names:
            alone.append(f"{field.name} ({NEEDS[field.name]}), and {listed(names)} would do")
    if alone:
        return [f"Nothing fits all of these needs. Drop one of them: {'; or '.join(alone)}."]
    return ["Nothing fits all of these needs, and to drop one of them is not enough: drop several."]


def _is_open(needs: Needs, catalogue: Catalogue, cell: CellId) -> bool:
    return any(not _is_refused(needs, one) for one in candidates(catalogue, cell))


def _is_refused(needs: Needs, one: Candidate) -> bool:
    found = (rule(needs, one) for rule in SERVICE_RULES)
    return any(reason is not None and reason.weight is Weight.REFUSED for reason in found)
