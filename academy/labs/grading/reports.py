"""All that grading writes: one folder, replaced whole, so that it never holds half of two runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from academy.errors import Conflict, UserError
from academy.labs.grading.csvfile import Grid, plain, read_grid
from academy.labs.grading.feedback import feedback
from academy.labs.grading.gradebook import Filled, canvas, fill_canvas, fill_moodle, identified, moodle
from academy.labs.grading.page import page
from academy.labs.grading.scores import NOT_REACHED
from academy.labs.grading.similarity import Similarity, similarity_csv, similarity_page
from academy.labs.grading.submissions import safe_name
from academy.labs.grading.table import NO_LAB, Row, Sheet, as_json, points
from academy.labs.language import Texts
from academy.labs.manifest import Manifest
from academy.paths import writing

GRADES = "grades.json"
# Should half a character come this far, it is spelled out: nobody's name ends the class's grading.
_ANY = "backslashreplace"
FEEDBACK, EXECUTED = "feedback", "executed"


@dataclass(frozen=True)
class Gradebooks:
    """What Moodle and Canvas exported, to be filled; where there is none, files are made from names."""

    moodle: tuple[str, Grid] | None = None
    canvas: tuple[str, Grid] | None = None

    @classmethod
    def read(cls, moodle_file: Path | None, canvas_file: Path | None) -> Gradebooks:
        """Read the exported files."""
        return cls(_grid(moodle_file), _grid(canvas_file))


@dataclass(frozen=True)
class Written:
    """Where it was written, and who of the class an exported gradebook does not know.

    ``unnamed`` is how many rows of a worksheet made here have nothing that Moodle knows a learner by,
    ``scaled`` what is to be said of files whose maximum is not the lab's.
    """

    folder: Path
    unknown: tuple[str, ...] = ()
    unnamed: int = 0
    scaled: tuple[str, ...] = ()


def check_target(to: Path) -> None:
    """Refuse a folder that holds what was not written by grading: it would be lost.

    One that cannot be written is refused too: it would cost the whole class's results.

    Raises
    ------
    Conflict
        The message names what lies there.
    AcademyError
        It cannot be written, and the message says why.
    """
    _check_place(to)
    if not to.exists():
        return
    if not to.is_dir():
        raise Conflict(f"{to} is a file, not a folder. Choose another with --to.")
    names = sorted(path.name for path in to.iterdir())
    if names and GRADES not in names:
        raise Conflict(
            f"{to} holds {names[0]!r} and no {GRADES}: it is not from an earlier grading, and is left as "
            "it is. Choose another with --to."
        )


def _check_place(to: Path) -> None:
    """Try to write where the results will be, in the nearest folder that is there."""
    there = next(folder for folder in to.parents if os.path.lexists(folder))
    with writing(to, "Choose another with --to."), tempfile.TemporaryDirectory(dir=there):
        pass


def check_gradebooks(books: Gradebooks, labs: Sequence[str]) -> None:
    """Refuse one worksheet for several labs: Moodle's is of one assignment."""
    if books.moodle and len(labs) > 1:
        raise UserError(f"{books.moodle[0]} is the worksheet of one assignment. Choose the lab with --lab.")


def write_reports(
    to: Path,
    made: Sequence[Sheet],
    manifests: Mapping[str, Manifest],
    *,
    similar: Mapping[str, Similarity] | None,
    books: Gradebooks,
    say: Texts,
) -> Written:
    """Write everything beside ``to``, and put it in its place when it is whole."""
    with _replaced(to) as folder:
        links = _of_learners(folder, made, manifests, say)
        unknown, scaled = _gradebooks(folder, made, books)
        (folder / "grades.csv").write_text(plain(made), encoding="utf-8-sig", errors=_ANY, newline="")
        table = page("table", sheets=made, links=links, points=points, no_lab=NO_LAB)
        (folder / "table.html").write_text(table, encoding="utf-8", errors=_ANY)
        if similar is not None:
            (folder / "similarity.html").write_text(similarity_page(similar), encoding="utf-8", errors=_ANY)
            (folder / "similarity.csv").write_text(
                similarity_csv(similar), encoding="utf-8", errors=_ANY, newline=""
            )
        text = json.dumps(as_json(made), indent=1, ensure_ascii=False)
        (folder / GRADES).write_text(text + "\n", encoding="utf-8", errors=_ANY)
    unnamed = 0 if books.moodle else sum(not identified(row) for sheet in made for row in sheet.graded)
    return Written(to, unknown, unnamed, scaled)


