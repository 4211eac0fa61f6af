"""The suite: what it runs and compares, what it writes, and how it is asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import psutil
import pytest
from click.testing import CliRunner
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook, new_output
from playwright.sync_api import sync_playwright

from academy.cli.root import academy
from academy.errors import InvalidField
from academy.labs.editions.metadata_schema import metadata_faults
from academy.labs.nursery import Nursery
from academy.labs.suite.compare import Comparison
from academy.labs.suite.near import Tolerance
from academy.labs.suite.options import Edition, Options
from academy.labs.suite.page import write_page
from academy.labs.suite.report import (
    CellReport,
    CheckReport,
    EditionReport,
    LabReport,
    Status,
    Verdict,
    edition_report,
)
from academy.labs.suite.run import run_edition
from tests.labs_suite import cell, displayed, printed, task_cells, write_lab

# It takes long enough to be among the slowest cells.
COUNT = "import os, time\ntime.sleep(0.06)\nwith open(os.environ['COUNTED'], 'a') as file: file.write('x')"
# Both editions of a lab run it, each in a process of its own.
MEET = """
    import os, pathlib, time
    met = pathlib.Path(os.environ["MEETING"])
    (met / str(os.getpid())).touch()
    until = time.monotonic() + float(os.environ["PATIENCE_S"])
    while len(list(met.iterdir())) < int(os.environ["MEMBERS"]):
        assert time.monotonic() < until, "nobody came"
        time.sleep(0.05)
