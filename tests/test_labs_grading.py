"""Grading: values across the kernel's boundary, hidden tests, points, and what is kept of a submission."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_notebook
from pandas.testing import assert_frame_equal, assert_series_equal

from academy.labs.checks import NotYet, OwnValues
from academy.labs.editions import ipynb
from academy.labs.grading import marking
from academy.labs.grading.conversation import Conversation, Ended, Process
from academy.labs.grading.deferral import can_wait
from academy.labs.grading.grade import MODULES, GradeOptions, grade, grade_all
from academy.labs.grading.hidden import Own, imports_of, run_hidden
from academy.labs.grading.marking import Marking
from academy.labs.grading.outputs import Outputs
from academy.labs.grading.plain import Garbled, TooLarge, dumps, loads
from academy.labs.grading.remote import RemoteError, RemoteObject, RemoteValues
from academy.labs.grading.room import Room
from academy.labs.grading.scores import Graded, HiddenResult
from academy.labs.grading.snapshot import TooMuch, snapshot
from academy.labs.grading.tables import decoder, encoder
from academy.labs.grading.unpacking import Bounds
from academy.labs.grading.worker import without_check
from academy.labs.manifest import Task
from academy.labs.nursery import Nursery
from academy.labs.nursery.kernel import WarmKernelManager
from tests.labs_graded import COUNT, LAB, TABLE, Class, new_class, points, printed, written

TASK = Task("count", "Count", 1, "count", ("a", "b", "c"), hidden_points=2)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery(modules=MODULES) as started:
        yield started


@pytest.fixture(scope="module")
def kernel(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Conversation]:
    """A kernel as a learner has it, and the line to it."""
    folder = tmp_path_factory.mktemp("kernel")
    manager = WarmKernelManager(
        nursery=nursery,
        kernel_name="python3",
        env={**os.environ, "HOME": str(folder)},
        connection_file=str(folder / "kernel.json"),
    )
    asyncio.run(manager.start_kernel(cwd=str(folder)))
    manager.context.destroy(linger=0)
    child = manager.child
    assert child is not None
    found = {**manager.get_connection_info(), "key": manager.session.key}
    alive = lambda: child.poll() is None  # noqa: E731
    conversation = Conversation(Process(found, alive, lambda: child.send(2), child.kill))
    conversation.ready(60)
    yield conversation
    conversation.close()


def run(kernel: Conversation, source: str) -> Outputs:
    outputs = Outputs()
    assert kernel.execute(source, 60, outputs).ended is Ended.OK, outputs.found
    return outputs


def values(kernel: Conversation, limit_s: float = 60) -> RemoteValues:
    return RemoteValues(kernel, limit_s)


def refused(value: Any) -> Any:
    raise TypeError(value)


def over(value: Any) -> Any:
    """Send a value to the other side and back, by way of the text that travels."""
    return decoder(refused).decode(loads(dumps(encoder(refused).encode(value))))


PLAIN = [
    None,
    True,
    0,
    -(10**30),
    1.5,
    math.inf,
    "text \x00 \ud800 ü",
    b"\x00\xff",
    [1, [2, {"a": (3, {4})}]],
    {1: "a", (2, 3): "b", None: frozenset({1})},
    range(2, 9, 3),
    1 + 2j,
    dt.datetime(2026, 11, 21, 12, 30, tzinfo=dt.UTC),
    dt.date(2026, 11, 21),
    dt.time(12, 30),
    dt.timedelta(days=-1, microseconds=5),
    PurePosixPath("data/months.csv"),
    np.float64(2.5),
    np.int8(3),
    np.datetime64("2026-11-21"),
    pd.Timestamp("2026-11-21 12:30", tz="UTC"),
    pd.Timedelta("2 days"),
    pd.NaT,
    pd.NA,
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_data_is_the_same_on_the_other_side(value: Any) -> None:
    found = over(value)
    assert type(found) is type(value)
    assert found is value if value is pd.NaT or value is pd.NA else found == value


def test_not_a_number_stays_one() -> None:
    assert math.isnan(over(math.nan))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype="int16").reshape(2, 3),
        np.array([[1.5, np.nan]]).T,
        np.array(["a", "bc"]),
        np.array([], dtype="float32"),
        np.array([True, False]),
        np.array([1, "a", None], dtype=object),
        np.array(["2026-01-01", "NaT"], dtype="datetime64[D]"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_keep_shape_and_type(array: Any) -> None:
    found = over(array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable


def test_tables_keep_columns_index_and_types() -> None:
    frame = pd.DataFrame(
        {
            "n": [1, 2],
            "x": [0.5, np.nan],
            "text": ["a", None],
            "when": pd.to_datetime(["2026-01-01", "NaT"], utc=True).tz_convert("Europe/Berlin"),
            "kind": pd.Categorical(["u", "v"]),
            "whole": pd.array([1, None], dtype="Int64"),
            "any": [[1], {"a": 2}],
        },
        index=pd.Index(["r", "s"], name="row"),
    )
    assert_frame_equal(over(frame), frame)
    assert_frame_equal(over(frame.set_index(["n", "text"])), frame.set_index(["n", "text"]))
    assert_frame_equal(over(pd.DataFrame()), pd.DataFrame())
    assert_series_equal(over(frame["whole"]), frame["whole"])


def test_a_value_without_end_is_refused_on_its_own_side() -> None:
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(TooLarge, match="deeper"):
        encoder(refused).encode(circle)
    with pytest.raises(TooLarge, match="items"):
        encoder(refused).encode([None] * 1_000_001)
    with pytest.raises(TooLarge, match="bytes"):
        encoder(refused).encode(np.zeros(5_000_000))


@pytest.mark.parametrize(
    "node",
    [
        {"pickle": "gASVAAAAAAAAAC4="},
        {"list": 3},
        [1, 2],
        {"list": [], "dict": []},
        {"array": ["|O8", [1], "AAAAAAAAAAA="]},
        {"array": ["<f8", [10**9], "AAAAAAAAAAA="]},
        {"array": ["<f8", [-1], "AAAAAAAAAAA="]},
        {"dict": [[{"list": []}, 1]]},
        {"dict": [[1, 2, 3]]},
        {"float": "1e5"},
        {"datetime": "soon"},
        {"bytes": "no base64"},
        {"range": ["0x1", "0x2", "0x0"]},
        {"frame": {"rows": 1, "arrow": "", "objects": [], "types": [], "columns": 1, "index": 1}},
    ],
    ids=lambda node: json.dumps(node)[:40],
)
def test_what_is_no_value_is_refused(node: Any) -> None:
    with pytest.raises(Garbled):
        decoder(refused).decode(node)


def test_json_that_is_none_is_refused() -> None:
    for text in ("", "e30", "bm8=", "TmFO", "W1tb" * 40_000):
        with pytest.raises(Garbled):
            loads(text)


def test_values_and_functions_of_a_kernel(kernel: Conversation) -> None:
    run(
        kernel, "import pandas as pd\ntable = pd.DataFrame({'a': [1, 2]})\ndef double(x, by=2): return x * by"
    )
    remote = values(kernel)
    assert_frame_equal(remote.get("table"), pd.DataFrame({"a": [1, 2]}))
    assert remote.call("double", np.arange(3), by=3).tolist() == [0, 3, 6]
    with pytest.raises(KeyError, match="absent"):
        remote.get("absent")


def test_asking_leaves_no_trace_in_the_notebook(kernel: Conversation) -> None:
    run(kernel, "loud = lambda: print('asked') or 7")
    (output,) = run(kernel, "print(len(In))").found
    counted = int(output.text)
    assert values(kernel).call("loud") == 7
    (output,) = run(kernel, "print(len(In), _oh)").found
    assert output.text == f"{counted + 1} {{}}\n"


def test_what_the_learners_code_raises_can_be_caught(kernel: Conversation) -> None:
    run(
        kernel,
        "class Odd(ValueError): pass\n"
        "def refuse(x): raise Odd(f'no {x}')\n"
        "def leave(): raise SystemExit(3)\n"
        "def look(): return {}['k']",
    )
    remote = values(kernel)
    with pytest.raises(ValueError, match="no 3") as raised:
        remote.call("refuse", 3)
    assert isinstance(raised.value, RemoteError)
    assert type(raised.value).__name__ == "Odd"
    with pytest.raises(RemoteError, match="3"):
        remote.call("leave")
    with pytest.raises(KeyError) as missing:
        remote.call("look")
    assert missing.value.args != ("look",)


def test_an_object_stays_there_and_equals_nothing_here(kernel: Conversation) -> None:
    run(
        kernel,
        "class Model:\n"
        "    name = 'm'\n"
        "    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n"
        "    def __contains__(self, item): return True\n"
        "    def __len__(self): return 2\n"
        "    def __iter__(self): return iter([1, 2])\n"
        "    def __getitem__(self, key): return key * 2\n"
        "    def predict(self, rows): return [row + 1 for row in rows]\n"
        "    def same(self, other): return other is self\n"
        "model = Model()",
    )
    model: Any = values(kernel).get("model")
    assert type(model) is RemoteObject
    others: list[Any] = [1, [1, 2], None]
    assert not any(model == other for other in others)
    assert all(model != other for other in others)
    assert 5 not in model
    assert (model.name, len(model), list(model), model[4]) == ("m", 2, [1, 2], 8)
    assert model.predict(np.array([1, 2])) == [2, 3]
    assert model.same(model) is True
    with pytest.raises(AttributeError):
        _ = model.absent


def test_a_call_that_takes_too_long_is_interrupted_and_no_other_suffers(kernel: Conversation) -> None:
    run(kernel, "def hang():\n    while True: pass\nvalue = 3")
    slow = values(kernel, limit_s=1)
    with pytest.raises(NotYet, match="answer within 1 seconds"):
        slow.call("hang")
    assert "time" in slow.trouble
    with pytest.raises(NotYet):
        slow.get("value")  # its time is over
    assert values(kernel).get("value") == 3


def test_a_value_that_is_too_large_is_said_to_be(kernel: Conversation) -> None:
    run(kernel, "large = 'x' * 40_000_000")
    with pytest.raises(NotYet) as raised:
        values(kernel).get("large")
    assert "32000000 bytes" in raised.value.found


def hidden(source: str, **names: Any) -> HiddenResult:
    own = Own({"np": ("numpy", None), "sqrt": ("math", "sqrt")}, lambda: "client")
    return run_hidden(source, TASK, OwnValues(names), own)


def test_each_assert_of_hidden_tests_earns_its_share() -> None:
    result = hidden(
        "assert f(1) == 2\nassert f(2) == 5\nassert f(3) == 6\nassert f(4) == 8", f=lambda x: 2 * x
    )
    assert (result.points, result.passed, result.failed) == (1.5, 3, 1)
    assert result.details == ("line 2: assert f(2) == 5: AssertionError: ",)


@pytest.mark.parametrize(
    ("source", "passed", "failed"),
    [
        ("for x in (1, 2):\n    assert f(x) == x", 1, 0),
        ("for x in (1, 2):\n    assert f(x) == 1", 0, 1),
        ("np.testing.assert_allclose(f([1.0]), [1.0])", 1, 0),
        ("import pytest\nwith pytest.raises(ZeroDivisionError):\n    f(1 / 0)", 1, 0),
        ("def same(x):\n    assert f(x) == x\nsame(1)\nsame(2)", 2, 0),
        ("value = absent\nassert value == 3\nassert f(1) == 1", 1, 1),
        ("f(1)", 1, 0),
        ("absent(1)", 0, 1),
        ("assert sqrt(f(4)) == 2 and np.sum([1, 2]) == 3", 1, 0),
        ("assert ml_client == 'client'", 1, 0),
        ("assert sum(f([1, 2])) == 3", 1, 0),
        ("assert check", 0, 1),
        ("assert (", 0, 1),
    ],
)
def test_what_counts_in_hidden_tests(source: str, passed: int, failed: int) -> None:
    # The notebook's own sum, np, check and value are never asked for.
    trap = dict.fromkeys(("sum", "np", "sqrt", "check", "value", "ml_client"), 3)
    result = hidden(source, f=lambda x: x, **trap)
    assert (result.passed, result.failed) == (passed, failed), result.details


# An author's code that catches what ends it, for a while that is longer than its limit.
STUBBORN = """
def stubborn():
    until = time.monotonic() + 5
    while time.monotonic() < until:
        try:
            while time.monotonic() < until:
                pass
        except Exception:
            pass
    return True
