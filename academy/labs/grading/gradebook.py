"""Files that Moodle and Canvas import: made, or an exported one filled so that their numbers match.

Moodle's offline grading worksheet is matched by the number in ``Participant 1234``, and needs the
columns Identifier, Grade and Last modified (grade):
https://docs.moodle.org/en/Assignment_settings (Offline grading worksheet),
https://docs.moodle.org/en/Grade_import. Canvas matches a learner by ID, then SIS User ID, then SIS
Login ID, then name, and an assignment by the number in its heading ``Title (1234)``; the row
``Points Possible`` belongs to the assignments:
https://community.canvaslms.com/docs/DOC-26589 (How do I import grades in the Gradebook).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from academy.errors import InvalidField, choices
from academy.labs.grading.csvfile import Grid, written
from academy.labs.grading.table import Row, Sheet, points

_MOODLE_HEAD = (
    "Identifier",
    "Full name",
    "Email address",
    "Username",
    "Grade",
    "Maximum Grade",
    "Last modified (grade)",
    "Feedback comments",
)
# What the columns are called in English and in German.
_IDENTIFIER = ("identifier", "id", "identifikation", "teilnehmer/in")
_GRADE = ("grade", "bewertung", "note")
_MOST = ("maximum grade", "bestwertung", "höchste bewertung", "höchstnote")
_FEEDBACK = ("feedback comments", "feedback als kommentar", "kommentare zum feedback")
_LOGINS = ("email address", "e-mail-adresse", "username", "anmeldename", "id number", "id-nummer")
_NAMES = ("full name", "vollständiger name")
_FIRST = ("first name", "vorname")
_LAST = ("last name", "surname", "nachname")
_PARTICIPANT = re.compile(r"\D*(\d+)")

_CANVAS_HEAD = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
_ASSIGNMENT = re.compile(r"(?P<title>.*?)(?:\s+\((?P<id>\d+)\))?", re.DOTALL)
_POSSIBLE = "Points Possible"


@dataclass(frozen=True)
class Filled:
    """A file for a gradebook, who of the class is not in it, and where points were scaled."""

    text: str
    missing: tuple[str, ...] = ()
    scaled: tuple[str, ...] = ()


def moodle(sheet: Sheet) -> Filled:
    """Make a worksheet of the graded rows: with Moodle's numbers where the hand-ins carried them."""
    rows: list[Sequence[object]] = [_MOODLE_HEAD]
    for row in sheet.graded:
        number = f"Participant {row.moodle_id}" if row.moodle_id else ""
        mail = row.learner if "@" in row.learner else ""
        user = "" if row.moodle_id or mail else row.learner
        reached, most = points(row.graded.points), points(sheet.max_points)
        rows.append([number, row.learner, mail, user, reached, most, "", comment(row)])
    return Filled(written(rows))


def identified(row: Row) -> bool:
    """Tell whether a worksheet made here says by Moodle's number or an e-mail address who a row is."""
    return bool(row.moodle_id) or "@" in row.learner


def fill_moodle(sheet: Sheet, grid: Grid, name: str) -> Filled:
    """Fill the grades and comments of an exported worksheet or gradebook; other cells stay as they are.

    Where the worksheet's maximum is not the lab's, the points are scaled to it.

    Raises
    ------
    InvalidField
        The file has no column for the grade, or none that says who a row is.
    """
    head = [cell.strip().casefold() for cell in grid.rows[0]]
    grade = _column(head, _GRADE)
    if grade is None:
        grade = _titled(grid.rows[0], sheet)
    known = _MoodleLearners(head)
    if grade is None or not known.columns:
        raise InvalidField(
            f"{name} is no grading worksheet of Moodle: it needs a column Grade and one of Identifier, Email "
            f"address, Username, Full name. Its columns: {choices(grid.rows[0])}.",
            target=name,
        )
    most, feedback = _column(head, _MOST), _column(head, _FEEDBACK)
    rows = [list(row) + [""] * (len(head) - len(row)) for row in grid.rows]
    placed = _matched(sheet.graded, [known.keys(row) for row in rows[1:]], lambda row: row.moodle_id)
    for row, index in placed:
        cells = rows[index + 1]
        top = cells[most] if most is not None else ""
        cells[grade] = _scaled(row.graded.points, sheet.max_points, top)
        if feedback is not None:
            cells[feedback] = comment(row)
    tops = {rows[index + 1][most] for _, index in placed} if most is not None else set()
    return replace(_filled(sheet, placed, rows, grid), scaled=_said_of_scale(sheet, tops))


