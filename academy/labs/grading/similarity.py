"""Which submissions are alike beyond what the lab gave and the task explains. It is no proof.

Sequences of tokens are compared, as in winnowing (Schleimer, Wilkerson, Aiken: "Winnowing: local
algorithms for document fingerprinting", 2003), but all of them: a class is small. What most of the class
wrote alike is what the task asks for, and accuses nobody; neither do solutions of a few tokens, however
many, which there are not many ways to write.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from academy.labs.grading.csvfile import written
from academy.labs.grading.own_code import OwnCode
from academy.labs.grading.page import page

# How many tokens in a row must be the same to count: shorter ones are idioms.
_LENGTH = 9
# Fewer own tokens in one cell than this are too few ways to differ: a resource with all its arguments,
# made in two lines, takes 35, a mean by a loop 34, and a loop that counts 20. Two such cells are no better:
# both are written alike by many who work alone.
_LEAST_TOKENS = 45
_LEAST_SCORE = 0.5
# What this share of a class wrote, and no fewer than so many, is common.
_COMMON_SHARE, _COMMON_LEAST = 1 / 3, 4


@dataclass(frozen=True)
class Line:
    """A line of someone's own code; ``alike`` when the other one of the pair has it too."""

    text: str
    alike: bool


@dataclass(frozen=True)
class Pair:
    """Two that are alike. ``score`` is the share of the shorter one's own tokens that are in the other.

    Of the ``shared`` tokens, ``in_one_cell`` are those of the cell that has most.
    """

    first: str
    second: str
    score: float
    shared: int
    in_one_cell: int
    first_lines: tuple[Line, ...]
    second_lines: tuple[Line, ...]


@dataclass(frozen=True)
class Similarity:
    """The pairs of one lab, the most alike first, who could not be compared, and of whom not all was."""

    pairs: tuple[Pair, ...]
    compared: int
    too_short: tuple[str, ...]
    cut: tuple[str, ...] = ()


def similar(
    codes: Sequence[OwnCode], solution: OwnCode | None = None, *, least_score: float = _LEAST_SCORE
) -> Similarity:
    """Compare every two of a class; what the lab's own ``solution`` has, anyone may have found."""
    common = _common(codes) | frozenset(_sequences(solution) if solution else ())
    prints = [_Print.of(code, common) for code in codes]
    long = [one for one in prints if one.in_one_cell(one.own) >= _LEAST_TOKENS]
    short = tuple(one.code.learner for one in prints if one.in_one_cell(one.own) < _LEAST_TOKENS)
    pairs = (_pair(one, other) for one, other in itertools.combinations(long, 2) if one.meets(other))
    alike = [pair for pair in pairs if pair.score >= least_score and pair.in_one_cell >= _LEAST_TOKENS]
    alike.sort(key=lambda pair: (-pair.score, -pair.shared, pair.first, pair.second))
    return Similarity(tuple(alike), len(long), short, tuple(code.learner for code in codes if code.cut))


def summary(found: Mapping[str, Similarity]) -> str:
    """Return in a sentence how many submissions of all labs were compared, and from which size on."""
    compared = sum(similarity.compared for similarity in found.values())
    short = sum(len(similarity.too_short) for similarity in found.values())
    if not short:
        return f"Similarity: {compared} of {compared} submissions compared."
    return (
        f"Similarity: {compared} of {compared + short} submissions compared; {short} with fewer than "
        f"{_LEAST_TOKENS} tokens of their own in every cell are too short for it."
    )


def similarity_csv(found: Mapping[str, Similarity]) -> str:
    """Return the pairs of all labs as CSV."""
    rows: list[Sequence[object]] = [("lab", "learner", "other", "score", "tokens_alike")]
    for lab, similarity in found.items():
        for pair in similarity.pairs:
            rows.append((lab, pair.first, pair.second, f"{pair.score:.2f}", pair.shared))
    return written(rows)


def similarity_page(found: Mapping[str, Similarity]) -> str:
    """Return the pairs of all labs side by side, as HTML, with the plain word that this proves nothing."""
    return page("similarity", labs=list(found.items()), least=_LEAST_TOKENS)


# A sequence stands as its hash, which is compared at once; Python's own is another in each process, so that
# nobody can make up two that are the same.
_Sequence = int


@dataclass(frozen=True)
class _Print:
    """One learner's code as it is compared: at which places each sequence begins that is not common.

    ``own`` are the places of the tokens that stand in no common sequence.
    """

    code: OwnCode
    begins: Mapping[_Sequence, Sequence[int]]
    own: frozenset[int]

    @classmethod
    def of(cls, code: OwnCode, common: frozenset[_Sequence]) -> _Print:
        begins: dict[_Sequence, list[int]] = defaultdict(list)
        own = set(range(len(code.tokens)))
        for start, sequence in enumerate(_sequences(code)):
            if sequence in common:
                own -= set(range(start, start + _LENGTH))
            else:
                begins[sequence].append(start)
        return cls(code, begins, frozenset(own))

    def meets(self, other: _Print) -> bool:
        return not self.begins.keys().isdisjoint(other.begins.keys())

    def covered(self, shared: Iterable[_Sequence]) -> frozenset[int]:
        """Return the places of own tokens that stand in one of the sequences."""
        starts = (start for sequence in shared for start in self.begins[sequence])
        return self.own & {start + step for start in starts for step in range(_LENGTH)}

    def in_one_cell(self, places: Iterable[int]) -> int:
        """Return how many of the places are in the cell that has most of them."""
        return max(Counter(self.code.tokens[place].cell for place in places).values(), default=0)


def _sequences(code: OwnCode) -> list[_Sequence]:
    texts = [token.text for token in code.tokens]
    return [hash(tuple(texts[start : start + _LENGTH])) for start in range(len(texts) - _LENGTH + 1)]


def _common(codes: Sequence[OwnCode]) -> frozenset[_Sequence]:
    """Return the sequences that so many wrote that the task, not a neighbour, explains them."""
    counts = Counter(sequence for code in codes for sequence in set(_sequences(code)))
    bar = max(_COMMON_LEAST, _COMMON_SHARE * len(codes))
    return frozenset(sequence for sequence, count in counts.items() if count >= bar)


def _pair(one: _Print, other: _Print) -> Pair:
    shared = one.begins.keys() & other.begins.keys()
    first, second = one.covered(shared), other.covered(shared)
    size, alike = min((len(one.own), len(first)), (len(other.own), len(second)))
    marked = _marked(one.code, first), _marked(other.code, second)
    in_one_cell = min(one.in_one_cell(first), other.in_one_cell(second))
    return Pair(one.code.learner, other.code.learner, alike / size, alike, in_one_cell, *marked)


def _marked(code: OwnCode, places: frozenset[int]) -> tuple[Line, ...]:
    alike = {code.tokens[place].line for place in places}
    return tuple(Line(text, number in alike) for number, text in enumerate(code.lines))