"""


@pytest.fixture
def limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Marking]:
    """Return what marks with a check and hidden tests that have half a second in all, and no service."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(marking, "_SLACK_S", 0.4)
    monkeypatch.setattr(marking, "up", lambda noted: SimpleNamespace(address="nowhere"))
    monkeypatch.setattr(marking, "connect", lambda root: None)
    room = Room(tmp_path)
    for folder in (room.lab, room.aside):
        folder.mkdir(parents=True)

    def made(check: str, hidden: str) -> Marking:
        checks, notebook = tmp_path / "checks.py", tmp_path / "lab.ipynb"
        checks.write_text(f"import time\nfrom academy.labs.checks import check\n{STUBBORN}\n{check}")
        ipynb.write(new_notebook(), notebook)
        lab = SimpleNamespace(checks_file=checks, notebook=notebook)
        tests = f"import time\n{STUBBORN}\n{hidden}"
        pack: Any = SimpleNamespace(lab=lab, hidden={TASK.id: tests})
        nobody: Any = None
        return Marking(pack, room, nobody, 0.1)

    return made


def test_code_that_catches_its_end_is_ended_and_what_held_before_counts(
    limited: Callable[[str, str], Marking],
) -> None:
    expects = "    facts.expect({}, expected='a', found='b')\n"
    check = "@check('count', parts=2)\ndef count(facts):\n" + expects.format(True)
    marked = limited(check + expects.format("stubborn()"), "assert True\nassert stubborn()\nassert not None")

    score = marked.check(TASK)
    assert (score.check.points, score.check.error) == (0.5, "")
    assert score.cut == "time: the notebook did not answer within 0 s"
    result, trouble = marked.hidden(TASK)
    assert result is not None
    assert (result.passed, result.failed) == (1, 2), result.details
    assert trouble == score.cut


