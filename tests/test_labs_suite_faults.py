"""Planted faults: each is caught, said in words, and costs no other lab anything."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import psutil
import pytest

from academy.labs.collection import Collection
from academy.labs.nursery import Nursery
from academy.labs.suite.junit import write_junit
from academy.labs.suite.options import Edition, Options
from academy.labs.suite.page import write_page
from academy.labs.suite.report import LabReport, Status, Verdict
from academy.labs.suite.run import run_edition
from academy.labs.suite.schedule import Gathering, run_units
from academy.labs.suite.units import labs_of, units_of
from tests.labs_suite import CHECKS, DONE, SOLUTION, TASK, cell, printed, task_cells, write_lab

ALWAYS = CHECKS.replace('facts.value("long") == 7', "True").replace('found=facts.value("long")', 'found="x"')


def lab_with_check_that_always_passes(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells(), checks=ALWAYS)


def lab_with_output_changed_by_hand(root: Path, lab: str) -> None:
    write_lab(root, lab, [*task_cells(), cell("print(long)\nprint('months')", printed("8\nmonths\n"))])


def lab_that_hangs(root: Path, lab: str) -> None:
    hanging = cell("print('about to wait', flush=True)\nimport time; time.sleep(600)")
    cells = [*task_cells(), hanging, cell("print('after')", printed("after\n"))]
    write_lab(root, lab, cells, limits="{cell_s: 2, lab_s: 60}")


def lab_that_prints_much_and_hangs(root: Path, lab: str) -> None:
    printing = "print(*range(1000), sep='\\n', flush=True)\nimport time; time.sleep(600)"
    write_lab(root, lab, [*task_cells(), cell(printing)], limits="{cell_s: 2, lab_s: 60}")


def lab_that_hangs_before_its_task(root: Path, lab: str) -> None:
    cells = [cell("import time; time.sleep(600)"), *task_cells()]
    write_lab(root, lab, cells, limits="{cell_s: 2, lab_s: 60}")


def lab_that_hangs_and_heeds_no_interrupt(root: Path, lab: str) -> None:
    stubborn = """
        import signal, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(600)
    """
    write_lab(root, lab, [cell(stubborn), *task_cells()], limits="{cell_s: 2, lab_s: 60}")


def lab_longer_than_its_limit(root: Path, lab: str) -> None:
    cells = [cell("reached = True"), cell("import time; time.sleep(600)"), cell("print('after')")]
    write_lab(root, lab, [*task_cells(), *cells], limits="{cell_s: 30, lab_s: 3}")


def lab_that_eats_memory(root: Path, lab: str) -> None:
    eating = """
        eaten = []
        while True:
            eaten.append(bytearray(20_000_000))
    """
    cells = [*task_cells(), cell(eating), cell("print('after')", printed("after\n"))]
    write_lab(root, lab, cells, limits="{cell_s: 60, lab_s: 60, memory_gb: 1.5}")


def lab_that_forks_without_end(root: Path, lab: str) -> None:
    forking = """
        import subprocess
        while True:
            subprocess.Popen(["sleep", "987654"], start_new_session=True)
    """
    write_lab(root, lab, [*task_cells(), cell(forking)], limits="{cell_s: 60, lab_s: 60, processes: 40}")


def lab_that_prints_to_stderr(root: Path, lab: str) -> None:
    warns = "import sys\nprint('a library warns', file=sys.stderr)\nprint(long)"
    write_lab(root, lab, [*task_cells(), cell(warns, printed("7\n"))])


def lab_without_check_cell(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells()[:1])


def lab_without_check_function(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells(), checks="")


def lab_whose_checks_cannot_be_imported(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells(), checks="import nothing_there\n")


def lab_whose_solution_fails_its_check(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells(SOLUTION.replace("7", "6")))


def lab_whose_hidden_tests_fail(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells(hidden="assert long == 8"))


def lab_with_unbalanced_markers(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells("### BEGIN SOLUTION\nlong = 7"))


def lab_with_broken_check(root: Path, lab: str) -> None:
    broken = CHECKS.replace("facts.expect(", '1 / ("long" in facts.values.namespace)\n    facts.expect(')
    write_lab(root, lab, task_cells(), checks=broken)


def lab_without_manifest(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells())
    (root / "labs" / lab / "lab.yml").unlink()


def lab_whose_manifest_is_not_utf_8(root: Path, lab: str) -> None:
    write_lab(root, lab, task_cells())
    (root / "labs" / lab / "lab.yml").write_bytes(b"title: Gr\xf6\xdfe\n")


def lab_that_raises(root: Path, lab: str) -> None:
    cells = [cell("def share(a, b):\n    return a / b\nshare(1, 0)"), *task_cells()]
    write_lab(root, lab, cells)


PLANTED: dict[str, Callable[[Path, str], None]] = {
    "10-always-passes": lab_with_check_that_always_passes,
    "11-changed-output": lab_with_output_changed_by_hand,
    "12-hangs-here": lab_that_hangs,
    "13-takes-long": lab_longer_than_its_limit,
    "14-eats-memory": lab_that_eats_memory,
    "15-forks-on": lab_that_forks_without_end,
    "16-warns-only": lab_that_prints_to_stderr,
    "17-lacks-check": lab_without_check_cell,
    "18-lacks-function": lab_without_check_function,
    "19-solved-fails": lab_whose_solution_fails_its_check,
    "20-hidden-fails": lab_whose_hidden_tests_fail,
    "21-unbalanced-markers": lab_with_unbalanced_markers,
    "22-broken-check": lab_with_broken_check,
    "23-lacks-manifest": lab_without_manifest,
    "24-raises-error": lab_that_raises,
    "25-hangs-early": lab_that_hangs_before_its_task,
    "26-hangs-stubbornly": lab_that_hangs_and_heeds_no_interrupt,
    "27-breaks-checks": lab_whose_checks_cannot_be_imported,
    "28-prints-on": lab_that_prints_much_and_hangs,
    "29-mistakes-encoding": lab_whose_manifest_is_not_utf_8,
}

# Faults that show, or must not show a second time, on the learner's edition; the others are run solved only.
ON_LEARNERS_EDITION = (
    "10-always-passes",
    "16-warns-only",
    "17-lacks-check",
    "21-unbalanced-markers",
    "22-broken-check",
    "23-lacks-manifest",
    "24-raises-error",
    "25-hangs-early",
    "26-hangs-stubbornly",
    "27-breaks-checks",
    "29-mistakes-encoding",
)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, nursery: Nursery, kept: Path) -> dict[str, LabReport]:
    """All planted labs, run side by side as ``academy test`` runs them."""
    root = tmp_path_factory.mktemp("planted")
    for lab_id, plant in PLANTED.items():
        plant(root, lab_id)
    units = [
        unit
        for unit in units_of(labs_of(Collection(root), []))
        if unit.edition is Edition.SOLVED or unit.lab.id in ON_LEARNERS_EDITION
    ]
    gathering = Gathering(units)
    found = (gathering.add(*done) for done in run_units(units, Options(folder=kept), 4, nursery))
    return {lab.lab: lab for lab in found if lab is not None}


def test_every_planted_lab_has_a_report(reports: dict[str, LabReport]) -> None:
    assert set(reports) == set(PLANTED)


def test_check_that_always_passes_is_reported_by_name(reports: dict[str, LabReport]) -> None:
    lab = reports["10-always-passes"]
    assert lab.problems == (
        f"the check of '{TASK}' passes on the learner's edition, where nothing is solved: it proves nothing",
    )
    assert [check.verdict for check in lab.checks] == [Verdict.PASSED]


def test_output_changed_by_hand_is_shown_as_a_marked_diff(reports: dict[str, LabReport]) -> None:
    lab = reports["11-changed-output"]
    assert [cell.status for cell in lab.cells] == [Status.PASSED] * 4 + [Status.DIFFERS]
    assert lab.cells[-1].difference == "-8\n+7\n months"
    assert lab.problems == ('cell cell-5 (number 5) "print(long)": the output differs from the stored one',)


def test_notebook_that_hangs_is_cut_and_what_was_reached_is_kept(
    reports: dict[str, LabReport], kept: Path
) -> None:
    lab = reports["12-hangs-here"]
    assert [cell.status for cell in lab.cells[3:]] == [Status.PASSED, Status.TIMED_OUT, Status.NOT_REACHED]
    assert "limit of 2 seconds (limits.cell_s" in lab.cells[4].reason
    assert lab.cells[4].seconds == pytest.approx(2, abs=1.5)
    assert [check.verdict for check in lab.checks] == [Verdict.PASSED]
    executed = nbformat.read(kept / "12-hangs-here.ipynb", as_version=4)
    assert DONE in str(executed.cells)
    assert "about to wait" in str(executed.cells)
    assert "after" not in str([one.outputs for one in executed.cells if one.cell_type == "code"])


def test_output_of_a_cell_that_was_cut_is_in_both_reports(
    reports: dict[str, LabReport], tmp_path: Path
) -> None:
    lab = reports["12-hangs-here"]
    assert lab.cells[4].reached == "about to wait"
    assert [cell.reached for cell in lab.cells if cell is not lab.cells[4]] == [""] * 5
    write_junit([lab], tmp_path / "junit.xml")
    root = ElementTree.parse(tmp_path / "junit.xml")
    assert [found.text for found in root.iter("system-out")] == ["about to wait"]
    write_page([lab], tmp_path / "report.html", seconds=1.0, jobs=1)
    assert ">about to wait</pre>" in (tmp_path / "report.html").read_text()


def test_output_of_a_cell_that_was_cut_is_bounded(reports: dict[str, LabReport]) -> None:
    lines = reports["28-prints-on"].cells[4].reached.splitlines()
    assert lines == ["…", *(str(number) for number in range(970, 1000))]


def test_learners_edition_goes_on_behind_a_cell_that_hangs(reports: dict[str, LabReport]) -> None:
    lab = reports["25-hangs-early"]
    assert [cell.status for cell in lab.cells[2:]] == [Status.TIMED_OUT] + [Status.NOT_REACHED] * 2
    assert [check.verdict for check in lab.learner_checks] == [Verdict.FAILED]
    assert len(lab.problems) == 1  # the cell that hangs


def test_cell_that_heeds_no_interrupt_ends_the_learners_run(reports: dict[str, LabReport]) -> None:
    lab = reports["26-hangs-stubbornly"]
    assert lab.learner is not None
    assert lab.learner.seconds < 30
    assert [check.verdict for check in lab.learner_checks] == [Verdict.NO_RESULT]
    assert "gave no result on the learner's edition" in lab.problems[-1]


def test_lab_is_cut_at_its_own_limit(reports: dict[str, LabReport]) -> None:
    lab = reports["13-takes-long"]
    (problem,) = lab.problems
    assert "the lab took longer than its limit of 3 seconds (limits.lab_s" in problem
    assert lab.cells[-1].status is Status.NOT_REACHED
    assert lab.cells[4].status is Status.PASSED


def test_notebook_that_eats_memory_is_cut(reports: dict[str, LabReport]) -> None:
    lab = reports["14-eats-memory"]
    assert [cell.status for cell in lab.cells[4:]] == [Status.CUT, Status.NOT_REACHED]
    assert "of memory were in use, and 1.5 GB are allowed" in lab.cells[4].reason


def test_notebook_that_forks_without_end_is_cut_and_all_it_forked_is_ended(
    reports: dict[str, LabReport],
) -> None:
    lab = reports["15-forks-on"]
    assert lab.cells[4].status is Status.CUT
    assert "more than 40 processes" in lab.cells[4].reason
    left = [one for one in psutil.process_iter(["cmdline"]) if one.info["cmdline"] == ["sleep", "987654"]]
    assert not left


def test_warning_on_stderr_costs_nothing_and_is_kept_for_the_reader(reports: dict[str, LabReport]) -> None:
    lab = reports["16-warns-only"]
    assert lab.passed, lab.problems
    assert lab.cells[-1].stderr == "a library warns\n"


def test_task_that_no_cell_checks_is_reported(reports: dict[str, LabReport]) -> None:
    lab = reports["17-lacks-check"]
    assert [check.verdict for check in lab.checks] == [Verdict.MISSING]
    assert lab.problems == (
        f"no cell checks the task '{TASK}' of lab.yml; put check('{TASK}') into one, "
        "with metadata.academy.check",
    )


def test_task_without_a_check_function_is_reported(reports: dict[str, LabReport]) -> None:
    problems = "\n".join(reports["18-lacks-function"].problems)
    assert f"There is no check of the task '{TASK}'" in problems


def test_messages_name_the_files_of_the_collection(reports: dict[str, LabReport]) -> None:
    lab = reports["27-breaks-checks"]
    of_check, of_learner = lab.problems
    assert str(lab.cells[-1].stderr).startswith("UsageError: /")
    for said in (of_check, of_learner, lab.cells[-1].stderr, lab.checks[0].message):
        file = Path(re.findall(r"UsageError: (\S+) cannot be imported", said)[0])
        assert file.read_text() == "import nothing_there\n"


def test_solution_that_fails_its_check_is_reported(reports: dict[str, LabReport]) -> None:
    lab = reports["19-solved-fails"]
    assert [check.verdict for check in lab.checks] == [Verdict.FAILED]
    problems = "\n".join(lab.problems)
    assert f"the check of '{TASK}' does not pass on the solved edition: Count: not yet" in problems


def test_hidden_tests_that_fail_on_the_solution_are_reported_as_such(reports: dict[str, LabReport]) -> None:
    lab = reports["20-hidden-fails"]
    assert lab.cells[-1].status is Status.FAILED
    place = 'cell cell-4 (number 4) "check("count-long")"'
    failing = "the hidden tests fail on the solved edition, at 'assert long == 8': AssertionError"
    assert lab.problems == (f"{place}: {failing}",)
    assert "assert long == 8" in lab.cells[-1].traceback
    assert "\x1b" not in lab.cells[-1].traceback


def test_unbalanced_markers_are_reported_with_their_place(reports: dict[str, LabReport]) -> None:
    problems = "\n".join(reports["21-unbalanced-markers"].problems)
    assert "SOLUTION" in problems
    assert "cell-3" in problems


def test_check_that_breaks_on_unsolved_work_is_reported(reports: dict[str, LabReport]) -> None:
    lab = reports["22-broken-check"]
    assert [check.verdict for check in lab.checks] == [Verdict.PASSED]
    assert [check.verdict for check in lab.learner_checks] == [Verdict.ERROR]
    assert "fails by itself on the learner's edition: ZeroDivisionError" in lab.problems[0]


def test_notebook_without_lab_yml_is_reported(reports: dict[str, LabReport]) -> None:
    (problem,) = reports["23-lacks-manifest"].problems
    assert "There is no" in problem
    assert "23-lacks-manifest/lab.yml" in problem


def test_a_manifest_that_is_not_utf_8_is_said_once(reports: dict[str, LabReport]) -> None:
    (problem,) = reports["29-mistakes-encoding"].problems
    assert "29-mistakes-encoding/lab.yml is not text in UTF-8: byte 0xf6 in line 1." in problem


def test_first_cell_that_fails_ends_the_run(reports: dict[str, LabReport]) -> None:
    lab = reports["24-raises-error"]
    assert [cell.status for cell in lab.cells[2:]] == [Status.FAILED] + [Status.NOT_REACHED] * 2
    assert "return a / b" in lab.cells[2].traceback
    # What was not reached is no fault of its own, and the learner's edition went on behind the error.
    assert lab.problems == ('cell cell-3 (number 3) "def share(a, b):": ZeroDivisionError: division by zero',)


def test_both_reports_show_the_traceback_and_the_page_what_each_cell_took(
    reports: dict[str, LabReport], tmp_path: Path
) -> None:
    failed, waited = reports["24-raises-error"], reports["12-hangs-here"]
    write_junit([failed], tmp_path / "junit.xml")
    (failure,) = ElementTree.parse(tmp_path / "junit.xml").iter("failure")
    assert "return a / b" in (failure.text or "")
    write_page([failed, waited], tmp_path / "report.html", seconds=1.0, jobs=1)
    page = (tmp_path / "report.html").read_text()
    (shown,) = re.findall(r'aria-label="Traceback of cell cell-3 \(number 3\)">(.*?)</pre>', page, re.DOTALL)
    assert "return a / b" in shown
    _, _, row = page.partition(f'<tr id="{waited.lab}-5">')
    assert f'<td class="number">{waited.cells[4].seconds:.1f} s</td>' in row.partition("</tr>")[0]


@pytest.fixture
def dying_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Path]:
    """Have IPython end the first so many kernels at their start; return where starts are counted."""

    def plant(times: int) -> Path:
        startup = tmp_path / "ipython" / "profile_default" / "startup"
        startup.mkdir(parents=True)
        starts = tmp_path / "starts"
        starts.write_text("")
        (startup / "die.py").write_text(
            f"import os, pathlib\nstarts = pathlib.Path({json.dumps(str(starts))})\n"
            f"starts.write_text(starts.read_text() + 'x')\n"
            f"if len(starts.read_text()) <= {times}:\n    os._exit(1)\n"
        )
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        return starts

    return plant


def test_kernel_that_dies_at_its_first_start_is_started_again(
    tmp_path: Path, nursery: Nursery, dying_kernel: Callable[[int], Path]
) -> None:
    starts = dying_kernel(1)
    lab = write_lab(tmp_path, "30-dies-once", task_cells())
    report = run_edition(lab, Edition.SOLVED, Options(), nursery)
    assert not report.faults
    assert starts.read_text() == "xx"


def test_kernel_that_always_dies_at_start_is_reported_after_three_starts(
    tmp_path: Path, nursery: Nursery, dying_kernel: Callable[[int], Path]
) -> None:
    starts = dying_kernel(99)
    lab = write_lab(tmp_path, "31-dies-always", task_cells())
    report = run_edition(lab, Edition.SOLVED, Options(), nursery)
    assert starts.read_text() == "xxx"
    (problem,) = report.problems
    assert "No kernel answered after 3 starts" in problem
