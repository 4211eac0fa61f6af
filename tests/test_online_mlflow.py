"""MLflow models without a script: what they take, how it is cast, and one deployed through the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, Model
from azure.core.exceptions import HttpResponseError

from academy.endpoints.plan import ModelPlan
from academy.endpoints.resolve import own_environment
from academy.errors import NotFound
from tests.conftest import Service

PROBE = Path(__file__).parent / "mlflow_probe.py"


@dataclass(frozen=True)
class Probe:
    """The process of ``mlflow_probe.py`` and the folder of its models."""

    folder: Path
    process: subprocess.Popen[str]

    def __call__(self, model: str, body: Any) -> dict[str, Any]:
        """Score a body with one of the models."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([model, body]), file=self.process.stdin, flush=True)
        answered: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answered


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    folder = tmp_path_factory.mktemp("models")
    command = [sys.executable, "-W", "ignore", str(PROBE), str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield Probe(folder, process)
        assert process.stdin is not None
        process.stdin.close()


ROW = {"double": 1, "long": 2, "integer": 3, "boolean": True, "string": "x", "datetime": "2024-01-02"}


def test_inputs_are_cast_by_the_signature(probe: Probe) -> None:
    got = probe("columns", {"input_data": [ROW]})["value"]
    assert got["double"] == ["float64", 1.0]
    assert got["long"] == ["int64", 2]
    assert got["integer"] == ["int32", 3]
    assert got["boolean"] == ["bool", True]
    assert got["string"][1] == "x"
    assert got["datetime"][0].startswith("datetime64")
    assert "maybe" not in got


@pytest.mark.parametrize(
    "body",
    [
        {"input_data": {"columns": list(ROW), "index": [7], "data": [list(ROW.values())]}},
        {"input_data": {name: [value] for name, value in ROW.items()}},
        {"input_data": [ROW]},
        {"dataframe_split": {"columns": list(ROW), "data": [list(ROW.values())]}},
        {"dataframe_records": [ROW]},
        {"inputs": {name: [value] for name, value in ROW.items()}},
        {"instances": [ROW]},
        {"input_data": [{**ROW, "not in the model": 1}]},
    ],
)
def test_every_form_of_input_is_taken(probe: Probe, body: dict[str, Any]) -> None:
    assert probe("columns", body)["value"]["double"] == ["float64", 1.0]


MISSPELLED = {"lnog" if name == "long" else name: value for name, value in ROW.items()}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"input_data": [{**ROW, "long": None}]}, "'long' must be of type long: a value is missing"),
        ({"input_data": [MISSPELLED]}, "lacks the columns ['long']; it has ['lnog']"),
        (
            {"input_data": [{**ROW, "long": 1.5}]},
            "'long' must be of type long: a value is not a whole number",
        ),
        ({"input_data": [{**ROW, "double": "many"}]}, "'double' must be of type double"),
        ({"input_data": [{**ROW, "boolean": 1}]}, "'boolean' must be of type boolean"),
        ({"input_data": [[1, 2]]}, "the rows hold 2 values"),
        ({"data": [[1]]}, "must hold 'input_data'"),
        ({"input_data": "x"}, "must hold a list or an object"),
        ([1], "must be a JSON object"),
    ],
)
def test_input_that_does_not_fit_is_refused_by_name(probe: Probe, body: Any, said: str) -> None:
    assert said in probe("columns", body)["refused"]


def test_tensors_are_cast_and_named(probe: Probe) -> None:
    both = {"a": ["float32", [[1.0, 2.0]]], "b": ["int64", [3]]}
    assert probe("tensors", {"input_data": {"a": [[1, 2]], "b": [3]}})["value"] == both
    assert probe("tensors", {"instances": [{"a": [1, 2], "b": 3}]})["value"] == both
    assert probe("tensor", {"input_data": [[1, 2]]})["value"] == ["float64", [[1.0, 2.0]]]
    assert "lacks the tensors ['b']" in probe("tensors", {"input_data": {"a": [[1, 2]]}})["refused"]


def test_scikit_learn_model_answers_bare_predictions(probe: Probe) -> None:
    assert probe("sklearn", {"input_data": [[2, 0], [3, 0]]})["value"] == pytest.approx([5.0, 7.0])
    described = probe("sklearn", "swagger")["value"]["input"]["example"]
    assert described["input_data"]["columns"] == ["x", "y"]


def test_model_without_a_signature_gets_what_was_sent(probe: Probe) -> None:
    assert probe("none", {"input_data": [[1.5, 2]]})["value"] == ["float64", [[1.5, 2.0]]]
    assert probe("none", {"input_data": {"columns": ["a"], "data": [[1]]}})["value"] == {"a": ["int64", 1]}


def test_environment_recorded_with_the_model_is_its_own(tmp_path: Path) -> None:
    model = ModelPlan("iris", "3", tmp_path, is_mlflow=True)
    with pytest.raises(NotFound, match=r"no conda\.yaml and no requirements\.txt"):
        own_environment(model)
    (tmp_path / "requirements.txt").write_text("mlflow==2.1\nscikit-learn==1.5.2\n")
    (tmp_path / "python_env.yaml").write_text("python: 3.10.4\ndependencies: [-r requirements.txt]\n")
    spec = own_environment(model)
    assert (spec.name, spec.version, spec.python) == ("iris-model", "3", "3.10.4")
    assert spec.requirements == ("mlflow==2.1", "scikit-learn==1.5.2")
    (tmp_path / "conda.yaml").write_text(
        "channels: [conda-forge]\ndependencies: [python=3.9.1, pip, {pip: [mlflow==2.2]}]\n"
    )
    assert (own_environment(model).python, own_environment(model).requirements) == (
        "3.9.1",
        ("pip", "mlflow==2.2"),
    )


def test_model_without_a_script_is_deployed(probe: Probe, service: Service, tmp_path: Path) -> None:
    assert "value" in probe("sklearn", "swagger")
    client = service.client()
    path = str(probe.folder / "sklearn")
    model = client.models.create_or_update(Model(name="line", path=path, type="mlflow_model"))
    client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name="ep-mlflow")).result()
    made = ManagedOnlineDeployment(
        name="blue",
        endpoint_name="ep-mlflow",
        model=model,
        environment="azureml:academy:1",
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    client.online_deployments.begin_create_or_update(made).result()
    request = tmp_path / "request.json"
    request.write_text('{"input_data": {"columns": ["y", "x"], "index": [0, 1], "data": [[0, 2], [0, 3]]}}')
    answer = client.online_endpoints.invoke("ep-mlflow", request_file=str(request), deployment_name="blue")
    assert json.loads(answer) == pytest.approx([5.0, 7.0])
    request.write_text('{"input_data": {"columns": ["x"], "data": [[2]]}}')
    with pytest.raises(HttpResponseError, match=r"lacks the columns \['y'\]"):
        client.online_endpoints.invoke("ep-mlflow", request_file=str(request), deployment_name="blue")
    client.online_endpoints.begin_delete("ep-mlflow").result()
