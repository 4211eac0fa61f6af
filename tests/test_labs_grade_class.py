"""A class of twelve with known scores, graded by the real command: the table is right to the point."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from academy.cli import lab_grade
from academy.cli.root import academy
from academy.cli.terminable import terminable
from academy.cli.verb import Failure
from academy.errors import NotFound
from academy.labs.collection import Collection, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import hidden_tests, solved_edition, write_edition
from academy.labs.editions.pack import make_pack
from academy.labs.grading import reports
from academy.labs.grading.packs import Packs
from academy.labs.grading.scores import NOT_REACHED, Submission
from academy.labs.grading.table import sheets
from academy.labs.scaffold import new_lab
from tests.labs_made_up import graded as made_up
from tests.labs_made_up import refused, row

ACADEMY = Path(sys.executable).with_name("academy")
# Twelve services and kernels start; a machine that has other work takes its time.
pytestmark = pytest.mark.timeout(480)

LAB = "90-count-days"
TITLE = "Register a table and count in it"

# Each learner's points: the check of the first task, the check of the second, its hidden tests.
POINTS: dict[str, tuple[float, float, float]] = {
    "ann": (2, 1, 1),  # all of it
    "ben": (1, 1, 1),  # a table of the wrong type
    "Carla Ruiz": (2, 1, 0.5),  # right for the months alone
    "dora": (0, 0, 0),  # as it was released
    "emil": (2, 1, 1),  # deleted the cells of the checks
    "fay": (2, 1, 1),  # copied cells within the notebook
    "gus": (2, 1, 1),  # typed all cells anew
    "hansenhana": (2, 1, 1),  # prints to stderr
    "ivo": (2, 0, 0),  # hangs in the second task
    "kim": (2, 1, 1),  # handed in late, a second time
    "lea": (2, 1, 1),  # copied from kim
}
ORIGINAL = '''\
def long_months(days, limit):
    """Return how many of the months have more days than the limit."""
    # keep a tally by hand
    counter = 0
    position = 0
    values = list(days)
    while position < len(values):
        current = values[position]
        if not current <= limit:
            counter = counter + 1
        position = position + 1
    assert counter >= 0, "never negative"
    return counter
'''
DISGUISED = '''\
def long_months(days, limit):
    """Return how many of the months have more days than the limit."""
    n = 0
    i = 0
    xs = list(days)
    while i < len(xs):
        x = xs[i]  # one of them
        if not x <= limit:
            n = n + 1
        i = i + 1

    assert n >= 0, "cannot be"
    return n
'''

Change = Callable[[Any], None]


def nothing(_notebook: Any) -> None:
    """Leave the notebook as it is."""


def counting(source: str) -> Change:
    """Answer the second task with ``source``."""

    def change(notebook: Any) -> None:
        cell(notebook, "count")["source"] = source

    return change


def cell(notebook: Any, name: str) -> Any:
    return next(one for one in notebook.cells if one.id == name)


def wrong_type(notebook: Any) -> None:
    one = cell(notebook, "data")
    one.source = one.source.replace("URI_FILE", "URI_FOLDER").replace("data/months.csv", "data/")


def right_for_months_alone(notebook: Any) -> None:
    one = cell(notebook, "count")
    one.source = one.source.replace("number > limit", "number == 31")


def without_checks(notebook: Any) -> None:
    notebook["cells"] = [one for one in notebook.cells if "check" not in one.metadata.get("academy", {})]


def with_copies(notebook: Any) -> None:
    copies = [cell(notebook, name).copy() for name in ("count", "count-check")]
    for number, one in enumerate(copies):
        one["id"] = f"copy-{number}"
    notebook["cells"] += copies


def typed_anew(notebook: Any) -> None:
    for number, one in enumerate(notebook.cells):
        one["id"], one["metadata"] = f"new-{number}", {}


def noisy(notebook: Any) -> None:
    one = cell(notebook, "count")
    one.source += "\nimport sys, warnings\nwarnings.warn('an old way')"
    one.source += "\nprint('a library says something', file=sys.stderr)"


def hanging(notebook: Any) -> None:
    one = cell(notebook, "count")
    one.source = "while True:\n    pass\n" + one.source


@dataclass(frozen=True)
class Graded:
    """What the command said and wrote."""

    done: subprocess.CompletedProcess[str]
    to: Path

    def read(self, name: str) -> str:
        return (self.to / name).read_text(encoding="utf-8-sig")

    def rows(self, name: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.read(name), newline="")))


def handed_in(lab: Lab, folder: Path) -> None:
    """Write what twelve learners handed in, each in their way."""
    changes = {
        "ann": nothing,
        "ben": wrong_type,
        "Carla Ruiz_4711_assignsubmission_file_": right_for_months_alone,
        "emil": without_checks,
        "fay": with_copies,
        "gus": typed_anew,
        "ivo": hanging,
        "lea": counting(DISGUISED),
    }
    for name, change in changes.items():
        ipynb.write(solved(lab, change), made(folder / name / LAB) / f"{LAB}.ipynb")
    write_edition(lab, folder / "dora" / LAB)
    (folder / f"hansenhana_LATE_81_9001_{LAB}.ipynb").write_text(json.dumps(solved(lab, noisy)))
    (made(folder / "jo") / f"{LAB}.ipynb").write_text("I could not save it, sorry")
    for at, change in ((100.0, hanging), (200.0, counting(ORIGINAL))):
        with zipfile.ZipFile(folder / f"{LAB}-kim-{at:.0f}.zip", "w") as packed:
            packed.writestr(f"{LAB}.ipynb", json.dumps(solved(lab, change)))
            packed.writestr("submission.json", json.dumps({"lab": LAB, "learner": "kim", "at": at}))


def solved(lab: Lab, change: Change) -> Any:
    notebook = solved_edition(ipynb.read(lab.notebook), lab.id)
    change(notebook)
    return notebook


def made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


MOODLE = (
    'Identifier,"Full name","Email address",Status,Grade,"Maximum Grade","Last modified (grade)",'
    '"Feedback comments"\r\n'
    '"Participant 4711","Carla Ruiz",c@example.org,Submitted,,4.00,-,\r\n'
    '"Participant 4712",Ben,ben,Submitted,,4.00,-,\r\n'
    '"Participant 4713",Zoe,zoe@example.org,"No submission",,4.00,-,\r\n'
)
CANVAS = (
    f"Student,ID,SIS Login ID,Section,{TITLE} (77)\n"
    "    Points Possible,,,,4\n"
    '"Hansen, Hana",81,hana@example.org,A,\n'
    '"Zeller, Zoe",83,zoe,A,\n'
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made_lab = new_lab(Collection(tmp_path_factory.mktemp("collection")), LAB)
    manifest = made_lab.folder / "lab.yml"
    manifest.write_text(manifest.read_text().replace("cell_s: 60", "cell_s: 10"))
    return made_lab


@pytest.fixture(scope="module")
def graded(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Graded:
    root = tmp_path_factory.mktemp("class")
    folder = made(root / "handed in")
    handed_in(lab, folder)
    (root / "moodle.csv").write_bytes(MOODLE.encode())
    (root / "canvas.csv").write_bytes(CANVAS.encode())
    command = [ACADEMY, "lab", "grade", folder, "-j", "2", "--collection", lab.folder.parents[1]]
    command += ["--moodle", root / "moodle.csv", "--canvas", root / "canvas.csv", "--language", "en"]
    environment = {**os.environ, "COLUMNS": "160", "ACADEMY_HOME": str(root / "home")}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    return Graded(done, root / "handed in-graded")


def test_the_table_is_right_to_the_point(graded: Graded) -> None:
    lines = [re.split(r"  +", line) for line in graded.done.stdout.splitlines()]
    rows = {line[0]: line[1:4] for line in lines if len(line) >= 4}
    for learner, (first, second, hidden) in POINTS.items():
        total = first + second + hidden
        assert rows[learner] == [f"{first:g}/2", f"{second + hidden:g}/2", f"{total:g}/4"], graded.done.stderr
    assert rows["jo"] == ["\u2013"] * 3
    means = [sum(p[0] for p in POINTS.values()) / 11, sum(p[1] + p[2] for p in POINTS.values()) / 11]
    expected = [f"{round(value, 2):g}" for value in (*means, sum(means))]
    assert rows["mean"] == [f"{expected[0]}/2", f"{expected[1]}/2", f"{expected[2]}/4"]


def test_who_could_not_be_graded_is_named_by_the_exit(graded: Graded) -> None:
    assert graded.done.returncode == 1
    assert graded.done.stderr.splitlines()[-1] == "academy: 1 could not be graded: jo."
    assert "not a notebook" in graded.done.stdout


def test_each_is_said_as_it_is_done(graded: Graded) -> None:
    said = graded.done.stderr
    for learner, points in POINTS.items():
        assert f"{learner}  {LAB}  {sum(points):g}/4" in said


def test_the_notes_say_what_was_set_right(graded: Graded) -> None:
    notes = {
        one["learner"]: "; ".join(one["notes"])
        for one in json.loads(graded.read("grades.json"))["labs"][0]["submissions"]
    }
    assert notes["ann"] == ""
    assert notes["hansenhana"] == ""  # what a library prints costs nothing, and is no fault
    for learner in ("emil", "gus", "fay"):
        assert notes[learner], learner
    assert "time" in notes["ivo"]
    assert "The newest of 2 hand-ins counts" in notes["kim"]


def test_grades_csv_holds_the_same(graded: Graded) -> None:
    rows = {row["learner"]: row for row in graded.rows("grades.csv")}
    assert rows.keys() == POINTS.keys() | {"jo"}
    for learner, (first, second, hidden) in POINTS.items():
        row = rows[learner]
        assert float(row["points"]) == first + second + hidden
        assert (float(row["register-table"]), float(row["count-long-months"])) == (first, second + hidden)
    empty = ("points", "max_points", "register-table", "count-long-months", "register-table max")
    assert [rows["jo"][name] for name in empty] == [""] * 5


def test_the_worksheet_of_moodle_is_filled(graded: Graded) -> None:
    carla, ben, zoe = graded.rows("moodle.csv")
    assert (carla["Identifier"], carla["Grade"]) == ("Participant 4711", "3.5")
    assert carla["Feedback comments"] == "Register the table: 2 of 2; Count the long months: 1.5 of 2"
    assert (ben["Grade"], zoe["Grade"]) == ("3", "")
    assert "Not in the gradebook: " in graded.done.stderr


def test_the_gradebook_of_canvas_is_filled(graded: Graded) -> None:
    possible, hana, zoe = graded.rows("canvas.csv")
    column = f"{TITLE} (77)"
    assert (possible[column], hana["ID"], hana[column], zoe[column]) == ("4", "81", "4", "")


def test_the_two_that_copied_are_found_and_nobody_else(graded: Graded) -> None:
    assert [(row["learner"], row["other"]) for row in graded.rows("similarity.csv")] == [("kim", "lea")]
    assert "Alike: kim and lea." in graded.done.stdout
    assert "similarity is no proof" in graded.done.stdout


def test_no_feedback_holds_the_hidden_tests(graded: Graded, lab: Lab) -> None:
    source = "\n".join(hidden_tests(ipynb.read(lab.notebook)).values())
    secrets = [line.strip() for line in source.splitlines() if line.strip()]
    secrets += [re.sub(r"^assert ", "", line) for line in secrets] + ["HIDDEN TESTS", "[28, 29, 30]"]
    assert len(secrets) >= 6
    pages = sorted((graded.to / "feedback").rglob("*.html"))
    assert len(pages) == 12
    for page in pages:
        text = page.read_text()
        for secret in secrets:
            assert secret not in text, page
    assert "0.5 of 1" in (graded.to / "feedback" / "Carla Ruiz" / f"{LAB}.html").read_text()


def test_the_executed_notebooks_are_kept_for_the_instructor(graded: Graded) -> None:
    executed = {path.parent.name for path in (graded.to / "executed").rglob("*.ipynb")}
    assert executed == set(POINTS)
    assert "a library says something" in (graded.to / "executed" / "hansenhana" / f"{LAB}.ipynb").read_text()


def test_grading_again_from_a_pack_gives_the_same(lab: Lab, tmp_path: Path) -> None:
    for name, change in (("ann", nothing), ("Carla Ruiz", right_for_months_alone)):
        ipynb.write(solved(lab, change), made(tmp_path / "hand" / name / LAB) / f"{LAB}.ipynb")
    make_pack(lab, tmp_path / "packs")
    found = []
    for _ in range(2):
        done = subprocess.run(
            [ACADEMY, "lab", "grade", "hand", "--pack", "packs", "--json", "--lab", "90", "--no-similarity"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        (sheet,) = json.loads(done.stdout)["labs"]
        found.append({one["learner"]: one["points"] for one in sheet["submissions"]})
    assert found == [{"ann": 4.0, "Carla Ruiz": 3.5}] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hand", "hand-graded", "packs"]
    assert not (tmp_path / "hand-graded" / "similarity.csv").exists()


def test_the_command_line_that_is_not_valid_ends_with_two_and_an_unknown_lab_with_three(
    lab: Lab, tmp_path: Path
) -> None:
    made(tmp_path / "hand")
    for arguments, status in (
        (["nowhere"], 2),
        (["hand", "--lab", "no-such-lab"], 3),
        (["hand", "-j", "0"], 2),
        (["hand", "--to", "hand/inside"], 2),
    ):
        done = subprocess.run(
            [ACADEMY, "lab", "grade", *arguments, "--collection", lab.folder.parents[1]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, (arguments, done.stderr)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_graded_is_written_when_it_is_interrupted_and_nothing_else_is_left(
    lab: Lab, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    for name, change in (("ann", nothing), ("ivo", hanging), ("zoe", hanging)):
        ipynb.write(solved(lab, change), made(tmp_path / "hand" / name / LAB) / f"{LAB}.ipynb")
    command = [str(ACADEMY), "lab", "grade", "hand", "-j", "1", "--collection", str(lab.folder.parents[1])]
    # Its path is short: sockets lie in it.
    with tempfile.TemporaryDirectory() as rooms, (tmp_path / "out").open("w") as out:
        environment = {**os.environ, "TMPDIR": rooms}
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=out, stderr=subprocess.PIPE, text=True
        ) as running:
            assert running.stderr is not None
            first = running.stderr.readline()
            running.send_signal(number)
            said = running.stderr.read()
        assert first.startswith("ann  "), first + said
        assert running.returncode == status, said
        assert os.listdir(rooms) == []
    graded = Graded(subprocess.CompletedProcess([], status), tmp_path / "hand-graded")
    assert said.splitlines()[-1].endswith(f": 1 of 3 was graded; see {graded.to}."), said
    found = {row["learner"]: (row["points"], row["notes"]) for row in graded.rows("grades.csv")}
    reason = "Not graded: not reached: it was interrupted."
    assert found == {"ann": ("4", ""), "ivo": ("", reason), "zoe": ("", reason)}
    assert os.listdir(graded.to / "feedback") == ["ann"]


@pytest.mark.parametrize("at", ["similar", "write_reports"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("first", [None, signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_reports_are_written_costs_none_of_them(
    lab: Lab,
    tmp_path: Path,
    *,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    first: signal.Signals | None,
    number: signal.Signals,
    at: str,
) -> None:
    for name in ("ann", "ben"):
        ipynb.write(solved(lab, nothing), made(tmp_path / "hand" / name / LAB) / f"{LAB}.ipynb")

    def grade_all(wanted: list[Submission], packs: Packs, _jobs: int, _to: Path, done: Any) -> None:
        packs.pack(LAB)
        for place, one in enumerate(wanted):
            if first and place:
                signal.raise_signal(first)
            done(replace(made_up("any"), submission=one))

    place: Any = Packs if at == "similar" else reports
    real, came = getattr(place, at), []

    def signalled(*arguments: Any, **more: Any) -> Any:
        came.append(at)
        signal.raise_signal(number)
        return real(*arguments, **more)

    monkeypatch.setattr(lab_grade, "_grade_all", grade_all)
    monkeypatch.setattr(place, at, signalled)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    command = ["lab", "grade", str(tmp_path / "hand"), "--collection", str(lab.folder.parents[1])]
    done = CliRunner().invoke(academy, command)

    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before
    assert done.exit_code == {None: 0, signal.SIGINT: 130, signal.SIGTERM: 143}[first], done.output
    graded = Graded(subprocess.CompletedProcess([], 0), tmp_path / "hand-graded")
    found = {row["learner"]: row["points"] for row in graded.rows("grades.csv")}
    assert found == {"ann": "4", "ben": "" if first else "4"}
    # What compares them takes its time, and whoever ends the command does not ask for it.
    assert came == ([] if first and at == "similar" else [at])
    assert (graded.to / "similarity.csv").exists() == (first is None)
    assert ("The reports are being written" in capfd.readouterr().err) == bool(came)


def test_a_second_signal_waits_until_the_first_has_cleaned_up(capfd: pytest.CaptureFixture[str]) -> None:
    cleaned = []

    def end(first: signal.Signals, second: signal.Signals) -> None:
        with terminable():
            try:
                signal.raise_signal(first)
            finally:
                signal.raise_signal(second)
                cleaned.append(first)

    for second in (signal.SIGINT, signal.SIGTERM):
        with pytest.raises(KeyboardInterrupt):
            end(signal.SIGINT, second)
        with pytest.raises(Failure, match="ended by SIGTERM"):
            end(signal.SIGTERM, second)
    assert cleaned == [signal.SIGINT, signal.SIGTERM] * 2
    assert capfd.readouterr().err.count("Ending already") == 4


def test_what_is_interrupted_takes_the_place_of_no_earlier_results(tmp_path: Path) -> None:
    (sheet,) = sheets([row(made_up("ann")), row(refused("ben", NOT_REACHED))], {})
    made(tmp_path / "out")
    assert lab_grade._for_a_part(tmp_path / "out", [sheet], KeyboardInterrupt()) == tmp_path / "out"
    (tmp_path / "out" / "grades.json").write_text("{}")
    chosen = lab_grade._for_a_part(tmp_path / "out", [sheet], KeyboardInterrupt())
    assert chosen == tmp_path / "out-interrupted"
    (none,) = sheets([row(refused("ben", NOT_REACHED))], {})
    with pytest.raises(Failure, match="nothing was graded yet, and nothing was written"):
        lab_grade._for_a_part(tmp_path / "out", [none], KeyboardInterrupt())


def test_a_folder_without_packs_is_refused_at_once_and_packs_are_named(lab: Lab, tmp_path: Path) -> None:
    folder = made(tmp_path / "packs")
    with pytest.raises(
        NotFound, match=r"holds no pack: .*hidden\.json.*'academy lab release --to DIR --pack"
    ):
        Packs(folder, None, tmp_path / "to", None)
    make_pack(lab, folder)
    with pytest.raises(NotFound, match="itself a pack"):
        Packs(folder / LAB, None, tmp_path / "to", None)
    with pytest.raises(NotFound, match=rf"'nolab' in the packs in .*/packs\. Labs: '{LAB}'\."):
        Packs(folder, None, tmp_path / "to", "nolab")
    with pytest.raises(NotFound, match=rf"Did you mean '{LAB}'\?"):
        Packs(folder, None, tmp_path / "to", "days")
    assert Packs(folder, None, tmp_path / "to", "90").only == LAB


def test_release_shows_that_labs_need_not_be_named() -> None:
    done = subprocess.run([ACADEMY, "lab", "release", "--help"], capture_output=True, text=True, check=True)
    assert "[LAB]..." in done.stdout.splitlines()[0]