def test_a_lab_whose_checks_have_no_end_is_told_apart(limited: Callable[[str, str], Marking]) -> None:
    score = limited("stubborn()", "").check(TASK)
    assert (score.check.points, score.check.error) == (0.0, "")
    assert score.check.found == "the notebook to answer within 0 seconds; found no answer"
    assert score.cut == "time: the notebook did not answer within 0 s"


def test_imports_are_those_of_the_lab_and_only_of_known_modules() -> None:
    cells = [
        "%load_ext academy\nimport numpy as np, os",
        "from sklearn.metrics import f1_score as f1\nimport os.path",
    ]
    assert imports_of(cells) == {"np": ("numpy", None), "f1": ("sklearn.metrics", "f1_score")}


def test_hidden_tests_wait_only_where_nothing_changes_what_they_look_at() -> None:
    tests = "assert f(table) == limit"
    assert can_wait(tests, ["def f(x): return g(x)\ndef g(x): return x"], ["print(f(table))", "other = 3"])
    for later in ("limit = 4", "table['a'] = 1", "def f(): pass", "del table", "import x as limit"):
        assert not can_wait(tests, [], [later])
    for asks in ("def f(x): return g(x)\ndef g(x): return ml_client.get(x)", "f = lambda x: mlflow.get(x)"):
        assert not can_wait(tests, [asks], [])


