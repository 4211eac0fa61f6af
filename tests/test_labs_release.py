"""What learners get: editions without anything of a solution, and releases that refuse to hold more."""

from __future__ import annotations

import base64
import copy
import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner, Result

from academy.cli.root import academy
from academy.errors import Conflict, InvalidField, NotFound, UserError
from academy.labs.collection import OWN, Collection, Lab, edition_in
from academy.labs.editions import ipynb
from academy.labs.editions.edition import (
    hidden_tests,
    learner_edition,
    solutions,
    solved_edition,
    write_edition,
)
from academy.labs.editions.layout import in_edition
from academy.labs.editions.leaks import find_leaks
from academy.labs.editions.markers import BadMarkers, Kind, regions
from academy.labs.editions.metadata_schema import check_metadata
from academy.labs.editions.release import LeakFound, make_pack, read_pack, release
from academy.labs.editions.renamed import shape_of
from academy.labs.editions.statements import words
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
COUNTING = "count-long-months"
COUNTED = "return sum(1 for number in days if number > limit)"
TEST = "assert long_months([28, 29, 30], 28) == 2"
REGISTERED = (
    "table = ml_client.data.create_or_update(\n"
    f'    Data(name=data_name, type=AssetTypes.URI_FILE, path="../labs/{LAB}/data/months.csv")\n'
    ")"
)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return new_lab(Collection(tmp_path / "collection"), LAB)


@pytest.fixture
def invoke(tmp_path: Path) -> Callable[..., Result]:
    def run(*args: str) -> Result:
        return CliRunner().invoke(academy, ["--home", str(tmp_path / "home"), "lab", "release", *args])

    return run


def change(lab: Lab, change_it: Callable[[Any], None]) -> None:
    """Change a lab's source notebook."""
    notebook = ipynb.read(lab.notebook)
    change_it(notebook)
    ipynb.write(notebook, lab.notebook)


def cell_of(notebook: Any, cell_id: str) -> Any:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def named(lab: Lab, cell_id: str) -> str:
    """Return what messages call a cell of the source."""
    ids = [cell.id for cell in ipynb.read(lab.notebook).cells]
    return f"cell {cell_id} (number {ids.index(cell_id) + 1})"


def everything_in(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*")) if path.is_file())


# Markers


def test_regions_are_found_with_their_lines_and_indentation() -> None:
    text = "def f():\n    ### BEGIN SOLUTION\n    x = 1\n    return x\n    ### END SOLUTION\n"
    (found,) = regions(text, "cell a")
    assert (found.kind, found.first, found.last, found.indent) == (Kind.SOLUTION, 2, 5, "    ")
    assert found.text == "x = 1\nreturn x"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("### BEGIN SOLUTION\nx", 1, "no ### END SOLUTION"),
        ("x\n### END SOLUTION", 2, "no ### BEGIN SOLUTION"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", 2, "inside the region that line 1"),
        ("### BEGIN SOLUTION\n### BEGIN HIDDEN TESTS\n### END SOLUTION\n### END HIDDEN TESTS", 2, "inside"),
        ("### BEGIN SOLUTION\nx\n### END HIDDEN TESTS", 3, "line 1 began as SOLUTION"),
        ("x\n## begin solution\ny\n### END SOLUTION", 2, "nearly a marker"),
        ("### BEGIN SOLUTIONS\ny", 1, "among others"),
        ("### BEGIN  HIDDEN TEST\ny", 1, "nearly a marker"),
        ("x = 1 ### BEGIN SOLUTION\n### END SOLUTION", 1, "among others"),
    ],
)
def test_bad_markers_are_refused_with_place_and_line(text: str, line: int, said: str) -> None:
    with pytest.raises(BadMarkers, match=said) as refused:
        regions(text, "cell a")
    assert refused.value.message.startswith(f"cell a, line {line}: ")


def test_unbalanced_markers_in_a_file_name_the_file(lab: Lab, tmp_path: Path) -> None:
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "train.py").write_text("### BEGIN SOLUTION\nx = 1\n")
    with pytest.raises(BadMarkers, match=r"src/train\.py, line 1"):
        write_edition(lab, tmp_path / "edition")
    assert not list(tmp_path.glob("*edition*"))


# Editions


def test_learner_s_edition_has_stubs_for_solutions_and_no_hidden_tests(lab: Lab) -> None:
    made = learner_edition(ipynb.read(lab.notebook), LAB)
    assert cell_of(made, "count").source == (
        "def long_months(days, limit):\n"
        '    """Return how many of the months have more days than the limit."""\n'
        "    # Your code here\n"
        '    raise NotImplementedError("Your code for the task count-long-months is missing here.")'
    )
    assert cell_of(made, "count-check").source == 'check("count-long-months")'
    nbformat.validate(made)


