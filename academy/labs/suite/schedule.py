"""Many labs side by side.

The editions of all labs are one queue, so that no core waits for a lab's other half.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from academy.labs.nursery import Nursery
from academy.labs.suite.options import Edition, Options
from academy.labs.suite.report import EditionReport, LabReport
from academy.labs.suite.run import run_edition, title_of
from academy.labs.suite.units import Unit


@dataclass
class Gathering:
    """Puts the reports of editions together, lab by lab."""

    wanted: Sequence[Unit]
    found: dict[Unit, EditionReport] = field(default_factory=dict)

    def add(self, unit: Unit, report: EditionReport) -> LabReport | None:
        """Take in one report; return the lab's when it is complete."""
        self.found[unit] = report
        of_lab = [one for one in self.wanted if one.lab.id == unit.lab.id]
        if not all(one in self.found for one in of_lab):
            return None
        by_edition = {one.edition: self.found[one] for one in of_lab}
        solved = by_edition.get(Edition.SOLVED, EditionReport(unit.lab.id))
        return LabReport(unit.lab.id, title_of(unit.lab), solved, by_edition.get(Edition.LEARNER))


def run_units(
    units: Sequence[Unit], options: Options, jobs: int, nursery: Nursery
) -> Iterator[tuple[Unit, EditionReport]]:
    """Run units, ``jobs`` at a time, and yield each report when it is there.

    When the caller stops early, the rest is not begun; closing the nursery ends what runs.
    """
    await_ready(nursery)  # so that the seconds of each lab are its own
    # Each unit has a thread here, which waits; kernels, services and jobs are processes of the nursery.
    pool = ThreadPoolExecutor(jobs, thread_name_prefix="academy-suite")
    try:
        futures = {pool.submit(run_edition, unit.lab, unit.edition, options, nursery): unit for unit in units}
        for future in as_completed(futures):
            yield futures[future], _outcome(futures[future], future)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def await_ready(nursery: Nursery) -> None:
    """Return when the nursery has imported what labs use."""
    nursery.run("builtins:repr").wait()


def _outcome(unit: Unit, future: Future[EditionReport]) -> EditionReport:
    """Return the report; what nobody foresaw costs one lab, and not the rest."""
    error = future.exception()
    if error is None:
        return future.result()
    shown = "".join(traceback.format_exception(error))
    return EditionReport(unit.lab.id, problems=(f"the {unit.edition} run broke off: {shown}",))
