"""The decision matrix: four environments, what lives in each, and how to choose among them.

``recommend(Needs(stage="training", data="on_premises", skills={"python"}))`` ranks cells and services, each
with its reasons; ``load()`` is the catalogue that it reads.
"""

from academy.matrix.catalogue import (
    Catalogue,
    CellId,
    DataPlace,
    Operator,
    Skill,
    Stage,
)
from academy.matrix.needs import (
    AuditDemand,
    Budget,
    Changes,
    Hardware,
    Latency,
    ModelSource,
    Needs,
    Traffic,
)
from academy.matrix.ranking import recommend
from academy.matrix.reading import load
from academy.matrix.recommendation import Recommendation

__all__ = [
    "AuditDemand",
    "Budget",
    "Catalogue",
    "CellId",
    "Changes",
    "DataPlace",
    "Hardware",
    "Latency",
    "ModelSource",
    "Needs",
    "Operator",
    "Recommendation",
    "Skill",
    "Stage",
    "Traffic",
    "load",
    "recommend",
]
