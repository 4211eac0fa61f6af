"""Run one edition of a lab, in a home, a service and a folder of its own."""

from __future__ import annotations

import contextlib
import copy
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import papermill
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from academy.errors import AcademyError
from academy.labs.collection import Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import write_edition
from academy.labs.nursery import Nursery
from academy.labs.suite.compare import Comparison, marks
from academy.labs.suite.engine import NAME, Course, own_event_loop, register
from academy.labs.suite.judge import Ran, cell_reports, check_reports, last_check
from academy.labs.suite.options import Edition, Options
from academy.labs.suite.places import Places
from academy.labs.suite.report import CellReport, EditionReport, LabReport, Status, Verdict
from academy.labs.suite.surroundings import stage, surroundings
from academy.labs.suite.update import write_outputs


def run_lab(lab: Lab, options: Options, nursery: Nursery) -> LabReport:
    """Run both editions of a lab, one after the other; ``Runs`` does so side by side."""
    solved = run_edition(lab, Edition.SOLVED, options, nursery)
    return LabReport(lab.id, title_of(lab), solved, run_edition(lab, Edition.LEARNER, options, nursery))


def title_of(lab: Lab) -> str:
    """Return the lab's title, or its id where ``lab.yml`` cannot be read."""
    try:
        return lab.manifest.title
    except AcademyError:
        return lab.id


def run_edition(lab: Lab, edition: Edition, options: Options, nursery: Nursery) -> EditionReport:
    """Run one edition, and judge it; whatever is wrong with the lab is in the report."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="academy-suite-", ignore_cleanup_errors=True) as folder:
        place = _Place(edition, options, nursery, Path(folder).resolve())
        try:
            report = _solved(lab, place) if edition is Edition.SOLVED else _learners(lab, place)
        except AcademyError as error:
            report = EditionReport(lab.id, problems=(error.message,))
    report = Places(place.root, lab).told(report)
    kept = options.executed(lab.id, edition)
    return replace(
        report,
        seconds=time.monotonic() - began,
        executed=str(kept) if kept is not None and kept.exists() else "",
    )


@dataclass(frozen=True)
class _Place:
    edition: Edition
    options: Options
    nursery: Nursery
    root: Path


def _solved(lab: Lab, place: _Place) -> EditionReport:
    options = place.options
    comparison = Comparison(options.tolerance, options.sanitize_with)
    source, manifest = ipynb.read(lab.notebook), lab.manifest
    staged = stage(lab, place.root)
    ipynb.write(_marked(source), staged.notebook)
    ran = _execute(staged, source, place)
    cells = cell_reports(ran, comparison)
    checks = check_reports(ran, manifest, place.edition)
    well = all(check.verdict is Verdict.PASSED for check in checks)
    updated = options.update and well and write_outputs(lab.notebook, ran, cells)
    return EditionReport(lab.id, _renewed(cells) if updated else cells, checks, updated=updated)


def _renewed(cells: tuple[CellReport, ...]) -> tuple[CellReport, ...]:
    """Return the reports of cells whose outputs were written: a difference is no fault any more."""
    reason = "the output differed from the stored one, and was written anew"
    return tuple(
        replace(cell, status=Status.UPDATED, reason=reason) if cell.status is Status.DIFFERS else cell
        for cell in cells
    )


def _learners(lab: Lab, place: _Place) -> EditionReport:
    manifest = lab.manifest
    own = write_edition(lab, Places(place.root, lab).edition)
    source = ipynb.read(own.notebook)
    # Without a check there is nothing to learn from a run: unfinished work may fail anywhere.
    ran = Ran(source, None, {}) if last_check(source) is None else _execute(own, source, place)
    return EditionReport(lab.id, checks=check_reports(ran, manifest, place.edition))


def _execute(lab: Lab, source: NotebookNode, place: _Place) -> Ran:
    """Let papermill run the notebook once; return how far it got."""
    limits = lab.manifest.limits
    kept = place.options.executed(lab.id, place.edition)
    learner = place.edition is Edition.LEARNER
    register()
    with surroundings(place.root, lab, limits, place.nursery) as around, own_event_loop():
        course = Course(
            around.kernels,
            str(around.cwd),
            limits.cell_s,
            limits.lab_s,
            go_on=learner,
            last=last_check(source) if learner else None,
            on_start=lambda child: around.watch.add(child.root),
            why_ended=lambda: around.watch.exceeded,
        )
        # papermill raises for an error in any output, also where the cell is meant to fail; see course.ended.
        with contextlib.suppress(PapermillExecutionError):
            papermill.execute_notebook(
                lab.notebook,
                kept,
                dict(place.options.parameters),
                engine_name=NAME,
                kernel_name=source.metadata.get("kernelspec", {}).get("name", "python3"),
                progress_bar=False,
                course=course,
            )
    return Ran(source, course.notebook, course.ended)


def _marked(source: NotebookNode) -> NotebookNode:
    """Return a copy in which nbclient reads what nbval's comments and tags say of skipping and raising."""
    made = copy.deepcopy(source)
    for cell in made.cells:
        if cell.cell_type != "code":
            continue
        asked = marks(cell)
        tags = list(cell.metadata.get("tags", ()))
        tags += ["skip-execution"] if asked.skip else []
        tags += ["raises-exception"] if asked.raises else []
        if tags:
            cell.metadata["tags"] = list(dict.fromkeys(tags))
    return made
