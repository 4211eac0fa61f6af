"""One odd or hostile hand-in costs its own points and never the class its results."""

from __future__ import annotations

import json
import math
import os
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode

from academy.errors import InvalidField
from academy.labs.checks import CheckResult, shown
from academy.labs.editions import ipynb
from academy.labs.grading import grade as grading
from academy.labs.grading import reports
from academy.labs.grading.deferral import can_wait
from academy.labs.grading.grade import MODULES, GradeOptions, grade, grade_all
from academy.labs.grading.naming import handed_in_at
from academy.labs.grading.outputs import Outputs
from academy.labs.grading.own_code import MOST_TOKENS, own_code
from academy.labs.grading.removal import remove
from academy.labs.grading.scores import Graded
from academy.labs.grading.similarity import similar, similarity_page
from academy.labs.grading.snapshot import TooMuch, snapshot
from academy.labs.grading.submissions import HandIn, discover, left_out, safe_name
from academy.labs.grading.supervised import Supervised
from academy.labs.grading.table import Row, sheets
from academy.labs.grading.unpacking import Refused, unpack
from academy.labs.grading.wholesome import wholesome
from academy.labs.grading.worker import Grading
from academy.labs.language import texts
from academy.labs.nursery import Nursery
from tests.labs_graded import COUNT, LAB, SOLUTION, TABLE, Change, Class, cell, new_class, points, written
from tests.labs_made_up import write_notebook

HALF = "\ud800"  # of a character: no file can hold it
DEEP = """
import os
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
"""
ODD_OUTPUT = """
get_ipython().display_pub.publish({"text/plain": ["a", {"b": 1}]})
get_ipython().display_pub.publish({"application/json": float("nan")})
print("still here")
"""


def ends_with(source: str) -> Change:
    def change(notebook: NotebookNode) -> None:
        notebook.cells.append(nbformat.v4.new_code_cell(source))

    return change


