"""``academy lab grade``: the submissions of a class, as a table, feedback and files for gradebooks."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from academy.cli.verb import Failure, Scope, ServiceCommand

if TYPE_CHECKING:
    from academy.labs.grading.packs import Packs
    from academy.labs.grading.reports import Written
    from academy.labs.grading.scores import Graded, Submission
    from academy.labs.grading.similarity import Similarity
    from academy.labs.grading.submissions import HandIn
    from academy.labs.grading.table import Row, Sheet

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_MOODLE = (
    "Moodle's grading worksheet (CSV), to be filled. Without it moodle.csv has no Identifier or Email "
    "address but those that the names of the hand-ins carry."
)

_EPILOG = """\b
FOLDER may hold, also side by side:
  LEARNER/LAB/…, LEARNER/LAB.ipynb        as nbgrader collects them
  LEARNER.zip, LEARNER/….zip              made by 'academy lab submit'
  Full Name_1234_assignsubmission_file_/  Moodle: Download all submissions
  surnamename_1234_56789_LAB.ipynb        Canvas: Download Submissions
\b
Exit status: 0 all were graded, 1 some could not be, 2 the command line is not valid,
3 there is no such lab or pack, or nothing was handed in, 130 interrupted, 143 ended by SIGTERM.
Interrupted: what was graded is written, without similarity; beside earlier results, to NAME-interrupted.
"""


@click.command(cls=ServiceCommand, epilog=_EPILOG)
@click.argument("folder", type=_FOLDER)
@click.option("-j", "jobs", type=click.IntRange(1), help="How many side by side. Default: one a processor.")
@click.option(
    "--lab", "lab_id", metavar="LAB", help="Grade this lab alone. Default: all that were handed in."
)
@click.option(
    "--pack", type=_FOLDER, help="Packs of 'academy lab release --pack'. Default: made from the labs."
)
@click.option(
    "--collection", type=_FOLDER, help="Where the labs are. Default: ACADEMY_LABS, or Academy's own."
)
@click.option("--to", type=click.Path(path_type=Path), help="Where results go. Default: FOLDER-graded.")
@click.option("--moodle", "moodle_file", metavar="WORKSHEET.csv", type=_FILE, help=_MOODLE)
@click.option("--canvas", "canvas_file", type=_FILE, help="Canvas's exported gradebook (CSV), to be filled.")
@click.option("--language", metavar="CODE", help="Of the feedback: en, de. Default: this session's.")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@click.option("--similarity/--no-similarity", default=True, help="Look for submissions that are alike.")
@click.pass_obj
def grade(
    _scope: Scope,
    /,
    *,
    folder: Path,
    jobs: int | None,
    lab_id: str | None,
    pack: Path | None,
    collection: Path | None,
    to: Path | None,
    moodle_file: Path | None,
    canvas_file: Path | None,
    language: str | None,
    as_json: bool,
    similarity: bool,
) -> None:
    """Grade what a class handed in: FOLDER holds the submissions.

    Each is run in its own process tree, home and service, within the lab's limits; hidden tests stay
    outside. Results go to a folder: grades.csv, moodle.csv, canvas.csv, table.html, similarity.html,
    feedback/ for the learners, executed/ for you alone, grades.json.
    """
    from academy.client.sdk import quick_jsonschema

    with quick_jsonschema():  # for reading notebooks
        from academy.labs.grading import reports
    from academy.cli.terminable import held_back, terminable
    from academy.labs.grading.packs import Packs
    from academy.labs.grading.table import sheets
    from academy.labs.language import texts

    folder = folder.absolute()
    target = (to or folder.with_name(f"{folder.name}-graded")).absolute()
    if target.is_relative_to(folder):
        raise click.BadParameter(f"{target} lies in FOLDER. Choose a place beside it.", param_hint="--to")
    reports.check_target(target)
    books = reports.Gradebooks.read(moodle_file, canvas_file)
    with terminable(), _private() as stage:
        packs = Packs(pack, collection, stage / "packs", lab_id)
        handed_in = _handed_in(folder, packs, stage)
        reports.check_gradebooks(books, sorted({one.submission.lab for one in handed_in if not one.error}))
        rows, ended = _graded(handed_in, packs, jobs or _processors(), stage)
        with held_back("The reports are being written: wait a moment …"):
            made = sheets(rows, packs.manifests)
            if ended:
                target = _for_a_part(target, made, ended)
            alike = packs.similar(made) if similarity and not ended else None
            written = reports.write_reports(
                target, made, packs.manifests, similar=alike, books=books, say=texts(language)
            )
    _show(made, as_json)
    _say_what_is_left(made, alike, written, hidden=as_json)
    if ended:
        raise _interrupted(ended, f"{_progress(made)}; see {target}.")
    _name_failures(made)


def _show(made: list[Sheet], as_json: bool) -> None:
    """Print the results."""
    from academy.labs.grading.table import as_json as all_of
    from academy.labs.grading.table import as_text

    if as_json:
        click.echo(json.dumps(all_of(made), indent=2, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        click.echo("\n" + "\n\n".join(as_text(sheet, width) for sheet in made) + "\n")


def _for_a_part(target: Path, made: list[Sheet], ended: KeyboardInterrupt) -> Path:
    """Return where the results of a part of the class go: never in the place of those of all of it.

    Raises
    ------
    Failure
        Nothing was graded yet.
    """
    from academy.labs.grading.reports import check_target

    if not any(sheet.graded for sheet in made):
        raise _interrupted(ended, "nothing was graded yet, and nothing was written.")
    if target.is_dir() and any(target.iterdir()):
        target = target.with_name(f"{target.name}-interrupted")
        check_target(target)
    click.echo("Interrupted: the reports of what was graded are written …", err=True)
    return target


def _progress(made: list[Sheet]) -> str:
    done, every = sum(len(sheet.graded) for sheet in made), sum(len(sheet.rows) for sheet in made)
    return f"{done} of {every} {'was' if done == 1 else 'were'} graded"


def _interrupted(ended: KeyboardInterrupt, what: str) -> Failure:
    from academy.cli.terminable import ENDED_BY_SIGTERM, Terminated

    if isinstance(ended, Terminated):
        return Failure(f"ended by SIGTERM: {what}", ENDED_BY_SIGTERM)
    return Failure(f"interrupted: {what}", 130)


def _processors() -> int:
    """Return how many processors this process may use; a container's may be fewer than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _private() -> Iterator[Path]:
    """Yield a folder for copies and packs that only this user can read."""
    with tempfile.TemporaryDirectory(prefix="academy-grade-") as name:
        yield Path(name)


