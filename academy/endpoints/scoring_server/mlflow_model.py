"""An MLflow model without a script: inputs are cast by its signature, the reply is bare.

https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models-online-endpoints
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
from typing import Any

from .messages import AMLRequest, BadInput, json_object
from .script import StartError, guarded
from .tables import array, column, frame, is_split, refuse_missing

FORMS = ("input_data", "dataframe_split", "dataframe_records", "inputs", "instances")

log = logging.getLogger("azmlinfsrv.mlflow")


class MlflowModel:
    """The model in one folder, loaded with MLflow's pyfunc flavor."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._model: Any = None
        self._schema: Any = None

    def init(self) -> None:
        """Load the model."""
        if not os.path.isfile(os.path.join(self._path, "MLmodel")):
            raise StartError(f"{self._path} holds no file 'MLmodel', so it is not an MLflow model.")
        try:
            pyfunc = importlib.import_module("mlflow.pyfunc")
        except ImportError as error:
            raise StartError(
                f"The environment cannot load an MLflow model: {error}. Add mlflow to it; or name no "
                "environment, and the one that is recorded with the model is used."
            ) from error
        log.info("Loading the MLflow model in %s", self._path)
        self._model = guarded("Loading the MLflow model", pyfunc.load_model, self._path)
        self._schema = self._model.metadata.get_input_schema()
        log.info("The model's signature: %s", self._schema or "none; inputs are passed as they come")

    def run(self, request: AMLRequest) -> Any:
        """Score one body in any of the forms that Azure ML and MLflow take."""
        if request.method != "POST":
            raise BadInput("Method not allowed", 405)
        body = json_object(request)
        given = [form for form in FORMS if form in body]
        if len(given) != 1:
            others = ", ".join(FORMS[1:])
            raise BadInput(
                f"The request's body must hold 'input_data' (or one of {others}); "
                f"it holds {sorted(body) or 'nothing'}."
            )
        data = self._data(given[0], body[given[0]])
        options = {"params": body["params"]} if body.get("params") else {}
        try:
            return self._model.predict(data, **options)
        except sys.modules["mlflow.exceptions"].MlflowException as error:
            raise BadInput(f"The input does not fit the model: {error}") from error

    def swagger(self) -> dict[str, Any]:
        """Return the schemas of input and output for the description."""
        columns = self._names() or []
        split = {"columns": columns, "index": [0], "data": [[None] * len(columns)]}
        properties = {"input_data": {"type": "object"}}
        given = {"type": "object", "properties": properties, "example": {"input_data": split}}
        return {"input": given, "output": {"type": "array", "items": {}, "example": []}}

    def _data(self, form: str, value: Any) -> Any:
        if self._schema is None:
            if isinstance(value, list) and not form.startswith("dataframe") and not _are_records(value):
                return importlib.import_module("numpy").array(value)
            return frame(form, value, None)
        if self._schema.is_tensor_spec():
            return self._tensors(value)
        return self._columns(frame(form, value, self._names()))

    def _names(self) -> list[str] | None:
        if self._schema is None or not self._schema.has_input_names():
            return None
        return [str(name) for name in self._schema.input_names()]

    def _tensors(self, value: Any) -> Any:
        specs = {spec.name: spec for spec in self._schema.inputs}
        names = self._names()
        if is_split(value):
            rows = value["data"]
            value = (
                {name: [row[at] for row in rows] for at, name in enumerate(value["columns"])}
                if names
                else rows
            )
        if names and _are_records(value):
            value = {name: [row[name] for row in value if name in row] for name in names}
        if isinstance(value, dict):
            refuse_missing(list(specs), list(value), "tensors")
            return {name: array(value[name], spec) for name, spec in specs.items()}
        if len(specs) > 1:
            raise BadInput(f"The model takes the tensors {names}: give an object with each of them.")
        spec = self._schema.inputs[0]
        return {spec.name: array(value, spec)} if names else array(value, spec)

    def _columns(self, table: Any) -> Any:
        specs = self._schema.inputs
        if self._names() is None:
            if len(table.columns) != len(specs):
                raise BadInput(f"The model takes {len(specs)} columns; {len(table.columns)} came.")
            for position, label in enumerate(table.columns):
                table[label] = column(table[label], specs[position])
            return table
        given = [str(name) for name in table.columns]
        refuse_missing([spec.name for spec in specs if getattr(spec, "required", True)], given, "columns")
        unused = [name for name in given if name not in {spec.name for spec in specs}]
        if unused:
            log.warning("The model does not use the columns %s.", unused)
        kept = {spec.name: column(table[spec.name], spec) for spec in specs if spec.name in given}
        return importlib.import_module("pandas").DataFrame(kept)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)
