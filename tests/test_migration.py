"""Moving: what differences mean, what a target file may say, how answers are compared, and the verdict."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from academy.audit.chain import Head, Sealed
from academy.audit.record import Kind, Record
from academy.audit.same_content import wrote
from academy.environments.built import BuiltEnvironment, own
from academy.errors import InvalidField, NotFound
from academy.evidence.digests import tree
from academy.evidence.evidence import Data, Evidence, Gpu, Machine, Package, Software
from academy.matrix.catalogue import CellId, MoveKind
from academy.matrix.reading import load
from academy.migration import machines, mlflow_model, packages, surroundings, target_file, verdict
from academy.migration.answers import compare
from academy.migration.ends import Placed, Sources, as_recorded, origin, with_python_of
from academy.migration.report import (
    Area,
    DataUse,
    Difference,
    End,
    Host,
    Migration,
    Pickled,
    Scored,
    Severity,
    Subject,
    SubjectKind,
    Trial,
    TrialOutcome,
    Verdict,
)
from academy.migration.scoring import scoring, warnings_of
from academy.migration.shelf import split
from academy.migration.subject import Found, size_bytes
from academy.migration.text import WIDTH, shown
from academy.migration.trial import by_chance, judged
from academy.migration.versions import Apart, apart, pins

SKLEARN = Pickled("cloudpickle", ("scikit-learn", "numpy", "scipy"))
MODEL = Subject(
    SubjectKind.MODEL,
    "cancer:1",
    "/models/cancer/versions/1",
    flavors=("python_function", "sklearn"),
    requirements=("mlflow==3.17.2", "scikit-learn==1.7.2", "numpy==2.2.6", "psutil==7.0.0"),
    pickled=SKLEARN,
    mlflow_version="3.17.2",
)
MADE_WITH = {
    "mlflow": "3.17.2",
    "scikit-learn": "1.7.2",
    "numpy": "2.2.6",
    "psutil": "7.0.0",
    "six": "1.16.0",
}
ORIGIN = End(CellId.DEVELOPER, "laptop", ("a record",), python="3.11.7", packages=MADE_WITH, complete=True)
GOAL = replace(ORIGIN, cell=CellId.UNMANAGED, name="server", sources=("a file",))
JOB = Subject(SubjectKind.JOB, "train", "/jobs/train")
NO_TRIAL = Trial(TrialOutcome.LEFT_OUT, "Left out.", 1e-6)
EQUAL = Trial(TrialOutcome.EQUAL, "5 values are the same.", 1e-6)


def with_packages(**versions: str | None) -> End:
    """Return the goal with some packages at other versions; None takes one away."""
    changed = {**MADE_WITH, **{name.replace("_", "-"): version for name, version in versions.items()}}
    return replace(GOAL, packages={name: version for name, version in changed.items() if version is not None})


def package(goal: End, name: str, subject: Subject = MODEL, origin: End = ORIGIN) -> Difference | None:
    found = {one.name: one for one in packages.differences(subject, origin, goal)}
    return found.get(name)


@pytest.mark.parametrize(
    ("name", "first", "second", "far"),
    [
        ("numpy", "1.2.3", "1.2.3", Apart.SAME),
        ("numpy", "1.2", "1.2.0", Apart.SAME),
        ("torch", "2.5.0", "2.5.0+cpu", Apart.BUILD),
        ("numpy", "1.2.3", "1.2.4", Apart.PATCH),
        ("numpy", "1.2.3", "1.3.0", Apart.MINOR),
        ("numpy", "1.9", "2.0", Apart.MAJOR),
        ("fastapi", "0.1.0", "0.2.0", Apart.MAJOR),
        ("certifi", "2024.1.1", "2025.1.1", Apart.PATCH),
        ("odd", "one", "two", Apart.MAJOR),
    ],
)
def test_versions_are_apart_by_their_first_part_that_differs(
    name: str, first: str, second: str, far: Apart
) -> None:
    assert apart(name, first, second) is far


def test_requirement_lines_pin_or_limit_and_those_for_other_platforms_do_not_count() -> None:
    lines = ("A_b==1.0", "c>=2", "d", "e==1.*", "f==1; sys_platform=='win32'", "git+https://x.org/y")
    assert pins(lines) == ({"a-b": "1.0"}, {"c": ">=2", "d": "", "e": "==1.*"})
    assert pins(("tomli==2; python_version<'3.11'",), python="3.10.13")[0] == {"tomli": "2"}


@pytest.mark.parametrize(
    ("there", "severity"),
    [("1.7.1", Severity.RETEST), ("1.6.1", Severity.BLOCKS), ("1.9.0", Severity.BLOCKS)],
)
def test_another_version_of_the_scikit_learn_of_a_pickle_is_not_supported_by_it(
    there: str, severity: Severity
) -> None:
    found = package(with_packages(scikit_learn=there), "scikit-learn")
    assert found is not None
    assert (found.severity, found.origin, found.goal) == (severity, "1.7.2", there)
    assert "scikit-learn.org/stable/model_persistence" in found.text
    assert (
        f"Install scikit-learn==1.7.2 at the goal, or make it again with scikit-learn=={there}"
        in found.next_step
    )


@pytest.mark.parametrize(
    ("there", "written", "severity"),
    [
        ("1.23.5", "cloudpickle", Severity.BLOCKS),
        ("1.26.0", "cloudpickle", Severity.BLOCKS),
        ("1.26.1", "cloudpickle", Severity.RETEST),
        ("1.23.5", "skops", Severity.RETEST),
        ("2.4.0", "cloudpickle", Severity.RETEST),
        ("2.2.5", "cloudpickle", Severity.NOTE),
    ],
)
def test_numpy_before_1_26_1_reads_no_pickles_of_numpy_2(
    there: str, written: str, severity: Severity
) -> None:
    subject = replace(MODEL, pickled=replace(SKLEARN, format=written))
    found = package(with_packages(numpy=there), "numpy", subject)
    assert found is not None
    assert found.severity is severity


@pytest.mark.parametrize(
    ("there", "severity"),
    [
        ("2.22.1", Severity.BLOCKS),
        ("3.1.0", Severity.RETEST),
        ("3.18.0", Severity.NOTE),
        ("4.0.0", Severity.NOTE),
    ],
)
def test_an_earlier_major_mlflow_reads_no_models_of_a_later_one(there: str, severity: Severity) -> None:
    found = package(with_packages(mlflow=there), "mlflow")
    assert found is not None
    assert found.severity is severity


def test_mlflow_skinny_stands_for_mlflow() -> None:
    goal = with_packages(mlflow=None, mlflow_skinny="3.17.2")
    assert [one.name for one in packages.differences(MODEL, ORIGIN, goal)] == []


def test_what_is_needed_blocks_when_it_is_missing_and_what_is_not_is_a_note() -> None:
    assert package(GOAL, "psutil") is None
    missing = package(with_packages(psutil=None, six=None), "psutil")
    unasked = package(with_packages(psutil=None, six=None), "six")
    assert missing is not None
    assert unasked is not None
    assert (missing.severity, missing.goal, missing.next_step) == (
        Severity.BLOCKS,
        None,
        "Install psutil==7.0.0 at the goal.",
    )
    assert (unasked.severity, unasked.needed) == (Severity.NOTE, False)


def test_what_the_goal_does_not_name_is_open_unless_all_packages_are_known() -> None:
    named = replace(GOAL, packages={"scikit-learn": "1.7.2"}, complete=False)
    found = package(named, "numpy")
    assert found is not None
    assert (found.severity, found.next_step) == (
        Severity.RETEST,
        "Name numpy==2.2.6 among the goal's packages.",
    )
    assert package(named, "six") is None
    limited = replace(named, asked={"numpy": ">=1,<2", "psutil": ">=5", "mlflow": ""})
    out, admitted, free = (package(limited, name) for name in ("numpy", "psutil", "mlflow"))
    assert out is not None
    assert admitted is not None
    assert free is not None
    assert (out.severity, admitted.severity, free.severity) == (
        Severity.BLOCKS,
        Severity.RETEST,
        Severity.RETEST,
    )
    assert "leaves out 2.2.6" in out.text


def test_extra_packages_are_told_only_where_all_of_the_origin_are_known() -> None:
    goal = with_packages(extra="1.0")
    found = package(goal, "extra")
    assert found is not None
    assert (found.severity, found.origin, found.goal) == (Severity.NOTE, None, "1.0")
    assert package(goal, "extra", origin=replace(ORIGIN, complete=False)) is None


def test_ends_of_which_no_packages_are_known_are_not_called_ready() -> None:
    bare = replace(MODEL, requirements=(), pickled=None, mlflow_version=None)
    nothing = replace(ORIGIN, packages={}, complete=False)
    found = list(packages.differences(bare, nothing, replace(nothing, cell=CellId.UNMANAGED)))
    assert [one.severity for one in found] == [Severity.RETEST] * 2
    assert verdict.verdict(found, NO_TRIAL) is Verdict.AFTER_TESTS
    assert verdict.reasons(found, NO_TRIAL) == (
        "Nothing says which packages it was made with, so that none could be compared.",
        "Nothing says which packages the goal has, so that none could be compared.",
    )
    known = packages.differences(bare, replace(nothing, complete=True), GOAL)
    assert {one.severity for one in known} == {Severity.NOTE}


def test_needs_that_mlflow_wrote_down_are_told_as_such() -> None:
    goal = with_packages(psutil=None, scikit_learn=None)
    found = list(packages.differences(MODEL, ORIGIN, goal))
    said = {one.name: one.text for one in found}
    assert said["psutil"] == "psutil 7.0.0 is needed (by the model's requirements.txt) and is not there."
    assert said["scikit-learn"] == "scikit-learn 1.7.2 is needed and is not there."
    reported = report(CellId.DEVELOPER, CellId.UNMANAGED, found, NO_TRIAL)
    assert reported.reasons == ("2 packages that it asks for are not there: scikit-learn, psutil.",)
    (step,) = (one for one in reported.next_steps if "pip_requirements" in one)
    assert step.startswith("The need for psutil is from the model's requirements.txt, which MLflow wrote: if")
    held = list(packages.differences(MODEL, ORIGIN, with_packages(scikit_learn=None)))
    assert "pip_requirements" not in str(report(CellId.DEVELOPER, CellId.UNMANAGED, held, NO_TRIAL))


def test_a_model_is_deployed_to_an_endpoint_that_has_to_be_there_first() -> None:
    (step,) = report(CellId.DEVELOPER, CellId.MANAGED, [], NO_TRIAL).next_steps
    assert step.index("academy online-endpoint create") < step.index("academy online-deployment create")


def test_packages_that_take_no_part_in_answers_are_notes() -> None:
    wheel = replace(MODEL, requirements=("wheel==0.48",))
    for name, subject, goal in (("psutil", MODEL, with_packages(psutil="6.0.0")), ("wheel", wheel, GOAL)):
        found = package(goal, name, subject)
        assert found is not None
        assert found.severity is Severity.NOTE


def test_model_in_skops_form_needs_skops_where_no_list_names_it() -> None:
    subject = replace(MODEL, pickled=Pickled("skops", ("scikit-learn", "skops")))
    own = replace(GOAL, packages=dict(MADE_WITH), complete=True)
    found = package(own, "skops", subject, own)
    assert found is not None
    assert found.severity is Severity.BLOCKS


def test_model_in_skops_form_needs_skops_and_another_version_is_to_be_tested() -> None:
    subject = replace(MODEL, pickled=Pickled("skops", ("scikit-learn", "skops")))
    made = replace(ORIGIN, packages={**MADE_WITH, "skops": "0.14.0"})
    assert package(GOAL, "skops", subject, made) == Difference(
        Area.PACKAGE, "skops", "0.14.0", None, Severity.BLOCKS, "skops 0.14.0 is needed and is not there.",
        "Install skops==0.14.0 at the goal.", needed=True,
    )  # fmt: skip
    found = package(with_packages(skops="0.13.0"), "skops", subject, made)
    assert found is not None
    assert found.severity is Severity.RETEST


def test_packages_whose_objects_the_model_holds_come_first() -> None:
    goal = with_packages(psutil="6.0.0", six="1.15.0", numpy="1.0.0", scikit_learn="1.0.0")
    names = [one.name for one in packages.differences(MODEL, ORIGIN, goal)]
    assert names == ["numpy", "scikit-learn", "psutil", "six"]


def test_job_whose_environment_asks_for_nothing_by_name_gets_one_test_for_all() -> None:
    first, *rest = packages.differences(JOB, ORIGIN, with_packages(numpy="1.26.4", six=None))
    assert (first.name, first.severity) == ("packages", Severity.RETEST)
    assert "2 differ (numpy 2.2.6 → 1.26.4, six 1.16.0 → not there)" in first.text
    assert {one.severity for one in rest} == {Severity.NOTE}


def differing(subject: Subject = MODEL, origin: End = ORIGIN, goal: End = GOAL) -> dict[str, Difference]:
    return {one.name: one for one in machines.differences(subject, origin, goal)}


@pytest.mark.parametrize(
    ("there", "pickled", "severity"),
    [
        ("3.11", SKLEARN, None),
        ("3.11.9", SKLEARN, Severity.NOTE),
        ("3.10", SKLEARN, Severity.RETEST),
        ("3.12.1", Pickled("cloudpickle", (), by_value=True), Severity.BLOCKS),
        ("3.12.1", None, Severity.RETEST),
        ("2.7.18", None, Severity.BLOCKS),
    ],
)
def test_python_matters_by_its_series_and_by_how_code_was_written(
    there: str, pickled: Pickled | None, severity: Severity | None
) -> None:
    found = differing(replace(MODEL, pickled=pickled), goal=replace(GOAL, python=there)).get("Python")
    assert (found.severity if found else None) is severity


def test_other_system_architecture_and_less_hardware_ask_for_tests() -> None:
    here = Host("Linux", "Debian 12", "x86_64", 8, 32_000_000_000, ())
    there = Host("Windows", "Windows 11", "ARM64", 4, 8_000_000_000, ())
    found = differing(origin=replace(ORIGIN, host=here), goal=replace(GOAL, host=there))
    assert {name: one.severity for name, one in found.items()} == {
        "operating system": Severity.RETEST,
        "architecture": Severity.RETEST,
        "cores": Severity.RETEST,
        "memory": Severity.RETEST,
    }
    back = differing(origin=replace(ORIGIN, host=there), goal=replace(GOAL, host=here))
    assert back["cores"].severity is Severity.NOTE
    # Whether a model of known size fits is another question, and it does.
    sized = differing(replace(MODEL, size_bytes=1), replace(ORIGIN, host=here), replace(GOAL, host=there))
    assert sized["memory"].severity is Severity.NOTE
    same = replace(there, architecture="aarch64", system="windows")
    assert "architecture" not in differing(origin=replace(ORIGIN, host=there), goal=replace(GOAL, host=same))


def test_another_distribution_is_a_note_and_alpine_a_test() -> None:
    here = replace(ORIGIN, host=Host("Linux", "Debian 12"))
    ubuntu = differing(origin=here, goal=replace(GOAL, host=Host("Linux", "Ubuntu 24.04")))
    alpine = differing(origin=here, goal=replace(GOAL, host=Host("Linux", "Alpine Linux 3.20")))
    assert ubuntu["distribution"].severity is Severity.NOTE
    assert alpine["distribution"].severity is Severity.RETEST


def test_gpu_that_is_needed_blocks_and_one_that_was_there_asks_for_a_test() -> None:
    none = replace(GOAL, host=Host(gpus=()))
    cuda = replace(MODEL, requirements=("cupy-cuda12x==13.4",))
    assert differing(cuda, goal=none)["GPU"].severity is Severity.BLOCKS
    # Builds with CUDA of these run on the processor.
    for line in ("torch==2.5.0+cu124", "onnxruntime-gpu==1.20", "nvidia-nccl-cu12==2.27"):
        assert differing(replace(MODEL, requirements=(line,)), goal=none) == {}
    made = replace(ORIGIN, host=Host(gpus=(Gpu("H200", "570.1"),)))
    older = replace(GOAL, host=Host(gpus=(Gpu("H200", "535.1"),)))
    torch = replace(MODEL, requirements=("torch==2.5.0",))
    assert "map_location" in differing(torch, made, none)["GPU"].text
    assert differing(torch, made, older)["GPU driver"].severity is Severity.RETEST
    assert differing(torch, made, GOAL) == {}
    # scikit-learn makes no use of the GPU that was there.
    assert differing(origin=made, goal=none) == differing(origin=made, goal=older) == {}


def test_model_that_does_not_fit_into_the_memory_blocks() -> None:
    small = replace(GOAL, host=Host(memory_bytes=4_000_000_000))
    for size, severity in ((5_000_000_000, Severity.BLOCKS), (2_000_000_000, Severity.RETEST)):
        found = differing(replace(MODEL, size_bytes=size), goal=small)["memory for the model"]
        assert found.severity is severity
    assert differing(replace(MODEL, size_bytes=1_000_000), goal=small) == {}


def around(subject: Subject, goal: End) -> dict[str, Difference]:
    return {one.name: one for one in surroundings.differences(subject, ORIGIN, goal, load())}


def test_data_that_the_target_does_not_reach_blocks(tmp_path: Path) -> None:
    uri = "azureml://datastores/workspaceblobstore/paths/t.csv"
    (tmp_path / "t.csv").touch()
    job = replace(JOB, data=(DataUse("table", uri, tmp_path / "t.csv", "AccountKey"),))
    assert around(job, GOAL)["table"].severity is Severity.RETEST
    assert around(job, replace(GOAL, data=("/srv",)))["table"].severity is Severity.BLOCKS
    for known in (uri, "azureml://datastores/workspaceblobstore/", str(tmp_path)):
        assert around(job, replace(GOAL, data=(known,)))["table"].severity is Severity.NOTE
    assert around(job, replace(GOAL, data=(str(tmp_path)[:-1],)))["table"].severity is Severity.BLOCKS
    here = replace(GOAL, is_this_machine=True)
    assert around(job, here)["table"].severity is Severity.NOTE
    # It is read as a file there, without the key of the store.
    assert not any(name.startswith("datastore") for name in around(job, here))
    assert around(job, GOAL)["datastore (AccountKey)"].severity is Severity.RETEST
    (tmp_path / "t.csv").unlink()
    assert around(job, here)["table"].severity is Severity.BLOCKS


def test_secrets_have_to_be_set_anew_by_name_outside_of_the_service() -> None:
    job = replace(JOB, variables=("DB_PASSWORD", "LEVEL"))
    assert around(job, GOAL)["DB_PASSWORD"].severity is Severity.RETEST
    named = around(job, replace(GOAL, secrets=("LEVEL",)))
    assert named["DB_PASSWORD"].severity is Severity.BLOCKS
    assert "LEVEL" not in named
    kept = around(job, replace(GOAL, cell=CellId.HOSTED, is_this_machine=True))
    assert not {one for one in kept.values() if one.area is Area.SECRET}


def test_skills_are_those_that_the_goal_asks_for_and_the_origin_does_not() -> None:
    skills = {name for name, one in around(MODEL, GOAL).items() if one.area is Area.SKILL}
    assert {"kubernetes", "containers", "Upkeep there"} <= skills
    assert "linux" not in skills
    known = around(MODEL, replace(GOAL, skills=("kubernetes", "containers")))
    assert not {"kubernetes", "containers"} & known.keys()
    named = around(MODEL, replace(GOAL, service="kubernetes", skills=("containers",)))
    assert {"linux", "kubernetes"} <= named.keys()
    same = around(MODEL, replace(GOAL, cell=CellId.DEVELOPER))
    assert not {one for one in same.values() if one.area is Area.SKILL}


def answer(*values: Any) -> dict[str, Any]:
    return {"shape": [len(values)], "values": list(values)}


@pytest.mark.parametrize(
    ("one", "two", "equal"),
    [
        (answer("m", "b"), answer("m", "b"), True),
        (answer("m", "b"), answer("m", "m"), False),
        (answer(1.0), answer(1.0 + 1e-7), True),
        (answer(1.0), answer(1.001), False),
        (answer(1e9), answer(1e9 + 100), True),
        (answer(1e-9), answer(2e-9), True),
        (answer(math.nan), answer(math.nan), True),
        (answer(math.nan), answer(0.0), False),
        (answer(math.inf), answer(math.inf), True),
        (answer(math.inf), answer(-math.inf), False),
        (answer(True), answer(1), False),
        (answer("1"), answer(1), False),
        (answer([1.0, 2.0]), answer([1.0, 2.0]), True),
        (answer([1.0, 2.0]), answer([1.0]), False),
        (answer({"a": 1}), answer({"a": 2}), False),
        (answer(1), answer(1, 1), False),
        ({**answer(1), "columns": ["a"]}, {**answer(1), "columns": ["b"]}, False),
    ],
)
def test_numbers_are_compared_within_the_tolerance_and_the_rest_exactly(
    one: Any, two: Any, equal: bool
) -> None:
    found = compare(one, two, 1e-6)
    assert found.equal is equal
    assert bool(found.differing) is not equal


def test_places_that_differ_are_named_and_not_all_of_them() -> None:
    found = compare(answer(*range(20)), answer(*range(1, 21)), 0.0)
    assert (found.compared, found.largest, len(found.differing)) == (20, 1, 5)
    assert found.differing[0] == "row 0: 0 at the origin, 1 at the goal"


def scored(answered: Any = None, **fields: Any) -> Scored:
    return Scored("/python", "3.10.13", 1.0, answered, **fields)


def test_trial_is_judged_by_the_goal_first() -> None:
    good, bad = scored(answer("m")), scored(failed="load", lines=("ValueError: incompatible dtype:", "- got"))
    assert judged(good, scored(answer("m")), 1e-6).outcome is TrialOutcome.EQUAL
    assert judged(good, scored(answer("b")), 1e-6).outcome is TrialOutcome.DIFFERENT
    assert judged(bad, good, 1e-6).outcome is TrialOutcome.ORIGIN_FAILED
    failed = judged(good, bad, 1e-6)
    assert failed.outcome is TrialOutcome.GOAL_FAILED
    assert judged(bad, bad, 1e-6).outcome is TrialOutcome.BOTH_FAILED
    assert failed.text == "The goal's Python 3.10.13 fails to load the model: ValueError: incompatible dtype."


def interpreter(folder: Path, script: str) -> BuiltEnvironment:
    """Return an environment whose Python is a shell script."""
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    return replace(own(), python=python, root=folder, bins=(folder,))


@pytest.mark.parametrize(
    ("script", "limit_s", "said"),
    [
        ("exec sleep 600", 0.3, "It did not end within 0.3 seconds and was ended."),
        ("kill -SEGV $$", 60, "Its process was ended by SIGSEGV."),
        (
            "echo 'Traceback' >&2; echo '  File' >&2; echo 'ImportError: no mlflow' >&2; exit 1",
            60,
            "ImportError",
        ),
        ("exit 0", 60, "It ended its process by itself."),
        ("exit 3", 60, ""),
    ],
)
def test_scoring_that_hangs_crashes_or_fails_is_told_by_its_last_lines(
    tmp_path: Path, script: str, limit_s: float, said: str
) -> None:
    with scoring(tmp_path, interpreter(tmp_path, script)) as begun:
        found = begun.awaited(limit_s)
    assert (found.failed, found.answer) == ("start", None)
    assert (found.lines[0] if found.lines else "").startswith(said)


def test_no_process_of_a_scoring_is_left_behind(tmp_path: Path) -> None:
    child = tmp_path / "child"
    waiting = interpreter(tmp_path, f"sleep 600 & echo $! > {child}.new; mv {child}.new {child}; wait")
    with scoring(tmp_path, waiting):
        deadline = time.monotonic() + 30
        while not child.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
    pid = int(child.read_text())
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Say whether a process runs; one that ended and that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_secrets_that_the_models_code_writes_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    monkeypatch.setenv("SIGNED", "unused")
    script = 'echo "ConnectionError: $DB_PASSWORD at https://u:pw@db.x/?sig=abcdef" >&2; exit 1'
    with scoring(tmp_path, interpreter(tmp_path, script)) as begun:
        found = begun.awaited()
    assert found.lines == ("ConnectionError: ${DB_PASSWORD} at https://db.x/?sig=",)


MODEL_CODE = """
import os, signal, sys, warnings
class Loaded:
    def predict(self, sample):
        {code}
