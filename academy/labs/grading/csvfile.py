"""Comma-separated files that are safe to open: no cell becomes a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from academy.errors import InvalidField
from academy.labs.grading.table import Sheet, points, sentences

# A spreadsheet runs a cell that begins so. A learner chooses their own name, and their notebook's.
_FORMULA = re.compile(r"\s*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?%?|-|")


@dataclass(frozen=True)
class Grid:
    """A file of cells as it was read, and how to write it in the same way."""

    rows: tuple[tuple[str, ...], ...]
    delimiter: str = ","
    marked: bool = False  # with a byte order mark, as Excel wants it

    def text(self) -> str:
        return ("\ufeff" if self.marked else "") + written(self.rows, self.delimiter)


def read_grid(content: bytes, name: str) -> Grid:
    """Read an exported file; its first row says which character stands between cells.

    Raises
    ------
    InvalidField
        It is not text in UTF-8, or is empty.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidField(f"{name} is not text in UTF-8. Export it as CSV (UTF-8).", target=name) from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    rows = tuple(tuple(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if row)
    if not rows:
        raise InvalidField(f"{name} is empty. Export the grades as CSV first.", target=name)
    return Grid(rows, delimiter, content.startswith(b"\xef\xbb\xbf"))


def written(rows: Iterable[Sequence[object]], delimiter: str = ",") -> str:
    """Return rows as CSV, each cell defused."""
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([[defused(str(cell)) for cell in row] for row in rows])
    return stream.getvalue()


def defused(cell: str) -> str:
    """Return the cell as text that no spreadsheet takes for a formula."""
    if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell


def plain(made: Sequence[Sheet]) -> str:
    """Return all grades: a row a submission, and for each task what was reached and could be."""
    several = len(made) > 1
    columns = [(sheet, column) for sheet in made for column in sheet.columns]
    names = [f"{sheet.lab}/{column.task}" if several else column.task for sheet, column in columns]
    head = ["learner", "lab", "points", "max_points", *names, *(f"{name} max" for name in names), "notes"]
    rows = [head]
    for sheet in made:
        for row in sheet.rows:
            done = not row.graded.error
            scores = [sheet.score(row, column) if own is sheet else None for own, column in columns]
            total = [points(row.graded.points), points(row.graded.max_points)] if done else ["", ""]
            reached = [points(score.points) if score else "" for score in scores]
            most = [points(score.max_points) if score else "" for score in scores]
            rows.append([row.learner, row.lab, *total, *reached, *most, sentences(row.notes)])
    return written(rows)