def test_a_check_is_not_called_in_the_notebook_that_is_graded() -> None:
    assert without_check('x = 1\ncheck(\n    "task"\n)\nprint(x)') == "x = 1\nprint(x)"
    assert without_check("%time check('x')") == "%time check('x')"


def test_a_snapshot_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "src").mkdir(parents=True)
    (source / "src" / "a.py").write_text("a")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    assert sorted(snapshot(source, tmp_path / "copy")) == ["folder", "link", "pipe"]
    copied = [str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")]
    assert sorted(copied) == ["src", "src/a.py"]
    with pytest.raises(TooMuch):
        snapshot(source, tmp_path / "other", Bounds(files=0))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Class:
    return new_class(tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def graded(room: Class, nursery: Nursery) -> dict[str, Graded]:
    """A class of four: solved, unsolved, half solved, and one who changed files."""
    changed = room.hand_in("changed", written("count", "from count import long_months"))
    (changed.folder / "count.py").write_text(
        "def long_months(days, limit):\n    return sum(day > limit for day in days)\n"
    )
    (changed.folder / "checks.py").write_text("raise SystemExit")
    (changed.folder / "data" / "months.csv").write_text("month,days\nanuary,1\n")
    (changed.folder / "answers.txt").symlink_to(room.pack.lab.folder / "hidden.json")
    half = room.hand_in("half", written("count", "def long_months(days, limit):\n    return 2"))
    class_ = [room.hand_in("solved"), half, changed]
    done: list[str] = []
    options = GradeOptions(executed=room.root / "executed")
    found = grade_all(
        class_,
        {LAB: room.pack},
        options,
        nursery,
        jobs=2,
        on_done=lambda one: done.append(one.submission.learner),
    )
    assert [one.submission for one in found] == class_
    assert sorted(done) == ["changed", "half", "solved"]
    return {one.submission.learner: one for one in found}


def test_a_solved_lab_gets_all_points(graded: dict[str, Graded]) -> None:
    solved = graded["solved"]
    assert (solved.points, solved.max_points, solved.error, solved.notes) == (4.0, 4.0, "", ())
    assert points(solved) == {TABLE: 2.0, COUNT: 2.0}


def test_the_notebook_is_kept_as_it_ran(graded: dict[str, Graded], room: Class) -> None:
    solved = graded["solved"]
    assert solved.executed == room.root / "executed" / "solved" / f"{LAB}.ipynb"
    text = printed(solved)
    assert "7" in text
    assert "Count the long months: done. 1 of 1 points." in text
    assert "at http://academy, home /grading/home" in text
    assert "academy-grade-" not in text
    assert "127.0.0.1" not in text


def test_half_an_answer_gets_its_share(graded: dict[str, Graded]) -> None:
    count = graded["half"].tasks[1]
    assert (count.check.points, count.hidden and count.hidden.points) == (1.0, 0.5)
    assert not count.blank
    assert count.hidden is not None
    assert "long_months([], 30) == 0" in count.hidden.details[0]


def test_files_are_the_learners_but_for_those_that_are_given(graded: dict[str, Graded]) -> None:
    changed = graded["changed"]
    assert points(changed) == {TABLE: 2.0, COUNT: 2.0}
    assert "7" in printed(changed)  # counted in the table that was given
    assert any("answers.txt was left out" in note for note in changed.notes)


def test_the_unsolved_edition_gets_nothing_and_is_told_why(room: Class, nursery: Nursery) -> None:
    submission = room.hand_in("unsolved")
    (submission.folder / f"{LAB}.ipynb").write_bytes(room.pack.release.notebook.read_bytes())
    found = grade(submission, room.pack, GradeOptions(), nursery)
    assert (found.points, found.max_points, found.executed) == (0.0, 4.0, None)
    assert [bool(task.check.expected) for task in found.tasks] == [True, True]
    assert [task.blank for task in found.tasks] == [True, True]


def test_nothing_of_a_submission_is_left(graded: dict[str, Graded], room: Class, nursery: Nursery) -> None:
    submission = room.hand_in("temporary")
    above = room.root / ("rooms" * 20)  # longer than the path of a socket can be
    above.mkdir()
    found = grade(submission, room.pack, GradeOptions(temporary=above), nursery)
    assert found.points == 4.0
    assert list(above.iterdir()) == []