def _load_pyfunc(path):
    return Loaded()
"""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "Its process was ended by SIGSEGV."),
        ("return {(1, 2): 3}", "TypeError: keys must be str"),
    ],
)
def test_stage_that_a_models_code_ends_in_is_told(tmp_path: Path, code: str, said: str) -> None:
    folder = model_folder(
        tmp_path / "m",
        MLmodel="flavors:\n  python_function: {loader_module: loader, code: code}\n"
        "saved_input_example_info: {artifact_path: example.json, type: ndarray, format: tf-serving}\n",
        example_json='{"inputs": [1.0]}',
    )
    model_folder(folder / "code", **{"loader.py": MODEL_CODE.format(code=code)})
    with scoring(folder, own()) as begun:
        found = begun.awaited()
    assert found.failed == "score with"
    assert found.lines[0].startswith(said)
    assert sorted(path.name for path in (folder / "code").iterdir()) == ["loader.py"]


def test_warnings_are_told_once_a_kind_and_those_for_developers_not_at_all() -> None:
    kind = "InconsistentVersionWarning"
    said = warnings_of(
        {
            "warnings": [
                [kind, "tree 1.2"],
                [kind, "forest 1.2"],
                [kind, "tree 1.2"],
                ["FutureWarning", "x"],
            ],
            "logged": ["Detected one or more mismatches between the model's dependencies and …", "odd  line"],
        }
    )
    assert said == (f"{kind}: tree 1.2 (and 1 more of this kind)", "MLflow: odd line")


def test_difference_by_chance_is_told_from_one_by_packages() -> None:
    first, second = scored(answer(1.0)), scored(answer(2.0))
    found = judged(first, second, 1e-6)
    assert by_chance(found, first, first) is found
    random = by_chance(found, first, scored(answer(3.0)))
    assert random.text.endswith("The origin itself does not answer the same twice: there is chance in it.")
    steps = report(CellId.DEVELOPER, CellId.UNMANAGED, [], random).next_steps
    assert steps == (random.next_step, "Then run this command again.")
    assert "fixed seed" in steps[0]


def test_what_works_and_is_not_supported_is_for_a_test_and_says_so() -> None:
    (found,) = verdict.settled([difference(Severity.BLOCKS)], EQUAL, GOAL)
    assert (found.severity, found.settled) == (Severity.RETEST, False)
    assert verdict.reasons([found], EQUAL)[0] == (
        "numpy differs. It works in the trial, whose few rows do not show every case."
    )
    assert found.next_step == "Pin numpy; or score held-out data at both ends and compare."


def test_report_on_two_hundred_packages_is_short_and_all_are_there_for_the_asking() -> None:
    names = [f"package-{number}" for number in range(200)]
    for severity in (Severity.BLOCKS, Severity.RETEST, Severity.NOTE):
        missing = [
            replace(
                difference(severity, goal=None if severity is Severity.BLOCKS else "2"),
                name=name,
                text=f"{name}.",
            )
            for name in names
        ]
        found = report(CellId.DEVELOPER, CellId.UNMANAGED, missing, NO_TRIAL)
        assert len(shown(found).splitlines()) < 100
        assert len(found.next_steps) < 5
        assert len(found.reasons) < 4
        whole = shown(found, every=True)
        assert all(name in whole for name in names)
        assert len(found.to_json()["differences"]) == len(names)


def difference(severity: Severity, area: Area = Area.PACKAGE, goal: str | None = "2") -> Difference:
    return Difference(area, "numpy", "1", goal, severity, "numpy differs.", "Pin numpy.", needed=True)


@pytest.mark.parametrize(
    ("differences", "trial", "expected"),
    [
        ([], NO_TRIAL, Verdict.READY),
        ([difference(Severity.NOTE)], NO_TRIAL, Verdict.READY),
        ([difference(Severity.RETEST)], NO_TRIAL, Verdict.AFTER_TESTS),
        ([difference(Severity.RETEST)], EQUAL, Verdict.READY),
        ([difference(Severity.RETEST, Area.HARDWARE)], EQUAL, Verdict.AFTER_TESTS),
        ([difference(Severity.BLOCKS)], NO_TRIAL, Verdict.BLOCKED),
        ([difference(Severity.BLOCKS)], EQUAL, Verdict.AFTER_TESTS),
        ([difference(Severity.BLOCKS, Area.PYTHON)], EQUAL, Verdict.AFTER_TESTS),
        ([difference(Severity.BLOCKS, goal=None)], EQUAL, Verdict.READY),
        ([difference(Severity.BLOCKS, goal=None)], NO_TRIAL, Verdict.BLOCKED),
        ([difference(Severity.BLOCKS, Area.DATA, None)], EQUAL, Verdict.BLOCKED),
        ([], replace(EQUAL, outcome=TrialOutcome.GOAL_FAILED), Verdict.BLOCKED),
        ([], replace(EQUAL, outcome=TrialOutcome.DIFFERENT), Verdict.BLOCKED),
        ([], replace(EQUAL, outcome=TrialOutcome.BOTH_FAILED), Verdict.BLOCKED),
        ([], replace(EQUAL, outcome=TrialOutcome.NOT_INSTALLABLE), Verdict.BLOCKED),
        ([], replace(EQUAL, outcome=TrialOutcome.ORIGIN_FAILED), Verdict.AFTER_TESTS),
        ([], replace(EQUAL, outcome=TrialOutcome.NOT_BUILT), Verdict.AFTER_TESTS),
    ],
)
def test_verdict(differences: list[Difference], trial: Trial, expected: Verdict) -> None:
    known = verdict.settled(differences, trial, GOAL)
    assert verdict.verdict(known, trial) is expected
    assert verdict.reasons(known, trial)


def test_trial_in_another_python_than_the_goals_does_not_answer_for_python() -> None:
    found = [difference(Severity.RETEST, Area.PYTHON)]
    noted = replace(EQUAL, goal=scored(note="Python 3.14 is asked for and is not on this machine."))
    assert verdict.settled(found, replace(EQUAL, goal=scored()), GOAL)[0].settled
    assert not verdict.settled(found, noted, GOAL)[0].settled


def report(origin: CellId, goal: CellId, differences: list[Difference], trial: Trial) -> Migration:
    known = verdict.settled(differences, trial, GOAL)
    move, decided = load().move(origin, goal), verdict.verdict(known, trial)
    return Migration(
        subject=MODEL,
        move=move,
        origin=replace(ORIGIN, cell=origin),
        goal=replace(GOAL, cell=goal, unknown=("its cores",)),
        differences=known,
        retests=verdict.retests(MODEL, move, known, trial),
        trial=trial,
        verdict=decided,
        reasons=verdict.reasons(known, trial),
        next_steps=verdict.next_steps(MODEL, move, known, trial, decided),
    )


@pytest.mark.parametrize("origin", CellId)
@pytest.mark.parametrize("goal", CellId)
def test_every_way_is_reported_with_its_kind_and_price(origin: CellId, goal: CellId) -> None:
    found = report(origin, goal, [difference(Severity.RETEST)], NO_TRIAL)
    text = shown(found)
    assert text.startswith("Ready after tests: model cancer:1 from ")
    assert max(map(len, text.splitlines())) <= WIDTH
    for price in found.move.price:
        assert price.split()[0] in text
    words = {
        MoveKind.CROSSING: "crossing over to the other side",
        MoveKind.SAME: "the same cell at both ends",
        MoveKind.SIDEWAYS: "a sideways move",
        MoveKind.BACK: "a move back",
        MoveKind.USUAL: "a usual move",
    }
    assert words[found.move.kind] in " ".join(text.split())
    names = {test.name for test in found.retests}
    assert any("monitoring" in name for name in names) == (
        goal in (CellId.UNMANAGED, CellId.MANAGED) and origin is not goal
    )


def test_report_is_json_that_begins_with_the_verdict_and_holds_no_nan() -> None:
    trial = replace(
        EQUAL, outcome=TrialOutcome.DIFFERENT, origin=scored(answer(math.nan)), goal=scored(answer(math.inf))
    )
    found = report(CellId.DEVELOPER, CellId.UNMANAGED, [difference(Severity.BLOCKS)], trial)
    plain = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert list(plain)[:2] == ["verdict", "reasons"]
    assert (plain["verdict"], plain["differences"][0]["severity"]) == ("blocked", "blocks")
    assert plain["trial"]["origin"]["answer"]["values"] == ["nan"]
    assert plain["next_steps"] == ["Pin numpy.", "Then run this command again."]


@pytest.fixture
def target(tmp_path: Path) -> Any:
    def read(text: str) -> target_file.Target:
        file = tmp_path / "production.yml"
        file.write_text(text)
        return target_file.read(file, CellId.UNMANAGED, load())

    return read


def test_the_example_of_a_target_file_is_read(target: Any) -> None:
    found = target(target_file.EXAMPLE)
    assert found.end.packages == {"mlflow": "3.17.2", "scikit-learn": "1.7.2"}
    assert (found.end.python, found.end.host.cores, found.end.host.memory_bytes) == ("3.10", 4, 8_000_000_000)
    assert (found.spec.python, found.end.skills, found.end.unknown) == ("3.10", ("linux", "containers"), ())


def test_a_part_of_a_gigabyte_is_memory_and_shown_as_such(target: Any) -> None:
    small, large = target("memory_gb: 0.2").end.host, target("memory_gb: 16").end.host
    assert (small.memory_bytes, large.memory_bytes) == (200_000_000, 16_000_000_000)
    found = differing(origin=replace(ORIGIN, host=large), goal=replace(GOAL, host=small))
    assert found["memory"].text == "Memory: 16 GB become 0.2 GB."


def test_service_of_another_cell_than_the_moves_is_refused(target: Any) -> None:
    assert target("service: own-server").end.service == "own-server"  # it is in two cells
    with pytest.raises(InvalidField, match="'designer', which is in 'hosted', 'managed', and the move goes"):
        target("service: designer")


def test_target_without_python_is_tried_with_the_origins(target: Any) -> None:
    found = target("packages: [numpy]")
    placed = with_python_of(Placed(found.end, found.spec), Placed(ORIGIN))
    assert getattr(placed.runnable, "python", None) == ORIGIN.python
    assert placed.end.python is None
    assert any(text.startswith("its Python (the origin's") for text in placed.end.unknown)
    named = target("python: '3.10'\npackages: [numpy]")
    assert with_python_of(Placed(named.end, named.spec), Placed(ORIGIN)).runnable == named.spec


def test_what_a_target_file_leaves_out_is_not_known(target: Any, tmp_path: Path) -> None:
    found = target("cores: 2")
    assert found.spec is None
    assert {"its Python", "its packages", "its memory"} <= set(found.end.unknown)
    (tmp_path / "r.txt").write_text("numpy==1.26.4\nsix>=1\n")
    listed = target("requirements: r.txt")
    assert (listed.end.packages, listed.end.asked) == ({"numpy": "1.26.4"}, {"six": ">=1"})
    assert "its packages" not in listed.end.unknown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "pakages: [a]",
            "has no field 'pakages'. Did you mean 'packages'? Its fields: 'name', 'service', 'python'",
        ),
        ("python: 3.10", 'python is the number 3.1. Put the version in quotes, such as python: "3.10"'),
        ("python: '3.x'", "python is '3.x'; it takes a version such as '3.10'"),
        ("packages: ['numpy=1.2']", "packages[0] is 'numpy=1.2'; it takes NAME==VERSION"),
        ("packages: [a]\nrequirements: b", "has both 'packages' and 'requirements'"),
        ("cores: 0", "cores is 0; it takes a whole number from 1 on"),
        ("cores: many", "cores is 'many'; it takes a whole number"),
        ("service: kubernets", "service is 'kubernets'. Did you mean 'kubernetes'?"),
        ("skills: [linnux]", "skills[0] is 'linnux'. Did you mean 'linux'?"),
        ("- a", "holds no fields. Its fields:"),
        ("", "holds no fields. Its fields:"),
        ("a: [", "is not YAML"),
        ("cores: 2\ncores: 4", "the field 'cores' is there twice"),
        ("name: 7", "name is 7; it takes a text. Put it in quotes."),
        ("system: [Linux]", "system is a list of 1; it takes a text"),
        ("distribution: ''", "distribution is empty"),
        ("architecture: {a: b}", "architecture is a mapping of 'a'; it takes a text"),
        ("memory_gb: 0", "memory_gb is 0; it takes a number above 0, such as 0.5 or 16"),
        ("memory_gb: -0.5", "memory_gb is -0.5; it takes a number above 0"),
        ("memory_gb: .nan", "memory_gb is nan; it takes a number above 0"),
        ("memory_gb: true", "memory_gb is True; it takes a number above 0"),
        ("memory_gb: 8 GB", "memory_gb is '8 GB'; it takes a number above 0"),
        ("gpus: -1", "gpus is -1; it takes a whole number from 0 on"),
        ("driver: 535.1", "driver is 535.1; it takes a text. Put it in quotes."),
        ("packages: numpy", "packages is 'numpy'; it takes a list"),
        ("packages: [numpy==1, numpy==1]", "packages[1] is 'numpy==1', which is there already"),
        ("requirements: 3", "requirements is 3; it takes a text"),
        ("data: /srv", "data is '/srv'; it takes a list"),
        ("secrets: {A: b}", "secrets is a mapping of 'A'; it takes a list"),
    ],
)
def test_wrong_field_of_a_target_file_is_named(target: Any, text: str, said: str) -> None:
    with pytest.raises(InvalidField) as error:
        target(text)
    assert said in error.value.message
    assert "production.yml" in error.value.message


def test_missing_files_are_named_with_the_nearest(tmp_path: Path, target: Any) -> None:
    target("cores: 2")
    with pytest.raises(NotFound, match=r"no target file .*prodution\.yml\. Did you mean 'production\.yml'"):
        target_file.read(tmp_path / "prodution.yml", CellId.UNMANAGED, load())
    with pytest.raises(NotFound, match=r"requirements is 'none\.txt', which cannot be read"):
        target("requirements: none.txt")


def test_reference_without_a_version_means_the_latest() -> None:
    assert split("models", "a:1") == ("a", "1")
    assert split("models", "azureml:a@latest") == ("a", None)
    assert split("environments", "a") == ("a", None)
    for wrong in ("a:", ":1", "a/b", "a:1:2", ""):
        with pytest.raises(InvalidField, match="Write NAME:VERSION"):
            split("models", wrong)


def model_folder(root: Path, **files: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (root / name.replace("_txt", ".txt").replace("_yaml", ".yaml").replace("_json", ".json")).write_text(
            text
        )
    return root


def test_model_folder_tells_packages_form_and_sample(tmp_path: Path) -> None:
    mlmodel = (
        "flavors:\n  python_function: {loader_module: mlflow.sklearn, python_version: 3.9.1}\n"
        "  sklearn: {serialization_format: skops, sklearn_version: 1.7.2}\nmlflow_version: 3.17.2\n"
        "saved_input_example_info: {artifact_path: input_example.json}\n"
    )
    folder = model_folder(
        tmp_path / "model", MLmodel=mlmodel, requirements_txt="scikit-learn==1.7.2\n", input_example_json="{}"
    )
    found = mlflow_model.read(folder)
    assert found is not None
    assert (found.python, found.requirements, found.example) == (
        "3.9.1",
        ("scikit-learn==1.7.2",),
        "input_example.json",
    )
    assert found.pickled == Pickled("skops", ("scikit-learn", "numpy", "scipy", "skops"))
    spec = found.environment("cancer", "1")
    assert spec is not None
    assert (spec.python, spec.requirements) == ("3.9.1", ("scikit-learn==1.7.2",))
    (folder / "input_example.json").unlink()
    (folder / "requirements.txt").unlink()
    bare = mlflow_model.read(folder)
    assert bare is not None
    assert (bare.example, bare.environment("cancer", "1")) == (None, None)
    assert "does not say which packages" in bare.notes[0]
    assert mlflow_model.read(tmp_path) is None
    (folder / "MLmodel").write_text("flavors: 1")
    with pytest.raises(InvalidField, match="MLmodel cannot be read"):
        mlflow_model.read(folder)


@pytest.mark.parametrize(
    ("flavors", "expected"),
    [
        (
            "{python_function: {loader_module: mlflow.pyfunc.model, python_model: m.pkl}}",
            ("cloudpickle", True),
        ),
        ("{xgboost: {}}", ("its own format", False)),
        ("{lightgbm: {model_class: lightgbm.sklearn.LGBMClassifier}}", ("cloudpickle", False)),
        ("{pytorch: {}}", ("pickle", False)),
        ("{onnx: {}}", None),
    ],
)
def test_form_of_a_models_objects_follows_from_its_flavor(
    tmp_path: Path, flavors: str, expected: tuple[str, bool] | None
) -> None:
    found = mlflow_model.read(model_folder(tmp_path, MLmodel=f"flavors: {flavors}\n"))
    assert found is not None
    assert ((found.pickled.format, found.pickled.by_value) if found.pickled else None) == expected


def evidence(software: Software, outputs: tuple[Data, ...] = ()) -> Evidence:
    machine = Machine("host", "Linux", "6", "Debian", "x86_64", "cpu", 2, 8)
    return Evidence(machine, software, outputs=outputs)


def test_run_is_matched_to_a_model_by_what_it_wrote(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "outputs" / "model", MLmodel="flavors: {}", model_txt="1")
    (tmp_path / "outputs" / "log.txt").write_text("x")
    software = Software("3.11.7", "CPython", "/p", "/s", ())
    whole = evidence(software, (Data("model", "folder", tree=tree(folder)),))
    above = evidence(software, (Data("outputs", "folder", tree=tree(tmp_path / "outputs")),))
    copied = model_folder(tmp_path / "copy", MLmodel="flavors: {}", model_txt="1")
    assert wrote(whole, tree(copied))
    assert wrote(above, tree(copied))
    (copied / "model.txt").write_text("2")
    assert not wrote(whole, tree(copied))
    assert not wrote(above, tree(copied))


class Kept:
    """Sealed records in memory."""

    def __init__(self, *bodies: dict[str, Any]) -> None:
        self.sealed = [Sealed(number, "", "", body, "") for number, body in enumerate(bodies, 1)]

    def read(self, *, id: str | None = None, after: int = 0) -> list[Sealed]:
        return self.sealed

    def head(self) -> Head:
        raise AssertionError("nobody asks for it")


def test_record_that_was_changed_into_none_is_told_and_passed_over(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "model", MLmodel="flavors: {}")
    software = Software("3.11.7", "CPython", "/p", "/s", (Package("numpy", "2.2.6"),))
    wrote_it = evidence(software, (Data("m", "folder", tree=tree(folder)),))
    body = Record(Kind.RUN, "a", "run:a", "me", "Completed", evidence=wrote_it).to_json()
    found = Found(replace(MODEL, folder=folder))
    runs = Kept(body, {**body, "evidence": "gone"})
    made = origin(CellId.DEVELOPER, found, Any, Sources(runs=runs)).end  # type: ignore[arg-type]
    assert (made.packages, made.complete) == ({"numpy": "2.2.6"}, True)
    lost = origin(CellId.DEVELOPER, found, Any, Sources(runs=Kept(runs.sealed[1].body))).end  # type: ignore
    assert any("Record 1 is no record" in text for text in lost.unknown)


def test_recorded_environment_is_used_as_it_stands_only_while_it_is_unchanged() -> None:
    here = own()
    there = tuple(Package(name, version) for name, version in here.packages().items())
    software = Software("3.11.7", "CPython", str(here.python), str(here.site), there, environment="academy:1")
    standing = as_recorded(software)
    assert getattr(standing, "python", None) == here.python
    changed = replace(
        software,
        packages=(
            *there,
            Package("gone", "1.0"),
            Package("mine", "2", origin="file:///work"),
            Package("from-git", "3", origin=f"https://x.org/y@{'a' * 40}"),
        ),
    )
    spec = as_recorded(changed)
    assert spec is not None
    lines = spec.requirements  # type: ignore[union-attr]
    assert "gone==1.0" in lines
    assert f"from-git @ git+https://x.org/y@{'a' * 40}" in lines
    assert not {line for line in lines if line.startswith(("mine==", "academy=="))}


def test_a_link_that_leads_nowhere_counts_for_nothing_in_a_models_size(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(b"123")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    assert size_bytes(tmp_path) == 3
