"""What the service adds to a model version: the job it came from and the flavors of its MLmodel."""

from __future__ import annotations

from pathlib import Path

import yaml

from academy.datasets.uris import JobOutputUri, parse
from academy.errors import InvalidField, UserError
from academy.service.arm import Call
from academy.service.state import ServiceState
from academy.store.documents import Body

MLMODEL = "MLmodel"


def described_model(state: ServiceState, call: Call, properties: Body) -> Body:
    """Return the properties with ``modelType``, ``jobName`` and ``flavors`` filled in.

    Raises
    ------
    NotFound
        When the model's path leads to nothing.
    InvalidField
        When an ``mlflow_model`` has no MLmodel file.
    """
    uri = str(properties["modelUri"])
    described = {"modelType": "custom_model", "flavors": {}, **properties}
    target = parse(uri)
    if isinstance(target, JobOutputUri):
        described.setdefault("jobName", target.job)
    location = state.locator.locate(call.workspace, uri)
    if described["modelType"] == "mlflow_model" and location.path is not None:
        described["flavors"] = _flavors(location.path, uri)
    return described


def _flavors(folder: Path, uri: str) -> Body:
    try:
        text = (folder / MLMODEL).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        held = sorted(item.name for item in folder.iterdir()) if folder.is_dir() else [folder.name]
        raise InvalidField(
            f"A model of type 'mlflow_model' is a folder with a file {MLMODEL}; {uri} holds {held[:10]}. "
            "Give the folder that mlflow.log_model wrote, or register it as 'custom_model'.",
            target="properties.modelUri",
        ) from None
    try:
        flavors = yaml.safe_load(text)["flavors"]
        return {name: {"data": {k: str(v) for k, v in data.items()}} for name, data in flavors.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"The file {MLMODEL} of {uri} cannot be read: {error}.") from error
