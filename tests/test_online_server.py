"""The scoring server, run as its own process: scripts, raw HTTP, time limits, MLflow models."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SERVER = Path(__file__).parents[1] / "academy" / "endpoints" / "scoring_server"
SECRET = "a-secret"

ECHO = """
import json

def init():
    print("init was called")

def run(data):
    return json.loads(data)
"""


@dataclass
class Running:
    """A server that is ready, or that has said why it cannot be."""

    process: subprocess.Popen[bytes]
    status: dict[str, Any]
    log: Path

    def call(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.status["port"], timeout=20)
        sent = {"x-academy-replica-key": SECRET, "Content-Type": "application/json", **(headers or {})}
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def score(self, value: Any) -> Any:
        status, _headers, body = self.call("POST", "/score", json.dumps(value).encode())
        assert status == 200, body
        return json.loads(body)

    def refused(self, value: Any) -> str:
        status, _headers, body = self.call("POST", "/score", json.dumps(value).encode())
        assert status == 400, (status, body)
        return str(json.loads(body)["message"])


Serve = Callable[..., Running]


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start servers; all are ended afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def start(script: str | None = None, *, python: str = sys.executable, **config: Any) -> Running:
        root = tmp_path_factory.mktemp("server")
        (root / "code").mkdir()
        if script is not None:
            (root / "code" / "score.py").write_text(script)
        told = {
            "secret": SECRET, "status_file": str(root / "status.json"), "plan_file": str(root),
            "code_root": str(root / "code"), "script": "score.py", "mlflow_model": None,
            "timeout_s": 10.0, "max_concurrent": 1, "endpoint": "e", "version": "academy/test", **config,
        }  # fmt: skip
        (root / "config.json").write_text(json.dumps(told))
        log = root / "log"
        with log.open("wb") as output:
            command = [python, str(SERVER), str(root / "config.json")]
            environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
            process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, cwd=root / "code"
            )
        started.append(process)
        deadline = time.monotonic() + 60
        while not (root / "status.json").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert (root / "status.json").exists(), log.read_text()
        return Running(process, json.loads((root / "status.json").read_text()), log)

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def echo(serve: Serve) -> Running:
    return serve(ECHO)


def test_run_gets_the_body_as_text_and_its_result_is_json(echo: Running) -> None:
    assert echo.score({"a": [1, 2.5, None, "é"]}) == {"a": [1, 2.5, None, "é"]}
    assert "init was called" in echo.log.read_text()


def test_ids_of_the_request_are_echoed(echo: Running) -> None:
    _status, headers, _body = echo.call("POST", "/score", b"1", {"x-ms-client-request-id": "mine"})
    assert headers["x-ms-client-request-id"] == headers["x-ms-request-id"] == "mine"
    assert headers["x-ms-server-version"] == "academy/test"
    _status, headers, _body = echo.call("POST", "/score", b"1")
    assert headers["x-ms-request-id"]
    assert "x-ms-client-request-id" not in headers


def test_health_and_description(echo: Running) -> None:
    assert echo.call("GET", "/")[::2] == (200, b"Healthy")
    described = json.loads(echo.call("GET", "/swagger.json")[2])
    assert described["swagger"] == "2.0"
    assert "/score" in described["paths"]
    assert echo.call("GET", "/nothing")[0] == 404


def test_only_the_router_may_call(echo: Running) -> None:
    assert echo.call("POST", "/score", b"1", {"x-academy-replica-key": "wrong"})[0] == 401


def raw_answer(server: Running, head: str, body: bytes = b"") -> bytes:
    """Send the bytes as they are; return all that comes until the server closes the connection."""
    with socket.create_connection(("127.0.0.1", server.status["port"]), timeout=20) as connection:
        connection.sendall(f"POST /score HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer


def test_key_is_checked_before_any_of_the_body_is_read(echo: Running) -> None:
    # The body never comes; only a server that does not wait for it answers.
    answer = raw_answer(echo, "Content-Length: 99999999999\r\nExpect: 100-continue")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"Connection: close" in answer


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Content-Length: 67108865", 413),
        ("Content-Length: -1", 400),
        ("Content-Length: 1x", 400),
        ("Content-Length: \u00b2", 400),
        ("Content-Length: 1\r\nContent-Length: 2", 400),
        ("Transfer-Encoding: chunked", 400),
    ],
)
def test_length_of_the_body_must_be_named_and_within_the_limit(echo: Running, head: str, status: int) -> None:
    answer = raw_answer(echo, f"x-academy-replica-key: {SECRET}\r\n{head}")
    assert answer.startswith(b"HTTP/1.1 %d " % status)


def test_query_becomes_the_input_of_a_get(echo: Running) -> None:
    status, _headers, body = echo.call("GET", "/score?a=1&b=x&c=1&c=2")
    assert (status, json.loads(body)) == (200, {"a": 1, "b": "x", "c": [1, 2]})


def test_error_in_run_is_500_with_its_traceback_in_the_log(echo: Running) -> None:
    status, headers, body = echo.call("POST", "/score", b"{not json")
    assert status == 500
    assert headers["x-ms-run-function-failed"] == "True"
    assert "JSONDecodeError" in json.loads(body)["message"]
    assert 'score.py", line 8, in run' in echo.log.read_text()


def test_results_of_numpy_and_pandas_become_json(serve: Serve) -> None:
    server = serve(
        """
