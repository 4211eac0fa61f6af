"""``academy test``: every lab run, compared and checked."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from academy.cli.verb import Failure, ServiceCommand
from academy.errors import AcademyError
from academy.paths import writing

if TYPE_CHECKING:
    from academy.labs.collection import Lab
    from academy.labs.nursery import Nursery
    from academy.labs.suite.options import Options
    from academy.labs.suite.report import LabReport

_INVALID = 2


class _Amount(click.FloatRange):
    """A number from 0 up; click's range lets through what is no number."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if math.isnan(found):
            self.fail("nan is not in the range x>=0.", param, ctx)
        return found


_AMOUNT = _Amount(min=0)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(cls=ServiceCommand)
@click.argument("labs", nargs=-1, metavar="[LAB]...")
@click.option("--jobs", "-j", type=click.IntRange(min=1), help="How many side by side. Default: the cores.")
@click.option("--report", type=_FOLDER, help="Write junit.xml, report.html and the executed notebooks there.")
@click.option("--update", is_flag=True, help="Write the outputs anew into notebooks whose run succeeds.")
@click.option("--collection", type=_FOLDER, help="The folder of notebooks/ and labs/. Default: Academy's.")
@click.option("--parameter", "-p", "given", multiple=True, metavar="NAME=VALUE", help="For one lab.")
@click.option("--rtol", type=_AMOUNT, default=1e-6, show_default=True, help="Relative, for numbers.")
@click.option("--atol", type=_AMOUNT, default=0.0, show_default=True, help="Absolute, for numbers.")
@click.option("--sanitize-with", type=_FILE, help="nbval's file of regex: and replace: lines.")
@click.pass_obj
def test(
    _scope: object, /, labs: tuple[str, ...], jobs: int | None, report: Path | None, **asked: Any
) -> None:
    """Run labs and compare them, as before a class; all of them when none is named.

    Each is run twice, with a home and a service of its own. As it is stored: outputs are compared, and every
    check has to pass. As learners get it: every check has to fail.

    \b
    Exit status: 0 all is well, 1 a lab failed, 2 the command line is not valid,
    3 there is no such lab, or none at all, 130 interrupted.
    """
    began = time.monotonic()
    chosen, options = _plan(labs, report, **asked)
    from academy.labs.nursery import Nursery  # not before it is known that there is something to run

    jobs = jobs or os.cpu_count() or 1
    done: list[LabReport] = []
    with Nursery() as nursery:  # it imports what labs use, while this process imports what runs them
        _await_ready(nursery)
        ready_s = time.monotonic() - began
        try:
            done.extend(_progress(chosen, options, jobs, nursery))
        finally:
            if report is not None and done:
                _write(done, report, time.monotonic() - began, jobs)
    _summarize(done, report, time.monotonic() - began, ready_s, jobs)
    if not all(lab.passed for lab in done):
        raise click.exceptions.Exit(1)


def _plan(
    names: Sequence[str], report: Path | None, *, collection: Path | None, given: Sequence[str], **asked: Any
) -> tuple[list[Lab], Options]:
    from academy.labs.collection import Collection
    from academy.labs.suite.near import Tolerance
    from academy.labs.suite.options import Options
    from academy.labs.suite.units import labs_of

    found = Collection.locate(collection)
    labs = labs_of(found, names)
    if not labs:
        raise found.has_none()
    try:
        values = _values(labs, given, update=asked["update"])
    except AcademyError as error:
        raise Failure(error.message, _INVALID) from None
    folder = (report / "notebooks").absolute() if report else None
    if folder:
        with writing(folder, "Choose another --report."):
            folder.mkdir(parents=True, exist_ok=True)
    tolerance = Tolerance(asked["rtol"], asked["atol"])
    return labs, Options(tolerance, asked["sanitize_with"], values, asked["update"], folder)


def _values(labs: Sequence[Lab], given: Sequence[str], *, update: bool) -> dict[str, Any]:
    if not given:
        return {}
    from academy.client.sdk import quick_jsonschema
    from academy.labs.parameters import parameters_of, read_given
    from academy.labs.suite.given import lab_with_parameters

    lab = lab_with_parameters(labs, update=update, named="-p", update_named="--update")
    with quick_jsonschema():  # for reading notebooks
        from academy.labs.editions import ipynb
    return read_given(parameters_of(ipynb.read(lab.notebook)), given)


def _await_ready(nursery: Nursery) -> None:
    if sys.stderr.isatty():
        click.echo("Importing what labs use, once for all of them …", err=True)
    from academy.labs.suite.schedule import await_ready

    await_ready(nursery)


def _progress(labs: Sequence[Lab], options: Options, jobs: int, nursery: Nursery) -> Iterator[LabReport]:
    """Run the labs behind a progress bar; print a line when one is done."""
    from tqdm import tqdm

    from academy.labs.suite.schedule import Gathering, run_units
    from academy.labs.suite.units import units_of

    units = units_of(labs)
    gathering = Gathering(units)
    width = max(len(lab.id) for lab in labs)
    # Two runs a lab. No bar where nobody watches it.
    with tqdm(total=len(units), desc="labs", unit="run", disable=None, leave=False) as bar:
        for unit, found in run_units(units, options, jobs, nursery):
            lab = gathering.add(unit, found)
            bar.update()
            if lab is not None:
                with tqdm.external_write_mode():
                    _say(lab, width)
                yield lab


def _say(lab: LabReport, width: int) -> None:
    renewed = any(cell.difference for cell in lab.cells)  # a difference that was not written is a fault
    outcome = "FAILED " if not lab.passed else "updated" if renewed else "passed "
    written = ", outputs written" if lab.solved.updated else ""
    click.echo(f"{outcome} {lab.lab:<{width}}  {lab.seconds:6.1f} s{written}")
    for problem in lab.problems:
        click.echo("        " + problem.replace("\n", "\n        "))
    for cell in lab.cells:
        if cell.difference:
            click.echo(f"        output of {cell.place}, stored (-) and new (+):")
            click.echo("          " + "\n          ".join(_first_lines(cell.difference)))


def _first_lines(text: str, most: int = 12) -> list[str]:
    lines = text.splitlines()
    return lines if len(lines) <= most else [*lines[:most], f"… {len(lines) - most} lines more"]


def _write(labs: Sequence[LabReport], folder: Path, seconds: float, jobs: int) -> None:
    from academy.labs.suite.junit import write_junit
    from academy.labs.suite.page import write_page

    write_junit(labs, folder / "junit.xml")
    write_page(labs, folder / "report.html", seconds=seconds, jobs=jobs)


def _summarize(
    labs: Sequence[LabReport], report: Path | None, seconds: float, ready_s: float, jobs: int
) -> None:
    failed = sum(not lab.passed for lab in labs)
    named = "1 lab" if len(labs) == 1 else f"{len(labs)} labs"
    told = f"{failed} of {named} failed" if failed else f"{named} passed"
    click.echo(f"{told} in {seconds:.1f} s ({ready_s:.1f} s of it to get ready), {jobs} side by side.")
    if report is not None:
        click.echo(f"Report: {report / 'report.html'}")
