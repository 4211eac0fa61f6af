"""What the service adds to data and models: where a job's output lies, which job, and the flavors."""

from __future__ import annotations

from academy.datasets.mlmodel import flavors
from academy.datasets.uris import JobOutputUri, parse
from academy.service.arm import Call
from academy.service.state import ServiceState
from academy.store.documents import Body


def described_data(state: ServiceState, call: Call, properties: Body) -> Body:
    """Return the properties with ``dataUri`` as a path in a datastore, when it names a job's output."""
    return {**properties, "dataUri": _resolved(state, call, properties["dataUri"], "data asset")}


def described_model(state: ServiceState, call: Call, properties: Body) -> Body:
    """Return the properties with ``modelUri`` resolved, and what the caller left out filled in.

    Raises
    ------
    NotFound
        When the model's path leads to nothing.
    InvalidField
        When an ``mlflow_model`` has no MLmodel file.
    """
    given = str(properties["modelUri"])
    uri = _resolved(state, call, given, "model")
    described = {"modelType": "custom_model", "flavors": {}, **properties, "modelUri": uri}
    target = parse(given)
    if isinstance(target, JobOutputUri):
        described.setdefault("jobName", target.job)
    location = state.locator.locate(call.workspace, uri)
    if described["modelType"] == "mlflow_model" and location.path is not None:
        described["flavors"] = flavors(location.path, shown_as=given, target="properties.modelUri")
    return described


def _resolved(state: ServiceState, call: Call, uri: str, what: str) -> str:
    # As on Azure, an asset keeps the path of the files and not the name of the output: the SDK's own
    # download reads nothing else.
    if not isinstance(parse(uri), JobOutputUri):
        return uri
    return state.locator.existing(call.workspace, uri, what=f"The path of the {what}").uri