FULL = {TABLE: 2.0, COUNT: 2.0}
CLASS: dict[str, tuple[Change, dict[str, float]]] = {
    "fine": (ends_with("1"), FULL),
    "returns-half": (
        written("count", f"def long_months(days, limit):\n    return {HALF!r}"),
        {**FULL, COUNT: 0.0},
    ),
    "raises-half": (
        written("count", f"def long_months(days, limit):\n    raise ValueError({HALF!r})"),
        {**FULL, COUNT: 0.0},
    ),
    "goes-deep": (ends_with(DEEP), FULL),
    "shows-odd-things": (ends_with(ODD_OUTPUT), FULL),
    "tries-at-the-end": (ends_with("long_months = 3\nsum = 5"), FULL),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return new_class(tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(modules=MODULES) as started:
        yield started


@pytest.fixture(scope="module")
def graded(room: Class, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graded]:
    """A class as it was handed in, found, graded and reported."""
    for name, (change, _) in CLASS.items():
        room.hand_in(name, change)
    handed_in = room.root / "handed-in"
    os.rename(handed_in / "fine", os.fsencode(handed_in) + b"/Ren\xe9e")
    found = discover(handed_in, (LAB,), tmp_path_factory.mktemp("stage"))
    above = tmp_path_factory.mktemp("rooms")
    options = GradeOptions(executed=room.root / "executed", temporary=above)
    done = grade_all([one.submission for one in found], {LAB: room.pack}, options, nursery, jobs=2)
    assert os.listdir(above) == []
    manifests = {LAB: room.pack.manifest}
    made = sheets([Row(one, hand_in.notes) for one, hand_in in zip(done, found, strict=True)], manifests)
    to, books = room.root / "graded", reports.Gradebooks()
    reports.write_reports(to, made, manifests, similar={}, books=books, say=texts("en"))
    return {one.submission.learner.replace("Ren\\udce9e", "fine"): one for one in done}


@pytest.mark.parametrize("name", CLASS)
def test_everyone_of_an_odd_class_has_the_points_that_are_due(graded: dict[str, Graded], name: str) -> None:
    assert not graded[name].error
    assert points(graded[name]) == CLASS[name][1]


def test_an_odd_class_has_all_its_reports(graded: dict[str, Graded], room: Class) -> None:
    found = json.loads((room.root / "graded" / "grades.json").read_bytes())
    assert len(found["labs"][0]["submissions"]) == len(graded) == len(CLASS)
    assert len(list((room.root / "graded" / "feedback").rglob("*.html"))) == len(CLASS)
    page = (room.root / "graded" / "feedback" / "shows-odd-things" / f"{LAB}.html").read_text()
    assert "An output was left out" in page
    assert "still here" in page


def test_a_fault_of_ours_costs_one_submission(
    room: Class, nursery: Nursery, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> dict[str, Any]:
        raise RecursionError(f"too deep {HALF}")

    monkeypatch.setattr(grading, "_graded_in", broken)
    found = grade(room.hand_in("unlucky"), room.pack, GradeOptions(temporary=tmp_path), nursery)
    assert found.error == "It could not be graded: RecursionError: too deep \\ud800"
    assert found.tasks == ()


# What was handed in


def zipped(path: Path, content: bytes | str = "{}", compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as packed:
        packed.writestr("a.ipynb", content)
    return path


def spoiled(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def bad_name(path: Path) -> None:
    zipped(path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("ä.ipynb", "{}")
    spoiled(path, "ä".encode(), b"\xe4\xe4")


def bad_lzma(path: Path) -> None:
    zipped(path, os.urandom(3000).hex(), zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    content[60:900] = bytes(840)
    path.write_bytes(content)


def with_password(path: Path) -> None:
    zipped(path)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)


def deep(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("d/" * 900 + "a.ipynb", "{}")
        packed.writestr("d/" * 1800 + "a.ipynb", "{}")


@pytest.mark.parametrize("spoil", [bad_name, bad_lzma, with_password, deep])
def test_a_damaged_zip_is_refused_in_words(tmp_path: Path, spoil: Callable[[Path], None]) -> None:
    spoil(tmp_path / "ann.zip")
    with pytest.raises(Refused):
        unpack(tmp_path / "ann.zip", tmp_path / "to")


def discovered(tmp_path: Path) -> dict[str, HandIn]:
    stage = tmp_path / "stage"
    stage.mkdir()
    return {one.submission.learner: one for one in discover(tmp_path / "in", (LAB,), stage)}


def with_record(path: Path, record: str) -> None:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(f"{LAB}.ipynb", "{}")
        packed.writestr("submission.json", record)


@pytest.mark.parametrize(
    ("record", "learner"),
    [
        ('{"learner": "\\ud800 ann"}', "\\ud800 ann"),
        ('{"learner": {"name": "ann"}}', LAB),
        ('{"learner": "ann", "at": 1%s}' % ("0" * 400), "ann"),
        ('{"learner": "ann", "at": NaN, "lab": [1]}', "ann"),
        ('{"learner": "ann", "at": -1e999}', "ann"),
        ('{"learner": "ann", "at": "0001-01-01T00:00:00"}', "ann"),
        ('{"learner": "ann", "at": {"year": 2026}}', "ann"),
    ],
)
def test_a_record_that_makes_no_sense_costs_nobody_the_hand_in(
    tmp_path: Path, record: str, learner: str
) -> None:
    with_record(tmp_path / "in" / f"{LAB}.zip", record)
    found = discovered(tmp_path)
    assert list(found) == [learner]
    assert not found[learner].error
    assert math.isfinite(found[learner].order[1])


def test_a_time_in_the_record_counts(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    assert handed_in_at({"at": 12}, tmp_path / "a", tmp_path / "a") == 12.0
    assert handed_in_at({"at": "1970-01-01T00:01:00+00:00"}, tmp_path / "a", tmp_path / "a") == 60.0


def test_names_that_are_no_utf8_become_text(tmp_path: Path) -> None:
    own = os.fsencode(tmp_path / "in") + b"/Ren\xe9"
    os.makedirs(own)
    write_notebook(Path(os.fsdecode(own)) / f"{LAB}.ipynb", "1")
    os.symlink("/etc", own + b"/l\xe9nk")
    Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/list\xe9.txt")).touch()
    (one,) = discovered(tmp_path).values()
    assert one.submission.learner == "Ren\\udce9"
    assert one.notes == ("Left out: l\\udce9nk, which is a link or no file.",)
    assert left_out(tmp_path / "in") == ["list\\udce9.txt"]


def test_names_that_are_alike_where_they_are_cut_stay_two(tmp_path: Path) -> None:
    for end in ("1", "2"):
        write_notebook(tmp_path / "in" / ("é" * 100 + end) / f"{LAB}.ipynb", "1")
    assert len({safe_name(learner) for learner in discovered(tmp_path)}) == 2
    assert len(safe_name("漢" * 120).encode()) <= 120


def test_what_ends_reading_one_hand_in_ends_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for learner in ("ann", "ben"):
        with_record(tmp_path / "in" / f"{learner}.zip", "{}")

    def broken(archive: Path, target: Path) -> None:
        if archive.stem == "ann":
            raise RecursionError("too deep")
        unpack(archive, target)

    monkeypatch.setattr("academy.labs.grading.submissions.unpack", broken)
    found = discovered(tmp_path)
    assert found["ann"].error == "it cannot be read: RecursionError: too deep"
    assert not found["ben"].error


# Folders


def nested(folder: Path, levels: int) -> None:
    here = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)


def test_any_folder_is_removed_and_nothing_beside_it(tmp_path: Path) -> None:
    folder, beside = tmp_path / "folder", tmp_path / "beside"
    (folder / "locked" / "in").mkdir(parents=True)
    beside.mkdir()
    (folder / "locked" / "link").symlink_to(beside)
    (beside / "kept").touch()
    for path in (folder / "locked" / "in", folder / "locked"):
        path.chmod(0)
    nested(folder, 3000)
    remove(folder)
    assert not folder.exists()
    assert (beside / "kept").exists()
    remove(tmp_path / "none")


def test_a_folder_too_deep_to_copy_is_too_much(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    nested(tmp_path / "deep", 1500)
    with pytest.raises(TooMuch, match="40 levels"):
        snapshot(tmp_path / "deep", tmp_path / "copy")
    remove(tmp_path / "deep")


# Hidden tests and what comes after them

TESTS = "assert long_months([28, 31], 30) == 1"
SOLVED = [SOLUTION]


@pytest.mark.parametrize(
    "later",
    [
        "long_months = 3",
        "del long_months",
        "sum = 5",
        "max = 7",
        "def scratch():\n    global long_months\n    long_months = 1\nscratch()",
        "from numpy import *",
        "%reset -f",
        "for long_months in (1, 2): pass",
    ],
)
def test_hidden_tests_do_not_wait_for_a_cell_that_changes_their_names(later: str) -> None:
    assert not can_wait(TESTS, SOLVED, [later])


def test_hidden_tests_do_not_wait_for_what_is_changed_in_place() -> None:
    assert not can_wait("assert days == [1]", [], ["days.append(3)"])
    assert not can_wait("assert len(table)", [], ["table.drop(1, inplace=True)"])
    assert not can_wait("assert f(1)", ["def g(x): return x\nf = g"], ["g = 2"])


@pytest.mark.parametrize(
    "later",
    [
        "long_months(days, 30)",
        "def other(days, limit):\n    long_months = 2\n    sum = 3\n    return long_months",
        "days.head()",
        "totals = [number for number in days]",
        "this is no Python",
        "\0",
    ],
)
def test_hidden_tests_wait_for_cells_that_change_nothing_of_theirs(later: str) -> None:
    assert can_wait(TESTS, SOLVED, [later])


def test_a_check_after_hidden_tests_shows_no_values_of_the_notebook(room: Class) -> None:
    manifest = room.pack.manifest
    task = manifest.tasks[1]
    prepared = type("Prepared", (), {"notebook": ipynb.read(room.pack.lab.notebook), "untouched": set()})()
    line = Supervised.__new__(Supervised)  # nothing is asked for: no kernel starts
    marked = Grading(room.pack, prepared, None, manifest.limits, line)  # type: ignore[arg-type]
    secret = "[28, 29, 30], 28"
    found = CheckResult(task.id, False, 0.5, 1.0, secret, expected=secret, found=secret, advice=secret)
    scored = type("Score", (), {"check": staticmethod(lambda task: _score(task, found))})()
    marked._marking = scored
    where = cell(prepared.notebook, "count-check")
    marked._mark(manifest.tasks[0], None)
    assert secret in marked._scores[manifest.tasks[0].id].check.found
    marked._withheld = True
    where["outputs"] = []
    marked._waits = frozenset({task.id})
    marked._mark(task, where)
    assert secret not in str(marked._scores[task.id]) + str(where.outputs)
    assert marked._scores[task.id].check.points == 0.5


def _score(task: Any, found: CheckResult) -> Any:
    from academy.labs.grading.scores import TaskScore

    return TaskScore(task.id, task.title, found)


# Values, outputs, notebooks


class Moody:
    def __repr__(self) -> str:
        raise ValueError("not today")


def test_any_value_can_be_shown() -> None:
    assert shown(10**20_000) == "<int>"
    assert shown(Moody()) == "<Moody>"
    assert shown(f"a {HALF}") == "a \\ud800"
    assert shown("x" * 500) == "x" * 400 + " …"
    assert wholesome(f"é {HALF}") == "é \\ud800"


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"header": {"msg_type": kind}, "content": content}


def test_outputs_that_no_notebook_can_hold_are_left_out_and_said() -> None:
    outputs = Outputs()
    outputs.add(message("display_data", data={"text/plain": "a"}, metadata={}, transient={"display_id": "1"}))
    odd: list[dict[str, Any]] = [{"text/plain": ["a", {"b": 1}]}, {"application/json": math.nan}]
    for data in odd:
        outputs.add(message("display_data", data=data, metadata={}))
        outputs.add(message("update_display_data", data=data, metadata={}, transient={"display_id": "1"}))
    outputs.add(message("stream", text="no name"))
    outputs.add(message("stream", name="stdout", text=f"b {HALF}"))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", outputs=outputs.found)])
    ipynb.text_of(notebook, "here").encode()
    assert [one.get("text") for one in outputs.found] == [
        None,
        "An output was left out: it is not what a notebook can hold.\n",
        "b \\ud800",
    ]
    assert outputs.found[0].data == {"text/plain": "a"}


@pytest.mark.parametrize(
    "cells",
    [
        [{"cell_type": "code", "input": "1", "outputs": [5]}],
        [{"cell_type": "code", "outputs": 5}],
        [5],
        5,
    ],
)
def test_a_damaged_notebook_of_nbformat_3_is_one_clear_error(cells: Any) -> None:
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {}, "worksheets": [{"cells": cells}]}
    with pytest.raises(InvalidField, match="notebook"):
        ipynb.parse(json.dumps(old), "old.ipynb")


# Similarity


def test_code_without_end_is_compared_in_time_and_said_to_be_cut(tmp_path: Path) -> None:
    release = write_notebook(tmp_path / "release.ipynb", "1")
    began = time.process_time()
    long = "a=1\n" * 300_000
    found = [
        own_code(name, write_notebook(tmp_path / f"{name}.ipynb", text), release)
        for name, text in {"ann": long, "ben": long + "b=2", "cem": "c = [1, 2]"}.items()
    ]
    alike = similar(found)
    assert time.process_time() - began < 60
    assert len(found[0].tokens) == MOST_TOKENS
    assert alike.cut == ("ann", "ben")
    assert "only its beginning was compared: ann, ben" in similarity_page({LAB: alike})
