"""What an instructor sees of grading: what was handed in, the table, files for gradebooks, feedback."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import json
import os
import re
import stat
import struct
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from academy.errors import AcademyError, Conflict, InvalidField, NotFound, UserError
from academy.labs.collection import Collection
from academy.labs.editions import ipynb
from academy.labs.grading import csvfile, gradebook, reports
from academy.labs.grading.feedback import feedback
from academy.labs.grading.page import page as page_of
from academy.labs.grading.submissions import HandIn, discover, left_out
from academy.labs.grading.table import as_json, as_text, one_line, sheets
from academy.labs.grading.table import points as points_of
from academy.labs.grading.unpacking import Bounds, Refused, unpack
from academy.labs.language import texts
from academy.labs.manifest import Manifest
from academy.labs.scaffold import new_lab
from tests.labs_made_up import LAB, graded, refused, row, write_notebook

LABS = (LAB, "91-move-data")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return new_lab(Collection(tmp_path_factory.mktemp("collection")), LAB).manifest


def found(folder: Path, tmp_path: Path, only: str = "", labs: tuple[str, ...] = LABS) -> dict[str, HandIn]:
    stage = tmp_path / f"stage{len(list(tmp_path.iterdir()))}"
    stage.mkdir()
    return {one.submission.learner: one for one in discover(folder, labs, stage, only=only)}


def zipped(path: Path, members: dict[str, str | bytes], record: dict[str, object] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
        if record:
            packed.writestr("submission.json", json.dumps(record))
    return path


# What was handed in


def test_every_layout_becomes_one_submission_a_learner(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    text = write_notebook(folder / "ann" / LAB / f"{LAB}.ipynb", "x = 1").read_text()
    write_notebook(folder / "ben" / f"{LAB}.ipynb", "x = 2")
    zipped(folder / "carla.zip", {f"{LAB}.ipynb": text}, {"lab": LAB, "learner": "carla", "at": 5.0})
    zipped(
        folder / f"{LAB}-dora-20261121-120000.zip", {f"{LAB}.ipynb": text}, {"lab": LAB, "learner": "dora"}
    )
    zipped(folder / "emil" / "handed in.zip", {f"{LAB}/{LAB}.ipynb": text, f"{LAB}/src/train.py": "y = 1"})
    write_notebook(folder / "Fritz Müller_4711_assignsubmission_file_" / f"{LAB} (1).ipynb", "x = 3")
    write_notebook(folder / f"Gerda Groß_4712_assignsubmission_file_{LAB}.ipynb", "x = 3")
    write_notebook(folder / f"hansenida_LATE_81_9001_{LAB}-2.ipynb", "x = 4")
    zipped(folder / f"jensenjo_82_9002_{LAB}.zip", {f"{LAB}.ipynb": text})
    hand_ins = found(folder, tmp_path)
    names = {"ann", "ben", "carla", "dora", "emil", "Fritz Müller", "Gerda Groß", "hansenida", "jensenjo"}
    assert hand_ins.keys() == names
    for one in hand_ins.values():
        assert (one.error, one.submission.lab) == ("", LAB), one
        assert (one.submission.folder / f"{LAB}.ipynb").is_file()
    assert hand_ins["Fritz Müller"].moodle_id == "4711"
    assert hand_ins["Gerda Groß"].moodle_id == "4712"
    assert (hand_ins["hansenida"].canvas_id, hand_ins["jensenjo"].canvas_id) == ("81", "82")
    assert (hand_ins["emil"].submission.folder / "src" / "train.py").read_text() == "y = 1"


def test_the_newest_hand_in_counts_and_it_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    for number, source in ((9001, "old"), (9010, "new")):
        write_notebook(folder / f"hansenida_81_{number}_{LAB}.ipynb", source)
    os.utime(folder / f"hansenida_81_9010_{LAB}.ipynb", (1, 1))  # Canvas counts up, whatever the file's time
    for at, source in ((100.0, "new"), (50.0, "old")):
        content = write_notebook(tmp_path / "one.ipynb", source).read_text()
        zipped(
            folder / "ann" / f"{source}.zip",
            {f"{LAB}.ipynb": content},
            {"lab": LAB, "learner": "ann", "at": at},
        )
    hand_ins = found(folder, tmp_path)
    for learner in ("hansenida", "ann"):
        assert '"new"' in (hand_ins[learner].submission.folder / f"{LAB}.ipynb").read_text()
        assert "The newest of 2 hand-ins counts" in hand_ins[learner].notes[0]


def test_two_copies_in_one_folder_are_one_hand_in_and_the_newer_counts(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    os.utime(write_notebook(folder / "ann" / f"{LAB}.ipynb", "older"), (1, 1))
    write_notebook(folder / "ann" / f"{LAB} (1).ipynb", "newer")
    write_notebook(folder / "ann" / "scratch.ipynb", "scratch", lab="")
    one = found(folder, tmp_path, labs=(LAB,))["ann"]
    assert "newer" in (one.submission.folder / f"{LAB}.ipynb").read_text()
    assert any("is taken as" in note for note in one.notes)


def test_what_cannot_be_read_is_a_row_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    write_notebook(folder / "ann" / f"{LAB}.ipynb", "x = 1")
    (folder / "ben").mkdir()
    (folder / "ben" / "essay.docx").write_text("no notebook")
    (folder / "carl.zip").write_text("no zip")
    zipped(folder / "dora.zip", {"../../evil.ipynb": "{}"})
    (folder / "emil").mkdir()
    write_notebook(folder / "fay" / "notes.ipynb", "x", lab="")
    (folder / "grades.xlsx").write_text("")
    hand_ins = found(folder, tmp_path)
    assert "essay.docx" in hand_ins["ben"].error
    assert "not a zip" in hand_ins["carl"].error
    assert "leads outside" in hand_ins["dora"].error
    assert hand_ins["emil"].error == "emil holds no notebook: it is empty"
    assert "does not say which lab" in hand_ins["fay"].error
    assert hand_ins["ann"].error == ""
    assert left_out(folder) == ["grades.xlsx"]
    assert not (tmp_path / "evil.ipynb").exists()


def test_an_unreadable_second_hand_in_does_not_replace_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    write_notebook(folder / "ann" / LAB / f"{LAB}.ipynb", "x = 1")
    (folder / "ann" / f"{LAB}.zip").write_text("torn")
    one = found(folder, tmp_path)["ann"]
    assert one.error == ""
    assert any(f"{LAB}.zip was not taken" in note for note in one.notes)


def test_a_name_in_the_zip_does_not_overrule_that_of_the_file(tmp_path: Path) -> None:
    content = write_notebook(tmp_path / "one.ipynb", "x").read_text()
    zipped(tmp_path / "hand" / "ann.zip", {f"{LAB}.ipynb": content}, {"lab": LAB, "learner": "ben"})
    hand_ins = found(tmp_path / "hand", tmp_path)
    assert hand_ins.keys() == {"ann"}
    assert "Its submission.json names 'ben'." in hand_ins["ann"].notes


def test_learners_of_one_name_stay_two(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    for number in (1, 2):
        write_notebook(folder / f"Ann Lee_{number}_assignsubmission_file_" / f"{LAB}.ipynb", "x")
    write_notebook(folder / "Bo" / f"{LAB}.ipynb", "x")
    write_notebook(folder / "bo" / f"{LAB}.ipynb", "x")
    assert found(folder, tmp_path).keys() == {"Ann Lee (1)", "Ann Lee (2)", "Bo", "bo (2)"}


def test_only_one_lab_is_taken_where_one_is_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "hand"
    for lab in LABS:
        write_notebook(folder / "ann" / lab / f"{lab}.ipynb", "x", lab=lab)
    write_notebook(folder / "ben" / "my work.ipynb", "x", lab="")
    hand_ins = found(folder, tmp_path, only=LABS[1])
    assert {one.submission.lab for one in hand_ins.values()} == {LABS[1]}
    assert "does not say which lab it is, is taken as" in hand_ins["ben"].notes[0]


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "hidden.json").write_text("{}")
    folder = tmp_path / "hand"
    write_notebook(folder / "ann" / LAB / f"{LAB}.ipynb", "x")
    (folder / "ann" / LAB / "data").symlink_to(secret)
    (folder / "ann" / LAB / "hidden.json").symlink_to(secret / "hidden.json")
    (folder / "ben").symlink_to(secret)
    hand_ins = found(folder, tmp_path)
    assert hand_ins.keys() == {"ann"}
    assert [path.name for path in hand_ins["ann"].submission.folder.iterdir()] == [f"{LAB}.ipynb"]
    assert len([note for note in hand_ins["ann"].notes if "Left out" in note]) == 2


def test_a_folder_without_submissions_says_what_it_takes(tmp_path: Path) -> None:
    (tmp_path / "hand").mkdir()
    with pytest.raises(NotFound, match="holds no submissions"):
        found(tmp_path / "hand", tmp_path)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.txt", "a/../../up.txt", "C:\\up.txt", "a\\..\\up"])
def test_a_zip_cannot_write_outside(tmp_path: Path, name: str) -> None:
    archive = zipped(tmp_path / "one.zip", {name: "x"})
    with pytest.raises(Refused, match="leads outside"):
        unpack(archive, tmp_path / "out")
    assert not any((tmp_path / "out").rglob("*"))


def test_a_zip_cannot_hold_links(tmp_path: Path) -> None:
    archive = tmp_path / "one.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        member = zipfile.ZipInfo("passwd")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(member, "/etc/passwd")
    with pytest.raises(Refused, match="link"):
        unpack(archive, tmp_path / "out")


def test_a_zip_bomb_is_refused_whatever_it_says_of_its_size(tmp_path: Path) -> None:
    small = Bounds(files=5, bytes_in_all=100_000)
    bomb = zipped(tmp_path / "bomb.zip", {"zeros": b"\0" * 5_000_000})
    with pytest.raises(Refused, match="MB"):
        unpack(bomb, tmp_path / "out", small)
    lying = tmp_path / "lying.zip"
    content = bytearray(bomb.read_bytes())
    for marker, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = content.index(marker) + place
        content[at : at + 4] = struct.pack("<I", 10)
    lying.write_bytes(content)
    with pytest.raises(Refused):
        unpack(lying, tmp_path / "out2", small)
    assert sum(path.stat().st_size for path in (tmp_path / "out2").rglob("*")) <= small.bytes_in_all
    many = zipped(tmp_path / "many.zip", {f"f{number}": "x" for number in range(6)})
    with pytest.raises(Refused, match="more than 5 files"):
        unpack(many, tmp_path / "out3", small)


# The table


def test_the_table_has_points_means_and_notes(manifest: Manifest) -> None:
    rows = [
        row(graded("ann")),
        row(graded("ben", (1.0, 0.0, 0.0), cut="time", notes=("put back 2 cells",)), "late"),
        row(refused("carl", "it is not a notebook")),
    ]
    (sheet,) = sheets(rows, {LAB: manifest})
    assert sheet.means() == (1.5, 1.0, 2.5)
    text = as_text(sheet, 120)
    lines = [re.sub(r"  +", "|", line) for line in text.splitlines()]
    assert "ann|2/2|2/2|4/4" in lines
    assert "ben|1/2|0/2|1/4|late. put back 2 cells. Task count-long-months was cut: time." in lines
    assert "carl|\u2013|\u2013|\u2013|Not graded: it is not a notebook." in lines
    assert "mean|1.5/2|1/2|2.5/4" in lines
    assert one_line(rows[2]) == f"carl  {LAB}  not graded  it is not a notebook."
    found_json = as_json([sheet])["labs"][0]
    assert [one["points"] for one in found_json["submissions"]] == [4.0, 1.0, None]


def test_what_was_not_graded_has_no_points_anywhere(manifest: Manifest, tmp_path: Path) -> None:
    made = sheets([row(graded("ann")), row(refused("carl", "no notebook"))], {LAB: manifest})
    assert made[0].means() == (2.0, 2.0, 4.0)
    _, carl = read(csvfile.plain(made))
    assert {carl[name] for name in carl if name not in {"learner", "lab", "notes"}} == {""}
    assert as_json(made)["labs"][0]["submissions"][1]["tasks"] == []
    page = page_of("table", sheets=made, links={}, points=points_of, no_lab="")
    assert "carl \u2013 \u2013 \u2013 Not graded" in Page(page).text
    assert [line for line in as_text(made[0]).splitlines() if re.match(r"carl( +\u2013){3} ", line)]


def test_a_sheet_of_no_lab_has_no_totals(tmp_path: Path) -> None:
    made = sheets([row(refused("emil", "emil holds no notebook: it is empty", lab=""))], {})
    text = as_text(made[0])
    assert "mean" not in text
    assert "total" not in text
    assert "emil holds no notebook: it is empty." in text
    page = Page(page_of("table", sheets=made, links={}, points=points_of, no_lab="?")).text
    assert "1 submission, 0 graded" in page
    assert not [word for word in ("Total", "Mean", "\u2013") if word in page]


def test_a_name_gives_the_terminal_no_orders(manifest: Manifest) -> None:
    (sheet,) = sheets([row(graded("ann\x1b[2J"))], {LAB: manifest})
    assert "\x1b" not in as_text(sheet)


# Gradebooks


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x")'])
def test_no_cell_becomes_a_formula(manifest: Manifest, name: str) -> None:
    made = sheets([row(graded(name, notes=("=cmd()",)))], {LAB: manifest})
    for text in (csvfile.plain(made), gradebook.moodle(made[0]).text, gradebook.canvas(made).text):
        cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
        assert any(name in cell for cell in cells)
        assert not [cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@") and cell.strip()]


def test_grades_csv_holds_each_task(manifest: Manifest) -> None:
    made = sheets([row(graded("ann", (1.0, 1.0, 0.0))), row(refused("carl", "no notebook"))], {LAB: manifest})
    ann, carl = read(csvfile.plain(made))
    assert (ann["points"], ann["register-table"], ann["count-long-months"]) == ("2", "1", "1")
    assert (ann["max_points"], ann["register-table max"]) == ("4", "2")
    assert (carl["points"], carl["notes"]) == ("", "Not graded: no notebook.")


MOODLE = (
    '\ufeffIdentifier,"Full name","Email address",Status,Grade,"Maximum Grade","Grade can be changed",'
    '"Last modified (submission)","Last modified (grade)","Feedback comments"\r\n'
    '"Participant 4711","Fritz Müller",fritz@example.org,"Submitted for grading - ",,100.00,Yes,'
    '"Friday, 20 November 2026, 3:00 PM",-,\r\n'
    '"Participant 4712","Ann Lee",ann@example.org,"No submission - ",,100.00,Yes,-,-,\r\n'
    '"Participant 4713","Bo Berg",bo@example.org,"No submission - ",55.00,100.00,Yes,-,-,kept\r\n'
)


def test_an_exported_worksheet_of_moodle_is_filled_by_its_numbers(manifest: Manifest) -> None:
    rows = [
        row(graded("Fritz", (1.0, 1.0, 0.0)), moodle_id="4711"),
        row(graded("ann@example.org")),
        row(graded("x")),
    ]
    (sheet,) = sheets(rows, {LAB: manifest})
    filled = gradebook.fill_moodle(sheet, csvfile.read_grid(MOODLE.encode(), "m.csv"), "m.csv")
    assert filled.text.startswith("\ufeffIdentifier,")
    fritz, ann, bo = read(filled.text.removeprefix("\ufeff"))
    assert (fritz["Identifier"], fritz["Grade"]) == ("Participant 4711", "50")  # 2 of 4, in Moodle's measure
    assert fritz["Feedback comments"] == "Register the table: 1 of 2; Count the long months: 1 of 2"
    assert ann["Grade"] == "100"
    assert (bo["Grade"], bo["Feedback comments"]) == ("55.00", "kept")
    assert filled.missing == ("x",)
    assert "has a maximum of 100 there, and 4 here" in filled.scaled[0]


def test_a_german_worksheet_keeps_its_comma(manifest: Manifest) -> None:
    german = (
        "ID;Vollständiger Name;E-Mail-Adresse;Status;Bewertung;Bestwertung;Feedback als Kommentar\n"
        "Teilnehmer/in4711;Fritz Müller;f@example.org;;;5,00;\n"
    )
    (sheet,) = sheets([row(graded("Fritz", (1.0, 0.0, 0.0)), moodle_id="4711")], {LAB: manifest})
    filled = gradebook.fill_moodle(sheet, csvfile.read_grid(german.encode(), "m.csv"), "m.csv")
    (line,) = csv.DictReader(io.StringIO(filled.text, newline=""), delimiter=";")
    assert line["Bewertung"] == "1,25"


def test_a_worksheet_made_by_us_has_what_moodle_asks_for(manifest: Manifest) -> None:
    rows = [
        row(graded("Fritz Müller"), moodle_id="4711"),
        row(graded("ann@example.org")),
        row(refused("x", "no")),
    ]
    fritz, ann = read(gradebook.moodle(sheets(rows, {LAB: manifest})[0]).text)
    assert (fritz["Identifier"], fritz["Grade"], fritz["Maximum Grade"]) == ("Participant 4711", "4", "4")
    assert (ann["Email address"], ann["Username"]) == ("ann@example.org", "")
    assert "Last modified (grade)" in ann


CANVAS = (
    "Student,ID,SIS User ID,SIS Login ID,Section,Other (7),Register a table and count in it (77),"
    "Final Score\n"
    "    Points Possible,,,,,10,8,(read only)\n"
    '"Hansen, Ida",81,,ida,A,3,,12\n'
    '"Lee, Ann",82,S82,ann@example.org,A,4,,13\n'
    '"Berg, Bo",83,,bo,A,5,6,14\n'
)


def test_an_exported_gradebook_of_canvas_is_filled_by_its_numbers(manifest: Manifest, tmp_path: Path) -> None:
    rows = [
        row(graded("hansenida", (2.0, 1.0, 0.0)), canvas_id="81"),
        row(graded("ann@example.org", (1.0, 0.0, 0.0))),
        row(graded("nobody")),
    ]
    made = sheets(rows, {LAB: manifest})
    filled = gradebook.fill_canvas(made, csvfile.read_grid(CANVAS.encode(), "c.csv"), "c.csv")
    possible, ida, ann, bo = read(filled.text)
    column = "Register a table and count in it (77)"
    assert (possible[column], ida[column], ann[column], bo[column]) == ("8", "6", "2", "6")
    assert (ida["Other (7)"], ida["ID"], ida["Final Score"]) == ("3", "81", "12")
    assert filled.missing == ("nobody",)
    words = "'Register a table and count in it' has a maximum of 8 there, and 4 here"
    assert filled.scaled == (f"{words}: the points were scaled to 8.",)
    same = csvfile.read_grid(CANVAS.replace("10,8", "10,4.0").encode(), "c.csv")
    assert gradebook.fill_canvas(made, same, "c.csv").scaled == ()
    file = tmp_path / "c.csv"
    file.write_text(CANVAS)
    books = reports.Gradebooks.read(None, file)
    to = tmp_path / "out"
    done = reports.write_reports(to, made, {LAB: manifest}, similar={}, books=books, say=texts("en"))
    assert done.scaled == (f"canvas.csv: {words}: the points were scaled to 8.",)


def test_a_gradebook_made_by_us_begins_as_canvas_wants_it(manifest: Manifest) -> None:
    made = sheets([row(graded("hansenida"), canvas_id="81"), row(graded("ann"))], {LAB: manifest})
    head, possible, ann, ida = csv.reader(io.StringIO(gradebook.canvas(made).text, newline=""))
    assert head[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert (possible[0].strip(), possible[5]) == ("Points Possible", "4")
    assert (ann[0], ann[3], ann[5]) == ("ann", "ann", "4")
    assert (ida[1], ida[3]) == ("81", "")


def test_a_file_that_is_no_gradebook_is_refused_by_its_columns(manifest: Manifest) -> None:
    (sheet,) = sheets([row(graded("ann"))], {LAB: manifest})
    grid = csvfile.read_grid(b"a,b\n1,2\n", "x.csv")
    with pytest.raises(InvalidField, match="Its columns: 'a', 'b'"):
        gradebook.fill_moodle(sheet, grid, "x.csv")
    with pytest.raises(InvalidField, match="no gradebook of Canvas"):
        gradebook.fill_canvas([sheet], grid, "x.csv")
    without = csvfile.read_grid(CANVAS.replace("Register a table and count in it", "Quiz").encode(), "c.csv")
    with pytest.raises(InvalidField, match=r"Quiz \(77\)"):
        gradebook.fill_canvas([sheet], without, "c.csv")


# Feedback


class Page(HTMLParser):
    """The tags of a page, and what is seen of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.seen: list[str] = []
        self._quiet = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._quiet = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.seen.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.seen).split())


PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 20).decode()
HOSTILE = {
    "cell_type": "code",
    "id": "hostile",
    "metadata": {"academy": {"task": "count-long-months"}},
    "source": "x = '</pre><script>alert(1)</script>'",
    "execution_count": 1,
    "outputs": [
        {
            "output_type": "stream",
            "name": "stdout",
            "text": "\x1b[31mred\x1b[0m <img src=x onerror=alert(1)>",
        },
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {
                "text/html": "<script src='https://evil.example/x.js'></script>",
                "text/plain": "a table",
            },
        },
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"text/html": "<b onclick=alert(1)>only</b>"},
        },
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": PNG, "text/plain": "figure"}},
        {
            "output_type": "display_data",
            "metadata": {},
            "data": {"image/png": 'x" onload="alert(1)', "text/plain": "no picture"},
        },
        {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": "<svg onload=alert(1)/>"}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[0;31mE\x1b[0m: v"]},
    ],
}


@pytest.fixture
def hostile(tmp_path: Path, manifest: Manifest) -> str:
    executed = write_notebook(tmp_path / "executed.ipynb", HOSTILE)
    one = graded(
        "<b>ann</b>", (2.0, 0.0, 0.0), executed=executed, details=("assert long_months([], 30) == 0 failed",)
    )
    return feedback(one, manifest, ("late",), texts("en"))


