"""What the SDK and the machine raise, in one line and an exit status."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

_BY_HTTP_STATUS = {404: 3, 503: 4, 507: 5}
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def explain(error: Exception) -> tuple[str, int]:
    """Return the message and the exit status for ``error``."""
    if isinstance(error.__cause__, KeyboardInterrupt):  # jobs.stream makes an error of Ctrl-C
        return "interrupted; the job goes on ('academy job cancel' ends it)", 130
    azure = sys.modules.get("azure.core.exceptions")
    if azure and isinstance(error, azure.HttpResponseError):
        return _one_line(_http_message(error)), _BY_HTTP_STATUS.get(error.status_code or 0, 1)
    if azure and isinstance(error, azure.ServiceRequestError | azure.ServiceResponseError):
        return f"The service does not answer: {_one_line(str(error))} See 'academy status'.", 4
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror, 1
    message = getattr(error, "message", None) or str(error)
    known = type(error).__module__.startswith(("azure.", "marshmallow", "yaml"))
    text = _of_failed_job(message) or _of_invalid_yaml(message) or _one_line(message)
    return text if known and text else f"{type(error).__name__}: {text} (--debug shows where)", 1


def _http_message(error: Any) -> str:
    details = error.error
    if details is not None and details.message:
        return f"({details.code}) {details.message}"
    return str(error.message)


def _of_failed_job(message: str) -> str | None:
    """Return what ``jobs.stream`` says of a failed job: it raises the error's JSON."""
    found = _json_in(message)
    if not message.startswith("Exception : ") or found is None:
        return None
    inner = found.get("error", found)
    return f"The job failed: {_one_line(str(inner.get('message', inner)))}"


def _of_invalid_yaml(message: str) -> str | None:
    """Return which fields of a YAML file are wrong, from the SDK's nested report about them."""
    found = _json_in(message)
    if not message.startswith("Validation for ") or found is None:
        return None
    return "The YAML is not valid: " + "; ".join(dict.fromkeys(_wrong_fields(found, ""))) + "."


def _json_in(message: str) -> Any:
    start = message.find("{")
    try:
        return json.JSONDecoder().raw_decode(message, start)[0] if start >= 0 else None
    except ValueError:
        return None


def _wrong_fields(found: Any, field: str) -> Iterator[str]:
    if isinstance(found, dict) and "errors" in found:
        for error in found["errors"]:
            inner = _json_in(error["message"])
            where = "" if error["path"] == "*" else error["path"]
            yield from _wrong_fields(error["message"] if inner is None else inner, where)
    elif isinstance(found, dict):
        for key, value in found.items():
            yield from _wrong_fields(value, f"{field}.{key}".lstrip("."))
    elif isinstance(found, list):
        for item in found:
            yield from _wrong_fields(item, field)
    else:
        text = _one_line(str(found)).removesuffix(".")
        yield f"{field}: {text}" if field else text


def _one_line(message: str) -> str:
    lines = [line.strip() for line in _ANSI.sub("", message).splitlines()]
    return " ".join(line for line in lines if line)
