"""Artifacts for MLflow's clients: files come and go through the service, so no client needs a storage key."""

from __future__ import annotations

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from academy.errors import InvalidField, Unsupported
from academy.experiments import runs
from academy.experiments.artifacts import Upload, relative_path
from academy.experiments.logged_models import show_change
from academy.experiments.scope import Scope

# Bytes that are gathered before a thread writes them.
_CHUNK = 1024 * 1024


async def transfer(scope: Scope, relative: str, request: Request) -> Response:
    """Answer GET (a file, or a listing), PUT and DELETE of ``mlflow-artifacts/artifacts[/PATH]``."""
    if request.method == "PUT":
        await _receive(scope, relative, request)
        return JSONResponse({})
    if request.method == "DELETE":
        await to_thread.run_sync(_delete, scope, relative)
        return JSONResponse({})
    if request.method != "GET":
        raise Unsupported(f"{request.method} is not supported for artifacts. Use GET, PUT or DELETE.")
    if not relative:
        return await to_thread.run_sync(_listing, scope, request.query_params.get("path", ""))
    path = await to_thread.run_sync(scope.artifacts.file, relative)
    # An attachment, so that a page among the artifacts does not run as one of the service's.
    return FileResponse(
        path,
        filename=path.name,
        content_disposition_type="attachment",
        headers={"X-Content-Type-Options": "nosniff"},
    )


async def upload_to_run(scope: Scope, request: Request) -> Response:
    """Answer ``upload-artifact?run_uuid=…&path=…``, by which MLflow's page adds a file to a run."""
    run_id, path = request.query_params.get("run_uuid", ""), request.query_params.get("path", "")
    run = await to_thread.run_sync(
        lambda: scope.database.read(lambda session: runs.find_run(session, run_id))
    )
    if run is None:
        raise runs.no_run(run_id)
    base = relative_path(run.artifact_uri)
    if base is None or not path:
        raise InvalidField(f"Name the file with 'path'; it is {path!r}.", target="path")
    await _receive(scope, f"{base}/{path}", request)
    return JSONResponse({})


async def _receive(scope: Scope, relative: str, request: Request) -> None:
    upload = await to_thread.run_sync(scope.artifacts.upload, relative)
    try:
        waiting: list[bytes] = []
        size = 0
        async for chunk in request.stream():
            waiting.append(chunk)
            size += len(chunk)
            if size >= _CHUNK:
                await to_thread.run_sync(upload.write, waiting)
                waiting, size = [], 0
        await to_thread.run_sync(_finish, scope, relative, upload, waiting)
    finally:
        upload.abandon()


def _delete(scope: Scope, relative: str) -> None:
    scope.artifacts.deletable(relative)
    # First, so that nothing is gone of which the log does not tell.
    scope.record("delete artifacts", "artifacts", relative.strip("/"))
    scope.artifacts.delete(relative)


def _finish(scope: Scope, relative: str, upload: Upload, rest: list[bytes]) -> None:
    upload.write(rest)
    upload.finish()
    show_change(scope, relative)


def _listing(scope: Scope, relative: str) -> Response:
    files = [
        {
            "path": entry.name,
            "is_dir": entry.size is None,
            **({} if entry.size is None else {"file_size": entry.size}),
        }
        for entry in scope.artifacts.entries(relative)
    ]
    return JSONResponse({"files": files})