def test_the_feedback_runs_nothing_and_loads_nothing(hostile: str) -> None:
    page = Page(hostile)
    assert not [
        tag for tag, _ in page.tags if tag in {"script", "iframe", "object", "link", "svg", "form", "b"}
    ]
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (
            tag,
            attributes,
        )
        for name in ("src", "href"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:image/png;base64,")) or not value
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "https://" not in re.sub(r"<pre.*?</pre>", "", hostile, flags=re.DOTALL)
    assert "\x1b" not in hostile


def test_the_feedback_shows_cells_outputs_and_what_to_do(hostile: str) -> None:
    page = Page(hostile)
    for part in (
        "<script>alert(1)</script>",
        "a table",
        "red <img",
        "no picture",
        "<b onclick=alert(1)>only</b>",
    ):
        assert part in page.text
    assert [a["src"] for t, a in page.tags if t == "img"] == [f"data:image/png;base64,{PNG}"]
    for part in ("Expected 2 for four days", "Advice Count them.", "0 of 1", "2 of 4 points", "late"):
        assert part in page.text


def test_the_feedback_says_points_of_hidden_tests_and_nothing_else(hostile: str) -> None:
    assert "Hidden tests" in hostile
    for secret in ("assert long_months", "[], 30", "failed"):
        assert secret not in hostile


def test_the_feedback_has_landmarks_headings_and_table_headers(hostile: str) -> None:
    page = Page(hostile)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1
    assert {"header", "main", "footer", "caption"} <= set(tags)
    assert all(attributes.get("scope") in {"row", "col"} for tag, attributes in page.tags if tag == "th")
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert next(attributes["lang"] for tag, attributes in page.tags if tag == "html") == "en"
    ids = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    for _, attributes in page.tags:
        if attributes.get("aria-labelledby"):
            assert attributes["aria-labelledby"] in ids
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")


def test_the_feedback_speaks_german(manifest: Manifest) -> None:
    page = Page(feedback(graded("ann", (1.0, 0.5, 0.0)), manifest, (), texts("de")))
    assert "1,5 von 4 Punkten" in page.text
    assert "Verborgene Tests" in page.text


def test_what_could_not_be_graded_says_why(manifest: Manifest) -> None:
    page = Page(feedback(refused("ann", "it is not a notebook"), manifest, (), texts("en")))
    assert "Not graded it is not a notebook" in page.text


def luminance(color: str) -> float:
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_text_has_contrast_in_light_and_in_dark(hostile: str) -> None:
    style = hostile.partition("<style>")[2].partition("</style>")[0]
    light, dark = (dict(re.findall(r"--([\w-]+): (#\w{6})", part)) for part in style.split("dark) {", 1))
    assert light.keys() == dark.keys()
    for colors in (light, dark):
        for text in ("text", "soft", "link", "good", "bad"):
            for back in ("back", "panel"):
                assert contrast(colors[text], colors[back]) >= 4.5, (text, back, colors)
        assert contrast(colors["mark-text"], colors["mark"]) >= 4.5
        assert contrast(colors["line"], colors["back"]) >= 3


# All of it


def written(to: Path, manifest: Manifest, *learners: str) -> reports.Written:
    made = sheets([row(graded(learner)) for learner in learners], {LAB: manifest})
    return reports.write_reports(
        to, made, {LAB: manifest}, similar={}, books=reports.Gradebooks(), say=texts("en")
    )


def test_reports_are_replaced_whole_and_are_private(tmp_path: Path, manifest: Manifest) -> None:
    to = tmp_path / "out"
    written(to, manifest, "ann", "ben")
    written(to, manifest, "ann", "..", "a/b")
    assert sorted(path.name for path in (to / "feedback").iterdir()) == ["_", "a_b", "ann"]
    names = {"grades.csv", "grades.json", "moodle.csv", "canvas.csv", "table.html", "similarity.html"}
    assert names | {"similarity.csv", "feedback"} == {path.name for path in to.iterdir()}
    assert stat.S_IMODE(to.stat().st_mode) == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    links = [
        a["href"] for t, a in Page((to / "table.html").read_text()).tags if t == "a" and a["href"] != "#main"
    ]
    assert len(links) == 3
    assert all((to / str(link)).is_file() for link in links)


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(Conflict, match=r"thesis\.tex"):
        written(tmp_path, manifest, "ann")
    assert (tmp_path / "thesis.tex").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("place", ["a-file/out", "a-file/further/down/out", "/proc/out"])
def test_a_place_that_cannot_be_written_is_refused_beforehand(tmp_path: Path, place: str) -> None:
    (tmp_path / "a-file").write_text("mine")
    to = tmp_path / place
    with pytest.raises(AcademyError) as error:
        reports.check_target(to)
    assert error.value.message.startswith(f"{to} cannot be written: ")
    assert error.value.message.endswith("Choose another with --to.")


def test_a_place_that_can_be_written_is_left_as_it_is_beforehand(tmp_path: Path) -> None:
    reports.check_target(tmp_path / "further" / "down" / "out")
    assert list(tmp_path.iterdir()) == []


def test_one_worksheet_is_not_filled_for_several_labs(tmp_path: Path) -> None:
    file = tmp_path / "m.csv"
    file.write_text(MOODLE)
    with pytest.raises(UserError, match="--lab"):
        reports.check_gradebooks(reports.Gradebooks.read(file, None), LABS)


# What each has in common with the other places that say it


def test_the_points_say_which_of_them_hidden_tests_give(manifest: Manifest, tmp_path: Path) -> None:
    made = sheets([row(graded("ann"))], {LAB: manifest})
    words = "4 points, of which 1 from hidden tests"
    assert as_text(made[0]).splitlines()[1] == words
    written(tmp_path / "out", manifest, "ann")
    assert words in Page((tmp_path / "out" / "table.html").read_text()).text
    assert words in Page(feedback(graded("ann"), manifest, (), texts("en"))).text


@pytest.mark.parametrize(("blank", "ran"), [(True, True), (False, False), (False, True)])
def test_advice_on_hidden_tests_is_for_what_was_written_and_ran(
    manifest: Manifest, blank: bool, ran: bool
) -> None:
    made = graded("ann", (2.0, 0.0, 0.0))
    first, second = made.tasks
    assert second.hidden is not None
    hidden = replace(second.hidden, failed=int(ran))
    one = replace(made, tasks=(first, replace(second, blank=blank, hidden=hidden)))
    page = Page(feedback(one, manifest, (), texts("en"))).text
    assert ("does not hold for all cases" in page) == (ran and not blank)
    assert "Hidden tests" in page


def test_cells_are_counted_as_notes_count_them(manifest: Manifest, tmp_path: Path) -> None:
    prose = {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": "# One"}
    executed = write_notebook(tmp_path / "executed.ipynb", prose, HOSTILE)
    place = ipynb.place(ipynb.read(executed).cells[1], 1)
    page = feedback(graded("ann", executed=executed), manifest, (), texts("en"))
    assert f"<h3>{place.capitalize()}: Count the long months</h3>" in page


def test_notes_cell_by_cell_are_in_the_feedback_alone(manifest: Manifest) -> None:
    one = graded("ann", notes=("13 given cells were changed.",))
    one = replace(one, details=("The given cell data was changed.",))
    assert "The given cell data was changed." in feedback(one, manifest, (), texts("en"))
    assert row(one).notes == ("13 given cells were changed.",)


def test_a_worksheet_without_moodles_own_tells_how_many_it_cannot_name(
    manifest: Manifest, tmp_path: Path
) -> None:
    assert written(tmp_path / "out", manifest, "ann", "ben@example.org", "carl").unnamed == 2
    file = tmp_path / "m.csv"
    file.write_text(MOODLE)
    made = sheets([row(graded("ann"))], {LAB: manifest})
    books = reports.Gradebooks.read(file, None)
    filled = reports.write_reports(
        tmp_path / "out", made, {LAB: manifest}, similar={}, books=books, say=texts("en")
    )
    assert filled.unnamed == 0
