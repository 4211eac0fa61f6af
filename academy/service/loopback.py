"""JSON to and from the service of a home. Never through a proxy: it is a connection to this machine."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from academy.errors import AcademyError, NotFound, ServiceUnavailable
from academy.paths import Home
from academy.service.process import ServiceInfo

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Loopback:
    """Speaks to one running service with the token of its home's owner."""

    info: ServiceInfo
    timeout_s: float = TIMEOUT_S

    def get(self, path: str, **query: object) -> dict[str, Any]:
        return self.send("GET", f"{path}?{urlencode(query)}" if query else path)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the answer's JSON.

        Raises
        ------
        ServiceUnavailable
            Nobody answers at the service's address, or not in time.
        NotFound
            The service has no such resource.
        AcademyError
            The service refused; the message is its own.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.info.port, timeout=self.timeout_s)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), self._headers())
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailable(
                f"The service of {self.info.home} does not answer at {self.info.address} "
                f"({type(error).__name__}). 'academy up' starts it."
            ) from error
        finally:
            connection.close()
        return _answered(answer.status, content)

    def _headers(self) -> dict[str, str]:
        token = Home(Path(self.info.home)).token_file.read_text(encoding="ascii").strip()
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def _answered(status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        found = {}
    if status < 400:
        return found if isinstance(found, dict) else {"value": found}
    said = found.get("error") if isinstance(found, dict) else None
    said = said if isinstance(said, dict) else {}
    error = (NotFound if status == 404 else AcademyError)(
        said.get("message", f"The service answered {status}.")
    )
    error.http_status, error.code = status, said.get("code", error.code)
    error.target = said.get("target")
    raise error
