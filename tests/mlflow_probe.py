"""Score MLflow models as the scoring server does, all in one process: importing MLflow takes seconds.

``python mlflow_probe.py FOLDER`` makes the models below FOLDER, then reads ``[model, body]`` from each
line of its input and answers ``{"value": …}`` or ``{"refused": …}``.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema, TensorSpec
from sklearn.linear_model import LinearRegression

from academy.endpoints.scoring_server.messages import AMLRequest, BadInput, plain
from academy.endpoints.scoring_server.mlflow_model import MlflowModel
from academy.endpoints.scoring_server.script import StartError

KINDS = ("double", "long", "integer", "boolean", "string", "datetime")


class Seen(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Answers with the types and values that reached it."""

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
        if isinstance(model_input, pd.DataFrame):
            return {name: [str(kind), *model_input[name]] for name, kind in model_input.dtypes.items()}
        if isinstance(model_input, dict):
            return {name: [str(value.dtype), value] for name, value in model_input.items()}
        return [str(model_input.dtype), model_input]


def save(folder: Path) -> None:
    """Save one model of each kind."""
    columns = Schema([*(ColSpec(kind, kind) for kind in KINDS), ColSpec("double", "maybe", required=False)])
    tensors = Schema(
        [TensorSpec(np.dtype("float32"), (-1, 2), "a"), TensorSpec(np.dtype("int64"), (-1,), "b")]
    )
    one = Schema([TensorSpec(np.dtype("float64"), (-1, 2))])
    for name, schema in {"columns": columns, "tensors": tensors, "tensor": one, "none": None}.items():
        signature = ModelSignature(schema) if schema else None
        mlflow.pyfunc.save_model(folder / name, python_model=Seen(), signature=signature, pip_requirements=[])
    table = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 0.0]})
    fitted = LinearRegression().fit(table, [1.0, 3.0])
    signature = mlflow.models.infer_signature(table, np.array([1.0]))
    mlflow.sklearn.save_model(fitted, folder / "sklearn", signature=signature, pip_requirements=[])


def answer(models: dict[str, MlflowModel], folder: Path, name: str, body: Any) -> dict[str, Any]:
    """Score one body with one model."""
    try:
        if name not in models:
            models[name] = MlflowModel(str(folder / name))
            models[name].init()
        if body == "swagger":
            return {"value": models[name].swagger()}
        headers = {"Content-Type": "application/json"}
        return {"value": models[name].run(AMLRequest("POST", "/score", headers, json.dumps(body).encode()))}
    except (BadInput, StartError) as error:
        return {"refused": str(error)}


def main(folder: Path) -> None:
    """Answer lines until the input ends."""
    save(folder)
    models: dict[str, MlflowModel] = {}
    for line in sys.stdin:
        print(json.dumps(answer(models, folder, *json.loads(line)), default=plain), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
