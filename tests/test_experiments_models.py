"""Models: MLflow's clients and Azure ML's see the same ones, and the files are where both look."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml import command
from azure.ai.ml.constants import AssetTypes
from azure.ai.ml.entities import Model

from academy.datasets.datastores import account_name
from academy.signing import Signer
from academy.store.ids import DEFAULT_WORKSPACE
from tests.conftest import Service
from tests.experiments_process import Client, Refused

LOG_MODEL = """
def log_model(name, answer=1, **more):
    def predict(model_input: list[int]) -> list[int]:
        return [answer * number for number in model_input]
    return mlflow.pyfunc.log_model(name=name, python_model=predict, pip_requirements=["mlflow"], **more)
"""


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    client = Client(sys.executable)
    client.start(service.info.address)
    client.token, client.workspace = service.token, DEFAULT_WORKSPACE
    yield client
    client.end()


@pytest.fixture
def logged(client: Client, request: pytest.FixtureRequest) -> dict[str, str]:
    """A run with a model called ``model`` that doubles, and the model's id."""
    run_id, model_id = client.run(
        LOG_MODEL
        + f"""
with mlflow.start_run(run_name="{request.node.name}") as run:
    return run.info.run_id, log_model("model", 2).model_id
"""
    )
    return {"run": run_id, "model": model_id}


def artifacts(service: Service, run_id: str) -> Path:
    account = service.home.account(account_name(DEFAULT_WORKSPACE))
    return account / "azureml" / "ExperimentRun" / f"dcid.{run_id}"


def predicted(client: Client, uri: str) -> Any:
    return client.run(f"return list(mlflow.pyfunc.load_model({uri!r}).predict([3]))")


# Logged models


def test_a_logged_model_is_among_its_runs_artifacts(
    service: Service, client: Client, logged: dict[str, str]
) -> None:
    folder = artifacts(service, logged["run"]) / "model"
    assert (folder / "MLmodel").is_file()
    assert (folder / "python_model.pkl").is_file()
    assert predicted(client, f"runs:/{logged['run']}/model") == [6]
    assert predicted(client, f"models:/{logged['model']}") == [6]
    outputs = client.run(
        f"return [o.model_id for o in mlflow.get_run('{logged['run']}').outputs.model_outputs]"
    )
    assert outputs == [logged["model"]]


def test_the_last_model_of_a_name_is_the_one_that_its_run_shows(service: Service, client: Client) -> None:
    run_id, first, second = client.run(
        LOG_MODEL
        + """
with mlflow.start_run() as run:
    mlflow.log_text("mine", "model/notes.txt")
    models = [log_model("model", answer).model_id for answer in (5, 7)]
return [run.info.run_id, *models]
"""
    )
    assert predicted(client, f"models:/{first}") == [15]
    assert predicted(client, f"models:/{second}") == [21]
    uri = f"azureml://jobs/{run_id}/outputs/artifacts/paths/model/"
    registered = client.run(f"return mlflow.register_model('{uri}', 'last').version")
    assert predicted(client, f"models:/last/{registered}") == [21]
    assert (artifacts(service, run_id) / "model" / "notes.txt").read_text() == "mine"


def test_a_change_to_a_logged_model_shows_in_its_run(
    service: Service, client: Client, logged: dict[str, str]
) -> None:
    client.run(
        f"""
        from mlflow.models import infer_signature, set_signature
        set_signature("models:/{logged["model"]}", infer_signature([1.5], [2.5]))
        """
    )
    text = (artifacts(service, logged["run"]) / "model" / "MLmodel").read_text()
    assert "float64" in text or '"double"' in text


def test_a_model_that_a_job_logs_without_a_run_belongs_to_the_job(service: Service, client: Client) -> None:
    """Under MLflow 3, a script that only logs a model starts no run; its token says which job it is."""
    ml_client = service.client()
    job = "logs-a-model-alone"
    ml_client.jobs.create_or_update(command(command="sleep 300", environment="azureml:academy:1", name=job))
    token = Signer(service.home.key_file.read_bytes()).token(f"job/{job}")
    client.run(LOG_MODEL + "log_model('model', 3)", environment={"MLFLOW_TRACKING_TOKEN": token})
    ml_client.jobs.begin_cancel(job).result()
    assert (artifacts(service, job) / "model" / "MLmodel").is_file()
    assert predicted(client, f"runs:/{job}/model") == [9]