def canvas(made: Sequence[Sheet]) -> Filled:
    """Make a gradebook with one assignment a lab; Canvas makes those that it does not have."""
    rows: list[Sequence[object]] = [[*_CANVAS_HEAD, *(sheet.title or sheet.lab for sheet in made)]]
    rows.append([f"    {_POSSIBLE}", *[""] * 4, *(points(sheet.max_points) for sheet in made)])
    learners = {row.learner: row for sheet in made for row in sheet.graded}
    for learner, row in sorted(learners.items(), key=lambda item: item[0].casefold()):
        login = "" if row.canvas_id else learner
        found = [next((r for r in sheet.graded if r.learner == learner), None) for sheet in made]
        grades = [points(one.graded.points) if one else "" for one in found]
        rows.append([learner, row.canvas_id, "", login, "", *grades])
    return Filled(written(rows))


def fill_canvas(made: Sequence[Sheet], grid: Grid, name: str) -> Filled:
    """Fill the labs' assignments in an exported gradebook; other cells stay as they are.

    Raises
    ------
    InvalidField
        It is no gradebook of Canvas, or has no assignment for one of the labs.
    """
    head = [cell.strip() for cell in grid.rows[0]]
    if "Student" not in head[0] or "ID" not in head:
        raise InvalidField(
            f"{name} is no gradebook of Canvas, which begins with the columns Student and ID. Its columns: "
            f"{choices(head)}.",
            target=name,
        )
    rows = [list(row) + [""] * (len(head) - len(row)) for row in grid.rows]
    first = next((n for n, row in enumerate(rows) if _POSSIBLE in row[0]), 0) + 1
    keys = [_canvas_learner(head, row) for row in rows[first:]]
    missing: list[str] = []
    scaled: list[str] = []
    for sheet in made:
        column = _titled(head, sheet)
        if column is None:
            named = [cell for cell in head if cell.endswith(")")]
            raise InvalidField(
                f"{name} has no assignment called {sheet.title!r} or {sheet.lab!r}. Its assignments: "
                f"{choices(named)}. Rename one in Canvas, or leave the file out to get a new one.",
                target=name,
            )
        placed = _matched(sheet.graded, keys, lambda row: row.canvas_id)
        for row, index in placed:
            rows[first + index][column] = _scaled(
                row.graded.points, sheet.max_points, rows[first - 1][column]
            )
        missing += _filled(sheet, placed, rows, grid).missing
        scaled += _said_of_scale(sheet, {rows[first - 1][column]} if placed else set())
    text = Grid(tuple(map(tuple, rows)), grid.delimiter, grid.marked).text()
    return Filled(text, tuple(missing), tuple(scaled))


def comment(row: Row) -> str:
    """Return the points by task in one line, for a cell of feedback."""
    each = [f"{task.title}: {points(task.points)} of {points(task.max_points)}" for task in row.graded.tasks]
    return "; ".join(each)


