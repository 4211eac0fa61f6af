"""The rules of choosing: each judges one need of one service, or of one cell, and gives a reason."""

from academy.matrix.rules import cell, load, people, place, proof

SERVICE_RULES = (*place.RULES, *people.RULES, *load.RULES, *proof.RULES)
CELL_RULES = cell.RULES