def test_learner_s_edition_keeps_nothing_of_a_run(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    notebook.metadata["widgets"] = {"state": {"value": COUNTED}}
    for cell in notebook.cells:
        cell.metadata["execution"] = {"iopub.execute_input": "2026-11-01T10:00:00"}
    made = learner_edition(notebook, LAB)
    assert "widgets" not in made.metadata
    assert all("execution" not in cell.metadata for cell in made.cells)
    assert all(not cell.outputs and cell.execution_count is None for cell in made.cells if "outputs" in cell)


def test_making_an_edition_leaves_the_source_as_it_is(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    before = copy.deepcopy(notebook)
    learner_edition(notebook, LAB)
    solved_edition(notebook, LAB)
    assert notebook == before


def test_cells_of_checks_are_locked(lab: Lab) -> None:
    made = learner_edition(ipynb.read(lab.notebook), LAB)
    assert cell_of(made, "count-check").metadata.editable is False
    assert cell_of(made, "count-check").metadata.deletable is False
    assert cell_of(made, "count").metadata.deletable is False
    assert "editable" not in cell_of(made, "count").metadata


def test_answer_in_text_becomes_a_line_to_write_in_and_loses_its_picture(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    cell = nbformat.v4.new_markdown_cell(
        "Why? ![](attachment:question.png)\n\n### BEGIN SOLUTION\n"
        "Because. ![](attachment:answer.png)\n### END SOLUTION",
        metadata={"academy": {"task": "count-long-months"}},
        attachments={"question.png": {"image/png": "AA=="}, "answer.png": {"image/png": "BB=="}},
    )
    notebook.cells.append(cell)
    made = learner_edition(notebook, LAB).cells[-1]
    assert made.source == "Why? ![](attachment:question.png)\n\n*Write your answer here.*"
    assert list(made.attachments) == ["question.png"]


@pytest.mark.parametrize(
    ("magic", "stub"),
    [
        ("%%bash", ["# Your code here", "exit 1"]),
        ("%%writefile job.yml", ["# Your code here"]),
        ("%%time", ["# Your code here", 'raise NotImplementedError("Your code is missing here.")']),
    ],
)
def test_stub_is_in_the_language_of_its_cell(lab: Lab, magic: str, stub: list[str]) -> None:
    notebook = ipynb.read(lab.notebook)
    notebook.cells.append(
        nbformat.v4.new_code_cell(f"{magic}\n### BEGIN SOLUTION\necho a b c\n### END SOLUTION")
    )
    assert learner_edition(notebook, LAB).cells[-1].source.splitlines() == [magic, *stub]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"../labs/90-count-days/data/months.csv"', '"./data/months.csv"'),
        ('code="../labs/90-count-days/src"', 'code="./src"'),
        ('code="../labs/90-count-days"', 'code="."'),
        ("open `labs/90-count-days/src/train.py`", "open `src/train.py`"),
        ("[next](91-tune-models.ipynb)", "[next](../91-tune-models/91-tune-models.ipynb)"),
        ("notebooks/90-count-days.ipynb", "90-count-days.ipynb"),
        ("labs/90-count-days-again/x", "labs/90-count-days-again/x"),
        ("https://example.org/labs/90-count-days/x", "https://example.org/labs/90-count-days/x"),
    ],
)
def test_paths_are_those_of_one_folder(text: str, expected: str) -> None:
    assert in_edition(text, LAB) == expected


def test_written_edition_is_a_lab_and_leaves_caches_and_hidden_files_out(lab: Lab, tmp_path: Path) -> None:
    for name in (
        "__pycache__/checks.cpython-311.pyc",
        ".ipynb_checkpoints/x-checkpoint.ipynb",
        ".env",
        "src/.amlignore",
    ):
        (lab.folder / name).parent.mkdir(exist_ok=True)
        (lab.folder / name).write_text(COUNTED)
    edition = write_edition(lab, tmp_path / "work" / LAB)
    assert edition == edition_in(tmp_path / "work" / LAB)
    assert edition.is_edition
    assert edition.manifest.tasks == lab.manifest.tasks
    names = {str(path.relative_to(edition.folder)) for path in edition.folder.rglob("*") if path.is_file()}
    assert names == {
        f"{LAB}.ipynb",
        "lab.yml",
        "checks.py",
        "data/months.csv",
        "data/README.md",
        "src/.amlignore",
    }


def test_files_are_stripped_as_cells_are(lab: Lab, tmp_path: Path) -> None:
    (lab.folder / "src").mkdir()
    script = "def area(r):\n    ### BEGIN SOLUTION\n    return 3.14 * r * r\n    ### END SOLUTION\n"
    (lab.folder / "src" / "train.py").write_text(script)
    (lab.folder / "src" / "job.yml").write_text("a: 1\n# ### BEGIN SOLUTION\nb: 2\n# ### END SOLUTION\n")
    edition = write_edition(lab, tmp_path / "edition")
    assert (edition.folder / "src" / "train.py").read_text() == (
        'def area(r):\n    # Your code here\n    raise NotImplementedError("Your code is missing here.")\n'
    )
    assert (edition.folder / "src" / "job.yml").read_text() == "a: 1\n# Your code here\n"
    solved = write_edition(lab, tmp_path / "solved", solved=True)
    assert (solved.folder / "src" / "train.py").read_text() == "def area(r):\n    return 3.14 * r * r\n"


def test_edition_never_takes_the_place_of_a_folder(lab: Lab, tmp_path: Path) -> None:
    own = tmp_path / "work" / LAB
    own.mkdir(parents=True)
    (own / "mine.txt").write_text("my work")
    with pytest.raises(Conflict, match="left as it is"):
        write_edition(lab, own)
    assert [path.name for path in own.iterdir()] == ["mine.txt"]


def test_copy_of_a_read_only_lab_can_be_written(lab: Lab, tmp_path: Path) -> None:
    (lab.folder / "lab.yml").chmod(0o444)
    edition = write_edition(lab, tmp_path / "edition")
    assert (edition.folder / "lab.yml").stat().st_mode & 0o777 == 0o644


def test_link_out_of_the_lab_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("mine")
    (lab.folder / "data" / "link.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(InvalidField, match="leads out of the lab"):
        write_edition(lab, tmp_path / "edition")


def test_solved_edition_has_the_solutions_and_no_markers(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    made = solved_edition(notebook, LAB)
    assert COUNTED in cell_of(made, "count").source
    assert 'path="./data/months.csv"' in cell_of(made, "data").source
    assert not any("SOLUTION" in cell.source or "HIDDEN" in cell.source for cell in made.cells)
    kept = solved_edition(notebook, LAB, markers=True)
    assert "### BEGIN SOLUTION" in cell_of(kept, "count").source


def test_solutions_and_hidden_tests_by_task(lab: Lab) -> None:
    assert solutions(lab) == {
        "register-table": in_edition(REGISTERED, LAB),
        "count-long-months": COUNTED,
    }
    assert hidden_tests(ipynb.read(lab.notebook)) == {
        "count-long-months": f"assert long_months([], 30) == 0\n{TEST}"
    }


def test_solution_in_a_file_belongs_to_the_task_whose_step_names_it(lab: Lab) -> None:
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "train.py").write_text("### BEGIN SOLUTION\nx = 1\n### END SOLUTION\n")
    with pytest.raises(InvalidField, match="not clear of which task"):
        solutions(lab)
    change(lab, lambda notebook: cell_of(notebook, "count").update(source="# see train.py"))
    assert solutions(lab)["count-long-months"] == "# In src/train.py:\nx = 1"


# Metadata


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"stpe": "data"}, r"has no key 'stpe'. Its keys: 'check', 'shows', 'step', 'task'"),
        ({"step": 3}, r"metadata.academy.step is 3; it takes a value of type string"),
        ({"task": "Register Table"}, r"'Register Table'; it takes lower-case words"),
        ({"task": "a", "check": "a"}, r"both task and check"),
        ("data", r"'data'; it takes a value of type object"),
    ],
)
def test_metadata_that_nobody_would_read_is_refused_by_cell(lab: Lab, metadata: Any, said: str) -> None:
    notebook = ipynb.read(lab.notebook)
    cell_of(notebook, "count").metadata["academy"] = metadata
    with pytest.raises(InvalidField, match=said) as refused:
        check_metadata(notebook, "a.ipynb")
    assert refused.value.message.startswith(f"a.ipynb: {named(lab, 'count')}: ")


