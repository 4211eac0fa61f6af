"""All rules, and one lab or several held against them."""

from __future__ import annotations

from collections.abc import Sequence

from academy.errors import AcademyError
from academy.labs.collection import Collection, Lab
from academy.labs.lint import code, files, manifest_rules, outputs, prose, sections, structure
from academy.labs.lint.source import Finding, Rule, read

RULES: tuple[Rule, ...] = (
    *manifest_rules.RULES,
    *sections.RULES,
    *structure.RULES,
    *code.RULES,
    *outputs.RULES,
    *prose.RULES,
    *files.RULES,
)


def lint(lab: Lab, collection: Collection) -> list[Finding]:
    """Return what is to be mended in a lab, in the order of its cells.

    A lab whose manifest or notebook cannot be read has that one finding, with the rule ``readable``.
    """
    try:
        source = read(lab, collection)
        found = [finding for rule in RULES for finding in rule.look(source)]
    except AcademyError as error:
        return [Finding("readable", lab.id, error.message, "Mend that first; the rest is looked at then.")]
    return sorted(found, key=lambda finding: (finding.file, finding.number))


def lint_all(labs: Sequence[Lab], collection: Collection) -> dict[str, list[Finding]]:
    """Return what is to be mended, by lab."""
    return {lab.id: lint(lab, collection) for lab in labs}
