"""A kernel, in a process that the nursery forked: as ``python -m ipykernel_launcher`` would have it."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import Any

from ipykernel.kernelapp import IPKernelApp

from academy.labs.nursery.death import name_process

LAUNCHER = "ipykernel_launcher"
PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")


def run(argument: dict[str, Any], report_fd: int) -> None:
    """Be a kernel until it is shut down.

    ``argv`` is what follows ``-m ipykernel_launcher``. It reports its ports when it listens on them, and
    an empty line when it is about to answer.
    """
    name_process("academy-kernel")
    argv: list[str] = argument["argv"]
    spec = importlib.util.find_spec(LAUNCHER)
    assert spec is not None
    assert spec.origin is not None
    sys.argv = [spec.origin, *argv]
    sys.orig_argv = [sys.executable, "-m", LAUNCHER, *argv]
    _know_matplotlib()
    app = IPKernelApp.instance(parent_handle=os.getppid())
    write = app.write_connection_file

    def write_and_report(**options: Any) -> None:
        write(**options)
        ports = {name: getattr(app, name) for name in PORTS}
        os.write(report_fd, json.dumps(ports).encode() + b"\n")

    app.write_connection_file = write_and_report
    app.initialize(argv)
    app.write_connection_file = write
    os.write(report_fd, b"\n")
    os.close(report_fd)
    app.start()


def _know_matplotlib() -> None:
    """Choose the backend as it would be chosen, had matplotlib not been imported already."""
    if (matplotlib := sys.modules.get("matplotlib")) and not os.environ.get("MPLBACKEND"):
        matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
