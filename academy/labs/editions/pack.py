"""The instructor's pack of a lab: the edition as released, the solved source, and the hidden tests.

``PACK/NN-verb-noun/`` is an edition with everything in (its notebook runs where it lies), and beside that
``release/`` and ``hidden.json``. Grading needs nothing else, so that a class is graded against what it was
given, whatever becomes of the source.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from academy.errors import Conflict, InvalidField, NotFound, choices
from academy.labs.collection import MANIFEST, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import hidden_tests, in_one_folder, write_edition, write_files
from academy.labs.editions.metadata_schema import check_metadata
from academy.labs.manifest import LAB_ID, Manifest

RELEASE = "release"
HIDDEN = "hidden.json"


@dataclass(frozen=True)
class Pack:
    """A pack: ``lab`` is the solved source, ``release`` what learners got, ``hidden`` the tests by task."""

    lab: Lab
    release: Lab
    hidden: dict[str, str]

    @cached_property
    def manifest(self) -> Manifest:
        return self.lab.manifest


def make_pack(lab: Lab, folder: Path) -> Pack:
    """Write the pack of a lab as ``folder/NN-verb-noun``; it appears whole or not at all.

    Nobody but its owner can read it.

    Raises
    ------
    Conflict
        The pack is there already.
    """
    target = folder / lab.id
    if os.path.lexists(target):
        raise Conflict(f"There is a pack {target} already, and it is left as it is. Choose another place.")
    folder.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder, prefix=f".{lab.id}."))
    try:
        write_edition(lab, partial / RELEASE)
        notebook = ipynb.read(lab.notebook)
        check_metadata(notebook, str(lab.notebook))
        ipynb.write(in_one_folder(notebook, lab.id), partial / f"{lab.id}.ipynb")
        write_files(lab, partial, markers=True)
        hidden = json.dumps(hidden_tests(notebook), indent=1, ensure_ascii=False)
        (partial / HIDDEN).write_text(hidden + "\n", encoding="utf-8")
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return read_pack(folder, lab.id)


def read_pack(folder: Path, lab_id: str) -> Pack:
    """Read the pack of a lab in the folder of packs.

    Raises
    ------
    NotFound
        There is none; the message names those there are.
    InvalidField
        Its hidden tests cannot be read.
    """
    own = folder / lab_id
    if not (own / HIDDEN).is_file():
        raise NotFound(
            f"There is no pack of the lab {lab_id!r} in {folder}. Packs: {choices(packs_in(folder))}. "
            "'academy lab release LAB --to DIR --pack DIR' makes one."
        )
    notebook = f"{lab_id}.ipynb"
    for name in (notebook, MANIFEST, f"{RELEASE}/{notebook}", f"{RELEASE}/{MANIFEST}"):
        if not (own / name).is_file():
            raise NotFound(f"The pack {own} is not complete: it has no {name}. Make it again.")
    try:
        hidden = json.loads((own / HIDDEN).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidField(f"{own / HIDDEN} is not JSON: {error}. Make the pack again.") from None
    if not isinstance(hidden, dict) or not all(isinstance(text, str) for text in hidden.values()):
        raise InvalidField(f"{own / HIDDEN} does not hold one text for each task. Make the pack again.")
    released = own / RELEASE
    return Pack(Lab(lab_id, own / notebook, own), Lab(lab_id, released / notebook, released), hidden)


def packs_in(folder: Path) -> list[str]:
    """Return the ids of the labs whose packs are in the folder."""
    return sorted(
        path.parent.name for path in folder.glob(f"*/{HIDDEN}") if LAB_ID.fullmatch(path.parent.name)
    )
