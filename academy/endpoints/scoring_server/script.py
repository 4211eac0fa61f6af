"""A ``score.py`` with ``init()`` and ``run()``, called the way Azure ML's server calls it."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import logging
import os
import sys
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

from .messages import AMLRequest, AMLResponse, BadInput, json_object, rawhttp

log = logging.getLogger("azmlinfsrv.user_script")


class StartError(Exception):
    """The model cannot be served: what is wrong and what to do, for the person who deployed it."""


class Script:
    """One scoring script below the code folder ``root``."""

    def __init__(self, root: str, script: str) -> None:
        self._root = root
        self._script = script
        self._run: Callable[..., Any] = lambda: None
        self._parameters: list[inspect.Parameter] = []
        self._wants_headers = False
        self._raw = False
        self._decorated = False

    def init(self) -> None:
        """Import the script and call its ``init()``."""
        provide_azureml_modules()
        path = os.path.join(self._root, self._script)
        if not os.path.isfile(path):
            held = ", ".join(sorted(os.listdir(self._root))[:20]) or "nothing"
            raise StartError(
                f"The scoring script {self._script!r} is not in the code folder, which holds: {held}. "
                "Give its path below the folder."
            )
        # The script's own folder comes first, as for a script that is run; then the code's root.
        sys.path[:0] = list(dict.fromkeys([os.path.dirname(path), self._root]))
        module = self._import(path)
        for name in ("init", "run"):
            if not callable(getattr(module, name, None)):
                raise StartError(f"{self._script} has no {name}() function. Define init() and run(data).")
        # A driver script, such as Azure ML Designer's, keeps the real one here.
        driven = getattr(module, "driver_module", None)
        self._inspect(driven.run if isinstance(driven, types.ModuleType) else module.run)
        log.info("Invoking user's init function")
        guarded(f"init() of {self._script}", module.init)
        log.info("Users's init has completed successfully")

    def run(self, request: AMLRequest) -> Any:
        """Call ``run()`` as its decorators ask: with the request, with arguments, or with the body."""
        arguments = self._arguments(request)
        if self._wants_headers:
            arguments["request_headers"] = dict(request.headers)
        return self._run(**arguments)

    def swagger(self) -> dict[str, Any]:
        """Return the schemas of input and output for the description."""
        nothing: dict[str, Any] = {"type": "object", "example": {}}
        if not self._decorated:
            return {"input": nothing, "output": nothing}
        schemas = sys.modules["inference_schema.schema_util"]
        return {"input": schemas.get_input_schema(self._run), "output": schemas.get_output_schema(self._run)}

    def _import(self, path: str) -> types.ModuleType:
        spec = importlib.util.spec_from_file_location("entry_module", path)
        if spec is None or spec.loader is None:
            raise StartError(f"The scoring script {self._script!r} is not a Python file.")
        module = importlib.util.module_from_spec(spec)
        sys.modules["entry_module"] = module
        guarded(f"The import of {self._script}", spec.loader.exec_module, module)
        return module

    def _inspect(self, run: Callable[..., Any]) -> None:
        parameters = list(inspect.signature(run).parameters.values())
        if any(one.kind in (one.POSITIONAL_ONLY, one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in parameters):
            raise StartError(
                "run() cannot take positional-only parameters, *args or **kwargs. Name each one."
            )
        self._wants_headers = any(one.name == "request_headers" for one in parameters)
        self._parameters = [one for one in parameters if one.name != "request_headers"]
        if not self._parameters:
            raise StartError("run() takes no input. Give it a parameter: def run(data).")
        schemas = sys.modules.get("inference_schema.schema_util")
        self._run = run
        self._raw = bool(getattr(run, "azureml_rawhttp", False))
        self._decorated = schemas is not None and bool(schemas.is_schema_decorated(run))

    def _arguments(self, request: AMLRequest) -> dict[str, Any]:
        if self._raw:
            return {self._parameters[0].name: request}
        if request.method not in ("GET", "POST"):
            raise BadInput("Method not allowed", 405)
        if self._decorated:
            return self._named(_query(request) if request.method == "GET" else _posted(request))
        if request.method == "GET":
            return {self._parameters[0].name: json.dumps(_query(request))}
        try:
            return {self._parameters[0].name: request.data.decode()}
        except UnicodeDecodeError as error:
            raise BadInput(f"The request's body is not UTF-8: {error}") from None

    def _named(self, values: Mapping[str, Any]) -> dict[str, Any]:
        arguments = {}
        for parameter in self._parameters:
            value = values.get(parameter.name, parameter.default)
            if value is inspect.Parameter.empty:
                raise BadInput(f"A value is not provided for the {parameter.name!r} parameter.")
            arguments[parameter.name] = value
        return arguments


def provide_azureml_modules() -> None:
    """Make ``azureml.contrib.services.aml_request`` and its like importable, whatever is installed.

    The real packages need Flask and pass Flask's objects; ours take their place, and the rest of an
    installed ``azureml`` stays as it is.
    """
    for package in ("azureml.contrib.services", "azureml_inference_server_http.api"):
        _provide(f"{package}.aml_request", {"AMLRequest": AMLRequest, "rawhttp": rawhttp})
        _provide(f"{package}.aml_response", {"AMLResponse": AMLResponse})


def guarded(what: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call the user's code; what it raises becomes a ``StartError``, with the traceback in the log."""
    try:
        return call(*arguments)
    except (Exception, SystemExit) as error:
        log.error("%s failed:\n%s", what, user_traceback())
        raise StartError(f"{what} raised {type(error).__name__}: {error}") from error


def user_traceback() -> str:
    """Format the current exception from the first frame that is not this package's."""
    kind, error, trace = sys.exc_info()
    while trace is not None and trace.tb_next is not None and _is_ours(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return "".join(traceback.format_exception(kind, error, trace)).rstrip()


def _is_ours(filename: str) -> bool:
    return os.path.dirname(filename) == os.path.dirname(__file__) or filename.startswith("<frozen importlib")


def _provide(name: str, content: Mapping[str, Any]) -> None:
    parent, _, child = name.rpartition(".")
    if parent and parent not in sys.modules:
        try:
            importlib.import_module(parent)
        except ImportError:
            _provide(parent, {"__path__": []})
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module
    if parent:
        setattr(sys.modules[parent], child, module)


def _posted(request: AMLRequest) -> dict[str, Any]:
    if not request.is_json:
        raise BadInput("The request's Content-Type must be application/json.", 415)
    return json_object(request)


def _query(request: AMLRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, texts in request.query().items():
        values = [_value(text) for text in texts]
        found[name] = values[0] if len(values) == 1 else values
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
