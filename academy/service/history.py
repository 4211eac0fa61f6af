"""Run history: where the SDK's ``stream``, ``download``, ``archive`` and ``update`` look.

The SDK also asks here for the data planes of assets, to learn where the outputs of a job lie.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.blobs.sas import sas
from academy.datasets.datastores import ARTIFACT_CONTAINER, account_name, run_prefix
from academy.errors import InvalidField, Unsupported, choices
from academy.jobs import run_history
from academy.jobs.document import Progress
from academy.jobs.record import JobStatus
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listed
from academy.service.blob import blob_url
from academy.service.state import ServiceState
from academy.store.documents import Body, Document
from academy.store.ids import ResourceId

_LOG_FOLDERS = ("azureml-logs", "logs", "system_logs", "user_logs")
_LOG_URL_S = 24 * 3600

# How long ago a job may have ended whose first look still finds it about to end; how many are remembered.
_JUST_ENDED_S = 60
_MOST_WATCHED = 10_000

# The fields of a run that `PATCH` changes, and what a job's document calls them.
_CHANGEABLE = {
    "displayName": "displayName",
    "description": "description",
    "tags": "tags",
    "properties": "properties",
    "hidden": "isArchived",
}


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of run history and of the outputs' data planes."""
    history = _History(state)
    root = f"/history/v1.0{WORKSPACE_PATH}"
    runs = [f"{root}/runs/{{name}}", f"{root}/experiments/{{experiment}}/runs/{{name}}"]
    versions = f"/data/v1.0{WORKSPACE_PATH}/dataversion/batchGetResolvedUris"
    models = f"/modelregistry/v1.0{WORKSPACE_PATH}/models/batchGetResolvedUris"
    return [
        *(arm_route(f"{run}/details", {"GET": history.details}) for run in runs),
        *(arm_route(f"{run}/children", {"GET": history.children}) for run in runs),
        *(arm_route(run, {"GET": history.show, "PATCH": history.patch}) for run in runs),
        arm_route(f"{runs[0]}/serviceinstances/{{node}}", {"GET": history.service_instances}),
        arm_route(f"{root}/rundata", {"POST": history.run_data}),
        arm_route(versions, {"POST": history.resolve_uris}),
        arm_route(models, {"POST": history.resolve_paths}),
    ]


class _History:
    """The handlers."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._engine = state.jobs
        self._watched: set[str] = set()

    def show(self, call: Call) -> Response:
        return answer(self._run(self._job(call, call.params["name"])))

    def details(self, call: Call) -> Response:
        """Answer what ``stream`` shows: the status, why it failed, and signed URLs of the logs."""
        found = self._job(call, call.params["name"])
        shown = run_history.run(found, self._progress_to_stream(found))
        return answer({**shown, "logFiles": self._log_files(found)})

    def children(self, call: Call) -> Response:
        self._job(call, call.params["name"])
        return listed([])

    def service_instances(self, call: Call) -> Response:
        self._job(call, call.params["name"])
        return answer({"instances": {}})

    def patch(self, call: Call) -> Response:
        given = {key: value for key, value in call.body.items() if value is not None}
        unknown = sorted(given.keys() - _CHANGEABLE.keys() - {"runId"})
        if unknown:
            raise Unsupported(
                f"{choices(unknown)} of a run cannot be changed. What can: {choices(_CHANGEABLE)}.",
                target=unknown[0],
            )
        name = call.params["name"]
        properties = {_CHANGEABLE[key]: value for key, value in given.items() if key in _CHANGEABLE}
        self._engine.update(call.workspace, name, properties, who=call.who, merge_tags=True)
        return answer(self._run(self._job(call, name)))

    def run_data(self, call: Call) -> Response:
        name = call.body.get("runId")
        if not isinstance(name, str):
            raise InvalidField(f"runId must name a run; it is {name!r}.", target="runId")
        run = self._run(self._job(call, name))
        return answer({"runMetadata": run, "runDefinition": None, "jobSpecification": None})

    def resolve_uris(self, call: Call) -> Response:
        """Answer where outputs lie; the ids are those that ``run_data`` gave."""
        found = {id: self._output(call, id) for id in _values(call.body)}
        return answer({"values": {id: {"uri": uri, "type": kind} for id, (uri, kind) in found.items()}})

    def resolve_paths(self, call: Call) -> Response:
        found = {id: self._output(call, id) for id in _values(call.body)}
        return answer({"values": {id: {"path": uri, "type": kind} for id, (uri, kind) in found.items()}})

    def _output(self, call: Call, id: str) -> tuple[str, str]:
        job, output = run_history.parse_output_id(id)
        return run_history.output_place(self._job(call, job), output)

    def _progress_to_stream(self, found: Document) -> Progress:
        """Return the job's progress, a step behind at the first look at one that has just ended.

        The SDK's ``stream`` prints logs only of a job that it has seen going on. On Azure no job ends
        before its first look; here most short ones do, and would show nothing.
        """
        progress = self._engine.progress(found)
        ended = progress.ended_at is not None
        first = found.id not in self._watched
        if len(self._watched) > _MOST_WATCHED:
            self._watched.clear()
        self._watched.add(found.id)
        if ended and first and time.time() - (progress.ended_at or 0) < _JUST_ENDED_S:
            return replace(progress, status=JobStatus.FINALIZING)
        return progress

    def _run(self, found: Document) -> Body:
        return run_history.run(found, self._engine.progress(found))

    def _job(self, call: Call, name: str) -> Document:
        return self._engine.get(call.workspace, name)

    def _log_files(self, found: Document) -> Mapping[str, str]:
        root = self._engine.artifacts(found).root
        account = account_name(ResourceId.parse(found.id).workspace)
        address = self._state.address()
        files = {}
        for folder in _LOG_FOLDERS:
            for file in sorted((root / folder).rglob("*")):
                if not file.is_file():
                    continue
                shown = file.relative_to(root).as_posix()
                path = f"{run_prefix(found.name)}/{shown}"
                query = sas(
                    self._state.signer,
                    account,
                    ARTIFACT_CONTAINER,
                    path,
                    permissions="r",
                    lifetime_s=_LOG_URL_S,
                )
                files[shown] = blob_url(address, account, ARTIFACT_CONTAINER, path, query)
        return files


def _values(body: Mapping[str, Any]) -> list[str]:
    values = body.get("values")
    if not isinstance(values, list):
        raise InvalidField(f"values must be a list of ids; it is {values!r}.", target="values")
    return [str(value) for value in values]
