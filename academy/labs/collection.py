"""Where labs are: a collection holds ``notebooks/NN-verb-noun.ipynb`` and ``labs/NN-verb-noun/``.

An edition, such as a learner's own copy, is one folder that holds both: the notebook lies beside
``lab.yml``, and what the source calls ``../labs/NN-verb-noun/`` is ``./`` there.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path

from academy.errors import NotFound, UserError, choices
from academy.labs.manifest import LAB_ID, Manifest, read_manifest

MANIFEST = "lab.yml"
CHECKS = "checks.py"

# The labs that come with Academy.
OWN = Path(__file__).parents[2]


@dataclass(frozen=True)
class Lab:
    """One lab: its notebook, and the folder of all else it needs. Both lie in one folder in an edition."""

    id: str
    notebook: Path
    folder: Path

    @property
    def number(self) -> str:
        return self.id.partition("-")[0]

    @cached_property
    def manifest(self) -> Manifest:
        return read_manifest(self.folder / MANIFEST, self.id)

    @property
    def checks_file(self) -> Path:
        return self.folder / CHECKS

    @property
    def is_edition(self) -> bool:
        """Whether this is a copy made from the source, such as a learner's."""
        return self.notebook.parent == self.folder


@dataclass(frozen=True)
class Collection:
    """A folder with ``notebooks/`` and ``labs/``; or of editions, as a release is."""

    root: Path

    @classmethod
    def locate(cls, root: str | os.PathLike[str] | None = None) -> Collection:
        """Return the collection given, or that of ``ACADEMY_LABS``, or the one that comes with Academy."""
        chosen = root or os.environ.get("ACADEMY_LABS") or OWN
        return cls(Path(chosen).expanduser().absolute())

    def labs(self) -> list[Lab]:
        """Return every lab, in the order of their numbers."""
        folder = self.root / "labs"
        names = sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}"))
        return [self._lab(name) for name in names if LAB_ID.fullmatch(name)] or self._editions()

    def lab(self, name: str) -> Lab:
        """Return the lab of this id; its number alone (``00``, ``0``) will do.

        Raises
        ------
        NotFound
            There is none; the message names those there are.
        UserError
            Several labs have this number; the message names them.
        """
        labs = self.labs()
        found = called(name, labs)
        if found:
            return found
        if not labs:
            raise self.has_none()
        raise not_known(name, labs, str(self.root))

    def has_none(self) -> NotFound:
        """Return the error that says so."""
        return NotFound(f"There are no labs in {self.root}. 'academy lab new NN-verb-noun' begins one.")

    def chosen(self, names: Sequence[str]) -> list[Lab]:
        """Return the labs of these names, or all when none is named."""
        return [self.lab(name) for name in names] if names else self.labs()

    def _editions(self) -> list[Lab]:
        folders = sorted(path.parent for path in self.root.glob(f"*/{MANIFEST}"))
        named = [folder for folder in folders if LAB_ID.fullmatch(folder.name)]
        return [Lab(folder.name, folder / f"{folder.name}.ipynb", folder) for folder in named]

    def _lab(self, name: str) -> Lab:
        return Lab(name, self.root / "notebooks" / f"{name}.ipynb", self.root / "labs" / name)


def called(name: str, labs: Sequence[Lab]) -> Lab | None:
    """Return the lab of this id, or of this number when only one has it; ``None`` when there is none.

    A number may lack its leading zero.

    Raises
    ------
    UserError
        Several labs have this number; the message names them.
    """
    number = name.zfill(2) if name.isdecimal() else name
    found = [lab for lab in labs if lab.id == name] or [lab for lab in labs if lab.number == number]
    if len(found) > 1:
        named = choices(lab.id for lab in found)
        raise UserError(f"The number {name!r} is that of {len(found)} labs: {named}. Name one in full.")
    return found[0] if found else None


def not_known(name: str, labs: Sequence[Lab], where: str) -> NotFound:
    """Return the error for a name that no lab has: it suggests the nearest, and names all there are."""
    ids = [lab.id for lab in labs]
    part = name.lower()
    near = [one for one in ids if part and part in one] or get_close_matches(part, ids, 1, cutoff=0.5)
    meant = f" Did you mean {' or '.join(map(repr, near[:3]))}?" if near else ""
    return NotFound(f"There is no lab {name!r} in {where}.{meant} Labs: {choices(ids)}.")


def edition_in(folder: Path) -> Lab:
    """Return the lab whose edition lies in ``folder``: one ``lab.yml`` and the notebook of its name.

    A folder may be renamed by those who pass it on, so the notebook's name says which lab it is.
    """
    for notebook in sorted(folder.glob("*.ipynb")):
        if LAB_ID.fullmatch(notebook.stem) and (folder / MANIFEST).exists():
            return Lab(notebook.stem, notebook, folder)
    raise NotFound(f"{folder} holds no lab: it needs {MANIFEST} and a notebook named NN-verb-noun.ipynb.")
