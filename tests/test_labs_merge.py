"""What is put back into a submission before it is graded, and what of the learner's stays."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from academy.errors import InvalidField, NotFound
from academy.labs.collection import Collection
from academy.labs.editions import ipynb
from academy.labs.editions.edition import learner_edition, solved_edition
from academy.labs.editions.merge import Merged, put_back
from academy.labs.scaffold import new_lab

LAB = "90-count-days"
SOLVED = "    return len([one for one in days if one > limit])"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return ipynb.read(new_lab(Collection(tmp_path_factory.mktemp("collection")), LAB).notebook)


@pytest.fixture(scope="module")
def release(source: Any) -> Any:
    return learner_edition(source, LAB)


@pytest.fixture
def submission(release: Any) -> Any:
    """A submission with one of the two tasks solved, and outputs."""
    made = copy.deepcopy(release)
    cell_of(made, "count")["source"] = cell_of(made, "count").source.replace(stub(made), SOLVED)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="of a run")]
    return made


def cell_of(notebook: Any, cell_id: str) -> Any:
    return next(cell for cell in notebook.cells if cell.id == cell_id)


def place_of(notebook: Any, cell_id: str) -> int:
    return [cell.id for cell in notebook.cells].index(cell_id)


def stub(notebook: Any) -> str:
    return "\n".join(cell_of(notebook, "count").source.splitlines()[-2:])


def ids(notebook: Any) -> list[str]:
    return [cell.id for cell in notebook.cells]


def new_cell(source: str, cell_type: str = "code", **fields: Any) -> Any:
    maker: Callable[..., Any] = getattr(nbformat.v4, f"new_{cell_type}_cell")
    return maker(source, **fields)


def solved(merged: Merged) -> bool:
    return SOLVED in cell_of(merged.notebook, "count").source


def test_a_notebook_worked_on_in_the_source_is_graded_with_the_paths_of_the_edition(
    release: Any, source: Any
) -> None:
    submission = copy.deepcopy(source)
    path = f'open("../labs/{LAB}/data/months.csv")'
    cell_of(submission, "count")["source"] += f"\n{path}"
    merged = put_back(release, submission)
    assert merged.untouched == frozenset()
    assert cell_of(merged.notebook, "count").source.endswith('open("./data/months.csv")')
    assert cell_of(submission, "count").source.endswith(path)
    # Given cells differ in paths alone, but for the check that holds the hidden tests.
    assert [note.split(" was ")[0] for note in merged.notes] == ["The check of the task count-long-months"]


def test_submission_as_it_was_given_needs_no_note(release: Any, submission: Any) -> None:
    merged = put_back(release, submission)
    assert merged.notes == ()
    assert ids(merged.notebook) == ids(release)
    assert solved(merged)
    assert not any(cell.get("outputs") for cell in merged.notebook.cells)
    nbformat.validate(merged.notebook)


def test_put_back_changes_neither_of_the_two(release: Any, submission: Any) -> None:
    before = copy.deepcopy(release), copy.deepcopy(submission)
    submission_before = before[1]
    del submission.cells[3]
    del submission_before.cells[3]
    put_back(release, submission)
    assert (release, submission) == before


@pytest.mark.parametrize("missing", ["data-check", "values", "count-table", "title", "data"])
def test_deleted_cell_is_back_at_its_place(release: Any, submission: Any, missing: str) -> None:
    submission.cells.remove(cell_of(submission, missing))
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert cell_of(merged.notebook, missing).source == cell_of(release, missing).source
    assert len(merged.notes) == (0 if missing == "title" else 1)  # prose is not worth a note


def test_deleted_task_is_put_back_unsolved_and_said(release: Any, submission: Any) -> None:
    submission.cells.remove(cell_of(submission, "data"))
    merged = put_back(release, submission)
    assert merged.notes == (
        "The cell of the task register-table was missing. It was put back as released, unsolved.",
    )


def test_check_that_always_passes_is_exchanged_for_the_released_one(release: Any, submission: Any) -> None:
    cell_of(submission, "count-check")["source"] = "print('passed')"
    merged = put_back(release, submission)
    assert cell_of(merged.notebook, "count-check").source == 'check("count-long-months")'
    assert merged.notes == (
        "The check of the task count-long-months was changed, and was put back as released.",
    )


def test_changed_parameters_come_back_and_new_names_stay(release: Any, submission: Any) -> None:
    cell_of(submission, "values")["source"] = 'import math\ndata_name = "mine"\nlimit = 3\nmy_own = math.pi'
    merged = put_back(release, submission)
    at = place_of(merged.notebook, "values")
    assert merged.notebook.cells[at].source == 'data_name = "months"\nlimit = 30'
    assert merged.notebook.cells[at].metadata.tags == ["parameters"]
    assert merged.notebook.cells[at + 1].source == "import math\nmy_own = math.pi"
    assert "kept in a cell of its own" in merged.notes[0]


@pytest.mark.parametrize("code", ["x" + ".x" * 600, "-" * 2000 + "1", "(" * 5000, "a = 1\0", "%%bash\nexit"])
def test_what_python_cannot_take_apart_is_only_put_back(release: Any, submission: Any, code: str) -> None:
    cell_of(submission, "values")["source"] = code
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert merged.notes == ("The cell of parameters was changed, and was put back as released.",)


def test_changed_given_code_comes_back_without_running_twice(release: Any, submission: Any) -> None:
    cell = cell_of(submission, "connect")
    cell["source"] = cell.source.replace('"academy"', '"elsewhere"')
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert merged.notes == ("The given cell connect was changed, and was put back as released.",)


def test_spaces_at_the_ends_of_lines_are_no_change(release: Any, submission: Any) -> None:
    cell_of(submission, "values")["source"] += "  \n\n"
    assert put_back(release, submission).notes == ()


def test_extra_cells_stay_where_they_stand(release: Any, submission: Any) -> None:
    before, after = new_cell("import math"), new_cell("my_own = math.pi")
    submission.cells.insert(0, before)
    submission.cells.insert(place_of(submission, "count"), after)
    merged = put_back(release, submission)
    sources = [cell.source for cell in merged.notebook.cells]
    assert sources[0] == "import math"
    assert sources[place_of(merged.notebook, "count") - 1] == "my_own = math.pi"
    assert merged.notes == ()


def test_extra_cell_cannot_pass_for_a_cell_of_the_lab(release: Any, submission: Any) -> None:
    forged = new_cell("check = print", id="count-check", metadata={"tags": ["parameters"]})
    submission.cells.insert(2, forged)
    merged = put_back(release, submission)
    assert len(set(ids(merged.notebook))) == len(merged.notebook.cells)
    assert [cell.id for cell in merged.notebook.cells if "parameters" in cell.metadata.get("tags", [])] == [
        "values"
    ]
    assert cell_of(merged.notebook, "count-check").source == 'check("count-long-months")'


@pytest.mark.parametrize("with_own_id", [True, False])
def test_of_copies_the_last_one_written_in_counts(release: Any, submission: Any, with_own_id: bool) -> None:
    copied = copy.deepcopy(cell_of(submission, "count"))
    copied["source"] = copied.source.replace(SOLVED, "    return 99")
    if not with_own_id:
        copied["id"] = "pasted"
    submission.cells.insert(place_of(submission, "count"), copied)
    merged = put_back(release, submission)
    assert solved(merged)
    assert merged.notebook.cells[place_of(merged.notebook, "count") - 1].source == copied.source
    assert merged.notes == (
        "The cell of the task count-long-months is there 2 times. The last one that was written in counts; "
        "the others run where they stand.",
    )


def test_copy_that_nobody_wrote_in_does_not_count(release: Any, submission: Any) -> None:
    untouched = copy.deepcopy(cell_of(release, "count"))
    submission.cells.insert(place_of(submission, "count") + 1, untouched)
    merged = put_back(release, submission)
    assert solved(merged)
    assert len(merged.notebook.cells) == len(release.cells)


def test_copied_check_is_there_once(release: Any, submission: Any) -> None:
    submission.cells.append(copy.deepcopy(cell_of(submission, "count-check")))
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert "is there 2 times" in merged.notes[0]


@pytest.mark.parametrize("cell_type", ["markdown", "raw"])
def test_code_turned_into_text_is_code_again(release: Any, submission: Any, cell_type: str) -> None:
    cell = cell_of(submission, "count")
    metadata = copy.deepcopy(cell.metadata)
    at = place_of(submission, "count")
    submission.cells[at] = new_cell(cell.source, cell_type, id="count", metadata=metadata)
    merged = put_back(release, submission)
    assert solved(merged)
    assert cell_of(merged.notebook, "count").cell_type == "code"
    assert f"was turned into a {cell_type} cell" in merged.notes[0]


def test_code_in_a_fence_of_markdown_loses_the_fence(release: Any, submission: Any) -> None:
    at = place_of(submission, "count")
    metadata = {"academy": {"task": "count-long-months"}}
    submission.cells[at] = new_cell(
        f"```python\n{submission.cells[at].source}\n```", "markdown", metadata=metadata
    )
    merged = put_back(release, submission)
    compile(cell_of(merged.notebook, "count").source, "cell", "exec")


def test_new_ids_from_a_tool_change_nothing(release: Any, submission: Any) -> None:
    for number, cell in enumerate(submission.cells):
        cell["id"] = f"tool-{number}"
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert solved(merged)
    assert merged.notes == ()


def test_metadata_that_an_editor_dropped_changes_nothing(release: Any, submission: Any) -> None:
    for cell in submission.cells:
        cell["metadata"] = nbformat.NotebookNode()
    merged = put_back(release, submission)
    assert solved(merged)
    assert cell_of(merged.notebook, "count").metadata.academy.task == "count-long-months"
    assert merged.notes == ()


def test_cells_are_recognised_without_id_and_metadata(release: Any, submission: Any) -> None:
    for number, cell in enumerate(submission.cells):
        cell["id"], cell["metadata"] = f"tool-{number}", nbformat.NotebookNode()
    cell_of(submission, f"tool-{place_of(release, 'data')}")["source"] = "table = register()"
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert solved(merged)
    assert cell_of(merged.notebook, "data").source == "table = register()"
    assert set(merged.notes) == {
        "The cell of the task count-long-months was recognised by what it holds or where it stands.",
        "The cell of the task register-table was recognised by what it holds or where it stands.",
    }


def test_solution_typed_into_a_new_cell_after_deleting_the_task_s_is_taken(
    release: Any, submission: Any
) -> None:
    at = place_of(submission, "data")
    submission.cells[at] = new_cell("table = register()")
    merged = put_back(release, submission)
    assert cell_of(merged.notebook, "data").source == "table = register()"
    assert len(merged.notebook.cells) == len(release.cells)


def test_solution_typed_under_the_untouched_task_cell_runs_there(release: Any, submission: Any) -> None:
    submission.cells.insert(place_of(submission, "data") + 1, new_cell("table = register()"))
    merged = put_back(release, submission)
    at = place_of(merged.notebook, "data")
    assert [cell.source for cell in merged.notebook.cells[at + 1 : at + 3]] == [
        "table = register()",
        'check("register-table")',
    ]


def test_moved_task_cell_is_graded_at_its_place(release: Any, submission: Any) -> None:
    submission.cells.append(submission.cells.pop(place_of(submission, "count")))
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert solved(merged)


def test_parameters_that_papermill_put_in_are_left_out(release: Any, submission: Any) -> None:
    injected = new_cell("limit = 0", metadata={"tags": ["injected-parameters"]})
    submission.cells.insert(place_of(submission, "values") + 1, injected)
    merged = put_back(release, submission)
    assert ids(merged.notebook) == ids(release)
    assert len(merged.notes) == 1


def test_another_lab_s_notebook_is_said_to_be_one(release: Any) -> None:
    other = nbformat.v4.new_notebook(cells=[new_cell("1 + 1")], metadata={"academy": {"lab": "07-other-lab"}})
    assert (
        put_back(release, other).notes[0]
        == "This is a notebook of the lab 07-other-lab, not of 90-count-days."
    )


def test_solved_edition_goes_through_unchanged(source: Any, release: Any) -> None:
    merged = put_back(release, solved_edition(source, LAB))
    assert merged.notes == ()
    assert "sum(1 for number" in cell_of(merged.notebook, "count").source


@pytest.mark.parametrize("junk", ["text", 3, None, ["a"], {"task": ["list"]}])
def test_damaged_metadata_is_survived(release: Any, submission: Any, junk: Any) -> None:
    for cell in submission.cells:
        cell["metadata"] = nbformat.from_dict({"academy": junk, "tags": junk})
    assert solved(put_back(release, submission))


def test_old_notebook_is_brought_up_to_date(release: Any, submission: Any, tmp_path: Path) -> None:
    old = nbformat.v4.downgrade(copy.deepcopy(submission))  # nbformat 3, without ids
    file = tmp_path / "old.ipynb"
    file.write_text(json.dumps(old))
    assert json.loads(file.read_text())["nbformat"] == 3
    merged = put_back(release, ipynb.read(file))
    assert solved(merged)
    assert ids(merged.notebook) == ids(release)


def test_notebook_of_4_4_without_ids_is_read_without_a_warning(
    release: Any, submission: Any, tmp_path: Path
) -> None:
    old = json.loads(nbformat.v4.writes(submission))
    old["nbformat_minor"] = 4
    for cell in old["cells"]:
        del cell["id"]
    file = tmp_path / "old.ipynb"
    file.write_text(json.dumps(old))
    assert solved(put_back(release, ipynb.read(file)))
    assert ids(ipynb.read(file)) == ids(ipynb.read(file))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "the file is empty"),
        (b'{"cells": [', "breaks off or is damaged at line 1"),
        (b"[1, 2]", "not a notebook"),
        (b'"text"', "not a notebook"),
        (b'{"nbformat": 5, "cells": []}', "nbformat"),
        (b'{"nbformat": 4, "metadata": {}}', "not a notebook"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code"}]}', "cell number 1"),
        (b'{"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "poem", "source": ""}]}', "'poem'"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "handed-in.ipynb"
    file.write_bytes(content)
    with pytest.raises(InvalidField, match=said) as refused:
        ipynb.read(file)
    assert "handed-in.ipynb" in refused.value.message


def test_half_a_character_can_be_written_again(tmp_path: Path) -> None:
    file = tmp_path / "half.ipynb"
    file.write_bytes(
        b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": '
        b'[{"cell_type": "raw", "id": "a", "source": "x \\ud800 \\ud83d\\ude00"}]}'
    )
    read = ipynb.read(file)
    ipynb.write(read, file)
    assert ipynb.read(file).cells[0].source == "x ? \N{GRINNING FACE}"


def test_missing_notebook_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no notebook"):
        ipynb.read(tmp_path / "none.ipynb")


def test_many_changed_given_cells_are_told_as_one(release: Any, submission: Any) -> None:
    for name in ("values", "extension", "connect", "count-table"):
        cell_of(submission, name)["source"] += "\nimport math\nwhile True: pass"
    merged = put_back(release, submission)
    assert merged.notes == (
        "4 given cells were changed and put back: values, extension, connect and 1 more.",
    )
    assert len(merged.details) == 4
    assert merged.details[2].startswith("The given cell connect was changed")


def test_of_what_was_added_only_what_is_kept_is_said_to_be(release: Any, submission: Any) -> None:
    cell_of(submission, "values")["source"] += "\nimport math\nwhile True: pass"
    merged = put_back(release, submission)
    assert merged.notebook.cells[place_of(merged.notebook, "values") + 1].source == "import math"
    assert merged.notes == (
        "The cell of parameters was changed, and was put back as released. What it newly imports, defines or "
        "names is kept in a cell of its own; other changes are not.",
    )
    assert merged.details == ()


def test_a_task_without_a_word_of_the_learner_is_untouched(release: Any, submission: Any) -> None:
    assert put_back(release, submission).untouched == {"register-table"}