def test_two_checks_of_one_task_are_refused(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    cell_of(notebook, "count-check").metadata.academy["check"] = "register-table"
    with pytest.raises(InvalidField, match="checked by cell data-check"):
        check_metadata(notebook, "a.ipynb")


# Releases


@pytest.mark.parametrize("own", [True, False], ids=["the quickstart", "the template"])
def test_what_stands_elsewhere_for_good_reasons_is_no_leak(lab: Lab, own: bool, tmp_path: Path) -> None:
    chosen = Collection(OWN).lab("00") if own else lab
    edition = write_edition(chosen, tmp_path / "edition")
    assert find_leaks(chosen, edition.folder) == ()


def test_every_solution_and_test_of_the_source_would_be_known_again(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "copy.ipynb").write_bytes(lab.notebook.read_bytes())
    origins = {leak.origin for leak in find_leaks(lab, tmp_path / "source")}
    assert {origin.partition("(")[0] for origin in origins if origin.startswith("of the")} == {
        "of the solution in the source ",
        "of the hidden tests in the source ",
    }
    assert len([origin for origin in origins if origin.startswith("of the")]) == 3


def _in_unmarked_cell(text: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell(text, id="planted"))


def _in_metadata(where: str) -> Callable[[Any], None]:
    def plant(notebook: Any) -> None:
        holder = notebook if where == "notebook" else cell_of(notebook, "end")
        holder.metadata["notes"] = {"draft": [{"text": COUNTED}]}

    return plant


def _attached(content: bytes) -> Callable[[Any], None]:
    def plant(notebook: Any) -> None:
        coded = base64.encodebytes(content).decode()
        cell_of(notebook, "end")["attachments"] = {"notes.txt": {"text/plain": coded}}

    return plant


def _zipped(text: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes/old.py", text)
    return held.getvalue()


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_in_unmarked_cell(COUNTED), id="in an unmarked cell"),
        pytest.param(_in_unmarked_cell("if True:\n        " + COUNTED), id="re-indented"),
        pytest.param(_in_unmarked_cell("# " + COUNTED), id="as a comment"),
        pytest.param(_in_unmarked_cell(COUNTED.replace(" ", "  ").replace("(", "( ")), id="other spaces"),
        pytest.param(
            _in_unmarked_cell(COUNTED.replace(" for", "\n  for").replace(" if", "\n  if")), id="split"
        ),
        pytest.param(_in_unmarked_cell(COUNTED.removeprefix("return ")), id="the expression alone"),
        pytest.param(_in_unmarked_cell(f"text = {json.dumps(COUNTED)}"), id="in a string"),
        pytest.param(_in_unmarked_cell(REGISTERED.replace("table = ", "")), id="under another name"),
        pytest.param(_in_unmarked_cell(REGISTERED.replace('"', "'").replace("\n", "")), id="other quotes"),
        pytest.param(_in_unmarked_cell(TEST), id="a hidden test"),
        pytest.param(_in_metadata("notebook"), id="in the notebook's metadata"),
        pytest.param(_in_metadata("cell"), id="in a cell's metadata"),
        pytest.param(_attached(COUNTED.encode()), id="in an attachment"),
        pytest.param(_attached(gzip.compress(COUNTED.encode())), id="compressed in an attachment"),
        pytest.param(
            lambda notebook: cell_of(notebook, "end").update(
                source=f"<pre>{COUNTED.replace('>', '&gt;').replace('sum', '<b>sum</b>')}</pre>"
            ),
            id="in HTML",
        ),
    ],
)
def test_solution_left_in_the_notebook_is_a_leak(
    lab: Lab, plant: Callable[[Any], None], tmp_path: Path
) -> None:
    change(lab, plant)
    with pytest.raises(LeakFound, match="Nothing is released"):
        release([lab], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("src/notes.py", COUNTED.encode()),
        ("data/notes.txt", f"once\nwe had {COUNTED}".encode()),
        ("data/long.py", ("x = 1\n" * 5000 + REGISTERED + "\ny = 2" * 5000).encode()),
        ("data/notes.json", json.dumps({"cells": ["x"], "old": COUNTED}).encode()),
        ("data/notes.zip", _zipped(COUNTED)),
        ("data/notes.bin", b"\0\1\2" + COUNTED.encode() + b"\0"),
        ("data/notes.utf16", COUNTED.encode("utf-16-le")),
        ("data/solution.txt", b"see me"),
        ("src/tests.py", TEST.encode()),
    ],
)
def test_solution_left_in_a_file_is_a_leak(lab: Lab, name: str, content: bytes, tmp_path: Path) -> None:
    (lab.folder / name).parent.mkdir(exist_ok=True)
    (lab.folder / name).write_bytes(content)
    with pytest.raises(LeakFound) as refused:
        release([lab], tmp_path / "out")
    assert f"{LAB}/{name}" in refused.value.message


