"""What the service adds to a model version: the job it came from and the flavors of its MLmodel."""

from __future__ import annotations

from academy.datasets.mlmodel import flavors
from academy.datasets.uris import JobOutputUri, parse
from academy.service.arm import Call
from academy.service.state import ServiceState
from academy.store.documents import Body


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
        described["flavors"] = flavors(location.path, shown_as=uri, target="properties.modelUri")
    return described
