"""The packs that a class is graded against: read from a folder, or made from a collection."""

from __future__ import annotations

from pathlib import Path

from academy.errors import NotFound
from academy.labs.collection import Collection, Lab, called, not_known
from academy.labs.editions.pack import HIDDEN, Pack, make_pack, packs_in, read_pack
from academy.labs.grading.own_code import own_code
from academy.labs.grading.similarity import Similarity, similar
from academy.labs.grading.table import Sheet
from academy.labs.manifest import Manifest


class Packs:
    """The packs by lab: read from a folder, or made from a collection when one is first asked for.

    Parameters
    ----------
    folder
        Packs of ``academy lab release --pack``; None makes them from the collection.
    to
        Where packs are made.
    only
        The one lab to be graded, by its id or number; empty for all.

    Raises
    ------
    NotFound
        The folder holds no pack, or there is no such lab.
    """

    def __init__(self, folder: Path | None, collection: Path | None, to: Path, only: str | None) -> None:
        self._folder, self._to = folder, to
        self._made: dict[str, Pack] = {}
        self._collection = Collection.locate(collection)
        self.ids = _known(folder) if folder else [lab.id for lab in self._collection.labs()]
        self.only = ""
        if only:
            self.only = self._chosen(only)
            self.pack(self.only)

    @property
    def manifests(self) -> dict[str, Manifest]:
        """The manifests of the labs whose packs were asked for."""
        return {lab: self._made[lab].manifest for lab in sorted(self._made)}

    def pack(self, lab: str) -> Pack:
        """Return the pack of a lab."""
        if lab not in self._made:
            self._made[lab] = (
                read_pack(self._folder, lab)
                if self._folder
                else make_pack(self._collection.lab(lab), self._to)
            )
        return self._made[lab]

    def similar(self, made: list[Sheet]) -> dict[str, Similarity]:
        """Return which submissions are alike, lab by lab."""
        found: dict[str, Similarity] = {}
        for sheet in made:
            if sheet.lab in self._made:
                pack = self._made[sheet.lab]
                given = pack.release.notebook
                submissions = [row.graded.submission for row in sheet.graded]
                codes = [own_code(one.learner, one.folder / f"{one.lab}.ipynb", given) for one in submissions]
                found[sheet.lab] = similar(codes, own_code("", pack.lab.notebook, given))
        return found

    def _chosen(self, name: str) -> str:
        if not self._folder:
            return self._collection.lab(name).id
        labs = [Lab(lab, self._folder / lab / f"{lab}.ipynb", self._folder / lab) for lab in self.ids]
        found = called(name, labs)
        if found is None:
            raise not_known(name, labs, f"the packs in {self._folder}")
        return found.id


def _known(folder: Path) -> list[str]:
    """Return the labs whose packs are in the folder; there is at least one."""
    found = packs_in(folder)
    if found:
        return found
    if (folder / HIDDEN).is_file():
        raise NotFound(f"{folder} is itself a pack. Give the folder that holds it: --pack {folder.parent}.")
    raise NotFound(
        f"{folder} holds no pack: there, NN-verb-noun/{HIDDEN} is looked for. "
        "'academy lab release --to DIR --pack PACKS' makes packs of all labs; then give --pack PACKS."
    )
