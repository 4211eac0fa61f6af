"""The linter: what a good lab does not have, each with its rule, its place and what to do."""

from academy.labs.lint.rules import RULES, lint, lint_all
from academy.labs.lint.source import Finding, Rule

__all__ = ["RULES", "Finding", "Rule", "lint", "lint_all"]
