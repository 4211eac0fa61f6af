"""What of the solutions and hidden tests of a lab can still be read in its learner's edition.

Texts are compared as words and operators, so that line breaks, indentation, quotes, commas and brackets
make no difference. What is looked for is whole statements: all of a statement's own words, in their order,
in one piece or in at most three. Imports, block headers and very short lines stand in any program. A whole
region of some size is known under other names too, and a small statement where a text quotes it. What a cell
gives on purpose is no leak there.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from academy.labs.collection import Lab
from academy.labs.editions import edition, ipynb
from academy.labs.editions.layout import as_text, files_of, in_edition
from academy.labs.editions.markers import Kind, regions
from academy.labs.editions.quoted import Quotes, quotes_in
from academy.labs.editions.readable import Line, Passage, passages
from academy.labs.editions.renamed import Shape, shape_of
from academy.labs.editions.shown import Shown, shown_in
from academy.labs.editions.statements import Statement, Words, statements, words

# A run of so many words is the least that is taken for a piece of a statement.
_PIECE = 5
_PIECES = 3
_MARKER = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS)\b")
_NAMED_SOLUTION = re.compile(r"(^|[-_ ])solutions?$", re.IGNORECASE)


@dataclass(frozen=True)
class Leak:
    """Something of a solution or hidden test; ``place`` is where it can be read, ``origin`` whose it is.

    ``cell`` and ``task`` say which cell's source holds which task's solution, where its author may intend it.
    """

    place: str
    text: str
    origin: str
    cell: str = ""
    task: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text!r} is {self.origin}"


@dataclass(frozen=True)
class Secret:
    """One marked region of the source; ``task`` is that of a notebook's solution, or empty."""

    origin: str
    lines: tuple[Words, ...]
    statements: tuple[Statement, ...]
    shape: Shape | None
    is_test: bool
    task: str = ""

    @property
    def is_short(self) -> bool:
        """Whether it is known only as a whole, because none of its statements says much."""
        return not any(statement.is_telling for statement in self.statements)


@dataclass(frozen=True)
class _Run:
    """Words ``begin`` to ``end`` of a statement, found in a passage from ``line`` on."""

    begin: int
    end: int
    line: Line


@dataclass(frozen=True)
class Looked:
    """The leaks, and what cells say that they show though it is not there: each cell's id with a task."""

    leaks: tuple[Leak, ...]
    stale: tuple[tuple[str, str], ...] = ()


def find_leaks(lab: Lab, folder: Path) -> tuple[Leak, ...]:
    """Return what of the lab's solutions and hidden tests can be read in the edition in ``folder``."""
    return look(lab, folder).leaks


def look(lab: Lab, folder: Path) -> Looked:
    """Look through the edition in ``folder`` for the lab's solutions and hidden tests."""
    found = dict.fromkeys(_by_name(folder))
    secrets = list(secrets_of(lab))
    sought = {
        max(one.telling_words, key=len)
        for secret in secrets
        for one in secret.statements
        if one.telling_words
    }
    read = list(passages(folder, {*sought, "BEGIN ", "END "}))
    for passage in read:
        for line in passage:
            if _MARKER.search(line.text):
                found[Leak(line.place, line.text.strip(), "a marker of a solution or hidden test")] = None
    shown = shown_in(lab)
    quotes = quotes_in(folder)
    found |= dict.fromkeys(_leaks_of(secrets, read, quotes, shown))
    places: dict[tuple[str, str], Leak] = {}
    for leak in found:
        places.setdefault((leak.place, leak.origin), leak)
    stale = set(shown)
    if stale:
        nothing_shown = Shown(shown.notebook)
        stale -= {(leak.cell, leak.task) for leak in _leaks_of(secrets, read, quotes, nothing_shown)}
    return Looked(tuple(places.values()), tuple(sorted(stale)))


def secrets_of(lab: Lab) -> Iterator[Secret]:
    """Yield each marked region of a lab's notebook and files, as the source has it and as editions do."""
    for index, cell in enumerate(ipynb.read(lab.notebook).cells):
        where, is_code = f"{lab.notebook.name}, {ipynb.place(cell, index)}", cell.cell_type == "code"
        task = str(edition.own(cell).get("task", ""))
        for secret in _secrets_in(cell.source, where, lab.id, is_code):
            yield secret if secret.is_test else replace(secret, task=task)
    for name in files_of(lab):
        text = as_text((lab.folder / name).read_bytes())
        if text is not None:
            yield from _secrets_in(text, str(name), lab.id, name.suffix == ".py")


def _secrets_in(text: str, where: str, lab_id: str, is_code: bool) -> Iterator[Secret]:
    for region in regions(text, where):
        origin = f"of the {region.kind.lower()} in the source ({where}, line {region.first})"
        is_test = region.kind is Kind.HIDDEN_TESTS
        for version in dict.fromkeys((region.text, in_edition(region.text, lab_id))):
            lines = tuple(filter(None, map(words, version.splitlines())))
            held = tuple(statements(version, is_code=is_code, is_test=is_test))
            yield Secret(origin, lines, held, shape_of(version) if is_code else None, is_test)


def _leaks_of(
    secrets: Sequence[Secret], read: Sequence[Passage], quotes: Quotes, shown: Shown
) -> Iterator[Leak]:
    """Yield where the secrets can be read, other than in cells that show their task."""
    long = [secret for secret in secrets if not secret.is_short]
    found = chain(
        _statements_in(long, read, shown),
        _short_ones_in(secrets, read),
        _renamed_in(secrets, read),
        _quoted_in(secrets, quotes),
    )
    for secret, line in found:
        if not shown.excuses(line, secret.task):
            cell = shown.cell_of(line) if secret.task else ""
            task = secret.task if cell else ""
            yield Leak(line.place, _shortened(line.text), secret.origin, cell, task)


