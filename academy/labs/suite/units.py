"""What there is to run: labs, each in two editions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.labs.collection import Collection, Lab
from academy.labs.manifest import LAB_ID
from academy.labs.suite.options import Edition

BOTH = (Edition.SOLVED, Edition.LEARNER)


@dataclass(frozen=True)
class Unit:
    """One edition of one lab: what is run at once."""

    lab: Lab
    edition: Edition

    @property
    def key(self) -> str:
        """A name of its own, also among collections with labs of one name."""
        place = hashlib.sha256(str(self.lab.notebook).encode()).hexdigest()[:12]
        return f"{self.lab.id}-{place}-{self.edition}"

    def to_json(self) -> list[str]:
        return [self.lab.id, str(self.lab.notebook), str(self.lab.folder), self.edition]


def unit_of(found: Sequence[str]) -> Unit:
    """Rebuild what ``to_json`` took apart."""
    lab_id, notebook, folder, edition = found
    return Unit(Lab(lab_id, Path(notebook), Path(folder)), Edition(edition))


def units_of(labs: Sequence[Lab], editions: Sequence[Edition] = BOTH) -> list[Unit]:
    """Return what there is to run, lab by lab."""
    return [Unit(lab, edition) for lab in labs for edition in editions]


def labs_of(collection: Collection, names: Sequence[str]) -> list[Lab]:
    """Return the labs of these names, or all; also notebooks whose ``lab.yml`` is missing, which is a fault.

    Raises
    ------
    NotFound
        There is no lab of that name.
    """
    chosen = collection.chosen(names)
    if names:
        return list(dict.fromkeys(chosen))
    known = {lab.id for lab in chosen}
    notebooks = sorted((collection.root / "notebooks").glob("*.ipynb"))
    alone = [file for file in notebooks if LAB_ID.fullmatch(file.stem) and file.stem not in known]
    return [*chosen, *(Lab(file.stem, file, collection.root / "labs" / file.stem) for file in alone)]