# Registered models


@pytest.mark.parametrize(
    "uri", ["runs:/{run}/model", "models:/{model}", "azureml://jobs/{run}/outputs/artifacts/paths/model/"]
)
def test_a_model_registered_from_a_run_is_in_both_registries(
    client: Client, ml_client: Any, logged: dict[str, str], uri: str
) -> None:
    name = f"both-{uri.partition(':')[0]}"
    version = client.run(
        f"return mlflow.register_model({uri.format(**logged)!r}, '{name}', tags={{'a': 'b'}}).version"
    )
    model = ml_client.models.get(name, str(version))
    assert (model.type, model.job_name, model.tags) == ("mlflow_model", logged["run"], {"a": "b"})
    assert "python_function" in model.flavors
    assert predicted(client, f"models:/{name}/{version}") == [6]
    assert client.run(f"return client.get_model_version('{name}', '{version}').run_id") == logged["run"]


def test_a_model_registered_while_it_is_logged_is_in_ml_clients_models(
    client: Client, ml_client: Any
) -> None:
    client.run(
        LOG_MODEL + "with mlflow.start_run(): log_model('model', 4, registered_model_name='while-logged')"
    )
    model = ml_client.models.get("while-logged", label="latest")
    assert model.path.endswith("/model")
    assert predicted(client, "models:/while-logged/1") == [12]


def test_a_model_of_ml_client_is_loaded_by_mlflow(
    client: Client, ml_client: Any, logged: dict[str, str], tmp_path: Path
) -> None:
    client.run(
        f"mlflow.artifacts.download_artifacts('runs:/{logged['run']}/model', dst_path={str(tmp_path)!r})"
    )
    made = ml_client.models.create_or_update(
        Model(name="from-sdk", path=str(tmp_path / "model"), type=AssetTypes.MLFLOW_MODEL, description="d")
    )
    assert predicted(client, f"models:/from-sdk/{made.version}") == [6]
    found = client.run(
        "return [m.name for m in mlflow.search_registered_models(filter_string=\"name = 'from-sdk'\")]"
    )
    assert found == ["from-sdk"]
    about = client.run(
        "v = client.get_model_version('from-sdk', '1'); return [v.description, v.current_stage, v.status]"
    )
    assert about == ["d", "None", "READY"]


def test_tags_descriptions_stages_and_aliases_go_through(
    client: Client, ml_client: Any, logged: dict[str, str]
) -> None:
    seen = client.run(
        f"""
        for _ in range(2):
            mlflow.register_model("runs:/{logged["run"]}/model", "marked")
        client.set_registered_model_tag("marked", "owner", "me")
        client.update_registered_model("marked", "all of it")
        client.set_model_version_tag("marked", "1", "checked", "yes")
        client.set_model_version_tag("marked", "1", "gone", "yes")
        client.delete_model_version_tag("marked", "1", "gone")
        client.update_model_version("marked", "1", "the first")
        client.set_registered_model_alias("marked", "champion", "1")
        client.transition_model_version_stage("marked", "1", "Production")
        client.transition_model_version_stage("marked", "2", "Production", archive_existing_versions=True)
        model = client.get_registered_model("marked")
        first = client.get_model_version_by_alias("marked", "champion")
        return [
            model.tags, model.description, model.aliases, first.version, first.tags, first.description,
            first.current_stage, client.get_model_version("marked", "2").current_stage,
            [v.version for v in client.get_latest_versions("marked", ["Production"])],
        ]
        """
    )
    assert [str(value) for value in seen] == [
        "{'owner': 'me'}", "all of it", "{'champion': '1'}", "1", "{'checked': 'yes'}", "the first",
        "Archived", "Production", "['2']",
    ]  # fmt: skip
    first = ml_client.models.get("marked", "1")
    assert (first.tags, first.description, first.stage) == ({"checked": "yes"}, "the first", "Archived")
    assert predicted(client, "models:/marked@champion") == [6]


