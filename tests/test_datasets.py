"""Data URIs, where they lead, and what a job reads and writes through them."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from academy.datasets import inputs, mltable, outputs, trees, uris, views
from academy.datasets.datastores import (
    ARTIFACT_STORE,
    BLOB_STORE,
    Datastores,
    account_name,
    containers,
    default_datastores,
)
from academy.datasets.documents import plan_inputs, plan_outputs
from academy.datasets.download import DownloadFailed
from academy.datasets.inputs import InputUnavailable
from academy.datasets.locate import Locator
from academy.datasets.outputs import OutputNotWritten
from academy.datasets.ports import InputMode, InputPlan, OutputMode, OutputPlan, PortKind
from academy.datasets.uris import (
    AssetUri,
    DatastoreUri,
    JobOutputUri,
    LocalPath,
    RegistryUri,
    StorageUri,
    WebUri,
)
from academy.errors import AcademyError, Conflict, InvalidField, NotFound, Unsupported, UserError
from academy.paths import Home, collecting
from academy.store.database import open_database
from academy.store.documents import Documents
from academy.store.ids import Workspace
from academy.store.versions import Versions

WORKSPACE = Workspace("s", "r", "w")
ACCOUNT = account_name(WORKSPACE)
LONG = "azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores"
WHO = "tests"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Locator:
    """A workspace with its datastores; each test keeps to paths of its own."""
    home = Home(tmp_path_factory.mktemp("home"))
    documents = Documents(open_database(f"sqlite:///{home.root / 'academy.db'}"))
    for name, body in default_datastores(WORKSPACE).items():
        documents.put(WORKSPACE.child("datastores", name), body, who=WHO)
    return Locator(home, documents, Versions(documents), Datastores(home, documents))


@pytest.fixture
def documents(place: Locator) -> Documents:
    return place.versions.documents


def stored(place: Locator, path: str, content: str = "data", datastore: str = BLOB_STORE) -> Path:
    """Put a file into a datastore."""
    file = place.datastores.root(WORKSPACE, datastore) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def short(path: str, datastore: str = BLOB_STORE) -> str:
    return f"azureml://datastores/{datastore}/paths/{path}"


# URIs ----------------------------------------------------------------------------------------------

ARM = "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("azureml:iris:1", AssetUri(None, "iris", "1")),
        ("azureml:iris@latest", AssetUri(None, "iris", label="latest")),
        ("iris:2023.1", AssetUri(None, "iris", "2023.1")),
        ("iris@latest", AssetUri(None, "iris", label="latest")),
        (f"{ARM}/data/iris/versions/1", AssetUri("data", "iris", "1", None, WORKSPACE)),
        (f"azureml:{ARM}/models/m/labels/prod", AssetUri("models", "m", None, "prod", WORKSPACE)),
        ("azureml://data/n/versions/3", AssetUri("data", "n", "3")),
        (
            "azureml://subscriptions/s/resourceGroups/r/workspaces/w/data/n/versions/1",
            AssetUri("data", "n", "1", None, WORKSPACE),
        ),
        ("azureml://resourcegroups/r/workspaces/w/data/n/versions/1", AssetUri("data", "n", "1")),
        (
            "azureml://locations/local/workspaces/GUID/data/n/versions/1",
            AssetUri("data", "n", "1", workspace_guid="GUID"),
        ),
        ("azureml://datastores/d/paths/a/b c.csv", DatastoreUri("d", "a/b c.csv")),
        ("azureml://datastores/d/paths/", DatastoreUri("d", "")),
        ("azureml://datastores/d", DatastoreUri("d", "")),
        ("azureml://datastores/d/ExperimentRun/dcid.x", DatastoreUri("d", "ExperimentRun/dcid.x")),
        ("folder:azureml://datastores/d/paths/a/", DatastoreUri("d", "a/")),
        (f"{LONG}/d/paths/p/", DatastoreUri("d", "p/", WORKSPACE)),
        (
            "azureml://subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices"
            "/workspaces/w/datastores/d/paths/p",
            DatastoreUri("d", "p", WORKSPACE),
        ),
        (f"{ARM}/datastores/d/paths/p", DatastoreUri("d", "p", WORKSPACE)),
        ("azureml://jobs/j/outputs/o", JobOutputUri("j", "o")),
        ("azureml://jobs/j/outputs/artifacts/paths/model/", JobOutputUri("j", "artifacts", "model/")),
        ("runs:/j/model/data", JobOutputUri("j", "artifacts", "model/data")),
        (
            "https://a.blob.core.windows.net/c/p/q%20r.csv?sig=x",
            StorageUri("a", "c", "p/q r.csv", "https://a.blob.core.windows.net/c/p/q%20r.csv?sig=x"),
        ),
        ("http://127.0.0.1:80/a/c/p", StorageUri("a", "c", "p", "http://127.0.0.1:80/a/c/p")),
        (
            "wasbs://c@a.blob.core.windows.net/p",
            StorageUri("a", "c", "p", "wasbs://c@a.blob.core.windows.net/p"),
        ),
        ("abfss://c@a.dfs.core.windows.net/", StorageUri("a", "c", "", "abfss://c@a.dfs.core.windows.net/")),
        ("https://example.org/x.csv?a=b", WebUri("https://example.org/x.csv?a=b")),
        ("azureml://registries/azureml/models/m/versions/1", RegistryUri("azureml", "models", "m", "1")),
        ("azureml://registries/r/data/d/labels/latest", RegistryUri("r", "data", "d", label="latest")),
        ("file:///tmp/a%20b", LocalPath("/tmp/a b")),
        ("./x/y.csv", LocalPath("./x/y.csv")),
        ("/tmp/x", LocalPath("/tmp/x")),
        ("data", LocalPath("data")),
    ],
)
def test_uri_means(text: str, named: uris.Uri) -> None:
    assert uris.parse(text) == named


@pytest.mark.parametrize(
    "text",
    [
        "",
        "azureml:iris",
        "azureml://nonsense",
        "azureml://datastores/d/files/x",
        "azureml://jobs/j",
        "runs:/",
        ARM,
        "wasbs://a.blob.core.windows.net/p",
        "https://",
    ],
)
def test_malformed_uri_is_refused_with_the_form_it_should_have(text: str) -> None:
    with pytest.raises(InvalidField, match=r"azureml|form|host"):
        uris.parse(text)


@pytest.mark.parametrize("text", ["s3://bucket/key", "adl://x.azuredatalakestore.net/y", "file://host/x"])
def test_unknown_scheme_is_refused_by_name(text: str) -> None:
    with pytest.raises(Unsupported, match=text.split(":", maxsplit=1)[0] if "file" not in text else "host"):
        uris.parse(text)


# Locating ------------------------------------------------------------------------------------------


def test_short_and_long_uri_lead_to_one_path(place: Locator) -> None:
    file = stored(place, "both/x.csv")
    found = place.locate(WORKSPACE, short("both/x.csv"))
    assert found.path == file
    assert found.uri == f"{LONG}/{BLOB_STORE}/paths/both/x.csv"
    assert place.locate(WORKSPACE, found.uri) == found
    assert place.datastore_uri(WORKSPACE, short("both/x.csv")) == found.uri


def test_registered_data_is_found_by_version_label_and_id(place: Locator) -> None:
    file = stored(place, "iris/1.csv")
    container = WORKSPACE.child("data", "iris")
    body = {"properties": {"dataType": "uri_file", "dataUri": short("iris/1.csv")}}
    version = place.versions.put(container, "1", body, who=WHO)
    for uri in ("azureml:iris:1", "azureml:iris@latest", "iris@latest", version.id, f"azureml:{version.id}"):
        assert place.locate(WORKSPACE, uri).path == file
    guid = f"azureml://locations/local/workspaces/{WORKSPACE.guid}/data/iris/versions/1"
    assert place.locate(WORKSPACE, guid).path == file
    with pytest.raises(NotFound, match="'1'"):
        place.locate(WORKSPACE, "azureml:iris:9")


def test_short_name_is_looked_for_among_models_when_a_model_is_wanted(place: Locator) -> None:
    file = stored(place, "ExperimentRun/dcid.trained/model/MLmodel", datastore=ARTIFACT_STORE)
    body = {"properties": {"modelUri": "azureml://jobs/trained/outputs/artifacts/paths/model/"}}
    place.versions.put(WORKSPACE.child("models", "m"), "1", body, who=WHO)
    assert place.locate(WORKSPACE, "azureml:m:1", collection="models").path == file.parent
    with pytest.raises(NotFound):
        place.locate(WORKSPACE, "azureml:m:1")


def test_job_outputs_are_found_by_name(place: Locator, documents: Documents) -> None:
    outputs_of = {"named": {"uri": short("custom/")}, "plain": {"jobOutputType": "uri_folder"}}
    documents.put(WORKSPACE.child("jobs", "j"), {"properties": {"outputs": outputs_of}}, who=WHO)
    root = place.datastores.root(WORKSPACE, BLOB_STORE)
    assert place.locate(WORKSPACE, "azureml://jobs/j/outputs/named").path == root / "custom"
    assert place.locate(WORKSPACE, "azureml://jobs/j/outputs/named/paths/a/b").path == root / "custom/a/b"
    assert place.locate(WORKSPACE, "azureml://jobs/j/outputs/plain").path == root / "azureml/j/plain"
    artifacts = place.artifacts(WORKSPACE, "j").path
    for output in ("artifacts", "default"):
        assert place.locate(WORKSPACE, f"azureml://jobs/j/outputs/{output}").path == artifacts
    assert artifacts is not None
    assert place.locate(WORKSPACE, "runs:/j/model").path == artifacts / "model"
    with pytest.raises(NotFound, match="'artifacts', 'named', 'plain'"):
        place.locate(WORKSPACE, "azureml://jobs/j/outputs/other")


def test_blob_urls_of_our_accounts_are_local_and_others_are_not(place: Locator) -> None:
    container = containers(WORKSPACE)[BLOB_STORE]
    file = stored(place, "url/x y.csv")
    for uri in (
        f"https://{ACCOUNT}.blob.core.windows.net/{container}/url/x%20y.csv",
        f"http://127.0.0.1:1/{ACCOUNT}/{container}/url/x%20y.csv",
        f"wasbs://{container}@{ACCOUNT}.blob.core.windows.net/url/x%20y.csv",
        f"abfss://{container}@{ACCOUNT}.dfs.core.windows.net/url/x%20y.csv",
    ):
        assert place.locate(WORKSPACE, uri).path == file
    foreign = "https://contoso.blob.core.windows.net/c/x.csv"
    assert place.locate(WORKSPACE, foreign).url == foreign
    with pytest.raises(Unsupported, match="'contoso'"):
        place.locate(WORKSPACE, "wasbs://c@contoso.blob.core.windows.net/x.csv")


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a\\b", "/etc/passwd"])
def test_path_that_leaves_its_datastore_is_refused(place: Locator, path: str) -> None:
    with pytest.raises(UserError, match="path"):
        place.locate(WORKSPACE, short(path))


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("azureml://datastores/nope/paths/x", "'workspaceartifactstore', 'workspaceblobstore'"),
        ("azureml://registries/azureml/data/d/versions/1", "'azureml'"),
        ("./local.csv", "SDK"),
        (f"{ARM}/environments/e/versions/1", "environments/e"),
        ("azureml://locations/l/workspaces/OTHER/data/iris/versions/1", "'OTHER'"),
    ],
)
def test_what_cannot_be_located_says_why(place: Locator, uri: str, said: str) -> None:
    with pytest.raises(AcademyError, match=said):
        place.locate(WORKSPACE, uri)


def test_assets_that_name_each_other_are_no_endless_loop(place: Locator) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        body = {"properties": {"dataUri": f"azureml:{other}:1"}}
        place.versions.put(WORKSPACE.child("data", name), "1", body, who=WHO)
    with pytest.raises(InvalidField, match="leads back"):
        place.locate(WORKSPACE, "azureml:ping:1")


def test_foreign_datastore_can_be_known_but_not_used(place: Locator, documents: Documents) -> None:
    properties = {"datastoreType": "AzureBlob", "accountName": "contoso", "containerName": "c"}
    documents.put(WORKSPACE.child("datastores", "far"), {"properties": properties}, who=WHO)
    assert place.datastores.container(WORKSPACE, "far") == ("contoso", "c")
    with pytest.raises(Unsupported, match=r"'far'.*'contoso'"):
        place.locate(WORKSPACE, short("x", "far"))


# Inputs and outputs of documents -------------------------------------------------------------------


def planned(place: Locator, **given: object) -> InputPlan:
    (plan,) = plan_inputs(place, WORKSPACE, {"x": given})
    return plan


def planned_output(place: Locator, **given: object) -> OutputPlan:
    (plan,) = plan_outputs(place, WORKSPACE, "job1", {"o": given})
    return plan


def test_literals_are_texts_and_one_without_a_value_is_not_given(place: Locator) -> None:
    given = {"lr": {"jobInputType": "literal", "value": "0.1"}, "unset": {"jobInputType": "literal"}}
    assert plan_inputs(place, WORKSPACE, {**given, "none": None}) == (
        InputPlan("lr", PortKind.LITERAL, value="0.1"),
    )


def test_plans_survive_json(place: Locator) -> None:
    stored(place, "json/x")
    read = planned(place, jobInputType="uri_file", uri=short("json/x"))
    assert InputPlan.from_json(read.to_json()) == read
    write = planned_output(place, jobOutputType="mltable", assetName="t", assetVersion="7")
    assert OutputPlan.from_json(write.to_json()) == write


def test_input_without_a_mode_is_mounted_read_only(place: Locator) -> None:
    file = stored(place, "mode/x")
    plan = planned(place, jobInputType="uri_file", uri=short("mode/x"))
    assert (plan.mode, plan.path, plan.missing) == (InputMode.READ_ONLY_MOUNT, file, None)


def test_missing_data_is_noted_with_the_nearest_names(place: Locator) -> None:
    stored(place, "near/train.csv")
    plan = planned(place, jobInputType="uri_file", uri=short("near/trian.csv"))
    assert plan.missing is not None
    for part in ("'x'", short("near/trian.csv"), "near", "'train.csv'"):
        assert part in plan.missing


@pytest.mark.parametrize(
    ("given", "error", "target"),
    [
        ({"jobInputType": "uri_files", "uri": "x"}, InvalidField, "jobInputType"),
        ({"jobInputType": "uri_file"}, InvalidField, "uri"),
        ({"jobInputType": "uri_file", "uri": short("x"), "mode": "mount"}, InvalidField, "mode"),
        ({"jobInputType": "uri_file", "uri": short("x"), "mode": "EvalMount"}, InvalidField, "mode"),
        ({"jobInputType": "mltable", "uri": short("x"), "mode": "ReadWriteMount"}, InvalidField, "mode"),
        (
            {"jobInputType": "uri_file", "uri": short("x"), "pathOnCompute": "/d"},
            Unsupported,
            "pathOnCompute",
        ),
        ({"jobInputType": "uri_file", "uri": "azureml:nope:1"}, NotFound, "uri"),
        ({"jobInputType": "uri_folder", "uri": "https://example.org/data/"}, Unsupported, "uri"),
        ({"jobInputType": "uri_folder", "uri": short("${{nope}}/x")}, InvalidField, "uri"),
        ({"jobInputType": "literal", "value": {}}, InvalidField, "value"),
        ({"jobInputType": "literal", "value": "1", "uri": "x"}, Unsupported, "uri"),
    ],
)
def test_input_that_cannot_be_is_refused_by_field(
    place: Locator, given: dict[str, object], error: type[AcademyError], target: str
) -> None:
    with pytest.raises(error) as caught:
        planned(place, **given)
    assert caught.value.target == f"properties.inputs.x.{target}"


def test_registered_data_cannot_be_mounted_for_writing(place: Locator) -> None:
    stored(place, "fixed/x")
    container = WORKSPACE.child("data", "fixed")
    place.versions.put(container, "1", {"properties": {"dataUri": short("fixed/x")}}, who=WHO)
    with pytest.raises(InvalidField, match="immutable"):
        planned(place, jobInputType="uri_file", uri="azureml:fixed:1", mode="ReadWriteMount")


def test_output_goes_to_its_own_folder_unless_told_otherwise(place: Locator) -> None:
    root = place.datastores.root(WORKSPACE, BLOB_STORE)
    plain = planned_output(place)
    assert (plain.kind, plain.mode) == (PortKind.URI_FOLDER, OutputMode.READ_WRITE_MOUNT)
    assert (plain.target, plain.uri) == (
        root / "azureml/job1/o",
        f"{LONG}/{BLOB_STORE}/paths/azureml/job1/o/",
    )
    file = planned_output(place, jobOutputType="uri_file")
    assert (file.target, file.uri) == (plain.target, plain.uri.rstrip("/"))
    uri = "azureml://datastores/${{default_datastore}}/paths/runs/${{name}}/${{output_name}}/"
    assert planned_output(place, uri=uri).target == root / "runs/job1/o"
    (artifacts,) = plan_outputs(place, WORKSPACE, "job1", {"default": None})
    assert artifacts.target == place.artifacts(WORKSPACE, "job1").path


@pytest.mark.parametrize(
    ("given", "target"),
    [
        ({"jobOutputType": "literal"}, "jobOutputType"),
        ({"mode": "ReadOnlyMount"}, "mode"),
        ({"assetVersion": "1"}, "assetVersion"),
        ({"autoDeleteSetting": {}}, "autoDeleteSetting"),
        ({"uri": "azureml:iris:1"}, "uri"),
        ({"uri": "https://contoso.blob.core.windows.net/c/x"}, "uri"),
        ({"uri": short("${{nope}}/")}, "uri"),
        ({"uri": short("folder/"), "jobOutputType": "uri_file"}, "uri"),
    ],
)
def test_output_that_cannot_be_is_refused_by_field(
    place: Locator, given: dict[str, object], target: str
) -> None:
    with pytest.raises((InvalidField, Unsupported)) as caught:
        planned_output(place, **given)
    assert caught.value.target == f"properties.outputs.o.{target}"


def test_output_version_that_exists_is_refused_before_the_job_runs(place: Locator) -> None:
    container = WORKSPACE.child("data", "taken")
    place.versions.put(container, "1", {"properties": {"dataUri": short("elsewhere")}}, who=WHO)
    with pytest.raises(Conflict, match="next one"):
        planned_output(place, assetName="taken", assetVersion="1")
    own = planned_output(place, assetName="taken", assetVersion="2")
    place.versions.put(container, "2", {"properties": {"dataUri": own.uri}}, who=WHO)
    assert planned_output(place, assetName="taken", assetVersion="2") == own


# Materialising -------------------------------------------------------------------------------------


def quiet(_line: str) -> None:
    return None


def reading(path: Path, mode: InputMode, kind: PortKind = PortKind.URI_FOLDER) -> InputPlan:
    return InputPlan("x", kind, mode, path=path, uri="azureml://uri")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Registered data: two files and one in a folder."""
    root = tmp_path / "registered"
    (root / "sub").mkdir(parents=True)
    for name in ("b.csv", "a.csv", "sub/c.csv"):
        (root / name).write_text(name)
    return root