@pytest.mark.parametrize(
    ("file", "old"), [("lab.yml", "A long month has 31 days."), ("checks.py", "What the learner")]
)
def test_solution_left_in_hints_or_checks_is_a_leak(lab: Lab, file: str, old: str, tmp_path: Path) -> None:
    path = lab.folder / file
    path.write_text(path.read_text().replace(old, f"Write {COUNTED}, then"))
    with pytest.raises(LeakFound, match=f"{LAB}/{file}, line"):
        release([lab], tmp_path / "out")


def test_solution_in_an_output_or_widget_of_what_is_written_is_a_leak(lab: Lab, tmp_path: Path) -> None:
    edition = write_edition(lab, tmp_path / "edition")
    notebook = ipynb.read(edition.notebook)
    shown = nbformat.v4.new_output("stream", text=f"\x1b[32m    {COUNTED}\x1b[0m\n")
    cell_of(notebook, "count")["outputs"] = [shown]
    notebook.metadata["widgets"] = {"state": {"1": {"value": TEST}}}
    ipynb.write(notebook, edition.notebook)
    places = [leak.place.rpartition(",")[0] for leak in find_leaks(lab, edition.folder)]
    assert places == [f"{LAB}.ipynb, {named(lab, 'count')}, outputs", f"{LAB}.ipynb, metadata"]