class _MoodleLearners:
    """By which columns of an export a row says who it is."""

    def __init__(self, head: Sequence[str]) -> None:
        self.identifier = _column(head, _IDENTIFIER)
        self.logins = [index for index, cell in enumerate(head) if cell in _LOGINS]
        self.name, self.first, self.last = _column(head, _NAMES), _column(head, _FIRST), _column(head, _LAST)
        chosen = (self.identifier, *self.logins, self.name, self.first, self.last)
        self.columns = [index for index in chosen if index is not None]

    def keys(self, cells: Sequence[str]) -> set[str]:
        found = {f"login:{_folded(cells[index])}" for index in self.logins if cells[index].strip()}
        number = (
            _PARTICIPANT.fullmatch(cells[self.identifier].strip()) if self.identifier is not None else None
        )
        if number:
            found.add(f"#{number[1]}")
        if self.name is not None:
            found.add(f"name:{_plain(cells[self.name])}")
        if self.first is not None and self.last is not None:
            found.add(f"name:{_plain(cells[self.first] + cells[self.last])}")
        return found


def _canvas_learner(head: Sequence[str], cells: Sequence[str]) -> set[str]:
    found = {f"#{cells[head.index('ID')].strip()}"}
    for name in ("SIS User ID", "SIS Login ID"):
        if name in head and cells[head.index(name)].strip():
            found.add(f"login:{_folded(cells[head.index(name)])}")
    last, _, given = cells[0].partition(",")
    return found | {f"name:{_plain(cells[0])}", f"name:{_plain(given + last)}"}


def _matched(
    rows: Iterable[Row], known: Sequence[set[str]], number_of: Callable[[Row], str]
) -> list[tuple[Row, int]]:
    """Return for each row the one place that is its own; where there are two, none.

    A number is sure and stands alone; without one, the login name is tried before the full name.
    """
    placed: list[tuple[Row, int]] = []
    for row in rows:
        number = number_of(row)
        keys = [f"#{number}"] if number else [f"login:{_folded(row.learner)}", f"name:{_plain(row.learner)}"]
        places = next(filter(None, ([n for n, own in enumerate(known) if key in own] for key in keys)), [])
        if len(places) == 1:
            placed.append((row, places[0]))
    return placed


def _filled(
    sheet: Sheet, placed: Sequence[tuple[Row, int]], rows: Sequence[Sequence[str]], grid: Grid
) -> Filled:
    found = {id(row) for row, _ in placed}
    missing = tuple(row.learner for row in sheet.graded if id(row) not in found)
    return Filled(Grid(tuple(map(tuple, rows)), grid.delimiter, grid.marked).text(), missing)


def _titled(head: Sequence[str], sheet: Sheet) -> int | None:
    """Return the column whose heading is the lab's title or name, with a number behind it or not."""
    wanted = {_folded(sheet.title), _folded(sheet.lab)} - {""}
    exact = [
        n for n, cell in enumerate(head) if _folded(_ASSIGNMENT.sub(r"\g<title>", cell, count=1)) in wanted
    ]
    loose = [n for n, cell in enumerate(head) if any(name in _folded(cell) for name in wanted)]
    found = exact or loose
    return found[0] if len(found) == 1 else None


def _column(head: Sequence[str], names: Sequence[str]) -> int | None:
    return next((index for index, cell in enumerate(head) if cell in names), None)


def _scaled(reached: float, most: float, top: str) -> str:
    """Return the points, in the measure of the gradebook where it has another maximum."""
    wanted = _number(top)
    value = points(reached * wanted / most) if most and wanted else points(reached)
    return value.replace(".", ",") if wanted is not None and "," in top else value


def _said_of_scale(sheet: Sheet, tops: set[str]) -> tuple[str, ...]:
    """Say which maxima of the gradebook are not the lab's, so that points were scaled to them."""
    found = {_number(top) for top in tops} - {None, 0.0, sheet.max_points}
    named = " or ".join(points(top) for top in sorted(filter(None, found)))
    if not (named and sheet.max_points):
        return ()
    lab, most = sheet.title or sheet.lab, points(sheet.max_points)
    return (f"{lab!r} has a maximum of {named} there, and {most} here: the points were scaled to {named}.",)


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip().casefold()


def _plain(name: str) -> str:
    """Return a name's letters alone: Canvas makes "doejane" of "Doe, Jane"."""
    return "".join(char for char in _folded(name) if char.isalnum())
