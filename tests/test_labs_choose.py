"""Lab 01: what its checks say of wrong answers, and a submission of it, graded confined."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from academy.labs.checks import CheckResult, Facts, OwnValues, load_checks, run_check
from academy.labs.collection import Collection
from academy.labs.editions.edition import write_edition
from academy.labs.editions.pack import make_pack
from academy.labs.grading.grade import MODULES, GradeOptions, grade
from academy.labs.grading.scores import Submission
from academy.labs.nursery import Nursery
from tests.labs_graded import points

LAB = Collection.locate().lab("01-choose-an-environment")
LABORATORY: dict[str, Any] = {
    "stage": "training",
    "data": "on_premises",
    "operator": "owner",
    "budget": "own_machines",
}
ASSOCIATION: dict[str, Any] = {
    "stage": "training",
    "data": "tenant",
    "operator": "platform",
    "budget": "pay_per_use",
}
PLANT: dict[str, Any] = {
    "stage": "inference", "data": "on_premises", "operator": "owner",
    "traffic": "steady", "latency": "interactive", "offline": True,
}  # fmt: skip


def checked(task: str, values: Mapping[str, Any]) -> CheckResult:
    def connect() -> Any:
        raise AssertionError("this check needs no service")

    facts = Facts(OwnValues(values), LAB.folder, connect)
    by_id = {one.id: one for one in LAB.manifest.tasks}
    return run_check(load_checks(LAB.folder / "checks.py"), by_id[task], facts)


class TestPlacing:
    def test_what_the_stories_say_is_enough(self) -> None:
        situations = {"laboratory": LABORATORY, "association": ASSOCIATION, "plant": PLANT}
        found = checked("place-situations", {"situations": situations})
        assert found.passed, found.message

    @pytest.mark.parametrize(
        ("name", "change", "said"),
        [
            ("laboratory", {"stage": "inference", "traffic": "steady"}, "a first model is made there"),
            ("laboratory", {"data": "tenant"}, "may not leave the house"),
            ("association", {"operator": "owner"}, "nobody there wants to look after machines"),
            ("association", {"budget": "any"}, "they pay for what they use"),
            ("plant", {"offline": False}, "the hall has no connection"),
            ("plant", {"operator": "platform"}, "contradict each other"),
            ("plant", {"trafic": "steady"}, "'trafic'"),
        ],
    )
    def test_a_slip_is_answered_from_the_story(self, name: str, change: Mapping[str, Any], said: str) -> None:
        situations = {"laboratory": LABORATORY, "association": ASSOCIATION, "plant": PLANT}
        situations[name] = {**situations[name], **change}
        found = checked("place-situations", {"situations": situations})
        assert not found.error
        assert found.points == 2  # of 3: the other two situations are right
        assert said in found.message

    @pytest.mark.parametrize("situations", [None, [], {}, {"plant": 1}])
    def test_what_is_no_situation_is_answered_kindly(self, situations: Any) -> None:
        found = checked("place-situations", {"situations": situations})
        assert (found.points, found.error) == (0, "")
        assert found.advice


REPORT = {
    "origin": {"packages": {"scikit-learn": "1.9.1"}},
    "goal": {"packages": {"scikit-learn": "1.7.2"}},
    "verdict": "blocked",
    "trial": {"outcome": "failed at the goal", "text": "It fails."},
}


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        ({"scikit-learn": ("1.9.1", "1.7.2")}, 2),
        ({"scikit-learn": ["1.9.1", "1.7.2"]}, 2),
        ({"scikit-learn": ("1.7.2", "1.9.1")}, 1),
        ({"scikit-learn": "1.9.1"}, 1),
        ({"scikit-learn": ("1.9.1", "1.7.2"), "numpy": ("2", "1")}, 0),
        (None, 0),
    ],
)
def test_a_conflict_is_named_with_both_versions(answer: Any, points: float) -> None:
    found = checked("name-conflict", {"report": REPORT, "blocking": lambda report: answer})
    assert (found.points, found.error) == (points, "")


def test_a_server_that_was_not_mended_is_told_what_is_left() -> None:
    found = checked("mend-server", {"mended": REPORT})
    assert (found.points, found.error) == (0, "")
    assert "scikit-learn 1.9.1 at the goal" in found.message


@pytest.mark.parametrize(
    ("noticed", "points"),
    [
        ({"what": "output", "text": "output 'model' in /x"}, 2),
        ({"what": "input", "text": "input 'wine.csv'"}, 1),
        ([{"what": "output"}], 0),
    ],
)
def test_a_change_of_the_model_is_what_has_to_be_noticed(noticed: Any, points: float) -> None:
    found = checked("find-change", {"noticed": noticed})
    assert (found.points, found.error) == (points, "")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_solved_submission_has_all_points_although_it_is_confined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_OFFLINE", "1")  # what it needs was built at set-up
    write_edition(LAB, tmp_path / "in", solved=True)
    submission = Submission("ann", LAB.id, tmp_path / "in")
    with Nursery(modules=MODULES) as nursery:
        graded = grade(submission, make_pack(LAB, tmp_path / "packs"), GradeOptions(), nursery)
    assert points(graded) == {task.id: task.points + task.hidden_points for task in LAB.manifest.tasks}
