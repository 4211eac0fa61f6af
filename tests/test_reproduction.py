"""What reproducing compares, and what it asks a service for: values, without a run."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from academy.audit.record import Kind, Record
from academy.environments.definition import EnvironmentSpec, LockFile
from academy.errors import InvalidField
from academy.evidence.evidence import Data, Evidence, FileHash, Machine, Package, Software, Tree
from academy.jobs import command
from academy.jobs.fresh import FRESH_ENVIRONMENT, REPRODUCES, FreshEnvironment
from academy.jobs.plan import CommandPlan
from academy.paths import ArtifactFolder
from academy.reproduction import comparing
from academy.reproduction.environment import Rebuild, pinned, source
from academy.reproduction.errors import NotReproducible
from academy.reproduction.installed import differences
from academy.reproduction.repeated import Repeated, reproduction
from academy.reproduction.repetition import names, repetition
from academy.reproduction.result import Environment, Metric, Reproduction, Tolerance, Verdict
from academy.reproduction.text import text
from academy.reproduction.wishes import Wishes
from tests.reproduction_jobs import THIS

MACHINE = Machine("host", "Linux", "6.1", "Debian 12", "x86_64", "cpu", 2, 1)
ENVIRONMENT = Environment("sklearn:1", "3.10.13", 3, built=True)


def software(*packages: Package, python: str = f"{THIS}.0", lock: str | None = None) -> Software:
    return Software(python, "CPython", "/python", "/site", packages, lock_sha256=lock)


def record(status: str = "Completed", output: str | None = None, **metrics: Metric) -> Record:
    tree = Tree("/out", output, 1, 1) if output else None
    outputs = (Data("model", "uri_folder", tree=tree),) if output else ()
    evidence = Evidence(MACHINE, software(), outputs=outputs)
    return Record(Kind.JOB, "train", "/jobs/train", "me", status, metrics=metrics, evidence=evidence)


def compared(first: Record, second: Record, leave_out: tuple[str, ...] = ()) -> Reproduction:
    return reproduction("job 'train'", first, Repeated(second, ENVIRONMENT), Wishes(leave_out=leave_out))


@pytest.mark.parametrize(
    ("recorded", "found", "same"),
    [
        (0.9473684, 0.9473684, True),
        (1.0, 1.0 + 5e-7, True),
        (1.0, 1.0 + 5e-6, False),
        (-1000.0, -1000.0005, True),
        (0.0, 1e-13, True),
        (0.0, 1e-9, False),
        ("NaN", "NaN", True),
        ("NaN", 1.0, False),
        ("Infinity", "Infinity", True),
        ("Infinity", "-Infinity", False),
        (1e300, "Infinity", False),
        (3, 3.0, True),
    ],
)
def test_metrics_are_the_same_within_a_tolerance(recorded: Metric, found: Metric, same: bool) -> None:
    assert comparing.matches(recorded, found, Tolerance()) is same
    assert comparing.matches(found, recorded, Tolerance()) is same


def test_a_tolerance_of_one_never_takes_a_number_for_another_sign() -> None:
    assert not comparing.matches(1.0, -1.0, Tolerance(relative=1.0))
    assert comparing.matches(1.0, 0.0, Tolerance(relative=1.0))


def test_a_metric_that_one_run_lacks_is_a_mismatch() -> None:
    found = compared(record(accuracy=0.5, loss=1.0), record(accuracy=0.5, extra=2.0))
    assert found.verdict is Verdict.DIFFERENT
    assert {one.name: one.matches for one in found.metrics} == {
        "accuracy": True,
        "loss": False,
        "extra": False,
    }
    assert "'loss' was 1 and was not logged this time" in " ".join(found.mismatches)
    assert "'extra' is 2 and is not on record" in " ".join(found.mismatches)


def test_what_may_differ_is_left_out_and_said() -> None:
    first = replace(record(), metrics={"accuracy": 0.5, "fit_seconds": 1.0, "system/cpu": 3.0})
    second = replace(record(), metrics={"accuracy": 0.5, "fit_seconds": 2.0, "system/cpu": 4.0})
    found = compared(first, second, leave_out=("fit_*",))
    assert found.is_reproduced
    assert [one.name for one in found.metrics if one.matches is None] == ["fit_seconds", "system/cpu"]
    assert text(found).count("left out") == 2
    assert "1 metric within 1e-06" in text(found)


def test_a_pattern_that_fits_no_metric_is_refused_with_the_nearest() -> None:
    with pytest.raises(InvalidField, match=r"Did you mean 'accuracy'.*'accuracy', 'loss'"):
        comparing.check_left_out(["acuracy"], {"accuracy": 1.0, "loss": 2.0})


def test_another_status_is_a_mismatch_though_no_metric_differs() -> None:
    found = compared(record(accuracy=1.0), record("Failed", accuracy=1.0))
    assert found.verdict is Verdict.DIFFERENT
    assert found.mismatches == ("It ended as Failed; on record it is Completed.",)


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        (record(output="aa"), record(output="aa"), Verdict.REPRODUCED),
        (record(output="aa"), record(output="bb"), Verdict.DIFFERENT),
        (record(), record(), Verdict.NOTHING_TO_COMPARE),
        (record(output="aa", loss=1.0), record(output="bb", loss=1.0), Verdict.REPRODUCED),
    ],
)
def test_outputs_decide_only_where_no_metric_can(first: Record, second: Record, verdict: Verdict) -> None:
    assert compared(first, second).verdict is verdict


def folder(files: dict[str, str]) -> Record:
    tree = Tree(
        "/out", str(files), 1, len(files), tuple(FileHash(name, 1, sha256) for name, sha256 in files.items())
    )
    evidence = Evidence(MACHINE, software(), outputs=(Data("out", "uri_folder", tree=tree),))
    return replace(record(loss=1.0), evidence=evidence)


@pytest.mark.parametrize(
    ("files", "said", "verdict"),
    [
        ({"m/MLmodel": "b", "m/model.pkl": "x"}, "holds its own id and time.", Verdict.NOTHING_TO_COMPARE),
        (
            {"m/MLmodel": "b", "m/model.pkl": "y"},
            "holds its own id and time. Other files differ, too: 'm/model.pkl'.",
            Verdict.DIFFERENT,
        ),
        ({"m/MLmodel": "a", "m/model.pkl": "y"}, "other bytes than on record.", Verdict.DIFFERENT),
        ({"m/MLmodel": "a", "m/model.pkl": "x"}, "the same, byte for byte.", Verdict.REPRODUCED),
    ],
)
def test_an_mlflow_model_in_an_output_is_why_its_bytes_differ(
    files: dict[str, str], said: str, verdict: Verdict
) -> None:
    before, now = folder({"m/MLmodel": "a", "m/model.pkl": "x"}), folder(files)
    (line,) = (one for one in text(compared(before, now)).splitlines() if one.startswith("Output"))
    assert line.endswith(said)
    assert compared(replace(before, metrics={}), replace(now, metrics={})).verdict is verdict


def test_the_result_is_json_whatever_the_metrics_are() -> None:
    value = compared(record(a="NaN", b=float("inf")), record(a="NaN")).to_json()
    again = json.loads(json.dumps(value, allow_nan=False))
    assert [one["recorded"] for one in again["metrics"]] == ["NaN", "Infinity"]
    assert again["reproduced"] is False


def test_packages_are_compared_by_version_and_content() -> None:
    before = [Package("a", "1", "x"), Package("b", "1", "x"), Package("c", "1", "x"), Package("d", "1", "x")]
    now = [Package("a", "1", "x"), Package("b", "2", "x"), Package("c", "1", "y"), Package("e", "1", "x")]
    assert list(differences(before, now)) == [
        "The package b was 1 and is 2.",
        "The package c 1 holds other files than on record.",
        "The package d 1 is not there.",
        "The package e 1 is there and was not on record.",
    ]


def test_content_that_was_not_hashed_is_no_difference() -> None:
    assert not list(
        differences([Package("a", "1", None)], [Package("a", "1", "x"), Package("pip", "24", "y")])
    )


def test_packages_from_elsewhere_are_had_from_there() -> None:
    commit = "0" * 40
    recorded = [
        Package("a", "1.0"),
        Package("b", "2", origin=f"https://host/b@{commit}"),
        Package("c", "3", origin="file:///src/c"),
    ]
    assert list(pinned(recorded)) == [
        "a==1.0",
        f"b @ git+https://host/b@{commit}",
        "c @ file:///src/c",
    ]


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "PyPI"),
        ({"PIP_INDEX_URL": "https://user:secret@host/simple"}, "the package index https://host/simple"),
        (
            {"UV_DEFAULT_INDEX": "http://one/", "PIP_INDEX_URL": "http://two/"},
            "the package index http://one/",
        ),
        ({"UV_INDEX_URL": "https://u:p@host/simple?sig=abc"}, "the package index https://host/simple"),
        (
            {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "https://u:p@host/wheels"},
            "https://host/wheels; PIP_NO_INDEX has no index asked",
        ),
        ({"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/a /b"}, "/a and /b; PIP_NO_INDEX has no index asked"),
    ],
)
def test_the_index_is_named_without_a_password(variables: dict[str, str], address: str) -> None:
    assert source(variables) == address


def test_an_environment_is_built_from_what_was_installed_and_nothing_else() -> None:
    like = EnvironmentSpec("e", "1", THIS, ("a>=1",), ("--extra-index-url", "http://more/"))
    rebuild = Rebuild.of(software(Package("a", "1.2"), Package("dep", "3")), like)
    assert rebuild.spec.requirements == ("a==1.2", "dep==3")
    assert rebuild.spec.options == ("--extra-index-url", "http://more/", "--no-deps")


def test_a_lock_that_is_the_same_still_is_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("a==1 --hash=sha256:00\n")
    like = EnvironmentSpec("e", "1", THIS, ("a",), lock=LockFile.of(tmp_path / "lock"))
    assert like.lock is not None
    same = Rebuild.of(software(Package("a", "1"), lock=like.lock.sha256), like)
    assert same.spec == like
    other = Rebuild.of(software(Package("a", "0.9"), lock="f" * 64), like)
    assert (other.spec.lock, other.spec.requirements) == (None, ("a==0.9",))


def test_a_python_of_another_patch_is_said_and_of_another_series_refused() -> None:
    like = EnvironmentSpec("e", "1", THIS, ("a",))
    (note,) = Rebuild.of(software(Package("a", "1"), python=f"{THIS}.999"), like).notes
    assert f"Python {THIS}.999 is on record; this machine has {THIS}." in note
    with pytest.raises(NotReproducible, match=rf"no Python 3\.19\. There are .*'{THIS}\.\d+'"):
        Rebuild.of(software(Package("a", "1"), python="3.19.1"), like)


def test_the_new_job_asks_for_the_same_and_writes_elsewhere() -> None:
    original = {
        "jobType": "Command",
        "command": "python main.py",
        "codeId": "/codes/1",
        "environmentId": "/environments/e/versions/1",
        "status": "Completed",
        "services": {"Studio": {}},
        "inputs": {"data": {"uri": "azureml:data:1"}},
        "outputs": {
            "default": {"uri": "azureml://x"},
            "model": {"jobOutputType": "mlflow_model", "uri": "a://m", "assetName": "m", "mode": "Upload"},
        },
        "properties": {"mlflow.source.git.commit": "abc", "StartTimeUtc": "2026", REPRODUCES: "/jobs/older"},
        "tags": {"team": "a"},
        "displayName": "Training",
    }  # fmt: skip
    fresh = FreshEnvironment("3.11.7", ("a==1",))
    new = repetition(original, id="/jobs/train", fresh=fresh)
    assert new["outputs"] == {"model": {"jobOutputType": "mlflow_model", "mode": "Upload"}}
    assert new["properties"] == {
        "mlflow.source.git.commit": "abc",
        REPRODUCES: "/jobs/train",
        FRESH_ENVIRONMENT: fresh.to_property(),
    }
    assert new["displayName"] == "Training (reproduced)"
    assert {key: new[key] for key in ("command", "codeId", "inputs", "tags")} == {
        key: original[key] for key in ("command", "codeId", "inputs", "tags")
    }
    assert not new.keys() & {"status", "services"}
    assert command.read(new).fresh_environment == fresh


def test_repetitions_of_repetitions_are_numbered_on() -> None:
    assert list(islice(names("train-reproduced-1"), 2)) == ["train-reproduced-1", "train-reproduced-2"]
    assert all(len(name) <= 200 for name in islice(names("x" * 200), 3))


@pytest.mark.parametrize(
    "given",
    ["", "[]", "{}", '{"python": "3.10", "packages": ["--index-url http://evil"]}',
     '{"python": "3.10", "packages": ["a>=1"]}', '{"python": "3.10", "packages": ["a==1\\n-r other"]}',
     '{"python": "3.10", "packages": [], "more": 1}', '{"python": "3.10", "packages": [7]}'],
)  # fmt: skip
def test_a_job_that_asks_for_a_fresh_environment_wrongly_is_refused(given: str) -> None:
    job = {
        "jobType": "Command",
        "command": "true",
        "environmentId": "e:1",
        "properties": {FRESH_ENVIRONMENT: given},
    }
    with pytest.raises(InvalidField, match=r"academy\.freshEnvironment"):
        command.read(job)


def test_plans_of_an_earlier_release_are_read() -> None:
    plan = CommandPlan("id", "n", "c", EnvironmentSpec("e", "1"), ArtifactFolder(Path("/a")))
    value = plan.to_json()
    del value["fresh_environment"]
    assert CommandPlan.from_json(value) == plan
    fresh = replace(plan, fresh_environment=True)
    assert CommandPlan.from_json(fresh.to_json()) == fresh
