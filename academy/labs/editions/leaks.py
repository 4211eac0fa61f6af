"""What of the solutions and hidden tests of a lab can still be read in its learner's edition.

Texts are compared as words and operators, so that line breaks, indentation, quotes, commas and brackets
make no difference. What is looked for is whole statements: all of a statement's own words, in their order,
in one piece or in at most three. Imports, block headers and very short lines stand in any program.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.layout import as_text, files_of, in_edition
from academy.labs.editions.markers import regions
from academy.labs.editions.readable import Line, Passage, passages
from academy.labs.editions.statements import Statement, Words, statements, words

# A run of so many words is the least that is taken for a piece of a statement.
_PIECE = 5
_PIECES = 3
_MARKER = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS)\b")
_NAMED_SOLUTION = re.compile(r"(^|[-_ ])solutions?$", re.IGNORECASE)


@dataclass(frozen=True)
class Leak:
    """Something of a solution or hidden test; ``place`` is where it can be read, ``origin`` whose it is."""

    place: str
    text: str
    origin: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text!r} is {self.origin}"


@dataclass(frozen=True)
class Secret:
    """One marked region of the source."""

    origin: str
    lines: tuple[Words, ...]
    statements: tuple[Statement, ...]

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


def find_leaks(lab: Lab, folder: Path) -> tuple[Leak, ...]:
    """Return what of the lab's solutions and hidden tests can be read in the edition in ``folder``."""
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
    long = [secret for secret in secrets if not secret.is_short]
    for leak in (*_statements_in(long, read), *_short_ones_in(secrets, read)):
        found[leak] = None
    places: dict[tuple[str, str], Leak] = {}
    for leak in found:
        places.setdefault((leak.place, leak.origin), leak)
    return tuple(places.values())


def secrets_of(lab: Lab) -> Iterator[Secret]:
    """Yield each marked region of a lab's notebook and files, as the source has it and as editions do."""
    texts = [
        (f"{lab.notebook.name}, {ipynb.place(cell, index)}", cell.source, cell.cell_type == "code")
        for index, cell in enumerate(ipynb.read(lab.notebook).cells)
    ]
    for name in files_of(lab):
        text = as_text((lab.folder / name).read_bytes())
        if text is not None:
            texts.append((str(name), text, name.suffix == ".py"))
    for where, text, is_code in texts:
        for region in regions(text, where):
            origin = f"of the {region.kind.lower()} in the source ({where}, line {region.first})"
            is_test = region.kind.startswith("HIDDEN")
            for version in dict.fromkeys((region.text, in_edition(region.text, lab.id))):
                lines = tuple(filter(None, map(words, version.splitlines())))
                yield Secret(origin, lines, tuple(statements(version, is_code=is_code, is_test=is_test)))


def _by_name(folder: Path) -> Iterator[Leak]:
    for path in sorted(folder.rglob("*")):
        if _NAMED_SOLUTION.search(path.stem):
            name = str(path.relative_to(folder))
            yield Leak(name, path.name, "named as a solution; keep it out of the lab's folder")


def _statements_in(secrets: Sequence[Secret], read: Iterable[Passage]) -> Iterator[Leak]:
    telling = [
        (secret, statement) for secret in secrets for statement in secret.statements if statement.is_telling
    ]
    runs = _runs([statement.words for _, statement in telling], read)
    held: dict[int, list[tuple[Statement, Line]]] = defaultdict(list)
    for index, (secret, statement) in enumerate(telling):
        held[id(secret)] += [(statement, line) for line in _covered(statement, runs[index])]
    for secret in secrets:
        found = held[id(secret)]
        own = [statement for statement in secret.statements if statement.is_telling]
        # One small statement out of many may stand elsewhere for a reason of its own.
        most = 2 * len({statement for statement, _ in found}) >= len(own)
        for statement, line in found:
            if most or statement.is_long:
                yield Leak(line.place, _shortened(line.text), secret.origin)


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


def _short_ones_in(secrets: Sequence[Secret], read: Iterable[Passage]) -> Iterator[Leak]:
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
                    yield Leak(lines[at][1].place, _shortened(lines[at][1].text), secret.origin)


def _says_something(secret: Secret) -> bool:
    own = {word for statement in secret.statements for word in statement.telling_words}
    return sum(map(len, secret.lines)) >= 4 and len(own) >= 2


def _shortened(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 80 else text[:80] + " …"
