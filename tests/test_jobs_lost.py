"""A job whose folder is in disorder ends all the same."""

from __future__ import annotations

import select
import time
from contextlib import closing
from pathlib import Path

import pytest

from academy.datasets.ports import OutputMode, OutputPlan, PortKind
from academy.environments.spec import EnvironmentSpec
from academy.jobs import failures, lost
from academy.jobs.forkserver import ForkServer
from academy.jobs.plan import CommandPlan
from academy.jobs.record import Done, JobStatus
from academy.paths import ArtifactFolder, JobFolder

TOO_LONG = "x" * 256
PATIENCE_S = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """The folder of a job that wrote something before its supervisor was lost."""
    folder = JobFolder(tmp_path / "job")
    (folder.work / "outputs").mkdir(parents=True)
    (folder.work / "outputs" / "model").write_text("m")
    return folder


def plan(artifacts: Path, *outputs: OutputPlan) -> CommandPlan:
    own = EnvironmentSpec("academy", "1", own=True)
    return CommandPlan("", "j", "true", own, ArtifactFolder(artifacts), outputs=outputs)


@pytest.mark.parametrize("disorder", ["name too long", "file in the way", "file for a folder"])
def test_what_cannot_be_collected_is_said_and_kept(folder: JobFolder, tmp_path: Path, disorder: str) -> None:
    artifacts = tmp_path / (TOO_LONG if disorder == "name too long" else "artifacts")
    if disorder == "file in the way":
        artifacts.touch()
    elif disorder == "file for a folder":
        artifacts.mkdir()
        (artifacts / "outputs").touch()
    done = lost.conclude(folder, plan(artifacts), accepted_at=1.0)
    assert done.status is JobStatus.FAILED
    assert done.error is not None
    assert "The process that supervised the job is gone" in done.error.message
    lost.clean(folder, done)
    assert [path.read_text() for path in folder.work.rglob("*") if path.is_file()] == ["m"]


def test_a_canceled_job_keeps_what_cannot_be_collected(folder: JobFolder, tmp_path: Path) -> None:
    folder.cancel_file.touch()
    done = lost.conclude(folder, plan(tmp_path / TOO_LONG), accepted_at=1.0)
    assert done.status is JobStatus.CANCELED
    lost.clean(folder, done)
    assert any(path.is_file() for path in folder.work.rglob("*"))


def test_the_other_outputs_are_collected_when_one_cannot_be(folder: JobFolder, tmp_path: Path) -> None:
    for name in ("bad", "good"):
        (folder.outputs / name).mkdir(parents=True)
        (folder.outputs / name / "part").write_text(name)
    ports = [
        OutputPlan(
            name, PortKind.URI_FOLDER, OutputMode.UPLOAD, tmp_path / target / name, f"azureml://{name}"
        )
        for name, target in (("bad", TOO_LONG), ("good", "store"))
    ]
    done = lost.conclude(folder, plan(tmp_path / "artifacts", *ports), accepted_at=1.0)
    assert (tmp_path / "store" / "good" / "part").read_text() == "good"
    assert (tmp_path / "artifacts" / "outputs" / "model").read_text() == "m"
    assert done.error is not None
    assert done.error.code == "StorageError"


def test_a_log_that_cannot_be_read_has_no_last_lines(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for log in (tmp_path / TOO_LONG, tmp_path / "file" / "log", tmp_path, tmp_path / "none"):
        assert not failures.last_lines(log)


def test_a_supervisor_that_has_no_place_for_its_logs_writes_the_end(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path / "job")
    folder.root.mkdir()
    plan(tmp_path / TOO_LONG).write(folder)
    with closing(ForkServer()) as server:
        started = server.start(folder, accepted_at=time.time())
        with open(started.ended, "rb") as ended:
            assert select.select([ended], [], [], PATIENCE_S)[0], "the supervisor did not end"
    done = Done.read(folder)
    assert done is not None
    assert done.error is not None
    assert done.error.code == "StorageError"
    assert "File name too long" in done.error.message