def _handed_in(folder: Path, packs: Packs, stage: Path) -> list[HandIn]:
    from academy.labs.grading.submissions import discover, left_out

    found = discover(folder, packs.ids, stage / "submissions", only=packs.only)
    ignored = left_out(folder)
    if ignored:
        click.echo(f"Left out, as nobody's submission: {', '.join(ignored)}.", err=True)
    return found


def _graded(
    handed_in: list[HandIn], packs: Packs, jobs: int, stage: Path
) -> tuple[list[Row], KeyboardInterrupt | None]:
    """Grade what can be, saying each as it is done; what cannot be is a row with its reason.

    Return also what ended it early, when something did; then those that were not reached say so.
    """
    from academy.labs.grading.scores import NOT_REACHED, Graded
    from academy.labs.grading.table import Row, one_line

    rows: dict[tuple[str, str], Row] = {}
    by_key = {(one.submission.learner, one.submission.lab): one for one in handed_in}
    bar = _Bar(len(handed_in))

    def keep(graded: Graded) -> Row:
        key = (graded.submission.learner, graded.submission.lab)
        one = by_key[key]
        # The learner reads it too, and knows of no folder of ours.
        short = re.sub(r"(/[^\s/:]+)+/(?=[^\s/]+\.ipynb)", "", graded.error)
        rows[key] = Row(replace(graded, error=short), one.notes, one.moodle_id, one.canvas_id)
        return rows[key]

    def done(graded: Graded) -> None:
        bar.say(one_line(keep(graded)))

    wanted, ended = [], None
    for one in handed_in:
        unknown = one.submission.lab not in packs.ids
        if one.error or unknown:
            reason = one.error or f"there is no lab {one.submission.lab} to grade it against"
            done(Graded(one.submission, (), error=reason))
        else:
            wanted.append(one.submission)
    with bar:
        try:
            _grade_all(wanted, packs, jobs, stage / "executed", done)
        except KeyboardInterrupt as error:
            ended = error
    for key in by_key.keys() - rows.keys():
        keep(Graded(by_key[key].submission, (), error=NOT_REACHED))
    return [rows[key] for key in by_key], ended


def _say_what_is_left(
    made: list[Sheet], alike: dict[str, Similarity] | None, written: Written, hidden: bool
) -> None:
    """Say where results are and what needs a look."""
    pairs = [pair for similar in (alike or {}).values() for pair in similar.pairs]
    if pairs:
        named = ", ".join(f"{pair.first} and {pair.second}" for pair in pairs[:3])
        more = f" and {len(pairs) - 3} more" if len(pairs) > 3 else ""
        click.echo(f"Alike: {named}{more}. See similarity.html; similarity is no proof.", err=hidden)
    if alike:
        from academy.labs.grading.similarity import summary

        click.echo(summary(alike), err=hidden)
    if written.unknown:
        click.echo(f"Not in the gradebook: {', '.join(written.unknown)}.", err=True)
    for scaled in written.scaled:
        click.echo(scaled, err=hidden)
    if written.unnamed:
        click.echo(
            f"moodle.csv: no Identifier or Email address for {written.unnamed} of the rows; "
            "--moodle WORKSHEET.csv fills the worksheet that Moodle exports, which has them.",
            err=hidden,
        )
    click.echo(f"Results: {written.folder}", err=hidden)


def _name_failures(made: list[Sheet]) -> None:
    """End with exit status 1, naming who could not be graded, when there is somebody."""
    failed = [row for sheet in made for row in sheet.rows if row.graded.error]
    if failed:
        raise Failure(f"{len(failed)} could not be graded: {', '.join(row.learner for row in failed)}.")


class _Bar:
    """A progress bar on a terminal's stderr, and lines above it."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        # None: tqdm looks whether stderr is a terminal, and is silent when it is not.
        self._bar = tqdm(total=total, unit="submission", disable=None, leave=False, file=sys.stderr)

    def __enter__(self) -> None:
        self._bar.refresh()

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def say(self, line: str) -> None:
        self._bar.write(line, file=sys.stderr)
        self._bar.update()


def _grade_all(
    wanted: list[Submission], packs: Packs, jobs: int, executed: Path, done: Callable[[Graded], None]
) -> None:
    from academy.labs.grading.grade import MODULES, GradeOptions, grade_all
    from academy.labs.nursery import Nursery

    if not wanted:
        return
    needed = {lab: packs.pack(lab) for lab in sorted({one.lab for one in wanted})}
    with Nursery(modules=MODULES) as nursery:
        grade_all(wanted, needed, GradeOptions(executed=executed), nursery, jobs=jobs, on_done=done)