"""


# Comparing outputs


def stored(
    *outputs: NotebookNode, tags: tuple[str, ...] = (), source: str = "x", **academy: object
) -> NotebookNode:
    made = cell(source, *outputs, tags=tags, **academy)
    made.execution_count = 1
    return made


def result(mime: str, value: object) -> NotebookNode:
    return new_output("execute_result", data={mime: value}, execution_count=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (printed("accuracy: 0.93"), printed("accuracy: 0.93")),
        (printed("accuracy: 0.93"), printed("accuracy: 0.9300000001")),
        (printed("loss 1e-3 nan"), printed("loss 0.001000000001 nan")),
        (printed("a   0.5\nb  0.25"), printed("a          0.5\nb  0.2500000001")),
        (
            result("application/json", {"a": [1.0, "b"]}),
            result("application/json", {"a": [1.00000000001, "b"]}),
        ),
        (result("image/png", "one"), result("image/png", "another")),
    ],
)
def test_outputs_are_the_same_when_their_numbers_are_near(before: NotebookNode, after: NotebookNode) -> None:
    assert Comparison(Tolerance()).difference(stored(before), [after]) == ""


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (printed("accuracy: 0.93"), printed("accuracy: 0.94"), "-accuracy: 0.93\n+accuracy: 0.94"),
        (printed("41 rows"), printed("42 rows"), "-41 rows\n+42 rows"),
        (printed("10000000 rows"), printed("10000001 rows"), "-10000000 rows\n+10000001 rows"),
        (printed("version 1.2.3"), printed("version 1.2.4"), "-version 1.2.3\n+version 1.2.4"),
        (printed("a\nb\nc"), printed("a\nB\nc"), " a\n-b\n+B\n c"),
        (printed("a"), printed("a\n"), "-'a'\n+'a\\n'"),
        (printed("a"), displayed("a"), "-[stdout]\n+[text/plain]\n a"),
        (
            result("application/json", {"a": 1.0}),
            result("application/json", {"a": 2.0}),
            '  application/json:\n {\n- "a": 1.0\n+ "a": 2.0\n }',
        ),
    ],
)
def test_difference_is_shown_line_by_line(before: NotebookNode, after: NotebookNode, shown: str) -> None:
    assert Comparison(Tolerance()).difference(stored(before), [after]) == shown


def test_tolerance_is_chosen_for_a_cell_or_for_all() -> None:
    before, after = printed("took 1.0 of 7"), printed("took 1.2 of 7")
    assert Comparison(Tolerance()).difference(stored(before), [after])
    assert Comparison(Tolerance(rtol=0.5)).difference(stored(before), [after]) == ""
    assert Comparison(Tolerance()).difference(stored(before, tolerance=0.5), [after]) == ""
    assert Comparison(Tolerance()).difference(stored(before, tolerance={"atol": 0.3}), [after]) == ""
    # Counts are not measures, however wide the tolerance.
    assert Comparison(Tolerance()).difference(stored(before, tolerance=0.5), [printed("took 1.0 of 8")])


@pytest.mark.parametrize("wanted", [-1, True, {"rtol": "0.1"}, {"relative": 0.1}])
def test_tolerance_that_is_none_is_refused(wanted: object) -> None:
    with pytest.raises(InvalidField, match=r"metadata\.academy\.tolerance"):
        Comparison(Tolerance()).difference(stored(printed("a"), tolerance=wanted), [printed("b")])


def test_tolerance_is_known_to_the_schema_of_metadata() -> None:
    own = new_notebook(cells=[cell("x", tolerance=0.5), cell("x", tolerance={"rtol": 0.1})])
    assert list(metadata_faults(own)) == []
    assert list(metadata_faults(new_notebook(cells=[cell("x", tolerance="wide")])))


def test_standard_error_is_compared_only_where_a_cell_asks_for_it() -> None:
    warned = [printed("a"), printed("a library warns", "stderr")]
    assert Comparison(Tolerance()).difference(stored(printed("a")), warned) == ""
    shown = Comparison(Tolerance()).difference(stored(printed("a"), tags=("nbval-check-output",)), warned)
    assert "+a library warns" in shown


@pytest.mark.parametrize("mark", ["nbval-ignore-output", "nbval-skip"])
def test_nbvals_tags_and_comments_are_heeded(mark: str) -> None:
    comparison, other = Comparison(Tolerance()), [printed("other")]
    comment = "# " + mark.upper().replace("-", "_")
    assert comparison.difference(stored(printed("a")), other)
    assert comparison.difference(stored(printed("a"), tags=(mark,)), other) == ""
    assert comparison.difference(stored(printed("a"), source=f"{comment}\nx"), other) == ""


def test_outputs_are_sanitized_by_nbvals_file(tmp_path: Path) -> None:
    file = tmp_path / "sanitize.cfg"
    file.write_text("regex: job_[a-z]+\nreplace: job_NAME\n")
    before, after = stored(printed("started job_ab")), [printed("started job_xyz")]
    assert Comparison(Tolerance(), file).difference(before, after) == ""
    assert Comparison(Tolerance()).difference(before, after)


# Running one lab


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def run(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> EditionReport:
    """One lab with all that a notebook may do that is no fault."""
    shows = """
        handle = display("waiting", display_id=True)
        print("on the way")
    """
    cells = [
        *task_cells(hidden="assert long == 7"),
        cell(shows, displayed("'done'"), printed("on the way\n")),
        cell('handle.update("done")'),
        cell("# NBVAL_RAISES_EXCEPTION\n1 / 0", tags=["nbval-ignore-output"]),
        cell("raise SystemExit('never run')", tags=["nbval-skip"]),
        cell("print(limit / 7)", printed("4.28571428571\n"), tolerance=1e-9),
        cell(
            "import os\nfrom pathlib import Path\nPath('own.txt').write_text('x')\n"
            "print(Path.cwd().name, Path('../labs').is_dir(), os.environ['ACADEMY_LAB'])",
            printed("notebooks True 40-does-much\n"),
        ),
    ]
    root = tmp_path_factory.mktemp("run")
    lab = write_lab(root, "40-does-much", cells)
    report = run_edition(lab, Edition.SOLVED, Options(), nursery)
    assert not (root / "notebooks" / "own.txt").exists()
    return report


def test_lab_without_a_fault_passes(run: EditionReport) -> None:
    assert run.faults == ()
    assert [check.points for check in run.checks] == [1.0]


def test_final_state_of_a_display_is_compared(run: EditionReport) -> None:
    shown = next(cell for cell in run.cells if cell.line.startswith("handle = display"))
    assert (shown.status, shown.difference) == (Status.PASSED, "")


def test_cell_that_is_meant_to_fail_passes_and_skipped_ones_are_not_run(run: EditionReport) -> None:
    statuses = {cell.line: cell.status for cell in run.cells}
    assert statuses["# NBVAL_RAISES_EXCEPTION"] is Status.PASSED
    assert statuses["raise SystemExit('never run')"] is Status.SKIPPED


def test_report_survives_the_way_between_processes(run: EditionReport) -> None:
    assert edition_report(json.loads(json.dumps(run.to_json()))) == run


def test_update_writes_what_differs_and_keeps_the_rest(tmp_path: Path, nursery: Nursery) -> None:
    cells = [
        *task_cells(),
        cell("print(0.1 + 0.2)", printed("0.3\n")),
        cell("print('new')", printed("old\n"), step="say"),
    ]
    lab = write_lab(tmp_path, "41-is-updated", cells)
    before = nbformat.read(lab.notebook, as_version=4)
    report = run_edition(lab, Edition.SOLVED, Options(update=True), nursery)
    after = nbformat.read(lab.notebook, as_version=4)
    assert report.updated
    assert report.faults == ()
    assert report.cells[-1].status is Status.UPDATED
    assert report.cells[-1].difference == "-old\n+new"
    assert after.cells[-1].outputs[0].text == "new\n"
    assert after.cells[-2].outputs[0].text == "0.3\n"  # near enough, so it stays
    for one, other in zip(before.cells, after.cells, strict=True):
        assert (one.id, one.source, one.metadata) == (other.id, other.source, other.metadata)
    assert before.metadata == after.metadata
    second = run_edition(lab, Edition.SOLVED, Options(), nursery)
    assert second.faults == ()


def test_update_leaves_a_notebook_alone_whose_run_failed(tmp_path: Path, nursery: Nursery) -> None:
    cells = [*task_cells(), cell("print('new')", printed("old\n")), cell("1 / 0")]
    lab = write_lab(tmp_path, "42-is-broken", cells)
    before = lab.notebook.read_bytes()
    report = run_edition(lab, Edition.SOLVED, Options(update=True), nursery)
    assert not report.updated
    assert lab.notebook.read_bytes() == before


def test_parameters_are_injected_for_papermill(tmp_path: Path, nursery: Nursery) -> None:
    lab = write_lab(tmp_path, "43-has-parameters", [*task_cells(), cell("print(limit)", printed("31\n"))])
    options = Options(parameters={"limit": 31}, folder=tmp_path)
    for edition in Edition:
        report = run_edition(lab, edition, options, nursery)
        assert report.faults == ()
        assert "limit = 31" in Path(report.executed).read_text()


# The command


def academy_test(*arguments: object, home: Path, **more: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("academy")), "test", *map(str, arguments)]
    environment = {**os.environ, "ACADEMY_HOME": str(home), **more}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two labs: one is in order, the other's output is not what is stored."""
    root = tmp_path_factory.mktemp("collection")
    write_lab(root, "50-is-well", [*task_cells(), cell(COUNT)])
    lab = write_lab(root, "51-differs-here", [*task_cells(), cell("print('<b>new</b>')", printed("old\n"))])
    notebook = nbformat.read(lab.notebook, as_version=4)
    notebook.cells.insert(0, new_markdown_cell("# Prose has a number too", id="prose"))
    nbformat.write(notebook, lab.notebook)
    return root