def test_solution_split_over_two_cells_is_a_leak(lab: Lab, tmp_path: Path) -> None:
    first, second = COUNTED.split(" in days")

    def plant(notebook: Any) -> None:
        notebook.cells[1:1] = [nbformat.v4.new_code_cell(f"a = '{first}'")]
        notebook.cells.append(nbformat.v4.new_code_cell(f"b = 'in days{second}'"))

    change(lab, plant)
    with pytest.raises(LeakFound):
        release([lab], tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "from azure.ai.ml.constants import AssetTypes",
        "    )\n)\n",
        "return total",
        "table = None",
        "for number in days:\n    print(number)",
        "sum(1 for line in lines if line > width)",
        "Count the days above the limit: sum, for, if.",
        "other = ml_client.data.create_or_update(Data(name=other, type=AssetTypes.URI_FOLDER, path=it))",
        "assert long_months",
    ],
)
def test_what_any_program_has_is_no_leak(lab: Lab, text: str, tmp_path: Path) -> None:
    change(lab, _in_unmarked_cell(text))
    edition = write_edition(lab, tmp_path / "edition")
    assert find_leaks(lab, edition.folder) == ()


def test_short_solution_is_known_as_a_whole_line(lab: Lab, tmp_path: Path) -> None:
    def shorten(notebook: Any) -> None:
        cell = cell_of(notebook, "count")
        cell["source"] = cell.source.replace(COUNTED, "return days / limit")
        cell_of(notebook, "end")["source"] += "\n\nThe days / limit are what return gives."

    change(lab, shorten)
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) == ()
    change(lab, _in_unmarked_cell("def ratio(days, limit):\n    return days/limit"))
    (leak,) = find_leaks(lab, write_edition(lab, tmp_path / "second").folder)
    assert leak.place == f"{LAB}.ipynb, {named(lab, 'planted')}, line 2"


def test_message_names_file_cell_line_and_whose_it_is(lab: Lab, tmp_path: Path) -> None:
    change(lab, _in_unmarked_cell(f"def mine(days, limit):\n    {COUNTED}"))
    with pytest.raises(LeakFound) as refused:
        release([lab], tmp_path / "out")
    message = refused.value.message
    assert f"{LAB}/{LAB}.ipynb, {named(lab, 'planted')}, line 2: {COUNTED!r}" in message
    assert f"of the solution in the source ({LAB}.ipynb, {named(lab, 'count')}, line 3)" in message


IDIOM = "job = ml_client.jobs.create_or_update(job)\nml_client.jobs.stream(job.name)"


def _idiom_in_solution(notebook: Any) -> None:
    cell = cell_of(notebook, "data")
    cell["source"] = cell.source.replace("### END", IDIOM + "\n### END").replace(REGISTERED + "\n", "")


def _given(shows: list[str], text: str = IDIOM) -> Callable[[Any], None]:
    metadata = {"academy": {"step": "connect", "shows": shows}}
    cell = nbformat.v4.new_code_cell(text, id="given", metadata=metadata)
    return lambda notebook: notebook.cells.insert(8, cell)


def test_cell_that_gives_an_idiom_on_purpose_says_so(lab: Lab, tmp_path: Path) -> None:
    change(lab, _idiom_in_solution)
    change(lab, _given([]))
    with pytest.raises(LeakFound) as refused:
        release([lab], tmp_path / "out")
    assert 'cell given: "academy": {"shows": ["register-table"]}.' in refused.value.message
    change(lab, lambda notebook: cell_of(notebook, "given").metadata.academy.update(shows=["register-table"]))
    (released,) = release([lab], tmp_path / "out")
    made = cell_of(ipynb.read(released.lab.notebook), "given")
    assert (made.source, made.metadata) == (IDIOM, {"academy": {"step": "connect"}})


@pytest.mark.parametrize(
    "plant",
    [
        _in_unmarked_cell(IDIOM),
        _in_unmarked_cell("# " + IDIOM.replace("\n", "\n# ")),
        lambda notebook: cell_of(notebook, "end").update(source=f"```\n{IDIOM}\n```"),
        lambda notebook: cell_of(notebook, "given").metadata.update(notes=IDIOM),
        lambda notebook: notebook.metadata.update(notes=IDIOM),
    ],
    ids=["another cell", "a comment", "prose", "the cell's own metadata", "the notebook's metadata"],
)
def test_what_one_cell_shows_is_a_leak_elsewhere(
    lab: Lab, plant: Callable[[Any], None], tmp_path: Path
) -> None:
    change(lab, _idiom_in_solution)
    change(lab, _given(["register-table"]))
    change(lab, plant)
    with pytest.raises(LeakFound) as refused:
        release([lab], tmp_path / "out")
    source_of_given = f"{named(lab, 'given')}, line"
    assert source_of_given not in refused.value.message


