"""How the SDK finds the service: the cloud's metadata, and where run history answers."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from academy.service.state import ServiceState
from academy.signing import AUDIENCE

CLOUD = "AcademyCloud"


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return ``/metadata/endpoints`` (ARM_CLOUD_METADATA_URL) and the workspaces' discovery URL."""

    def metadata(_request: Request) -> Response:
        address = state.address()
        cloud = {
            "name": CLOUD,
            "portal": f"{address}/studio",
            "resourceManager": address,
            "authentication": {"loginEndpoint": address, "audiences": [AUDIENCE]},
            "suffixes": {"storage": "academy.localhost"},
        }
        return JSONResponse([cloud])

    def discovery(_request: Request) -> Response:
        address = state.address()
        return JSONResponse({"api": address, "history": f"{address}/history", "mlflow": f"{address}/mlflow"})

    return [Route("/metadata/endpoints", metadata), Route("/discovery/workspaces/{guid}", discovery)]