def _of_learners(
    folder: Path, made: Sequence[Sheet], manifests: Mapping[str, Manifest], say: Texts
) -> dict[tuple[str, str], str]:
    """Write each learner's page and executed notebook; return where the pages are."""
    rows = [row for sheet in made for row in sheet.rows if row.graded.error != NOT_REACHED]
    links: dict[tuple[str, str], str] = {}
    for row in rows:
        name, lab = safe_name(row.learner), row.lab or "unknown-lab"
        target = folder / FEEDBACK / name / f"{lab}.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(_page_of(row, manifests.get(row.lab), say), encoding="utf-8", errors=_ANY)
        links[row.learner, row.lab] = quote(str(target.relative_to(folder)))
        if row.graded.executed is not None and row.graded.executed.is_file():
            copy = folder / EXECUTED / name / f"{lab}.ipynb"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(row.graded.executed, copy)
    return links


def _page_of(row: Row, manifest: Manifest | None, say: Texts) -> str:
    try:
        return feedback(row.graded, manifest, row.said, say)
    except Exception as error:  # noqa: BLE001  a notebook may hold anything; it costs nobody else a page
        note = f"The notebook cannot be shown here ({type(error).__name__}). The points stand without it."
        return feedback(replace(row.graded, executed=None), manifest, (*row.said, note), say)


def _gradebooks(folder: Path, made: Sequence[Sheet], books: Gradebooks) -> tuple[tuple[str, ...], ...]:
    """Write the files for Moodle and Canvas; return whom they do not know, and what was scaled."""
    known = [sheet for sheet in made if sheet.columns]
    unknown: list[str] = []
    scaled: list[str] = []

    def put(name: str, filled: Filled) -> None:
        (folder / name).write_text(filled.text, encoding="utf-8", errors=_ANY, newline="")
        unknown.extend(f"{learner} ({name})" for learner in filled.missing)
        scaled.extend(f"{name}: {said}" for said in filled.scaled)

    for sheet in known:
        name = "moodle.csv" if len(known) == 1 else f"moodle-{sheet.lab}.csv"
        put(name, fill_moodle(sheet, books.moodle[1], books.moodle[0]) if books.moodle else moodle(sheet))
    if known:
        filled = fill_canvas(known, books.canvas[1], books.canvas[0]) if books.canvas else canvas(known)
        put("canvas.csv", filled)
    return tuple(unknown), tuple(scaled)


@contextlib.contextmanager
def _replaced(to: Path) -> Iterator[Path]:
    """Yield a folder beside ``to`` that takes its place when all went well; only its owner can read it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}."))
    try:
        yield fresh
        check_target(to)
        if to.exists():
            old = Path(tempfile.mkdtemp(dir=to.parent, prefix=f".{to.name}."))
            os.replace(to, old)  # an empty folder gives way
            try:
                os.replace(fresh, to)
            except OSError:
                os.replace(old, to)
                raise
            shutil.rmtree(old)
        else:
            os.replace(fresh, to)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _grid(file: Path | None) -> tuple[str, Grid] | None:
    return (file.name, read_grid(file.read_bytes(), file.name)) if file else None


def failures(made: Sequence[Sheet]) -> list[Row]:
    """Return the rows that could not be graded."""
    return [row for sheet in made for row in sheet.rows if row.graded.error]