def test_what_one_cell_shows_is_a_leak_in_files_and_outputs(lab: Lab, tmp_path: Path) -> None:
    change(lab, _idiom_in_solution)
    change(lab, _given(["register-table"]))
    (lab.folder / "data" / "notes.txt").write_text(IDIOM)
    edition = write_edition(lab, tmp_path / "edition")
    notebook = ipynb.read(edition.notebook)
    cell_of(notebook, "given")["outputs"] = [nbformat.v4.new_output("stream", text=IDIOM)]
    ipynb.write(notebook, edition.notebook)
    places = {leak.place for leak in find_leaks(lab, edition.folder)}
    assert {f"{LAB}.ipynb, {named(lab, 'given')}, outputs, line 1", "data/notes.txt, line 1"} <= places
    assert f"{LAB}.ipynb, {named(lab, 'given')}, line 1" not in places


def test_what_is_called_as_messages_call_a_cell_is_no_cell_that_shows(lab: Lab, tmp_path: Path) -> None:
    change(lab, _idiom_in_solution)
    change(lab, _given(["register-table"]))
    edition = write_edition(lab, tmp_path / "edition")
    assert find_leaks(lab, edition.folder) == ()
    content = json.loads(edition.notebook.read_text())
    edition.notebook.write_text(json.dumps({**content, "cell given (number 99)": IDIOM}))
    places = {leak.place for leak in find_leaks(lab, edition.folder)}
    assert f"{LAB}.ipynb, cell given (number 99), line 1" in places


@pytest.mark.parametrize("text", [COUNTED, TEST], ids=["another task's solution", "a hidden test"])
def test_cell_shows_the_solution_of_the_task_that_it_names_and_no_more(
    lab: Lab, text: str, tmp_path: Path
) -> None:
    change(lab, _idiom_in_solution)
    change(lab, _given(["register-table"], f"{IDIOM}\n{text}"))
    if text == TEST:
        change(lab, lambda notebook: cell_of(notebook, "given").metadata.academy.shows.append(COUNTING))
    with pytest.raises(LeakFound, match="cell given"):
        release([lab], tmp_path / "out")


def test_cell_that_shows_nothing_of_the_task_that_it_names_is_refused(lab: Lab, tmp_path: Path) -> None:
    change(lab, _given(["register-table"], "print('hello')"))
    with pytest.raises(
        InvalidField, match=r"cell given says in metadata\.academy\.shows .* 'register-table'"
    ):
        release([lab], tmp_path / "out")


LONGER = """kept = pd.read_csv(path, parse_dates=["day"])
# Only what is whole.
kept = kept.dropna(subset=["trips", "riders"])
for column in names:
    kept[column] = kept[column].rolling(window=7).mean()
return kept.groupby("station").agg(total=("trips", "sum"))"""
OTHER_NAMES = LONGER.replace("kept", "frame").replace("column", "c").replace("path", "file")


@pytest.mark.parametrize(
    "text",
    [
        OTHER_NAMES,
        OTHER_NAMES.replace("# Only what is whole.", "print(frame)"),
        "# " + OTHER_NAMES.replace("\n", "\n# "),
        json.dumps(OTHER_NAMES),
    ],
    ids=["code", "with a line put in", "comments", "a string"],
)
def test_solution_under_other_names_is_a_leak(lab: Lab, text: str, tmp_path: Path) -> None:
    def lengthen(notebook: Any) -> None:
        cell = cell_of(notebook, "count")
        cell["source"] = cell.source.replace(COUNTED, LONGER.replace("\n", "\n    "))

    change(lab, lengthen)
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) == ()
    change(lab, _in_unmarked_cell(text))
    places = [leak.place for leak in find_leaks(lab, write_edition(lab, tmp_path / "second").folder)]
    assert f"{LAB}.ipynb, {named(lab, 'planted')}, line 1" in places


AVERAGE = """total = 0
for number in numbers:
    total += number
if not numbers:
    return 0
return total / len(numbers)"""
RENAMED = AVERAGE.replace("total", "s").replace("numbers", "xs").replace("number", "x")
MINE = "def mine(xs):\n    " + RENAMED.replace("\n", "\n    ")


def _solved_by(text: str) -> Callable[[Any], None]:
    def solve(notebook: Any) -> None:
        cell = cell_of(notebook, "count")
        cell["source"] = cell.source.replace("days, limit", "numbers").replace(
            COUNTED, text.replace("\n", "\n    ")
        )

    return solve


def _in_prose(text: str) -> Callable[[Any], None]:
    return lambda notebook: notebook.cells.append(nbformat.v4.new_markdown_cell(text, id="prose"))


