"""All rules, and one lab or several held against them."""

from __future__ import annotations

from collections.abc import Sequence

from academy.errors import AcademyError
from academy.labs.collection import MANIFEST, Collection, Lab
from academy.labs.lint import code, files, known, manifest_rules, outputs, prose, sections, structure
from academy.labs.lint.source import Finding, Rule, read, sentence
from academy.labs.manifest import LAB_ID

# Held before a lab is read, in `lint` and in `strays`.
READABLE = Rule("readable", "lab.yml and the notebook can be read; lab.yml has every field, and no other")
PAIRS = Rule("pairs", "labs are named NN-verb-noun, and each notebook has its folder with lab.yml")

RULES: tuple[Rule, ...] = (
    READABLE,
    PAIRS,
    *manifest_rules.RULES,
    *sections.RULES,
    *structure.RULES,
    *code.RULES,
    *known.RULES,
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
        found = [finding for rule in RULES if rule.look for finding in rule.look(source)]
    except AcademyError as error:
        file = f"labs/{lab.id}"
        what = sentence(error.message)
        return [Finding(READABLE.id, file, what, "Mend that first; the rest is looked at then.")]
    return sorted(found, key=lambda finding: (finding.file, finding.number))


def lint_all(labs: Sequence[Lab], collection: Collection) -> dict[str, list[Finding]]:
    """Return what is to be mended, by lab; below ``""`` what is of no lab, such as a notebook alone."""
    alone = strays(collection)
    return {**({"": alone} if alone else {}), **{lab.id: lint(lab, collection) for lab in labs}}


def strays(collection: Collection) -> list[Finding]:
    """Return what lies where labs do and is none: a notebook or folder without the other, or a wrong name."""
    folders = {path.name for path in (collection.root / "labs").glob("[!._]*") if path.is_dir()}
    notebooks = {path.stem for path in (collection.root / "notebooks").glob("*.ipynb")}
    found = []
    for name in sorted(folders | notebooks):
        folder, notebook = f"labs/{name}", f"notebooks/{name}.ipynb"
        if not LAB_ID.fullmatch(name):
            place = folder if name in folders else notebook
            found.append(Finding(PAIRS.id, place, "It is not named as a lab.", "Call it NN-verb-noun."))
        elif not (collection.root / folder / MANIFEST).is_file():
            found.append(Finding(PAIRS.id, folder, f"It has no {MANIFEST}.", "'academy lab new' makes one."))
    return found
