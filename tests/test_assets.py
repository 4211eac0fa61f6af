"""Data, models, environments, components, code, computes and workspaces through the real SDK."""

from __future__ import annotations

import getpass
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from azure.ai.ml import command, load_component
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import (
    AmlCompute,
    ComputeInstance,
    Data,
    Environment,
    Model,
    Workspace,
)
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError

from academy.store.ids import DEFAULT_WORKSPACE

from .conftest import Service


@pytest.fixture
def name() -> str:
    """A name that no other test of this worker's service uses."""
    return f"a{uuid.uuid4().hex[:12]}"


@pytest.fixture
def table(tmp_path: Path, name: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(f"name,value\n{name},1\n")
    return path


def register(client: Any, name: str, path: Path, **more: Any) -> Any:
    return client.data.create_or_update(Data(name=name, path=str(path), type=AssetTypes.URI_FILE, **more))


def test_data_is_uploaded_and_gets_the_next_version(ml_client: Any, name: str, table: Path) -> None:
    first = register(ml_client, name, table, description="a table", tags={"kind": "test"})
    assert first.version == "1"
    assert first.path.endswith("/table.csv")
    table.write_text("other\n2\n")
    assert register(ml_client, name, table).version == "2"
    found = ml_client.data.get(name, label="latest")
    assert found.version == "2"
    assert ml_client.data.get(name, version="1").tags == {"kind": "test"}
    assert [data.version for data in ml_client.data.list(name)] == ["2", "1"]


def test_data_version_is_immutable(ml_client: Any, name: str, table: Path) -> None:
    register(ml_client, name, table, version="1")
    table.write_text("other\n2\n")
    with pytest.raises(ResourceExistsError, match="immutable"):
        register(ml_client, name, table, version="1")


def test_archived_version_leaves_the_listing_and_comes_back(ml_client: Any, name: str, table: Path) -> None:
    register(ml_client, name, table, version="1")
    ml_client.data.archive(name, version="1")
    assert list(ml_client.data.list(name)) == []
    ml_client.data.restore(name, version="1")
    assert [data.version for data in ml_client.data.list(name)] == ["1"]


def test_archived_container_leaves_the_listing_of_names(ml_client: Any, name: str, table: Path) -> None:
    register(ml_client, name, table)
    assert name in {data.name for data in ml_client.data.list()}
    ml_client.data.archive(name)
    assert name not in {data.name for data in ml_client.data.list()}
    ml_client.data.restore(name)
    assert name in {data.name for data in ml_client.data.list()}


def test_listing_pages_through_more_than_one_page(ml_client: Any, name: str) -> None:
    for version in range(105):
        uri = f"azureml://datastores/workspaceblobstore/paths/{version}.csv"
        ml_client.data.create_or_update(Data(name=name, version=str(version), path=uri, type="uri_file"))
    assert len(list(ml_client.data.list(name))) == 105


def test_missing_asset_is_a_resource_not_found_error(ml_client: Any, name: str) -> None:
    with pytest.raises(ResourceNotFoundError, match=name):
        ml_client.data.get(name, version="1")
    with pytest.raises(ResourceNotFoundError):
        ml_client.models.get(name, version="1")


def test_environment_is_registered_with_its_conda_file(ml_client: Any, name: str, tmp_path: Path) -> None:
    conda = tmp_path / "conda.yml"
    conda.write_text("name: e\ndependencies: [python=3.10, pip, {pip: [six]}]\n")
    image = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu20.04"
    made = ml_client.environments.create_or_update(
        Environment(name=name, image=image, conda_file=str(conda), description="small")
    )
    assert made.version == "1"
    found = ml_client.environments.get(name, version="1")
    assert found.image == image
    assert found.conda_file["dependencies"][0] == "python=3.10"


def test_curated_environments_are_there_and_their_names_are_reserved(ml_client: Any) -> None:
    assert "AzureML-sklearn-1.5" in {found.name for found in ml_client.environments.list()}
    found = ml_client.environments.get("AzureML-sklearn-1.5", label="latest")
    assert found.image.startswith("mcr.microsoft.com/azureml/curated/sklearn-1.5")
    assert ml_client.environments.get("sklearn-1.5", version=found.version).version == found.version
    with pytest.raises(HttpResponseError, match="for curated environments"):
        ml_client.environments.create_or_update(Environment(name="AzureML-mine", image="python"))


def test_custom_model_is_uploaded_listed_and_downloaded(ml_client: Any, name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(b"\x00\x01")
    (folder / "sub" / "notes.txt").write_text("notes")
    made = ml_client.models.create_or_update(Model(name=name, path=str(folder), type=AssetTypes.CUSTOM_MODEL))
    assert (made.name, made.version) == (name, "1")
    ml_client.models.download(name, version="1", download_path=str(tmp_path / "out"))
    copied = tmp_path / "out" / name / "model"
    assert (copied / "weights.bin").read_bytes() == b"\x00\x01"
    assert (copied / "sub" / "notes.txt").read_text() == "notes"


def test_mlflow_model_without_its_file_is_refused(ml_client: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "x.txt").write_text("x")
    with pytest.raises(HttpResponseError, match="MLmodel"):
        ml_client.models.create_or_update(
            Model(name=name, path=str(tmp_path / "model"), type=AssetTypes.MLFLOW_MODEL)
        )


def test_component_is_registered_with_its_code(ml_client: Any, name: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run.py").write_text(f"print('{name}')\n")
    (tmp_path / "component.yml").write_text(
        f"name: {name}\ntype: command\ncode: ./src\ncommand: python run.py --n ${{{{inputs.n}}}}\n"
        "inputs: {n: {type: integer, default: 1}}\nenvironment: azureml:academy@latest\n"
    )
    component = load_component(source=str(tmp_path / "component.yml"))
    made = ml_client.components.create_or_update(component)
    found = ml_client.components.get(name, version=made.version)
    assert found.inputs["n"]["type"] == "integer"
    assert found.command == "python run.py --n ${{inputs.n}}"


def test_same_code_is_uploaded_once(ml_client: Any, service: Service, name: str, tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "run.py").write_text(f"print('{name}')\n")
    (tmp_path / "component.yml").write_text(
        f"name: {name}\ntype: command\ncode: ./src\ncommand: python run.py\n"
        "environment: azureml:academy@latest\n"
    )

    def uploads() -> int:
        return sum(1 for _ in service.home.storage.glob("*/upload-*"))

    ml_client.components.create_or_update(load_component(source=str(tmp_path / "component.yml")))
    before = uploads()
    again = load_component(source=str(tmp_path / "component.yml"))
    again.version = "2"
    ml_client.components.create_or_update(again)
    assert uploads() == before


def test_workspace_comes_with_computes_and_datastores(ml_client: Any) -> None:
    computes = {compute.name for compute in ml_client.compute.list()}
    assert {"cpu-cluster", "gpu-cluster", "batch-cluster", "aml-cluster"} <= computes
    stores = {store.name for store in ml_client.datastores.list()}
    expected = {
        "workspaceblobstore",
        "workspacefilestore",
        "workspaceartifactstore",
        "workspaceworkingdirectory",
    }
    assert expected <= stores
    assert ml_client.datastores.get_default().name == "workspaceblobstore"


def test_cluster_is_created_changed_and_deleted(ml_client: Any, name: str) -> None:
    made = ml_client.compute.begin_create_or_update(
        AmlCompute(name=name, size="Standard_DS3_v2", min_instances=0, max_instances=3)
    ).result()
    assert made.provisioning_state == "Succeeded"
    assert made.max_instances == 3
    assert ml_client.compute.get(name).size == "STANDARD_DS3_V2"
    assert list(ml_client.compute.list_nodes(name)) == []
    ml_client.compute.begin_delete(name).result()
    with pytest.raises(ResourceNotFoundError):
        ml_client.compute.get(name)


def test_compute_instance_stops_and_starts(ml_client: Any, name: str) -> None:
    ml_client.compute.begin_create_or_update(ComputeInstance(name=name, size="STANDARD_DS3_v2")).result()
    assert ml_client.compute.get(name).state == "Running"
    ml_client.compute.begin_stop(name).wait()
    assert ml_client.compute.get(name).state == "Stopped"
    ml_client.compute.begin_start(name).wait()
    assert ml_client.compute.get(name).state == "Running"


def test_unknown_size_names_near_ones(ml_client: Any, name: str) -> None:
    with pytest.raises(HttpResponseError, match="STANDARD_DS3_V2"):
        ml_client.compute.begin_create_or_update(AmlCompute(name=name, size="Standard_DS3")).result()
    assert any(size.name == "STANDARD_DS3_V2" for size in ml_client.compute.list_sizes())


def test_workspace_is_created_by_the_sdk_with_all_that_belongs_to_it(service: Service, name: str) -> None:
    client = service.client()
    client.workspaces.begin_create(Workspace(name=name, description="another")).result()
    found = client.workspaces.get(name)
    assert found.description == "another"
    assert name in {workspace.name for workspace in client.workspaces.list()}
    assert (service.home.root / "storage").is_dir()


def test_field_that_is_not_supported_is_refused_by_name(service: Service, name: str) -> None:
    client = service.client()
    body = {"properties": {"dataType": "uri_file", "dataUri": "a", "autoDeleteSetting": {"value": "1d"}}}
    answer = request(service, "PUT", f"data/{name}/versions/1", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["target"] == "properties.autoDeleteSetting"
    assert "'autoDeleteSetting'" in answer.json()["error"]["message"]
    assert name not in {data.name for data in client.data.list()}


def request(service: Service, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
    """Speak to the service without the SDK, below the default workspace."""
    return httpx.request(
        method,
        f"{service.info.address}{DEFAULT_WORKSPACE.id}/{path}",
        json=body,
        headers={"Authorization": f"Bearer {service.token}"},
    )


def test_two_clients_at_the_same_moment_overwrite_nothing(
    service: Service, name: str, tmp_path: Path
) -> None:
    clients = [service.client() for _ in range(4)]
    paths = [tmp_path / f"{number}.csv" for number in range(4)]
    for path in paths:
        path.write_text(path.name)

    def attempt(number: int) -> Any:
        try:
            return register(clients[number], name, paths[number])
        except ResourceExistsError:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [data for data in pool.map(attempt, range(4)) if data is not None]
    # The SDK reads the next number and then writes it: who comes second is told so, and nothing is lost.
    assert made
    assert len({data.version for data in made}) == len(made)
    for data in made:
        assert clients[0].data.get(name, version=data.version).path == data.path


def test_tags_and_description_of_a_version_may_change(ml_client: Any, name: str, table: Path) -> None:
    made = register(ml_client, name, table, tags={"a": "1"})
    made.tags = {"a": "2"}
    made.description = "changed"
    ml_client.data.create_or_update(made)
    found = ml_client.data.get(name, version="1")
    assert (found.tags, found.description) == ({"a": "2"}, "changed")


def test_version_and_container_are_deleted_over_rest(service: Service, name: str, table: Path) -> None:
    client = service.client()
    register(client, name, table, version="1")
    register(client, name, table, version="2")
    assert request(service, "DELETE", f"data/{name}/versions/2").status_code == 200
    assert [data.version for data in client.data.list(name)] == ["1"]
    assert request(service, "DELETE", f"data/{name}").status_code == 200
    assert request(service, "GET", f"data/{name}/versions/1").status_code == 404


def test_label_points_at_a_version(service: Service, name: str, table: Path) -> None:
    register(service.client(), name, table, version="1")
    register(service.client(), name, table, version="2")
    body = {"properties": {"version": "1"}}
    assert request(service, "PUT", f"data/{name}/labels/golden", body).json()["name"] == "1"
    assert request(service, "GET", f"data/{name}/labels/golden").json()["name"] == "1"
    assert request(service, "GET", f"data/{name}/labels/latest").json()["name"] == "2"
    missing = request(service, "GET", f"data/{name}/labels/silver")
    assert missing.status_code == 404
    assert "'golden'" in missing.json()["error"]["message"]


def test_audit_log_tells_who_made_what(service: Service, name: str, table: Path) -> None:
    register(service.client(), name, table)
    container = f"{DEFAULT_WORKSPACE.id}/data/{name}"
    answer = httpx.get(
        f"{service.info.address}/academy/audit",
        params={"resource": container},
        headers={"Authorization": f"Bearer {service.token}"},
    )
    rows = answer.json()["value"]
    assert [(row["action"], row["resource"]) for row in rows] == [
        ("create", container),
        ("create", f"{container}/versions/1"),
    ]
    assert {row["who"] for row in rows} == {getpass.getuser()}


def test_workspace_is_updated_and_deleted(service: Service, name: str) -> None:
    client = service.client()
    client.workspaces.begin_create(Workspace(name=name)).result()
    changed = client.workspaces.begin_update(
        Workspace(name=name, tags={"a": "b"}, display_name="Shown")
    ).result()
    assert (changed.tags, changed.display_name) == ({"a": "b"}, "Shown")
    client.workspaces.begin_delete(name, delete_dependent_resources=True).result()
    assert name not in {workspace.name for workspace in client.workspaces.list()}
    with pytest.raises(HttpResponseError, match="comes with the service"):
        client.workspaces.begin_delete("academy", delete_dependent_resources=True).result()
    assert client.datastores.get_default().name == "workspaceblobstore"


def test_asset_of_a_job_that_does_not_exist_is_refused(ml_client: Any, name: str) -> None:
    with pytest.raises(HttpResponseError, match="nonono"):
        ml_client.models.create_or_update(
            Model(name=name, path="azureml://jobs/nonono/outputs/artifacts/paths/x.pkl", type="custom_model")
        )
    with pytest.raises(HttpResponseError, match="nonono"):
        ml_client.data.create_or_update(
            Data(name=name, path="azureml://jobs/nonono/outputs/x", type=AssetTypes.URI_FOLDER)
        )


def test_model_from_a_jobs_output_is_downloaded_and_changed(
    ml_client: Any, name: str, tmp_path: Path
) -> None:
    job = ml_client.jobs.create_or_update(
        command(
            command="mkdir -p outputs/m && echo weights > outputs/m/w.txt",
            environment="azureml:academy@latest",
            name=name,
        )
    )
    while ml_client.jobs.get(job.name).status not in ("Completed", "Failed"):
        pass
    path = f"azureml://jobs/{job.name}/outputs/artifacts/paths/outputs/m"
    made = ml_client.models.create_or_update(Model(name=name, path=path, type=AssetTypes.CUSTOM_MODEL))
    assert made.job_name == job.name
    ml_client.models.download(name, version="1", download_path=str(tmp_path))
    assert (tmp_path / name / "m" / "w.txt").read_text() == "weights\n"
    found = ml_client.models.get(name, version="1")
    found.tags = {"a": "b"}
    assert ml_client.models.create_or_update(found).tags == {"a": "b"}
    again = ml_client.models.create_or_update(
        Model(name=name, version="1", path=path, type=AssetTypes.CUSTOM_MODEL, tags={"a": "c"})
    )
    assert again.tags == {"a": "c"}
