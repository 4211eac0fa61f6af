"""``python experiments_client.py``: an MLflow client that runs the snippets it reads, one a line.

Importing MLflow takes seconds, so the tests share one such process. It needs MLflow and nothing of
Academy, so that any environment's MLflow can be tried with it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import textwrap
import traceback
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import fluent


def call(request: dict[str, Any]) -> dict[str, Any]:
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        del os.environ[name]
    os.environ.update(request["environment"])
    mlflow.set_tracking_uri(request["environment"]["MLFLOW_TRACKING_URI"])
    names: dict[str, Any] = {"mlflow": mlflow, "client": mlflow.MlflowClient(), "os": os}
    exec("def snippet():\n" + textwrap.indent(request["code"], "    "), names)
    try:
        return {"value": names["snippet"]()}
    except MlflowException as error:
        return {"error": error.message, "code": error.error_code}
    finally:
        while mlflow.active_run():
            mlflow.end_run()
        fluent._active_experiment_id = None  # what mlflow.set_experiment leaves in a process


def main() -> None:
    answers = sys.stdout
    print(json.dumps({"value": mlflow.__version__}), file=answers, flush=True)
    for line in sys.stdin:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            try:
                answer = call(json.loads(line))
            except Exception:  # noqa: BLE001 - the test that sent the snippet shows it
                answer = {"failed": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
