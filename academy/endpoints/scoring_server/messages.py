"""Requests and responses: what the server handles, and what a script with ``@rawhttp`` sees.

The names are those of ``azureml.contrib.services``, so that its scripts run without that package.
"""

from __future__ import annotations

import base64
import email
import email.policy
import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Dict  # noqa: UP035 - see Headers
from urllib.parse import parse_qs, urlsplit

JSON = "application/json"


class BadInput(Exception):
    """The request is not what the model takes."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Headers(Dict[str, str]):  # noqa: UP006 - evaluated, and dict[...] is not in Python 3.8
    """Header values by name; case does not matter."""

    def __init__(self, items: Mapping[str, str]) -> None:
        super().__init__({name.title(): value for name, value in items.items()})

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.title())

    def __setitem__(self, name: str, value: str) -> None:
        super().__setitem__(name.title(), value)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).title())

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.title(), default)


class UploadedFile(io.BytesIO):
    """One file of a multipart request."""

    def __init__(self, content: bytes, filename: str, content_type: str) -> None:
        super().__init__(content)
        self.filename = filename
        self.content_type = content_type

    def save(self, target: Any) -> None:
        """Write the file to a path or into an open file."""
        if hasattr(target, "write"):
            target.write(self.getvalue())
            return
        with open(target, "wb") as file:
            file.write(self.getvalue())


class AMLRequest:
    """One HTTP request."""

    def __init__(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> None:
        parts = urlsplit(target)
        self.method = method
        self.path = parts.path
        self.full_path = target if parts.query else parts.path + "?"
        self.query_string = parts.query.encode()
        self.headers = Headers(headers)
        self.data = body

    @property
    def args(self) -> dict[str, str]:
        """The query's values, the first of each name."""
        return {name: values[0] for name, values in self.query().items()}

    @property
    def content_type(self) -> str:
        return str(self.headers.get("content-type", ""))

    @property
    def is_json(self) -> bool:
        kind = self.content_type.split(";")[0].strip().lower()
        return kind == JSON or (kind.startswith("application/") and kind.endswith("+json"))

    @property
    def json(self) -> Any:
        return self.get_json()

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form that are not files."""
        if self.content_type.startswith("application/x-www-form-urlencoded"):
            return {name: values[0] for name, values in parse_qs(self.data.decode()).items()}
        return {name: part.get_content() for name, part in self._parts() if part.get_filename() is None}

    @property
    def files(self) -> dict[str, UploadedFile]:
        """The files of a multipart form, by field."""
        found = {}
        for name, part in self._parts():
            if part.get_filename() is not None:
                content = part.get_payload(decode=True)
                found[name] = UploadedFile(content, part.get_filename(), part.get_content_type())
        return found

    def query(self) -> dict[str, list[str]]:
        """Return the query's values, all of each name."""
        return parse_qs(self.query_string.decode(), keep_blank_values=True)

    def get_data(self, cache: bool = True, as_text: bool = False, **_options: Any) -> Any:
        return self.data.decode() if as_text else self.data

    def get_json(self, force: bool = False, silent: bool = False, **_options: Any) -> Any:
        try:
            return json.loads(self.data)
        except ValueError as error:
            if silent:
                return None
            raise BadInput(f"The request's body is not JSON: {error}") from None

    def _parts(self) -> Iterator[Any]:
        if not self.content_type.startswith("multipart/"):
            return
        head = f"Content-Type: {self.content_type}\r\n\r\n".encode()
        message: Any = email.message_from_bytes(head + self.data, policy=email.policy.HTTP)
        for part in message.iter_parts():
            yield part.get_param("name", header="content-disposition"), part


class AMLResponse:
    """One HTTP response."""

    def __init__(
        self,
        message: Any,
        status_code: int = 200,
        response_headers: Mapping[str, str] | None = None,
        json_str: bool = False,
        run_function_failed: bool = False,
    ) -> None:
        self.status_code = int(status_code)
        as_json = json_str or message is None
        self.headers = Headers({"Content-Type": JSON if as_json else "text/html; charset=utf-8"})
        for name, value in (response_headers or {}).items():
            self.headers[name] = str(value)
        if run_function_failed:
            self.headers["x-ms-run-function-failed"] = "True"
        if as_json:
            self.body = json.dumps({} if message is None else message, default=plain).encode()
        else:
            self.body = message if isinstance(message, bytes) else str(message).encode()


def rawhttp(run: Callable[..., Any]) -> Callable[..., Any]:
    """Mark ``run`` as one that takes the request itself and may return a response."""
    run.__dict__["azureml_rawhttp"] = True
    return run


def failure(status: int, message: str, *, of_model: bool = False) -> AMLResponse:
    """Return an error as Azure's server words it, and as the SDK reads it."""
    code = "ModelError" if of_model else "BadRequest"
    body = {"message": message, "error": {"code": code, "message": message}}
    return AMLResponse(body, status, json_str=True, run_function_failed=of_model)


def json_object(request: AMLRequest) -> dict[str, Any]:
    """Return the body as a JSON object."""
    value = request.get_json()
    if not isinstance(value, dict):
        raise BadInput(f"The request's body must be a JSON object, not a {type(value).__name__}.")
    return value


def plain(value: Any) -> Any:
    """Return what ``json`` can write for numpy, pandas, torch and time values."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return [{str(key): item for key, item in row.items()} for row in value.to_dict(orient="records")]
    if hasattr(value, "to_frame"):
        return plain(value.to_frame())
    for method in ("tolist", "isoformat"):
        if hasattr(value, method):
            return getattr(value, method)()
    if hasattr(value, "numpy"):
        return value.numpy().tolist()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, (set, frozenset)):
        return list(value)
    raise TypeError(
        f"run() returned a {type(value).__name__} inside its result, which is not JSON serializable. "
        "Return lists, dicts, strings, numbers or arrays."
    )
