"""Which cell of a submission is which cell of the release.

A cell is known by its id, then by ``metadata.academy``, then by what it holds, then by where it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nbformat import NotebookNode
from rapidfuzz import fuzz

from academy.labs.editions.edition import own, tags
from academy.labs.editions.stubs import without_stubs

# Of 100; below this two texts are taken for different ones.
_ALIKE = 75
# A notebook made to keep a grader busy is not looked at any further than this.
_MOST_CELLS = 1000
_MOST_COMPARED = 20_000


@dataclass(frozen=True)
class Match:
    """The cells of a submission by place: ``of`` gives, for each released cell, those that are it.

    The first of several is the one that counts; the others are copies. ``extra`` are in no list.
    """

    of: dict[int, list[int]]
    recognised: frozenset[int] = frozenset()

    @property
    def released(self) -> dict[int, int]:
        """For each submitted cell that counts, the released cell that it is."""
        return {places[0]: index for index, places in self.of.items() if places}


@dataclass
class _Search:
    release: Sequence[NotebookNode]
    submission: Sequence[NotebookNode]
    of: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    taken: set[int] = field(default_factory=set)
    recognised: set[int] = field(default_factory=set)

    def take(self, index: int, place: int, *, recognised: bool = False) -> None:
        self.of[index].append(place)
        self.taken.add(place)
        if recognised:
            self.recognised.add(index)

    def open_cells(self) -> list[int]:
        return [index for index in range(len(self.release)) if index not in self.of]

    def free_places(self) -> list[int]:
        return [place for place in range(len(self.submission)) if place not in self.taken]


def match(release: Sequence[NotebookNode], submission: Sequence[NotebookNode]) -> Match:
    """Find, for each released cell, the submitted cells that it has become."""
    search = _Search(release, submission)
    _by_id(search)
    _by_metadata(search)
    _by_content(search)
    _by_place(search)
    for index, places in search.of.items():
        if len(places) > 1:
            search.of[index] = sorted(places, key=lambda place: _precedence(search, index, place))
    return Match(dict(search.of), frozenset(search.recognised))


def same_text(one: str, other: str) -> bool:
    """Tell whether two sources differ in no more than spaces at the ends of lines, or empty lines around."""
    return [line.rstrip() for line in one.strip().splitlines()] == [
        line.rstrip() for line in other.strip().splitlines()
    ]


def _by_id(search: _Search) -> None:
    ids = {cell.id: index for index, cell in enumerate(search.release)}
    for place, cell in enumerate(search.submission):
        index = ids.get(cell.id)
        # An id that a tool gave anew may be another cell's; what Academy noted of the cell is right then.
        if index is not None and _key(cell) in ((), _key(search.release[index])):
            search.take(index, place)


def _by_metadata(search: _Search) -> None:
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, cell in enumerate(search.release):
        groups[_key(cell)].append(index)
    groups.pop((), None)
    found: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for place in search.free_places():
        found[_key(search.submission[place])].append(place)
    for key, indices in groups.items():
        places = found.get(key, [])
        missing = [index for index in indices if index not in search.of]
        if len(indices) == 1:
            for place in places:
                search.take(indices[0], place)
        else:
            for index, place in zip(missing, places, strict=False):
                search.take(index, place)


def _by_content(search: _Search) -> None:
    """Pair what is left by how alike it is, the most alike first; of equals, the first with the first."""
    places = search.free_places()[:_MOST_CELLS]
    pairs = [
        (-likeness, index, place)
        for index in search.open_cells()
        for place in places
        if (likeness := _likeness(search.release[index], search.submission[place])) >= _ALIKE
    ]
    for _, index, place in sorted(pairs):
        if index not in search.of and place not in search.taken:
            search.take(index, place, recognised=True)


def _by_place(search: _Search) -> None:
    """Take a cell that was typed anew for the task cell that is missing between the same neighbours."""
    for index in search.open_cells():
        if not own(search.release[index]).get("task"):
            continue
        wanted = search.release[index].cell_type
        between = [
            place
            for place in _between(search, index)
            if place not in search.taken and search.submission[place].cell_type == wanted
        ]
        if between:
            search.take(index, between[0], recognised=True)


def _between(search: _Search, index: int) -> Iterator[int]:
    before = [search.of[other][0] for other in range(index) if other in search.of]
    after = [search.of[other][0] for other in range(index + 1, len(search.release)) if other in search.of]
    first = before[-1] + 1 if before else 0
    last = next((place for place in after if place >= first), len(search.submission))
    yield from range(first, last)


def _precedence(search: _Search, index: int, place: int) -> tuple[bool, int]:
    """Of copies, the last one that was changed counts: running them all leaves its values."""
    return same_text(search.submission[place].source, search.release[index].source), -place


def _key(cell: NotebookNode) -> tuple[str, ...]:
    for role in ("check", "task"):
        if own(cell).get(role):
            return role, str(own(cell)[role])
    return ("parameters",) if "parameters" in tags(cell) else ()


def _likeness(released: NotebookNode, submitted: NotebookNode) -> float:
    source, found = released.source.strip(), submitted.source.strip()[:_MOST_COMPARED]
    if not source or not found:
        return 0.0
    if source == found or not own(released).get("task"):
        return float(fuzz.ratio(source, found, score_cutoff=_ALIKE))
    # What was given is still in it, and the learner's own code around.
    given = without_stubs(source).strip()
    return float(fuzz.partial_ratio(given, found, score_cutoff=_ALIKE)) if given else 0.0