@pytest.mark.parametrize(
    "plant",
    [
        _in_prose("Say `total += number` and then `return total / len(numbers)`."),
        _in_prose("The end is `return total / len(numbers)`."),
        _in_prose("The end:\n\n    return total / len(numbers)"),
        _in_prose("```python\nreturn total / len(numbers)\n```"),
        _in_unmarked_cell("numbers = [1]\n# return total / len(numbers)"),
        _in_unmarked_cell("# In the loop `total += number`."),
        _in_prose(f"```python\n{RENAMED}\n```"),
        _in_prose(f"```python\n{MINE}\n```"),
        _in_unmarked_cell("# " + RENAMED.replace("\n", "\n# ")),
        _in_unmarked_cell(MINE),
    ],
    ids=[
        "two spans",
        "one span",
        "indented",
        "a fence",
        "a comment",
        "a span in a comment",
        "renamed in a fence",
        "a function in a fence",
        "renamed in comments",
        "a renamed function",
    ],
)
def test_small_solution_quoted_or_renamed_is_a_leak(
    lab: Lab, plant: Callable[[Any], None], tmp_path: Path
) -> None:
    change(lab, _solved_by(AVERAGE))
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) == ()
    change(lab, plant)
    with pytest.raises(LeakFound, match=r"cell (planted|prose) .* is of the solution"):
        release([lab], tmp_path / "out")


def test_expression_is_known_with_its_own_names_changed_and_not_with_what_it_is_given(
    lab: Lab, tmp_path: Path
) -> None:
    change(lab, _in_unmarked_cell("sum(1 for n in weeks if n > most)"))
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) == ()
    change(lab, _in_prose("Try `sum(1 for n in days if n > limit)`."))
    (leak,) = find_leaks(lab, write_edition(lab, tmp_path / "second").folder)
    assert leak.task == COUNTING


@pytest.mark.parametrize(
    "plant",
    [
        _in_prose("Sum up in `total`, go through `numbers`, and mind `len(numbers)`: `return total`."),
        _in_prose("The mean is the total / len of the numbers; total plus number, then return it."),
        _in_unmarked_cell("n = 0\nfor day in days:\n    if day > limit:\n        n += 1\nprint(n)"),
        _in_unmarked_cell("total = 1\nfor number in numbers:\n    total *= number\nprint(total)"),
    ],
    ids=["names in prose", "plain words", "another loop", "a product"],
)
def test_hint_at_a_small_solution_is_no_leak(lab: Lab, plant: Callable[[Any], None], tmp_path: Path) -> None:
    change(lab, _solved_by(AVERAGE))
    change(lab, plant)
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) == ()


def test_quoted_statement_that_given_code_holds_is_no_leak(lab: Lab, tmp_path: Path) -> None:
    change(lab, _solved_by(AVERAGE))
    change(lab, _in_prose("As above: `total += number`."))
    assert find_leaks(lab, write_edition(lab, tmp_path / "edition").folder) != ()
    change(lab, _given([], "for number in [1, 2]:\n    total += number"))
    assert find_leaks(lab, write_edition(lab, tmp_path / "second").folder) == ()


@pytest.mark.parametrize(
    "source",
    [
        IDIOM,
        "rows = pd.read_csv(path)\nkept = rows[rows['days'] > limit]\nprint(kept['days'].sum())",
        "import pandas as pd\nimport mlflow\nfrom azure.ai.ml.entities import Data, Model, Environment",
        "x = (",
        '"""Return the table of all trips that a station\'s riders made in the last seven days."""\n' + IDIOM,
        "table = client.data.create(Data(name=n, type='uri_file', path='a/b.csv', tags={'a': 'b', 'c': 1}))",
    ],
)
def test_what_is_small_has_no_shape_to_be_known_by(source: str) -> None:
    assert shape_of(source) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [("frame.dropna", "other.dropna"), ("window=7", "window=9"), ("dropna", "fillna"), ("c]", "frame]")],
)
def test_other_program_of_the_same_form_is_not_the_same(old: str, new: str) -> None:
    shape = shape_of(LONGER)
    assert shape
    assert list(shape.places_in(words(OTHER_NAMES))) == [0]
    assert list(shape.places_in(words(OTHER_NAMES.replace(old, new)))) == []


def _without_markers(notebook: Any) -> None:
    cell = cell_of(notebook, "count")
    cell["source"] = "\n".join(line for line in cell.source.splitlines() if "SOLUTION" not in line)


def _tests_without_markers(notebook: Any) -> None:
    cell = cell_of(notebook, "count-check")
    cell["source"] = "\n".join(line for line in cell.source.splitlines() if "HIDDEN" not in line)


