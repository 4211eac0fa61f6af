"""The real nbgrader takes the labs: it makes assignments of them, validates, and grades."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click.testing import CliRunner
from nbgrader.api import Gradebook
from nbgrader.nbgraderformat import MetadataValidator

from academy.cli.root import academy
from academy.errors import Conflict
from academy.labs.collection import Collection, Lab
from academy.labs.editions import ipynb
from academy.labs.editions.edition import hidden_tests, solutions
from academy.labs.editions.leaks import find_leaks
from academy.labs.editions.nbgrader_format import configure, nbgrader_notebook, to_nbgrader
from academy.labs.editions.nbgrader_homes import begin, end
from academy.labs.editions.release import LeakFound
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.process import down, status

LAB = "90-count-days"
STUB = 'raise NotImplementedError("Your code is missing here.")'


@dataclass(frozen=True)
class Course:
    """A course folder, and the environment that nbgrader's commands run in there."""

    folder: Path
    lab: Lab
    environment: Mapping[str, str]

    def nbgrader(self, *args: str) -> str:
        """Run a command of nbgrader, which has to succeed, and return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *args],
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def hand_in(self, learner: str, answers: Mapping[str, str]) -> None:
        """Copy the released assignment, write an answer into each of its task cells, and hand it in."""
        folder = self.folder / "submitted" / learner / LAB
        folder.parent.mkdir(parents=True)
        source = self.folder / "release" / LAB
        subprocess.run(["cp", "-r", str(source), str(folder)], check=True)
        notebook = ipynb.read(folder / f"{LAB}.ipynb")
        for cell in notebook.cells:
            task = cell.metadata.get("academy", {}).get("task")
            if task in answers:
                indent = cell.source.splitlines()[-1].partition("raise")[0]
                answer = answers[task].replace("\n", f"\n{indent}")
                assert STUB in cell.source
                cell["source"] = cell.source.replace(STUB, answer)
        ipynb.write(notebook, folder / f"{LAB}.ipynb")


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A course with the lab written into it by the command line, and the assignment made by nbgrader."""
    root = tmp_path_factory.mktemp("course")
    lab = new_lab(Collection(root / "collection"), LAB)
    command = ["lab", "release", LAB, "--format", "nbgrader", "--to", str(root / "course")]
    result = CliRunner().invoke(
        academy, ["--home", str(root / "home"), *command, "--collection", str(root / "collection")]
    )
    assert result.exit_code == 0, result.output
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # nbgrader calls alembic
        "ACADEMY_HOME": str(root / "home"),
        "JUPYTER_CONFIG_DIR": str(root / "jupyter"),
        "IPYTHONDIR": str(root / "ipython"),
    }
    made = Course(root / "course", lab, environment)
    made.nbgrader("generate_assignment", LAB)
    return made


@pytest.fixture(scope="module")
def scores(course: Course) -> dict[str, dict[str, float]]:
    """The scores that nbgrader gives to two submissions, by learner and graded cell."""
    warns = 'import sys\nprint("a warning", file=sys.stderr)\n'
    solved = solutions(course.lab)
    course.hand_in("alice", {**solved, "count-long-months": warns + solved["count-long-months"]})
    folder = (
        'ml_client.data.create_or_update(Data(name=data_name, type=AssetTypes.URI_FOLDER, path="./data"))'
    )
    course.hand_in("bob", {"register-table": folder})
    course.nbgrader("autograde", LAB)
    found: dict[str, dict[str, float]] = {}
    with Gradebook(f"sqlite:///{course.folder / 'gradebook.db'}") as gradebook:
        for submission in gradebook.assignment_submissions(LAB):
            (notebook,) = submission.notebooks
            found[submission.student_id] = {grade.name: grade.score for grade in notebook.grades}
    return found


def test_cells_have_nbgrader_s_metadata(course: Course) -> None:
    notebook = ipynb.read(course.folder / "source" / LAB / f"{LAB}.ipynb")
    MetadataValidator().validate_nb(notebook)
    marked = {
        cell.metadata.nbgrader.grade_id: cell.metadata.nbgrader
        for cell in notebook.cells
        if "nbgrader" in cell.metadata
    }
    assert {
        name: (mark.solution, mark.locked, mark.get("points")) for name, mark in marked.items() if mark.grade
    } == {
        "check-register-table": (False, True, 2),
        "check-count-long-months": (False, True, 1),
        "hidden-count-long-months": (False, True, 1),
    }
    assert [name for name, mark in marked.items() if mark.solution] == ["register-table", "count-long-months"]
    assert all(mark.locked for mark in marked.values() if not mark.solution)
    assert "given-values" in marked


def test_what_nbgrader_releases_has_nothing_of_a_solution(course: Course) -> None:
    released = course.folder / "release" / LAB
    notebook = ipynb.read(released / f"{LAB}.ipynb")
    assert STUB in next(cell.source for cell in notebook.cells if cell.id == "count")
    assert find_leaks(course.lab, released) == ()
    # The same look finds them in what nbgrader was given.
    assert find_leaks(course.lab, course.folder / "source" / LAB)


def test_nbgrader_gives_a_solved_notebook_all_points_though_it_warns(
    scores: dict[str, dict[str, float]],
) -> None:
    assert scores["alice"] == {
        "check-register-table": 2,
        "check-count-long-months": 1,
        "hidden-count-long-months": 1,
    }


