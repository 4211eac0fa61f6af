"""``academy lab new``: a small lab that passes its suite, to be rewritten piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

from academy.errors import Conflict, UserError
from academy.labs.collection import Collection, Lab
from academy.labs.manifest import LAB_ID
from academy.paths import writing

# A collection of one lab; what is copied from it takes the new lab's name.
TEMPLATE = Path(__file__).parent / "template"
_NAMED = "00-count-months"
_TITLE = "Register a table and count in it"


def new_lab(collection: Collection, lab_id: str, *, title: str | None = None) -> Lab:
    """Write a new lab into the collection, whose folders are made where they are missing.

    Raises
    ------
    UserError
        The id is not of the form NN-verb-noun.
    Conflict
        A file of the lab is there already, or another lab of its number; nothing was written.
    """
    if not LAB_ID.fullmatch(lab_id):
        raise UserError(
            f"The name {lab_id!r} is not a lab's. It takes two digits, a verb and a noun: 15-explain-models."
        )
    targets = {_renamed(file, lab_id): file for file in sorted(TEMPLATE.rglob("*")) if file.is_file()}
    taken = [name for name in targets if (collection.root / name).exists()]
    if taken:
        raise Conflict(
            f"{collection.root / taken[0]} is there already. Choose another name, or move it away."
        )
    number = lab_id.partition("-")[0]
    same = [lab.id for lab in collection.labs() if lab.number == number]
    if same:
        raise Conflict(
            f"The number {number} is that of {same[0]} in {collection.root}. Choose another number: labs are "
            "named by it."
        )
    for name, file in targets.items():
        content = file.read_text(encoding="utf-8").replace(_NAMED, lab_id)
        target = collection.root / name
        text = content.replace(_TITLE, _written(title or _TITLE, target))
        with writing(collection.root, "Choose another --collection."):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return collection.lab(lab_id)


def _written(title: str, file: Path) -> str:
    """Return the title as it stands in a file: quoted as JSON, which YAML reads too, where it has to be."""
    quoted = json.dumps(title, ensure_ascii=False)
    if file.suffix == ".ipynb":
        return quoted[1:-1]
    return quoted if file.suffix == ".yml" else title


def _renamed(file: Path, lab_id: str) -> str:
    return str(file.relative_to(TEMPLATE)).replace(_NAMED, lab_id)