def _half_a_statement(notebook: Any) -> None:
    cell = cell_of(notebook, "count")
    cell["source"] = "total = (\n### BEGIN SOLUTION\n1 + 2\n### END SOLUTION\n)"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_without_markers, "the task count-long-months has no solution between markers"),
        (_tests_without_markers, "the notebook has none between markers"),
        (_half_a_statement, "cannot run in the learner's edition"),
        (
            lambda notebook: cell_of(notebook, "count-check").update(source="print('passed')"),
            'has to call check\\("count-long-months"\\)',
        ),
        (
            lambda notebook: cell_of(notebook, "end").update(source="See ../labs/01-other-lab/data/x.csv"),
            "names ../labs/01-other-lab/data/x.csv",
        ),
        (
            lambda notebook: cell_of(notebook, "count").metadata.pop("academy"),
            "cell that is of no task",
        ),
    ],
)
def test_lab_that_would_go_out_broken_or_open_is_refused(
    lab: Lab, spoil: Callable[[Any], None], said: str, tmp_path: Path
) -> None:
    change(lab, spoil)
    with pytest.raises(UserError, match=said):
        release([lab], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_release_of_two_writes_both_or_none(lab: Lab, tmp_path: Path) -> None:
    other = new_lab(Collection(tmp_path / "collection"), "91-count-weeks")
    change(other, _in_unmarked_cell(COUNTED))
    (tmp_path / "out").mkdir()
    with pytest.raises(LeakFound):
        release([lab, other], tmp_path / "out", pack=tmp_path / "pack")
    assert list((tmp_path / "out").iterdir()) == []
    assert not (tmp_path / "pack").exists()
    change(other, lambda notebook: notebook.cells.pop())
    release([lab, other], tmp_path / "out", pack=tmp_path / "pack")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [LAB, "91-count-weeks"]


def test_pack_holds_what_grading_needs(lab: Lab, tmp_path: Path) -> None:
    (released,) = release([lab], tmp_path / "out", pack=tmp_path / "pack")
    pack = read_pack(tmp_path / "pack", LAB)
    assert released.pack == pack
    assert pack.hidden == hidden_tests(ipynb.read(lab.notebook))
    assert pack.manifest.points == 4
    assert pack.release.notebook.read_bytes() == released.lab.notebook.read_bytes()
    assert solutions(pack.lab) == solutions(lab)
    assert learner_edition(ipynb.read(pack.lab.notebook), LAB) == ipynb.read(pack.release.notebook)
    assert pack.lab.folder.stat().st_mode & 0o077 == 0  # nobody else's to read
    with pytest.raises(Conflict):
        make_pack(lab, tmp_path / "pack")


def test_pack_s_own_lab_makes_the_same_edition(lab: Lab, tmp_path: Path) -> None:
    pack = make_pack(lab, tmp_path / "pack")
    again = write_edition(pack.lab, tmp_path / "again")
    assert everything_in(again.folder) == everything_in(pack.release.folder)


def test_missing_pack_names_those_that_are_there(lab: Lab, tmp_path: Path) -> None:
    make_pack(lab, tmp_path)
    with pytest.raises(NotFound, match=f"Packs: '{LAB}'"):
        read_pack(tmp_path, "07-other-lab")


# The command line


def test_command_releases_and_says_what(lab: Lab, tmp_path: Path, invoke: Callable[..., Result]) -> None:
    out, pack = tmp_path / "out", tmp_path / "pack"
    collection = ["--collection", str(tmp_path / "collection")]
    result = invoke("90", "--to", str(out), "--pack", str(pack), *collection)
    assert result.exit_code == 0, result.output
    assert f"{out / LAB}: 2 tasks, 4 points" in result.output
    assert "What is short, or written another way, only a reader finds." in result.output
    assert COUNTED not in everything_in(out)
    again = invoke("90", "--to", str(out), *collection)
    assert again.exit_code == 1
    assert "is there already" in again.output


def test_command_fails_on_a_leak_and_leaves_nothing(
    lab: Lab, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    change(lab, _in_unmarked_cell(COUNTED))
    result = invoke("--to", str(tmp_path / "out"), "--collection", str(tmp_path / "collection"))
    assert result.exit_code == 1
    assert f"{named(lab, 'planted')}, line 1" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("inside", ["out/pack", "out", "."])
def test_pack_may_not_lie_where_learners_look(
    lab: Lab, inside: str, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    collection = ["--collection", str(tmp_path / "collection")]
    result = invoke("--to", str(tmp_path / "out"), "--pack", str(tmp_path / inside), *collection)
    assert result.exit_code == 1
    assert "learners would get the solutions" in result.output


def test_folder_without_labs_is_said_to_have_none(tmp_path: Path, invoke: Callable[..., Result]) -> None:
    result = invoke("--to", str(tmp_path / "out"), "--collection", str(tmp_path))
    assert result.exit_code == 3
    assert "There are no labs" in result.output


@pytest.mark.parametrize("option", ["--pack", "--to"])
def test_command_writes_folders_and_no_zip(
    lab: Lab, option: str, tmp_path: Path, invoke: Callable[..., Result]
) -> None:
    to = [] if option == "--to" else ["--to", str(tmp_path / "out")]
    wanted = str(tmp_path / "pack.zip")
    result = invoke("90", option, wanted, *to, "--collection", str(tmp_path / "collection"))
    assert result.exit_code == 2
    assert "is the name of a zip file, and a folder is written" in " ".join(result.output.split())
    assert not list(tmp_path.glob("pack*")) + list(tmp_path.glob("out*"))
    assert "--pack DIR" in invoke("--help").output