def _by_name(folder: Path) -> Iterator[Leak]:
    for path in sorted(folder.rglob("*")):
        if _NAMED_SOLUTION.search(path.stem):
            name = str(path.relative_to(folder))
            yield Leak(name, path.name, "named as a solution; keep it out of the lab's folder")


def _statements_in(
    secrets: Sequence[Secret], read: Iterable[Passage], shown: Shown
) -> Iterator[tuple[Secret, Line]]:
    telling = [
        (secret, statement) for secret in secrets for statement in secret.statements if statement.is_telling
    ]
    runs = _runs([statement.words for _, statement in telling], read)
    held: dict[int, list[tuple[Statement, Line]]] = defaultdict(list)
    for index, (secret, statement) in enumerate(telling):
        # What is shown says nothing about the rest: not that most stands there, nor where pieces belong.
        others = [run for run in runs[index] if not shown.excuses(run.line, secret.task)]
        held[id(secret)] += [(statement, line) for line in _covered(statement, others)]
    for secret in secrets:
        found = held[id(secret)]
        own = [statement for statement in secret.statements if statement.is_telling]
        # One small statement out of many may stand elsewhere for a reason of its own.
        most = 2 * len({statement for statement, _ in found}) >= len(own)
        for statement, line in found:
            if most or statement.is_long:
                yield secret, line


def _runs(wanted: Sequence[Words], read: Iterable[Passage]) -> dict[int, list[_Run]]:
    """Return, for each list of words, the longest runs of it that stand in the passages."""
    grams: dict[Words, list[tuple[int, int]]] = defaultdict(list)
    for index, needle in enumerate(wanted):
        for at in range(len(needle) - _PIECE + 1):
            grams[needle[at : at + _PIECE]].append((index, at))
    known = {word for needle in wanted for word in needle}
    found: dict[int, list[_Run]] = defaultdict(list)
    for passage in read:
        text, lines = _flat(passage)
        for at in range(len(text) - _PIECE + 1):
            if text[at] not in known:
                continue
            for index, begin in grams.get(tuple(text[at : at + _PIECE]), ()):
                needle = wanted[index]
                if at and begin and text[at - 1] == needle[begin - 1]:
                    continue  # inside a run that is found already
                length = _PIECE
                while (
                    begin + length < len(needle)
                    and at + length < len(text)
                    and text[at + length] == needle[begin + length]
                ):
                    length += 1
                found[index].append(_Run(begin, begin + length, lines[at]))
    return found


def _flat(passage: Passage) -> tuple[list[str], list[Line]]:
    text: list[str] = []
    lines: list[Line] = []
    for line in passage:
        own = words(line.text)
        text += own
        lines += [line] * len(own)
    return text, lines


def _covered(statement: Statement, runs: Sequence[_Run]) -> Iterator[Line]:
    """Yield where a statement stands: whole, or, when it stands whole nowhere, in pieces in one file."""
    first, last = statement.own[0], statement.own[-1]
    whole = [run.line for run in runs if run.begin <= first and run.end > last]
    yield from whole
    if whole or len(statement.words) < 2 * _PIECE:
        return
    by_file: dict[str, list[_Run]] = defaultdict(list)
    for run in runs:
        by_file[run.line.file].append(run)
    for pieces in by_file.values():
        chosen = _fewest(statement.own, pieces)
        if chosen and len(chosen) <= _PIECES:
            yield chosen[0].line


def _fewest(needed: Sequence[int], runs: Sequence[_Run]) -> list[_Run]:
    """Return the fewest runs that hold all needed words between them; none when they do not."""
    chosen: list[_Run] = []
    done = -1
    for at in needed:
        if at < done:
            continue
        fitting = [run for run in runs if run.begin <= at < run.end]
        if not fitting:
            return []
        chosen.append(max(fitting, key=lambda run: run.end))
        done = chosen[-1].end
    return chosen


def _short_ones_in(secrets: Sequence[Secret], read: Iterable[Passage]) -> Iterator[tuple[Secret, Line]]:
    """Yield where a short region stands as a whole, line by line."""
    wanted = [secret for secret in secrets if secret.is_short and _says_something(secret)]
    for passage in read if wanted else ():
        lines = [(words(line.text), line) for line in passage]
        lines = [(own, line) for own, line in lines if own]
        texts = [own for own, _ in lines]
        for secret in wanted:
            size = len(secret.lines)
            for at in range(len(texts) - size + 1):
                if texts[at] == secret.lines[0] and tuple(texts[at : at + size]) == secret.lines:
                    yield secret, lines[at][1]


def _renamed_in(secrets: Sequence[Secret], read: Iterable[Passage]) -> Iterator[tuple[Secret, Line]]:
    """Yield where a region begins as a whole, its variables under whatever names."""
    shapes = [(secret, secret.shape) for secret in secrets if secret.shape]
    for passage in read if shapes else ():
        text, lines = _flat(passage)
        held = set(text)
        for secret, shape in shapes:
            for at in shape.places_in(text) if shape.fixed <= held else ():
                yield secret, lines[at]


def _quoted_in(secrets: Iterable[Secret], quotes: Quotes) -> Iterator[tuple[Secret, Line]]:
    for secret in secrets:
        for statement in secret.statements:
            for line in quotes.of(statement):
                yield secret, line


def _says_something(secret: Secret) -> bool:
    own = {word for statement in secret.statements for word in statement.telling_words}
    return sum(map(len, secret.lines)) >= 4 and len(own) >= 2


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 80 else text[:80] + " …"
