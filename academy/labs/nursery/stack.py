"""What the nursery imports before it forks, and that nothing of it runs threads then."""

from __future__ import annotations

import contextlib
import gc
import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterable

from academy.client.sdk import import_sdk
from academy.errors import AcademyError

logger = logging.getLogger(__name__)

# A package that is not installed is left out; so are those that few labs use and that are large (torch).
# matplotlib and pytest are not here: what they do depends on the process that imports them first.
_SDK = "azure.ai.ml"
STACK = (
    _SDK,
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "sklearn.linear_model",
    "sklearn.ensemble",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.metrics",
    "mlflow",
    "mlflow.pyfunc",
    "mlflow.sklearn",
    "mlflow.tracking",
    "azure.identity",
    "azure.ai.ml.automl",
    "azure.ai.ml.dsl",
    "azure.ai.ml.entities",
    "azure.ai.ml.sweep",
    "academy.client",
    "academy.experiments.mlflow_server",
    "academy.service.server",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "sqlalchemy.dialects.sqlite",
    "alembic.command",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "IPython.core.completer",
    "IPython.extensions.storemagic",
    "comm",
    "ipywidgets",
    "nbformat.v4",
    "nbclient",
    "papermill.execute",
    "jupyter_client.asynchronous",
    "academy.kernel.startup",
    "academy.labs.checks",
    "academy.labs.collection",
    "academy.labs.nursery.kernel",
    "academy.labs.nursery.kernel_process",
    "academy.labs.nursery.service_process",
    "academy.labs.scaffold",
)

# In the nursery's own environment while it imports; its children do not see them.
#   jemalloc, within pyarrow, would start a thread;
#   the SDK reads how often it looks at a job when it is first imported (see academy.client.session).
IMPORT_VARIABLES = {
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "AZUREML_RUN_POLLING_INTERVAL_MIN": "1",
    "AZUREML_RUN_POLLING_INTERVAL_MAX": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class ThreadsRun(AcademyError):
    """A module that was imported runs threads, so the process must not fork."""


def load(modules: Iterable[str]) -> dict[str, str]:
    """Import the stack; return the environment variables that the imports set.

    Raises
    ------
    ThreadsRun
        When a thread runs afterwards.
    """
    before = dict(os.environ)
    for name in modules:
        with contextlib.suppress(ModuleNotFoundError):
            if name == _SDK:
                import_sdk()
            importlib.import_module(name)
    _stop_threads()
    require_one_thread()
    gc.collect()
    gc.freeze()
    return {name: value for name, value in os.environ.items() if name not in before}


def require_one_thread() -> None:
    """Refuse to fork when another thread holds who knows which lock."""
    tasks = _tasks()
    if len(tasks) > 1 or threading.active_count() > 1:
        python = [thread.name for thread in threading.enumerate()]
        raise ThreadsRun(f"The nursery must not fork: it runs the threads {tasks} ({python}).")


def _stop_threads() -> None:
    # OpenBLAS starts its threads when it is loaded, ends them before any fork, and starts them again in
    # whichever process next needs them. So one fork ends those of the nursery.
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def _tasks() -> list[str]:
    if sys.platform != "linux":
        return []
    names = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError), open(f"/proc/self/task/{task}/comm") as file:
            names.append(file.read().strip())
    return names