import json, numpy as np, pandas as pd
def init(): pass
def run(data):
    return {
        "array": np.arange(3), "scalar": np.float64(0.5), "frame": pd.DataFrame({"a": [1, 2]}),
        "text": json.dumps([1]), "time": pd.Timestamp("2024-01-02"),
    }
"""
    )
    assert server.score(None) == {
        "array": [0, 1, 2], "scalar": 0.5, "frame": [{"a": 1}, {"a": 2}], "text": "[1]",
        "time": "2024-01-02T00:00:00",
    }  # fmt: skip


def test_result_that_is_no_json_is_an_error_that_says_so(serve: Serve) -> None:
    server = serve("def init(): pass\ndef run(data): return object()")
    status, _headers, body = server.call("POST", "/score", b"1")
    assert status == 500
    assert "not JSON serializable" in json.loads(body)["message"]


RAW = """
from azureml.contrib.services.aml_request import AMLRequest, rawhttp
from azureml.contrib.services.aml_response import AMLResponse

def init(): pass

@rawhttp
def run(request):
    if request.method == "GET":
        return AMLResponse(request.full_path.encode(), 200)
    if request.files:
        upload = request.files["image"]
        said = upload.filename + ":" + str(len(upload.read()))
        return AMLResponse(said, 201, {"X-Kind": upload.content_type})
    if request.args.get("fail"):
        return AMLResponse("bad request", 500)
    return {"bytes": len(request.get_data()), "header": request.headers["X-Mine"], "json": request.is_json}
"""


@pytest.fixture(scope="module")
def raw(serve: Serve) -> Running:
    return serve(RAW)


def test_raw_script_sees_the_request_and_sets_the_response(raw: Running) -> None:
    assert raw.call("GET", "/score?x=1")[::2] == (200, b"/score?x=1")
    assert raw.call("POST", "/score?fail=1", b"")[::2] == (500, b"bad request")
    status, _headers, body = raw.call("POST", "/score", b"\x00\xff", {"x-mine": "yes"})
    assert (status, json.loads(body)) == (200, {"bytes": 2, "header": "yes", "json": True})


def test_raw_script_reads_uploaded_files(raw: Running) -> None:
    part = (
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="cat.png"\r\n'
        b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\r\n--b--\r\n"
    )
    sent = raw.call("POST", "/score", part, {"Content-Type": "multipart/form-data; boundary=b"})
    assert sent[0] == 201
    assert sent[1]["x-kind"] == "image/png"
    assert sent[2] == b"cat.png:7"


INFERENCE_SCHEMA = '''
"""A stand-in with the three parts of inference-schema that the server and scripts touch."""
SCHEMAS = {}

def input_schema(name, kind):
    def decorate(run):
        def wrapper(*args, **kwargs):
            kwargs[name] = kind(kwargs[name])
            return run(*args, **kwargs)
        wrapper.__signature__ = __import__("inspect").signature(run)
        SCHEMAS[wrapper] = {"type": "object", "example": {name: []}}
        return wrapper
    return decorate

def is_schema_decorated(run): return run in SCHEMAS
def get_input_schema(run): return SCHEMAS[run]
def get_output_schema(run): return {"type": "object"}
'''


def test_decorated_run_is_called_with_named_values(serve: Serve, tmp_path: Path) -> None:
    package = tmp_path / "inference_schema"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "schema_util.py").write_text(INFERENCE_SCHEMA)
    server = serve(
        f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from inference_schema.schema_util import input_schema
def init(): pass
@input_schema("data", tuple)
def run(data, scale=10):
    return [type(data).__name__, scale * sum(data)]
"""
    )
    assert server.score({"data": [1, 2]}) == ["tuple", 30]
    assert server.score({"data": [1, 2], "scale": 2}) == ["tuple", 6]
    assert "'data' parameter" in server.refused({"scale": 2})
    assert "not JSON" in json.loads(server.call("POST", "/score", b"{")[2])["message"]
    assert server.call("POST", "/score", b"{}", {"Content-Type": "text/plain"})[0] == 415