def test_nbgrader_gives_partial_credit_and_nothing_for_what_is_unsolved(
    scores: dict[str, dict[str, float]],
) -> None:
    assert scores["bob"] == {
        "check-register-table": 1,
        "check-count-long-months": 0,
        "hidden-count-long-months": 0,
    }


def test_failed_check_is_an_assertion_error_with_its_message(
    course: Course, scores: dict[str, dict[str, float]]
) -> None:
    graded = ipynb.read(course.folder / "autograded" / "bob" / LAB / f"{LAB}.ipynb")
    cell = next(cell for cell in graded.cells if cell.id == "count-check")
    (error,) = [output for output in cell.outputs if output.output_type == "error"]
    assert error.ename == "AssertionError"
    assert error.evalue.startswith("Count the long months: not yet.")


def test_graded_notebooks_had_services_of_their_own(
    course: Course, scores: dict[str, dict[str, float]]
) -> None:
    homes = {_home_of(course, learner) for learner in scores}
    assert len(homes) == 2
    assert not any(home.exists() for home in homes)
    assert status(Home(Path(course.environment["ACADEMY_HOME"]))).state == "stopped"


def _home_of(course: Course, learner: str) -> Path:
    graded = ipynb.read(course.folder / "autograded" / learner / LAB / f"{LAB}.ipynb")
    cell = next(cell for cell in graded.cells if cell.id == "extension")
    return Path(cell.outputs[0].text.partition("home ")[2].partition(".")[0])


def test_learner_can_validate_before_handing_in(course: Course) -> None:
    course.hand_in("carol", solutions(course.lab))
    try:
        said = course.nbgrader("validate", f"submitted/carol/{LAB}/{LAB}.ipynb")
    finally:
        down(Home(Path(course.environment["ACADEMY_HOME"])))
    assert "Success! Your notebook passes all the tests." in said


# Without nbgrader's own commands


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return new_lab(Collection(tmp_path / "collection"), LAB)


def change(lab: Lab, change_it: Callable[[Any], None]) -> None:
    notebook = ipynb.read(lab.notebook)
    change_it(notebook)
    ipynb.write(notebook, lab.notebook)


def test_lab_that_leaks_is_not_written_for_nbgrader_either(lab: Lab, tmp_path: Path) -> None:
    test = hidden_tests(ipynb.read(lab.notebook))["count-long-months"]
    change(lab, lambda notebook: notebook.cells.append(nbformat.v4.new_code_cell(test)))
    with pytest.raises(LeakFound):
        to_nbgrader(lab, tmp_path / "course")
    assert not list((tmp_path / "course").glob("source/*"))


def test_lab_that_the_course_has_is_left_as_it_is(lab: Lab, tmp_path: Path) -> None:
    folder = to_nbgrader(lab, tmp_path / "course")
    (tmp_path / "course" / "nbgrader_config.py").write_text("# mine")
    with pytest.raises(Conflict, match="left as it is"):
        to_nbgrader(lab, tmp_path / "course")
    to_nbgrader(new_lab(Collection(tmp_path / "collection"), "91-count-weeks"), tmp_path / "course")
    assert sorted(path.name for path in folder.parent.iterdir()) == [LAB, "91-count-weeks"]
    assert (tmp_path / "course" / "nbgrader_config.py").read_text() == "# mine"


def test_answer_in_text_is_for_a_person_to_grade_and_loses_its_picture(lab: Lab) -> None:
    notebook = ipynb.read(lab.notebook)
    notebook.cells.append(
        nbformat.v4.new_markdown_cell(
            "Why?\n### BEGIN SOLUTION\nBecause. ![](attachment:answer.png)\n### END SOLUTION",
            metadata={"academy": {"task": "register-table"}},
            attachments={"answer.png": {"image/png": "AA=="}},
        )
    )
    made = nbgrader_notebook(notebook, LAB, lab.manifest)
    MetadataValidator().validate_nb(made)
    assert made.cells[-1].metadata.nbgrader.grade_id == "register-table-2"
    assert "attachments" not in made.cells[-1]


def test_configuration_spares_files_that_learners_edit(lab: Lab, tmp_path: Path) -> None:
    (lab.folder / "src").mkdir()
    (lab.folder / "src" / "area.py").write_text("### BEGIN SOLUTION\narea = 3\n### END SOLUTION\n")

    def name_the_file(notebook: Any) -> None:
        cell = next(cell for cell in notebook.cells if cell.id == "count")
        cell["source"] = f"# area.py\n{cell.source}"

    change(lab, name_the_file)
    to_nbgrader(lab, tmp_path / "course")
    config = nbformat.from_dict(
        {name: {} for name in ("Execute", "Autograde", "OverwriteCells", "ClearSolutions")}
    )
    configure(config, tmp_path / "course")
    assert config.Autograde.exclude_overwriting == {LAB: ["src/area.py"]}
    assert config.Execute.timeout == int(lab.manifest.limits.cell_s)


def test_each_submission_gets_a_home_that_goes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACADEMY_HOME", "/nobody/touches/this")
    begin(student="alice")
    first = Path(os.environ["ACADEMY_HOME"])
    begin(student="bob")
    second = Path(os.environ["ACADEMY_HOME"])
    end(student="bob")
    assert first != second
    assert not first.exists()
    assert not second.exists()