@pytest.fixture(scope="module")
def told(
    collection: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("report")
    found = academy_test(
        "--collection", collection, "-j", 2, "--report", folder, home=folder, COUNTED=str(folder / "counted")
    )
    return found, folder


def test_command_says_a_line_per_lab_and_fails_when_one_does(
    told: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    found, folder = told
    assert found.returncode == 1, found.stderr
    assert re.search(r"^passed  50-is-well +\d+\.\d s$", found.stdout, re.MULTILINE)
    assert re.search(r"^FAILED  51-differs-here +\d+\.\d s$", found.stdout, re.MULTILINE)
    shown = "        output of cell cell-5 (number 6), stored (-) and new (+):\n"
    assert f"{shown}          -old\n          +<b>new</b>\n" in found.stdout
    assert "cell cell-5 (number 6) \"print('<b>new</b>')\": the output differs" in found.stdout
    assert "1 of 2 labs failed in " in found.stdout
    assert found.stderr == ""  # no bar where nobody watches
    assert f"Report: {folder / 'report.html'}" in found.stdout


def test_command_passes_a_lab_whose_outputs_it_wrote_anew(tmp_path: Path) -> None:
    write_lab(tmp_path, "54-is-renewed", [*task_cells(), cell("print('new')", printed("old\n"))])
    write_lab(
        tmp_path, "55-stays-broken", [*task_cells(), cell("print('new')", printed("old\n")), cell("1 / 0")]
    )
    found = academy_test("--collection", tmp_path, "-j", 2, "--update", home=tmp_path / "home")
    assert found.returncode == 1, found.stdout
    assert re.search(r"^updated 54-is-renewed +\d+\.\d s, outputs written$", found.stdout, re.MULTILINE)
    assert re.search(r"^FAILED  55-stays-broken +\d+\.\d s$", found.stdout, re.MULTILINE)
    assert "1 of 2 labs failed" in found.stdout
    again = academy_test("54", "--collection", tmp_path, "--update", home=tmp_path / "home")
    assert again.returncode == 0, again.stdout
    assert re.search(r"^passed  54-is-renewed +\d+\.\d s", again.stdout, re.MULTILINE)


def test_solved_edition_is_run_once(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    # The learner's edition ends at its last check, before the cell that counts.
    assert (told[1] / "counted").read_text() == "x"


def test_junit_file_has_a_case_for_each_cell_and_check(
    told: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    root = ElementTree.parse(told[1] / "junit.xml").getroot()
    assert (root.tag, root.get("tests"), root.get("failures")) == ("testsuites", "14", "1")
    suites = {suite.get("name"): suite for suite in root.iter("testsuite")}
    names = [case.get("name") for case in suites["51-differs-here"].iter("testcase")]
    assert names[-1] == "check count-long fails"
    assert "cell cell-5 (number 6): print('<b>new</b>')" in names
    (failure,) = suites["51-differs-here"].iter("failure")
    assert failure.get("type") == "differs"
    assert "-old\n+<b>new</b>" in (failure.text or "")
    assert all(float(case.get("time", "x")) >= 0 for case in root.iter("testcase"))


def test_page_shows_differences_and_needs_nothing_else(
    told: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    page = (told[1] / "report.html").read_text()
    assert '<span class="removed">-old</span>' in page
    assert '<td class="place">cell cell-5 (number 6)</td>' in page
    assert '<span class="added">+&lt;b&gt;new&lt;/b&gt;</span>' in page
    assert not re.search(r"(src|href)=.https?:|@import|url\(", page)
    for link in re.findall(r'href="([^#"]+)"', page):
        assert (told[1] / link).is_file()
    assert "prefers-color-scheme: dark" in page
    assert "Slowest cells" in page


@pytest.mark.parametrize("width", [1100, 400])
def test_page_keeps_to_the_width_of_the_window(tmp_path: Path, width: int) -> None:
    write_page([wide_report()], tmp_path / "report.html", seconds=1.0, jobs=1)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((tmp_path / "report.html").as_uri())
        root = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        beyond = page.evaluate(
            """[...document.querySelectorAll("table, td, pre, details, details > div")]
            .filter((one) => one.scrollWidth > Math.max(one.clientWidth, one.offsetWidth)
              || one.getBoundingClientRect().right > innerWidth)
            .map((one) => `${one.tagName}.${one.className}`)"""
        )
        place = page.locator("td.place", has_text="cell cell-5").bounding_box()
        browser.close()
    assert root[0] <= root[1]
    assert beyond == []
    assert place is not None
    assert place["width"] > 150  # the place of a cell does not wrap word by word


def wide_report() -> LabReport:
    """Return what has long lines wherever a report shows text."""
    long = "x" * 400 + " and words" * 40
    one = CellReport(5, "cell-5", "cell cell-5 (number 5)", long, Status.DIFFERS, 12.3, reason=long)
    one = replace(one, difference=f"-{long}\n+{long}", traceback=long, stderr=long, reached=long)
    check = CheckReport("count", "Count the long months", Verdict.NO_RESULT, fault=long)
    solved = EditionReport("51-wide-here", (one,), (check,), (long,))
    return LabReport("51-wide-here", "Count", solved)


def test_executed_notebooks_are_kept(told: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    names = sorted(file.name for file in (told[1] / "notebooks").iterdir())
    assert names == [
        "50-is-well-learner.ipynb",
        "50-is-well.ipynb",
        "51-differs-here-learner.ipynb",
        "51-differs-here.ipynb",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["50", "-p", "limits=3"], "Did you mean 'limit'?"),
        (["50", "-p", "limit=high"], "The parameter limit is 'high', a value of type str; it takes int"),
        (["-p", "limit=3"], "Parameters (-p) are those of one lab"),
        (["50", "-p", "limit=3", "--update"], "leave --update out"),
        (["50", "-p", "limit=3", "-p", "limit=4"], "limit is given twice"),
        (["--rtol", "-1"], "-1"),
        (["--rtol", "nan"], "Invalid value for '--rtol': nan is not in the range x>=0."),
    ],
)
def test_command_that_cannot_be_carried_out_ends_with_2(
    collection: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    found = academy_test(*arguments, "--collection", collection, home=tmp_path)
    assert found.returncode == 2, found.stdout
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_a_lab_that_is_not_there_ends_with_3(collection: Path, tmp_path: Path) -> None:
    found = academy_test("99-is-nothing", "--collection", collection, home=tmp_path)
    assert found.returncode == 3, found.stdout
    assert "There is no lab '99-is-nothing'" in found.stderr


@pytest.mark.parametrize("labs", [["99-is-nothing"], []])
def test_what_cannot_be_run_is_said_before_anything_heavy_is_imported(
    tmp_path: Path, labs: list[str]
) -> None:
    command = ["test", *labs, "--collection", str(tmp_path)]
    code = f"""
import sys
from academy.cli.root import academy
try:
    academy({command!r})
except SystemExit as end:
    print(end.code, *sorted({{name.partition(".")[0] for name in sys.modules}}))
"""
    environment = {**os.environ, "ACADEMY_HOME": str(tmp_path / "home")}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    status, *modules = found.stdout.split()
    assert status == "3", found.stderr
    assert "There are no labs" in found.stderr
    heavy = {
        "nbformat",
        "jsonschema",
        "rfc3987_syntax",
        "azure",
        "pandas",
        "IPython",
        "nbclient",
        "papermill",
    }
    assert not heavy & set(modules)


@pytest.fixture
def collection_that_meets(tmp_path: Path, nursery: Nursery, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab whose editions wait for each other; the command runs it in the nursery that there is."""
    write_lab(tmp_path, "56-meets-another", [cell(MEET), *task_cells()])
    (tmp_path / "met").mkdir()
    monkeypatch.setenv("MEETING", str(tmp_path / "met"))
    monkeypatch.setenv("MEMBERS", "2")
    monkeypatch.setattr("academy.labs.nursery.Nursery", lambda: nullcontext(nursery))
    return tmp_path


@pytest.mark.parametrize(("jobs", "patience_s", "status"), [("2", "25", 0), ("1", "2", 1)])
def test_as_many_runs_go_side_by_side_as_the_command_is_told(
    collection_that_meets: Path, jobs: str, patience_s: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATIENCE_S", patience_s)
    found = CliRunner().invoke(academy, ["test", "-j", jobs, "--collection", str(collection_that_meets)])
    assert found.exit_code == status, found.output
    assert ("AssertionError: nobody came" in found.output) == (status == 1)


def test_interrupt_ends_all_that_was_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    waits = f"import pathlib, time\npathlib.Path({str(started)!r}).touch()\ntime.sleep(600)"
    write_lab(tmp_path / "c", "52-waits-long", [cell(waits), *task_cells()])
    command = [str(Path(sys.executable).with_name("academy")), "test", "--collection", str(tmp_path / "c")]
    process = subprocess.Popen(
        command, env={**os.environ, "ACADEMY_HOME": str(tmp_path)}, stderr=subprocess.PIPE, text=True
    )
    while not started.exists():
        assert process.poll() is None
        psutil.wait_procs([psutil.Process(process.pid)], timeout=0.1)
    below = psutil.Process(process.pid).children(recursive=True)
    assert below
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=40)
    assert process.returncode == 130
    assert said == "academy: interrupted\n"
    assert psutil.wait_procs(below, timeout=10)[1] == []


# The plugin

# Installed, pytest finds it by itself.
PLUGIN = [] if "academy" in entry_points(group="pytest11").names else ["-p", "academy.labs.suite.plugin"]


def pytest_run(root: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:cacheprovider", "-W", "error", *arguments]
    environment = {**os.environ, "ACADEMY_HOME": str(root / "home"), **more}
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_pytest_runs_labs_once_also_under_xdist(collection: Path, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    found = pytest_run(
        collection,
        *("notebooks", "labs", "-v", "-n", "2", "--academy-report", str(tmp_path / "report")),
        COUNTED=str(counted),
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 failed, 15 passed" in found.stdout
    assert "notebooks/51-differs-here.ipynb::cell cell-5 (number 6): print(" in found.stdout
    assert "labs/50-is-well/lab.yml::count-long fails unsolved" in found.stdout
    assert "differs: the output differs from the stored one\n-old\n+<b>new</b>\n" in found.stdout
    assert counted.read_text() == "x"
    assert (tmp_path / "report" / "junit.xml").is_file()


def test_pytest_runs_what_is_selected_only(collection: Path, tmp_path: Path) -> None:
    counted = tmp_path / "counted"
    found = pytest_run(collection, "notebooks", "-k", "50-is-well and cell", COUNTED=str(counted))
    assert found.returncode == 0, found.stdout + found.stderr
    assert "5 passed, 5 deselected" in found.stdout
    assert counted.read_text() == "x"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--academy-parameter", "limit=high"], "The parameter limit is 'high'"),
        (["--academy-parameter", "limits=3"], "Did you mean 'limit'?"),
        (["--academy-parameter", "limit=3", "--academy-update"], "leave --academy-update out"),
        (["--academy-parameter=limit=3", "--academy-parameter=limit=4"], "limit is given twice"),
        (["--academy-rtol", "-1"], "--academy-rtol"),
        (["--academy-jobs", "0"], "--academy-jobs: '0' is not a whole number from 1 on"),
        (["--academy-jobs", "-1"], "--academy-jobs: '-1' is not a whole number from 1 on"),
        (["--nbval-sanitize-with", "none.cfg"], "There is no file none.cfg to sanitize outputs with."),
    ],
)
def test_plugin_refuses_what_the_command_refuses(
    collection: Path, tmp_path: Path, options: list[str], said: str
) -> None:
    found = pytest_run(collection, "labs/50-is-well", *options, COUNTED=str(tmp_path / "counted"))
    assert found.returncode == pytest.ExitCode.USAGE_ERROR, found.stdout + found.stderr
    assert said in found.stderr
    assert "Traceback" not in found.stderr


def test_plugin_refuses_parameters_for_more_than_one_lab(collection: Path) -> None:
    found = pytest_run(collection, "labs", "--academy-parameter", "limit=3")
    assert found.returncode == pytest.ExitCode.USAGE_ERROR, found.stdout + found.stderr
    assert "Parameters (--academy-parameter) are those of one lab: name it." in found.stderr


@pytest.mark.slow
def test_plugin_takes_parameters_and_a_tolerance(tmp_path: Path) -> None:
    write_lab(tmp_path, "53-takes-limit", [*task_cells(), cell("print(limit / 7)", printed("4.5\n"))])
    given = ("--academy-parameter", "limit=32")
    assert pytest_run(tmp_path, "notebooks", *given).returncode == pytest.ExitCode.TESTS_FAILED
    for near in ("--academy-rtol=0.1", "--academy-atol=0.1"):
        found = pytest_run(tmp_path, "notebooks", *given, near)
        assert found.returncode == 0, found.stdout + found.stderr


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of pytest that stores outputs anew and sanitizes them, beside files that cannot be read."""
    root = tmp_path_factory.mktemp("renewed")
    write_lab(root, "60-is-renewed", [cell(MEET), *task_cells(), cell("print('new')", printed("old\n"))])
    named = cell("print('started job_xyz')", printed("started job_ab\n"))
    write_lab(root, "61-is-sanitized", [cell(MEET), *task_cells(), named])
    with (write_lab(root, "62-is-misspelt", task_cells()).folder / "lab.yml").open("a") as manifest:
        manifest.write("nonsense: 1\n")
    write_lab(root, "63-breaks-off", task_cells()).notebook.write_text('{"cells": [{}]}')
    (root / "sanitize.cfg").write_text("regex: job_[a-z]+\nreplace: job_NAME\n")
    (root / "met").mkdir()
    files = [f"notebooks/{lab}.ipynb" for lab in ("60-is-renewed", "61-is-sanitized", "63-breaks-off")]
    found = pytest_run(
        root,
        *(*files, "labs/60-is-renewed", "labs/61-is-sanitized", "labs/62-is-misspelt", "-v"),
        *("--academy-update", "--nbval-sanitize-with", "sanitize.cfg", "--academy-jobs", "3"),
        *("--academy-report", "report"),
        MEETING=str(root / "met"),
        MEMBERS="3",
        PATIENCE_S="25",
    )
    return found, root


def test_plugin_fails_a_file_that_cannot_be_read_and_runs_the_rest(
    renewed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    found, root = renewed
    assert found.returncode == pytest.ExitCode.TESTS_FAILED, found.stdout + found.stderr
    assert "2 failed, 18 passed" in found.stdout
    assert "labs/62-is-misspelt/lab.yml::is valid FAILED" in found.stdout
    assert f"{root}/labs/62-is-misspelt/lab.yml has no field 'nonsense'. Its fields: " in found.stdout
    assert "notebooks/63-breaks-off.ipynb::is valid FAILED" in found.stdout
    assert f"{root}/notebooks/63-breaks-off.ipynb is not a notebook" in found.stdout
    assert "Traceback" not in found.stdout + found.stderr
    suites = ElementTree.parse(root / "report" / "junit.xml").iter("testsuite")
    assert {suite.get("name") for suite in suites if suite.get("errors") != "0"} == {
        "62-is-misspelt",
        "63-breaks-off",
    }


def test_plugin_runs_as_many_side_by_side_as_it_is_told(
    renewed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    found, root = renewed
    assert "nobody came" not in found.stdout
    assert len(list((root / "met").iterdir())) == 4  # two labs, two editions each


def test_plugin_stores_outputs_anew_that_differ_when_they_are_sanitized(
    renewed: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    _, root = renewed
    for lab, text in (("60-is-renewed", "new\n"), ("61-is-sanitized", "started job_ab\n")):
        kept = nbformat.read(root / "notebooks" / f"{lab}.ipynb", as_version=4)
        assert kept.cells[-1].outputs[0].text == text


def test_plugin_stands_back_for_nbval_and_elsewhere(collection: Path, tmp_path: Path) -> None:
    found = pytest_run(collection, "notebooks", "labs", "--nbval", "--collect-only", "-q", "-W", "default")
    assert "lab.yml" not in found.stdout
    assert "IPyNbCell" in found.stdout or "Cell 0" in found.stdout
    other = tmp_path / "other"
    (other / "notebooks").mkdir(parents=True)
    (other / "notebooks" / "50-is-well.ipynb").write_bytes(
        (collection / "notebooks" / "50-is-well.ipynb").read_bytes()
    )
    (other / "labs" / "paper").mkdir(parents=True)
    (other / "labs" / "paper" / "lab.yml").write_text("anything: 1")
    assert pytest_run(other, "notebooks", "labs").returncode == 5  # nothing was collected


def test_plugin_imports_nothing_heavy() -> None:
    code = "import sys, academy.labs.suite.plugin; print(*{name.split('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "papermill",
        "nbval",
        "nbclient",
        "nbformat",
        "jinja2",
        "IPython",
        "azure",
        "mlflow",
        "pandas",
        "zmq",
    }
    assert not heavy & set(found.stdout.split())
