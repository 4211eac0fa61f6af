"""The end of a job is recorded once, however often it is tried."""

from __future__ import annotations

from pathlib import Path

import pytest

from academy.datasets.datastores import Datastores
from academy.datasets.locate import Locator
from academy.datasets.ports import OutputMode, OutputPlan, PortKind
from academy.environments.spec import EnvironmentSpec
from academy.experiments.tracking import Tracking
from academy.jobs.document import is_recorded
from academy.jobs.finish import Finisher
from academy.jobs.plan import CommandPlan
from academy.jobs.record import Done, JobStatus
from academy.paths import ArtifactFolder, Home
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions

WORKSPACE = Workspace("s", "g", "w")
JOB = WORKSPACE.child("jobs", "j")


@pytest.fixture
def finisher(tmp_path: Path) -> Finisher:
    """A finisher over real documents with one job that is under way."""
    home = Home(tmp_path / "home")
    home.prepare()
    documents = Documents(open_database(f"sqlite:///{home.database_file}"))
    versions = Versions(documents)
    locator = Locator(home, documents, versions, Datastores(home, documents))
    tracking = Tracking(home, locator, default_workspace=WORKSPACE)
    tracking.create_run(WORKSPACE, run_id="j", experiment="e", tags={"a": "b"}, who="me")
    properties = {"status": "Running", "outputs": {"o": {"uri": "azureml://o"}}, "properties": {}, "tags": {}}
    documents.create(JOB, {"properties": properties}, who="me")
    return Finisher(documents, versions, tracking)


def plan(tmp_path: Path, kind: PortKind, version: str | None = None) -> CommandPlan:
    output = OutputPlan("o", kind, OutputMode.UPLOAD, tmp_path / "o", "azureml://o", "asset", version)
    artifacts = ArtifactFolder(tmp_path / "artifacts")
    return CommandPlan(
        JOB, "j", "true", EnvironmentSpec("academy", "1", own=True), artifacts, outputs=(output,)
    )


DONE = Done(JobStatus.COMPLETED, accepted_at=1.0, done_at=4.0, started_at=2.0, ended_at=3.0, exit_code=0)


def test_a_second_attempt_registers_nothing_anew(finisher: Finisher, tmp_path: Path) -> None:
    for _ in range(2):
        document = finisher.finish(WORKSPACE, plan(tmp_path, PortKind.URI_FOLDER), DONE, who="academy")
    container = WORKSPACE.child("data", "asset")
    assert finisher.documents.names(f"{container}/versions") == ["1"]
    assert is_recorded(document)
    assert document.properties["outputs"]["o"]["assetVersion"] == "1"
    assert document.properties["tags"] == {"a": "b"}
    assert finisher.tracking.get_run(WORKSPACE, "j").status == "FINISHED"


def test_an_output_with_a_version_is_registered_under_it(finisher: Finisher, tmp_path: Path) -> None:
    for _ in range(2):
        finisher.finish(WORKSPACE, plan(tmp_path, PortKind.URI_FILE, "7"), DONE, who="academy")
    version = finisher.versions.get(WORKSPACE.child("data", "asset"), "7")
    assert (version.properties["dataType"], version.properties["dataUri"]) == ("uri_file", "azureml://o")
    assert version.properties["properties"]["azureml.jobName"] == "j"


def test_a_model_output_becomes_a_model_of_its_job_with_its_flavors(
    finisher: Finisher, tmp_path: Path
) -> None:
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "MLmodel").write_text("flavors:\n  sklearn:\n    sklearn_version: 1.5.2\n")
    finisher.finish(WORKSPACE, plan(tmp_path, PortKind.MLFLOW_MODEL), DONE, who="academy")
    model = finisher.versions.get(WORKSPACE.child("models", "asset"), "1").properties
    assert (model["modelType"], model["jobName"]) == ("mlflow_model", "j")
    assert model["flavors"] == {"sklearn": {"data": {"sklearn_version": "1.5.2"}}}


def test_an_asset_that_cannot_be_registered_is_said_in_the_jobs_properties(
    finisher: Finisher, tmp_path: Path
) -> None:
    taken = {"properties": {"dataType": "uri_file", "dataUri": "azureml://other"}}
    finisher.versions.put(WORKSPACE.child("data", "asset"), "7", taken, who="somebody")
    document = finisher.finish(WORKSPACE, plan(tmp_path, PortKind.URI_FILE, "7"), DONE, who="academy")
    assert document.properties["status"] == "Completed"
    assert "immutable" in document.properties["properties"]["academy.outputRegistration.o"]