def test_run_that_takes_too_long_is_ended_and_the_next_one_runs(serve: Serve) -> None:
    server = serve(
        "import json, time\ndef init(): pass\n"
        "def run(data):\n    time.sleep(json.loads(data))\n    return 'done'",
        timeout_s=1.0,
    )
    started = time.monotonic()
    status, headers, body = server.call("POST", "/score", b"30")
    assert status == 408
    assert headers["x-ms-timeout-ms"] == "1000"
    assert "request_timeout_ms" in json.loads(body)["message"]
    assert server.score(0) == "done"
    assert time.monotonic() - started < 20
    assert "time.sleep(json.loads(data))" in server.log.read_text()


def test_concurrent_runs_are_as_many_as_allowed(serve: Serve) -> None:
    server = serve(
        "import threading\nbarrier = threading.Barrier(2)\ndef init(): pass\n"
        "def run(data): return barrier.wait(5) is not None",
        max_concurrent=2,
    )
    with subprocess.Popen(
        [sys.executable, "-c", _CALL, str(server.status["port"])], stdout=subprocess.PIPE
    ) as other:
        assert server.score(1) is True
        assert other.communicate()[0].strip() == b"200"


_CALL = f"""
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
connection.request("POST", "/score", b"1", {{"x-academy-replica-key": {SECRET!r}}})
print(connection.getresponse().status)
"""


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            "def init(): raise ValueError('no weights')\ndef run(data): pass",
            "init() of score.py raised ValueError: no weights",
        ),
        ("import nothing_like_it", "The import of score.py raised ModuleNotFoundError"),
        ("def run(data): pass", "score.py has no init() function"),
        ("def init(): pass\ndef run(): pass", "run() takes no input"),
        ("def init(): pass\ndef run(*data): pass", "run() cannot take"),
        ("import sys\nsys.exit(3)", "raised SystemExit: 3"),
        (None, "is not in the code folder, which holds: nothing"),
    ],
)  # fmt: skip
def test_script_that_cannot_serve_says_why(serve: Serve, script: str | None, said: str) -> None:
    server = serve(script)
    assert said in server.status["error"]
    assert server.process.wait(10) == 1
    if "raise" in (script or ""):
        assert "Traceback" in server.log.read_text()


def old_pythons() -> list[str]:
    """Return the interpreters of the two oldest versions that pyenv has here."""
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    return [str(found) for minor in (7, 8) for found in sorted(versions.glob(f"3.{minor}.*/bin/python"))[-1:]]


@pytest.mark.parametrize("python", old_pythons())
def test_server_runs_under_old_pythons(serve: Serve, python: str) -> None:
    script = "import sys\ndef init(): pass\ndef run(data): return list(sys.version_info[:2])"
    assert f"/3.{serve(script, python=python).score(1)[1]}." in python


def test_modules_beside_the_script_are_found_and_the_servers_are_not(serve: Serve) -> None:
    server = serve(
        "import importlib.util\ndef init(): pass\n"
        "def run(data): return [importlib.util.find_spec(name) is None for name in ('workers', 'messages')]"
    )
    assert server.score(1) == [True, True]


def test_folder_without_mlmodel_is_refused(serve: Serve, tmp_path: Path) -> None:
    assert "holds no file 'MLmodel'" in serve(mlflow_model=str(tmp_path), script=None).status["error"]
