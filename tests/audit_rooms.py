"""A service's rooms without HTTP and without its recorder's thread: tests say when it catches up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import text

from academy.audit.chain import Sealed, breaks
from academy.paths import Home
from academy.service.server import compose
from academy.service.state import ServiceState
from academy.signing import Signer
from academy.store.documents import Document
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

WORKSPACE = DEFAULT_WORKSPACE

EVIDENCE: Mapping[str, Any] = {
    "machine": {
        "host": "h",
        "system": "Linux",
        "release": "6",
        "distribution": "d",
        "architecture": "x86_64",
        "processor": "p",
        "cores": 2,
        "memory_bytes": 1,
        "gpus": [],
    },
    "software": {
        "python": "3.11",
        "implementation": "CPython",
        "executable": "/p",
        "site": "/s",
        "packages": [],
        "own_packages": [],
        "environment": None,
        "environment_id": None,
        "image": None,
        "requirements": [],
        "lock_sha256": None,
    },
    "command": "true",
    "code": None,
    "model": None,
    "inputs": [],
    "outputs": [],
    "notes": [],
    "variables": [],
}


def opened(root: Path) -> ServiceState:
    home = Home(root)
    home.prepare()
    return compose(home, Signer(b"k" * 32), "http://127.0.0.1:1")


def close(state: ServiceState) -> None:
    state.recorder.close()
    state.jobs.close()
    state.tracking.close()
    state.documents.engine.dispose()


def job(
    state: ServiceState,
    name: str,
    *,
    status: str = "Completed",
    workspace: Workspace = WORKSPACE,
    seen: Mapping[str, Any] | None = EVIDENCE,
    **properties: Any,
) -> Document:
    """Let a job have ended, as the engine writes it down; ``seen`` is the evidence in its folder."""
    folder = state.home.job(workspace.key, name)
    folder.root.mkdir(parents=True)
    if seen is not None:
        folder.evidence_file.write_text(json.dumps(seen))
    id = workspace.child("jobs", name)
    kept = {"status": "Running", "jobType": "Command", "outputs": {}, "tags": {}, "properties": {}}
    state.documents.create(id, {"properties": {**kept, **properties}}, who="ana")
    return end(state, id, status)


def end(state: ServiceState, id: str, status: str) -> Document:
    def ended(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "properties": {**old["properties"], "status": status}}

    return state.documents.update(id, ended, who="academy", action=status.lower())


def model(state: ServiceState, name: str, version: str, content: str = "weights", **more: Any) -> Document:
    """Register a model version whose files are in the blob store."""
    path = f"models/{name}/{version}"
    folder = state.datastores.root(WORKSPACE, "workspaceblobstore") / path
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_text(content)
    uri = f"azureml://datastores/workspaceblobstore/paths/{path}"
    properties = {"modelUri": uri, "modelType": "custom_model", **more}
    return state.versions.put(WORKSPACE.child("models", name), version, {"properties": properties}, who="ana")


def deployment(state: ServiceState, endpoint: str, name: str, state_of_it: str, **more: Any) -> Document:
    """Let a generation of a deployment have succeeded or failed."""
    above = WORKSPACE.child("onlineEndpoints", endpoint)
    state.documents.put(above, {"properties": {"authMode": "Key", "traffic": {}}}, who="ana")
    folder = state.home.online_deployment(WORKSPACE.key, endpoint, name)
    replicas = folder.generation(1)
    replicas.root.mkdir(parents=True, exist_ok=True)
    replicas.evidence_file.write_text(json.dumps(EVIDENCE))
    folder.record_file.write_text(json.dumps({"serving": 1, "newest": 1, "error": None}))
    put = state.documents.put(f"{above}/deployments/{name}", {"properties": more}, who="bo")
    return state.documents.update(put.id, dict, who="academy", action=state_of_it.lower())


def recorded(state: ServiceState) -> list[Sealed]:
    """Catch up; return all records of a chain that is whole."""
    state.recorder.catch_up()
    kept = list(state.ledger.read())
    assert breaks(kept, state.ledger.head()) == []
    return kept


def said(state: ServiceState) -> list[tuple[str, str, str, str]]:
    return [
        (one.body["kind"], one.body["name"], one.body["status"], one.body["who"]) for one in recorded(state)
    ]


def before_the_ledger(state: ServiceState) -> None:
    """Make the home one of the release before there was a ledger."""
    with state.documents.engine.begin() as connection:
        connection.execute(text("DROP TABLE ledger"))
        connection.execute(text("UPDATE academy_alembic_version SET version_num = '0002'"))
    state.home.audit_head_file.unlink(missing_ok=True)