def test_searches_filter_sort_and_page(client: Client, ml_client: Any, logged: dict[str, str]) -> None:
    found = client.run(
        f"""
        import functools
        for name in ("searched-a", "searched-b", "searched-c"):
            for _ in range(2):
                mlflow.register_model("runs:/{logged["run"]}/model", name, tags={{"in": name}})
        search = functools.partial(client.search_registered_models, "name LIKE 'searched-%'")
        models = search(max_results=2, order_by=["name DESC"])
        rest = search(page_token=models.token, order_by=["name DESC"])
        versions = client.search_model_versions("name = 'searched-b'")
        of_run = client.search_model_versions("run_id = '{logged["run"]}'")
        tagged = client.search_model_versions("tags.`in` = 'searched-c'")
        names = [m.name for m in [*models, *rest]]
        return [len(models), names, [str(v.version) for v in versions], len(of_run), len(tagged)]
        """
    )
    assert found == [2, ["searched-c", "searched-b", "searched-a"], ["2", "1"], 6, 2]
    ml_client.models.archive("searched-a")
    ml_client.models.archive("searched-b", version="1")
    after = client.run(
        """
        models = client.search_registered_models("name LIKE 'searched-%'", order_by=["name"])
        versions = client.search_model_versions("name = 'searched-b'")
        return [[m.name for m in models], [str(v.version) for v in versions]]
        """
    )
    assert after == [["searched-b", "searched-c"], ["2"]]


def test_versions_that_are_no_numbers_are_not_mlflows(client: Client, ml_client: Any, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w")
    for version in ("2024-rc", "3"):
        ml_client.models.create_or_update(
            Model(
                name="odd-versions", version=version, path=str(tmp_path / "weights.bin"), type="custom_model"
            )
        )
    assert client.run(
        "return [int(v.version) for v in client.search_model_versions(\"name = 'odd-versions'\")]"
    ) == [3]


def test_what_is_deleted_in_mlflow_is_gone_in_both(
    client: Client, ml_client: Any, logged: dict[str, str]
) -> None:
    client.run(
        f"""
        for _ in range(2):
            mlflow.register_model("runs:/{logged["run"]}/model", "deleted")
        client.set_registered_model_alias("deleted", "champion", "2")
        client.delete_model_version("deleted", "1")
        """
    )
    assert [model.version for model in ml_client.models.list("deleted")] == ["2"]
    client.run("client.delete_registered_model('deleted')")
    assert not [model for model in ml_client.models.list() if model.name == "deleted"]
    client.run("client.create_registered_model('deleted')")
    assert client.run("return client.get_registered_model('deleted').aliases") == {}


_REFUSALS = {
    "client.get_registered_model('none-such')": ("not found", "RESOURCE_DOES_NOT_EXIST"),
    "client.get_model_version('none-such', '1')": ("not found", "RESOURCE_DOES_NOT_EXIST"),
    "mlflow.register_model('azureml://jobs/nope/outputs/artifacts/paths/model', 'x')": (
        "nothing is there",
        "RESOURCE_DOES_NOT_EXIST",
    ),
    "client.create_registered_model('a/b')": ("not valid", "INVALID_PARAMETER_VALUE"),
    "client.rename_registered_model(client.create_registered_model('kept').name, 'other')": (
        "cannot be renamed",
        "BAD_REQUEST",
    ),
    "mlflow.genai.register_prompt('p', 'Say {{x}}')": ("Prompts cannot be registered", "BAD_REQUEST"),
    "[client.create_registered_model('twice') for _ in range(2)]": (
        "already exists",
        "RESOURCE_ALREADY_EXISTS",
    ),
}


@pytest.mark.parametrize("snippet", _REFUSALS)
def test_what_cannot_be_is_refused(client: Client, snippet: str) -> None:
    message, code = _REFUSALS[snippet]
    with pytest.raises(Refused, match=message) as refused:
        client.run(snippet)
    assert refused.value.code == code
