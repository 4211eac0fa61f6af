"""What the SDK and the machine raise, in one line and an exit status."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

_BY_HTTP_STATUS = {404: 3, 503: 4, 507: 5}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def explain(error: Exception) -> tuple[str, int]:
    """Return the message and the exit status for ``error``."""
    azure = sys.modules.get("azure.core.exceptions")
    if azure and isinstance(error, azure.HttpResponseError):
        return _one_line(_http_message(error)), _BY_HTTP_STATUS.get(error.status_code or 0, 1)
    if azure and isinstance(error, azure.ServiceRequestError | azure.ServiceResponseError):
        return f"The service does not answer: {_one_line(str(error))} See 'academy status'.", 4
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 1
    message = getattr(error, "message", None) or str(error)
    known = type(error).__module__.startswith(("azure.", "marshmallow", "yaml"))
    text = _of_failed_job(message) or _one_line(message)
    return text if known and text else f"{type(error).__name__}: {text} (--debug shows where)", 1


def _http_message(error: Any) -> str:
    details = error.error
    if details is not None and details.message:
        return f"({details.code}) {details.message}"
    return str(error.message)


def _of_failed_job(message: str) -> str | None:
    """Return what ``jobs.stream`` says of a failed job: it raises the error's JSON."""
    start = message.find("{")
    if not message.startswith("Exception : ") or start < 0:
        return None
    try:
        found = json.loads(message[start:].strip())
    except ValueError:
        return None
    inner = found.get("error", found)
    return f"The job failed: {_one_line(str(inner.get('message', inner)))}"


def _one_line(message: str) -> str:
    lines = [line.strip() for line in _ANSI.sub("", message).splitlines()]
    return " ".join(line for line in lines if line)