def names(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def as_written(folder: Path) -> bool:
    return all((folder / name).read_text() == name for name in ("a.csv", "b.csv", "sub/c.csv"))


def test_literal_and_direct_inputs_touch_no_disk(tmp_path: Path) -> None:
    literal = InputPlan("x", PortKind.LITERAL, value="0.1")
    assert inputs.materialise(literal, tmp_path / "inputs", quiet) == "0.1"
    assert (
        inputs.materialise(reading(tmp_path, InputMode.DIRECT), tmp_path / "inputs", quiet) == "azureml://uri"
    )
    assert not (tmp_path / "inputs").exists()


@pytest.mark.parametrize("mode", [InputMode.DOWNLOAD, InputMode.READ_ONLY_MOUNT])
def test_folder_is_handed_over_as_a_folder(folder: Path, tmp_path: Path, mode: InputMode) -> None:
    place = Path(inputs.materialise(reading(folder, mode), tmp_path / "inputs", quiet))
    assert place == tmp_path / "inputs/x"
    assert names(place) == ["a.csv", "b.csv", "sub/c.csv"]


@pytest.mark.parametrize("mode", [InputMode.DOWNLOAD, InputMode.READ_ONLY_MOUNT])
@pytest.mark.parametrize("kind", [PortKind.URI_FILE, PortKind.URI_FOLDER])
def test_file_keeps_its_name_whatever_the_port_says(
    folder: Path, tmp_path: Path, mode: InputMode, kind: PortKind
) -> None:
    plan = reading(folder / "a.csv", mode, kind)
    value = Path(inputs.materialise(plan, tmp_path / "inputs", quiet))
    assert (value.name, value.read_text()) == ("a.csv", "a.csv")


def test_downloaded_data_is_the_jobs_own(folder: Path, tmp_path: Path) -> None:
    place = Path(inputs.materialise(reading(folder, InputMode.DOWNLOAD), tmp_path / "inputs", quiet))
    (place / "a.csv").write_text("changed")
    (place / "b.csv").unlink()
    assert as_written(folder)


def spoil(view: Path) -> None:
    """Try to change, delete, replace and add, as a careless job would."""
    attempts: list[Callable[[], object]] = [
        lambda: (view / "a.csv").write_text("changed"),
        (view / "b.csv").unlink,
        lambda: os.replace(view / "sub/c.csv", view / "d.csv"),
        lambda: (view / "new").write_text("new"),
    ]
    for attempt in attempts:
        try:
            attempt()
        except OSError:
            continue


def test_small_mount_protects_the_data(folder: Path, tmp_path: Path) -> None:
    plan = reading(folder, InputMode.READ_ONLY_MOUNT)
    view = Path(inputs.materialise(plan, tmp_path / "inputs", quiet))
    assert not view.stat().st_mode & 0o222
    assert not (view / "a.csv").stat().st_mode & 0o222
    spoil(view)
    assert as_written(folder)
    inputs.discard(tmp_path / "inputs")
    assert not (tmp_path / "inputs").exists()
    assert as_written(folder)


LARGE_VIEW = """
import os, sys
from pathlib import Path
from academy.datasets import trees, views
root, user = Path(sys.argv[1]), int(sys.argv[2])
source, view = root / "registered", root / "view"
if user != os.geteuid():
    for folder, _, names in os.walk(root):
        for path in (folder, *(os.path.join(folder, name) for name in names)):
            os.chown(path, user, user)
    os.setuid(user)
views.make(list(trees.entries(source)), view, copy_limit_bytes=0)
print("shared" if os.stat(view / "a.csv").st_ino == os.stat(source / "a.csv").st_ino else "copied")
for attempt in (
    lambda: (view / "a.csv").write_text("changed"),
    (view / "b.csv").unlink,
    lambda: os.replace(view / "sub/c.csv", view / "d.csv"),
):
    try:
        attempt()
    except OSError:
        print("refused")
views.remove(view)
print("left" if view.exists() else "removed")
"""


@pytest.fixture
def reachable(folder: Path) -> Iterator[Path]:
    """A copy of the data that any user of the machine can reach; pytest's own folders are private."""
    root = Path(tempfile.mkdtemp(prefix="academy-test-"))
    root.chmod(0o755)
    trees.copy(trees.entries(folder), root / "registered")
    yield root
    trees.remove(root)


@pytest.mark.parametrize("user", sorted({os.geteuid(), 65534 if os.geteuid() == 0 else os.geteuid()}))
def test_large_mount_protects_the_data(reachable: Path, user: int) -> None:
    """In a process of its own, because root's view is a mount that only that process sees."""
    command = [sys.executable, "-c", LARGE_VIEW, str(reachable), str(user)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert as_written(reachable / "registered")
    kind, *rest = ran.stdout.split()
    assert rest[-1] == "removed"
    # Root copies where the kernel does not let it mount, and may spoil its copy.
    assert rest[:-1] == ["refused"] * 3 or (kind == "copied" and user == 0)


def test_large_mount_shares_content_instead_of_copying(folder: Path, tmp_path: Path) -> None:
    trees.link(trees.entries(folder), tmp_path / "view")
    assert (tmp_path / "view/sub/c.csv").samefile(folder / "sub/c.csv")
    (tmp_path / "view/sub/c.csv").unlink()
    assert as_written(folder)


def test_root_without_mounts_gets_a_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    view = tmp_path / "view"
    chosen = list(trees.entries(folder))
    # Mounts are made on the main thread alone; another thread is refused before it tries.
    thread = threading.Thread(target=lambda: views.make(chosen, view, copy_limit_bytes=0))
    thread.start()
    thread.join()
    assert names(view) == names(folder)
    assert not (view / "a.csv").samefile(folder / "a.csv")
    views.remove(view)


def test_writable_mount_is_the_datastore_itself(folder: Path, tmp_path: Path) -> None:
    (folder / "a.csv").chmod(0o444)
    value = inputs.materialise(reading(folder, InputMode.READ_WRITE_MOUNT), tmp_path / "inputs", quiet)
    assert Path(value) == folder
    assert (folder / "a.csv").stat().st_mode & 0o200


def test_materialising_again_replaces_what_an_interrupted_attempt_left(folder: Path, tmp_path: Path) -> None:
    left = tmp_path / "inputs/x"
    left.mkdir(parents=True)
    (left / "half").write_text("")
    left.chmod(0o555)
    for mode in (InputMode.READ_ONLY_MOUNT, InputMode.DOWNLOAD, InputMode.READ_ONLY_MOUNT):
        value = inputs.materialise(reading(folder, mode), tmp_path / "inputs", quiet)
        assert names(Path(value)) == ["a.csv", "b.csv", "sub/c.csv"]


def test_copies_are_made_in_sorted_order(folder: Path) -> None:
    assert [entry.name for entry in trees.entries(folder)] == ["a.csv", "b.csv", "sub/c.csv"]


def test_links_in_data_are_followed_but_not_in_circles(folder: Path) -> None:
    (folder / "link.csv").symlink_to("a.csv")
    (folder / "sub/up").symlink_to("..")
    (folder / "nowhere").symlink_to("missing")
    os.mkfifo(folder / "pipe")
    assert [entry.name for entry in trees.entries(folder)] == ["a.csv", "b.csv", "link.csv", "sub/c.csv"]


def test_data_that_is_gone_when_the_job_starts_is_an_error_of_its_own(tmp_path: Path) -> None:
    plan = reading(tmp_path / "gone", InputMode.DOWNLOAD)
    with pytest.raises(InputUnavailable, match=r"'x'.*deleted"):
        inputs.materialise(plan, tmp_path / "inputs", quiet)
    with pytest.raises(InputUnavailable, match="was never there"):
        inputs.materialise(replace(plan, missing="was never there"), tmp_path / "inputs", quiet)


# The web -------------------------------------------------------------------------------------------


class _Site(http.server.BaseHTTPRequestHandler):
    """Serves ``/data.csv`` whole, ``/flaky.csv`` cut short the first time, and nothing else."""

    served: dict[str, int]

    def do_GET(self) -> None:
        count = self.served[self.path] = self.served.get(self.path, 0) + 1
        if self.path not in ("/data.csv", "/flaky.csv", "/cut.csv"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        short = self.path == "/cut.csv" or (self.path == "/flaky.csv" and count == 1)
        self.wfile.write(b"a,b" if short else b"a,b\n1")

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def site() -> Iterator[str]:
    handler = type("Site", (_Site,), {"served": {}})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def from_web(url: str, mode: InputMode = InputMode.READ_ONLY_MOUNT) -> InputPlan:
    return InputPlan("x", PortKind.URI_FILE, mode, url=url, uri=url)


def test_file_on_the_web_is_downloaded_with_progress(site: str, tmp_path: Path) -> None:
    log: list[str] = []
    value = Path(inputs.materialise(from_web(f"{site}/data.csv"), tmp_path, log.append))
    assert (value.name, value.read_bytes()) == ("data.csv", b"a,b\n1")
    assert any("Downloading" in line for line in log)
    assert "Downloaded" in log[-1]
    assert inputs.materialise(from_web(f"{site}/x", InputMode.DIRECT), tmp_path, quiet) == f"{site}/x"


def test_transfer_that_breaks_off_is_tried_again(site: str, tmp_path: Path) -> None:
    log: list[str] = []
    value = Path(inputs.materialise(from_web(f"{site}/flaky.csv"), tmp_path, log.append))
    assert value.read_bytes() == b"a,b\n1"
    assert any("trying again" in line for line in log)
    with pytest.raises(DownloadFailed, match="3 times"):
        inputs.materialise(from_web(f"{site}/cut.csv"), tmp_path, quiet)


def test_file_that_the_web_does_not_have_says_so(site: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="404"):
        inputs.materialise(from_web(f"{site}/none.csv"), tmp_path, quiet)


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x.csv"
        with pytest.raises(DownloadFailed, match="offline"):
            inputs.materialise(from_web(url), tmp_path, quiet)


# MLTable -------------------------------------------------------------------------------------------


def table(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "MLTable").write_text(text)
    return root


SIMPLE = """
$schema: https://azuremlschemas.azureedge.net/latest/MLTable.schema.json
type: mltable
paths:
  - file: ./b.csv
  - folder: ./sub
  - pattern: ./a*.csv
transformations:
  - read_delimited:
      delimiter: ","
"""


@pytest.mark.parametrize("mode", [InputMode.EVAL_MOUNT, InputMode.EVAL_DOWNLOAD])
def test_evaluated_table_is_its_files(folder: Path, tmp_path: Path, mode: InputMode) -> None:
    (folder / "other.csv").write_text("not of the table")
    plan = reading(table(folder, SIMPLE), mode, PortKind.MLTABLE)
    value = inputs.materialise(plan, tmp_path / "inputs", quiet)
    assert names(Path(value)) == ["a.csv", "b.csv", "sub/c.csv"]


@pytest.mark.parametrize("mode", [InputMode.READ_ONLY_MOUNT, InputMode.DOWNLOAD])
def test_table_that_is_not_evaluated_is_its_folder(folder: Path, tmp_path: Path, mode: InputMode) -> None:
    plan = reading(table(folder, SIMPLE), mode, PortKind.MLTABLE)
    assert "MLTable" in names(Path(inputs.materialise(plan, tmp_path / "inputs", quiet)))


def test_table_reads_files_of_other_places_by_their_uris(place: Locator, tmp_path: Path) -> None:
    stored(place, "parts/1.parquet")
    container = WORKSPACE.child("data", "parts")
    place.versions.put(container, "1", {"properties": {"dataUri": short("parts/")}}, who=WHO)
    stored(
        place, "tables/t/MLTable", "paths:\n  - folder: azureml:parts:1\ntransformations: [read_parquet]\n"
    )
    plan = planned(place, jobInputType="mltable", uri=short("tables/t"), mode="EvalDownload")
    assert dict(plan.references) == {"azureml:parts:1": str(place.locate(WORKSPACE, short("parts")).path)}
    value = inputs.materialise(InputPlan.from_json(plan.to_json()), tmp_path, quiet)
    assert names(Path(value)) == ["parts/1.parquet"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "paths: [{file: ./a.csv}]\ntransformations: [{take_random_sample: {probability: 1}}]",
            "take_random",
        ),
        ("paths: [{file: ./a.csv}]\nquery: x", "query"),
        ("paths: [{glob: ./a.csv}]", "glob"),
        ("paths: []", "no 'paths'"),
        ("[", "YAML"),
        ("paths: [{file: ../../etc/passwd}]", "leaves"),
        ("paths: [{file: ./none.csv}]", "none.csv"),
        ("transformations: [read_parquet, read_json_lines]\npaths: [{file: a}]", "more than once"),
    ],
)
def test_table_that_cannot_be_evaluated_says_why(folder: Path, text: str, said: str) -> None:
    with pytest.raises(AcademyError, match=said):
        mltable.select(mltable.read(table(folder, text)), {})


def test_folder_without_a_table_cannot_be_evaluated(place: Locator) -> None:
    stored(place, "notable/x.csv")
    with pytest.raises(NotFound, match=r"MLTable.*'x\.csv'"):
        planned(place, jobInputType="mltable", uri=short("notable"), mode="EvalMount")


# Outputs -------------------------------------------------------------------------------------------


def writing(
    target: Path, kind: PortKind = PortKind.URI_FOLDER, mode: OutputMode = OutputMode.UPLOAD
) -> OutputPlan:
    return OutputPlan("o", kind, mode, target, f"azureml://x/{target.name}")


def test_uri_file_output_is_a_path_whose_parent_exists(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store/deep/result.csv", PortKind.URI_FILE)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    assert value.name == "result.csv"
    assert value.parent.is_dir()
    assert not value.exists()
    value.write_text("1")
    outputs.collect(plan, tmp_path / "outputs")
    assert plan.target.read_text() == "1"


def test_staged_folder_moves_whole_and_twice_is_once(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store/o")
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / "sub").mkdir()
    (value / "sub/x").write_text("1")
    for _ in range(2):
        outputs.collect(plan, tmp_path / "outputs")
        assert names(plan.target) == ["sub/x"]
    assert not any((tmp_path / "outputs").iterdir())


def test_staged_folder_merges_into_what_is_there(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store")
    (plan.target / "sub").mkdir(parents=True)
    (plan.target / "sub/old").write_text("old")
    (plan.target / "both").write_text("old")
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / "sub").mkdir()
    (value / "sub/new").write_text("new")
    (value / "both").write_text("new")
    outputs.collect(plan, tmp_path / "outputs")
    assert names(plan.target) == ["both", "sub/new", "sub/old"]
    assert (plan.target / "both").read_text() == "new"


class Killed(BaseException):
    """Ends a call where SIGKILL would."""


@pytest.mark.parametrize("step", range(1, 6))
@pytest.mark.parametrize("kind", [PortKind.URI_FOLDER, PortKind.URI_FILE, PortKind.MLFLOW_MODEL])
def test_collecting_goes_on_where_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, kind: PortKind
) -> None:
    plan = writing(tmp_path / "store/o", kind)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    if kind is PortKind.URI_FILE:
        value.write_text("0")
    else:
        plan.target.mkdir(parents=True)
        for name in ("a", "b", "c"):
            (value / name).write_text(name)
    left = step

    def dying(act: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return act(*args)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "replace"):
            patch.setattr(os, name, dying(getattr(os, name)))
        patch.setattr(trees, "remove", dying(trees.remove))
        try:
            outputs.collect(plan, tmp_path / "outputs")
        except Killed:
            pass
    outputs.collect(plan, tmp_path / "outputs")
    outputs.collect(plan, tmp_path / "outputs")
    expected = ["o"] if kind is PortKind.URI_FILE else ["o/a", "o/b", "o/c"]
    assert names(tmp_path / "store") == expected
    assert not any((tmp_path / "outputs").iterdir())


@pytest.mark.parametrize("kind", [PortKind.URI_FILE, PortKind.MLTABLE, PortKind.MLFLOW_MODEL])
@pytest.mark.parametrize("mode", [OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT])
def test_output_that_was_never_written_is_an_error_of_its_own(
    tmp_path: Path, kind: PortKind, mode: OutputMode
) -> None:
    plan = writing(tmp_path / "store/o", kind, mode)
    outputs.prepare(plan, tmp_path / "outputs")
    for _ in range(2):
        with pytest.raises(OutputNotWritten, match=r"'o'.*\$\{\{outputs\.o\}\}"):
            outputs.collect(plan, tmp_path / "outputs")


def test_empty_folder_output_is_fine(tmp_path: Path) -> None:
    for mode in (OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT):
        plan = writing(tmp_path / mode.value, mode=mode)
        outputs.prepare(plan, tmp_path / "outputs")
        outputs.collect(plan, tmp_path / "outputs")
        assert plan.target.is_dir()


def test_mounted_folder_shows_what_is_there_and_keeps_what_is_written_at_once(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store", mode=OutputMode.READ_WRITE_MOUNT)
    plan.target.mkdir()
    (plan.target / "checkpoint").write_text("1")
    (plan.target / "checkpoint").chmod(0o444)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    assert (value / "checkpoint").read_text() == "1"
    assert (value / "checkpoint").stat().st_mode & 0o200
    (value / "checkpoint2").write_text("2")
    assert names(plan.target) == ["checkpoint", "checkpoint2"]
    outputs.collect(plan, tmp_path / "outputs")
    assert names(plan.target) == ["checkpoint", "checkpoint2"]


def test_direct_output_is_the_jobs_own_affair(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store", PortKind.URI_FILE, OutputMode.DIRECT)
    assert outputs.prepare(plan, tmp_path / "outputs") == plan.uri
    outputs.collect(plan, tmp_path / "outputs")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("mode", [OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT])
def test_links_in_an_output_become_what_they_lead_to(tmp_path: Path, mode: OutputMode) -> None:
    plan = writing(tmp_path / "store/o", mode=mode)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / "step-1").mkdir()
    (value / "step-1/w").write_text("w")
    (value / "best").symlink_to("step-1")
    (value / "w").symlink_to("step-1/w")
    (value / "up").symlink_to("..")
    (value / "nowhere").symlink_to("missing")
    os.mkfifo(value / "pipe")
    log: list[str] = []
    outputs.collect(plan, tmp_path / "outputs", log.append)
    assert names(plan.target) == ["best/w", "step-1/w", "w"]
    assert not any(path.is_symlink() for path in plan.target.rglob("*"))
    assert sorted(line.split()[0] for line in log) == ["The", "The", "pipe"]
    assert not (plan.target / "w").samefile(plan.target / "step-1/w")


def test_file_and_folder_of_one_name_are_a_conflict_and_nothing_moves(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store")
    (plan.target / "x").mkdir(parents=True)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / "a").write_text("")
    (value / "x").write_text("")
    with pytest.raises(Conflict, match="'x'"):
        outputs.collect(plan, tmp_path / "outputs")
    assert names(plan.target) == []
    assert not collecting(value).exists()


def test_file_written_where_a_folder_is_stored_is_a_conflict(tmp_path: Path) -> None:
    (tmp_path / "store/o").mkdir(parents=True)
    plan = writing(tmp_path / "store/o", PortKind.URI_FILE)
    Path(outputs.prepare(plan, tmp_path / "outputs")).write_text("")
    with pytest.raises(Conflict, match="folder 'o'"):
        outputs.collect(plan, tmp_path / "outputs")
    mounted = writing(tmp_path / "file", mode=OutputMode.READ_WRITE_MOUNT)
    mounted.target.write_text("")
    with pytest.raises(Conflict, match="file 'file'"):
        outputs.prepare(mounted, tmp_path / "outputs")


def test_output_crosses_file_systems(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    staged = Path(subprocess.check_output(["mktemp", "-d", "-p", str(other)], text=True).strip())
    try:
        for kind in (PortKind.URI_FILE, PortKind.URI_FOLDER):
            plan = writing(tmp_path / kind.value, kind)
            value = Path(outputs.prepare(plan, staged))
            (value if kind is PortKind.URI_FILE else value / "x").write_text("1")
            outputs.collect(plan, staged)
        assert names(tmp_path) == ["uri_file", "uri_folder/x"]
    finally:
        trees.remove(staged)


# Links out of the job's folder ---------------------------------------------------------------------


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """A folder that is none of the job's; after the test it must be as it was."""
    root = tmp_path / "precious"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_text("a")
    (root / "sub/b").write_text("b")
    (root / "link").symlink_to("a")
    (root / "nowhere").symlink_to("missing")
    os.mkfifo(root / "pipe")
    before = listing(root)
    yield root
    assert listing(root) == before


def listing(root: Path) -> list[tuple[str, int, int]]:
    found = ((path, path.lstat()) for path in sorted(root.rglob("*")))
    return [(str(path.relative_to(root)), status.st_ino, status.st_mode) for path, status in found]


def linked(plan: OutputPlan, tmp_path: Path, target: Path) -> Path:
    """Put a link in place of the output's own folder, as ``ln -s /data/run outputs`` does."""
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    value.rmdir()
    value.symlink_to(target)
    return value


@pytest.mark.parametrize("mode", [OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT])
def test_output_folder_that_is_a_link_is_copied_and_the_original_stays(
    tmp_path: Path, precious: Path, mode: OutputMode
) -> None:
    plan = writing(tmp_path / "store/o", mode=mode)
    linked(plan, tmp_path, precious)
    log: list[str] = []
    for _ in range(2):
        outputs.collect(plan, tmp_path / "outputs", log.append)
        assert names(tmp_path / "store") == ["o/a", "o/link", "o/sub/b"]
    assert not any(path.is_symlink() for path in (tmp_path / "store").rglob("*"))
    assert not (plan.target / "a").samefile(precious / "a")
    assert len(log) == 2


@pytest.mark.parametrize("where", ["", "sub"])
def test_link_in_the_datastore_is_not_written_through(tmp_path: Path, precious: Path, where: str) -> None:
    plan = writing(tmp_path / "store/o")
    link = plan.target / where if where else plan.target
    link.parent.mkdir(parents=True)
    link.symlink_to(precious)
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / where).mkdir(exist_ok=True)
    (value / where / "a").write_text("new")
    outputs.collect(plan, tmp_path / "outputs")
    assert names(link) == ["a", "link", "sub/b"]
    assert (link / "a").read_text() == "new"
    assert not link.is_symlink()


def test_link_that_an_interrupted_attempt_was_moving_is_copied(tmp_path: Path, precious: Path) -> None:
    plan = writing(tmp_path / "store")
    plan.target.mkdir()
    os.rename(value := linked(plan, tmp_path, precious), collecting(value))
    outputs.collect(plan, tmp_path / "outputs")
    assert names(plan.target) == ["a", "link", "sub/b"]
    assert not any((tmp_path / "outputs").iterdir())


def test_link_with_the_name_for_what_is_collected_hides_no_output(tmp_path: Path, precious: Path) -> None:
    plan = writing(tmp_path / "store")
    value = Path(outputs.prepare(plan, tmp_path / "outputs"))
    (value / "x").write_text("")
    collecting(value).symlink_to(precious)
    outputs.collect(plan, tmp_path / "outputs")
    assert names(plan.target) == ["x"]


@pytest.mark.parametrize("mode", [OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT])
def test_copying_a_linked_output_goes_on_where_it_was_killed(
    tmp_path: Path, precious: Path, monkeypatch: pytest.MonkeyPatch, mode: OutputMode
) -> None:
    plan = writing(tmp_path / "store/o", mode=mode)
    linked(plan, tmp_path, precious)

    def killed(*_args: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", killed)
        with pytest.raises(Killed):
            outputs.collect(plan, tmp_path / "outputs")
    outputs.collect(plan, tmp_path / "outputs")
    assert names(tmp_path / "store") == ["o/a", "o/link", "o/sub/b"]


def test_output_that_is_a_link_to_nowhere_was_not_written(tmp_path: Path) -> None:
    plan = writing(tmp_path / "store/o", PortKind.MLFLOW_MODEL)
    linked(plan, tmp_path, tmp_path / "missing")
    for _ in range(2):
        with pytest.raises(OutputNotWritten):
            outputs.collect(plan, tmp_path / "outputs")


@pytest.mark.parametrize("mode", [OutputMode.UPLOAD, OutputMode.READ_WRITE_MOUNT])
def test_what_is_no_data_is_left_out_of_an_output(tmp_path: Path, mode: OutputMode) -> None:
    """Whether it is linked itself, or is below what is linked."""
    home = Home(tmp_path / "home")
    staged = home.job("w", "j").outputs
    plan = writing(home.storage / "o", mode=mode)
    home.storage.mkdir(parents=True)
    value, data = Path(outputs.prepare(plan, staged)), tmp_path / "data"
    data.mkdir()
    (data / "kept").write_text("")
    for file in (home.key_file, home.token_file):
        file.write_text("secret")
    os.link(home.key_file, data / "hard")
    system = [Path(path) for path in ("/proc/self/environ", "/sys", "/dev", "/dev/null", "/")]
    for number, target in enumerate((*system, home.key_file, home.token_file, home.root)):
        (value / str(number)).symlink_to(target)
        (data / str(number)).symlink_to(target)
    (value / "data").symlink_to(data)
    log: list[str] = []
    outputs.collect(plan, staged, log.append)
    assert names(plan.target) == ["data/kept"]
    assert len(log) == 17
    assert all(line.endswith("; it is left out.") for line in log)


UNREADABLE = """
import os, sys
from pathlib import Path
from academy.datasets import outputs
from academy.datasets.ports import OutputMode, OutputPlan, PortKind
root = Path(sys.argv[1])
os.setresuid(*[int(sys.argv[2])] * 3)
plan = OutputPlan("o", PortKind.URI_FOLDER, OutputMode.UPLOAD, root / "own/store", "azureml://x/store")
value = Path(outputs.prepare(plan, root / "own/outputs"))
for name in ("file", "closed", "closed/inside", "data"):
    (value / name.replace("/", "-")).symlink_to(root / name)
outputs.collect(plan, root / "own/outputs", print)
print(*sorted(str(path.relative_to(plan.target)) for path in plan.target.rglob("*") if path.is_file()))
"""


def test_link_to_what_cannot_be_read_is_noted_and_left_out(reachable: Path) -> None:
    """In a process of its own, because root can read everything."""
    for name in ("file", "closed/inside", "data/file", "data/closed/inside", "data/kept"):
        (reachable / name).parent.mkdir(parents=True, exist_ok=True)
        (reachable / name).write_text("")
    closed = [reachable / name for name in ("file", "closed", "data/file", "data/closed")]
    for path in closed:
        path.chmod(0)
    (reachable / "own").mkdir()
    user = os.geteuid() or 65534
    os.chown(reachable / "own", user, -1)
    command = [sys.executable, "-c", UNREADABLE, str(reachable), str(user)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    *log, kept = ran.stdout.splitlines()
    assert kept == "data/kept"
    assert len(log) == 5
    assert all("cannot be read (Permission denied); it is left out." in line for line in log)
    for path in closed:
        path.chmod(0o700)


def test_mounting_for_writing_changes_nothing_that_a_link_leads_to(tmp_path: Path, folder: Path) -> None:
    trees.protect(folder)
    plan = writing(tmp_path / "store", mode=OutputMode.READ_WRITE_MOUNT)
    plan.target.mkdir()
    (plan.target / "link").symlink_to(folder)
    outputs.prepare(plan, tmp_path / "outputs")
    assert not (folder / "a.csv").stat().st_mode & 0o222
