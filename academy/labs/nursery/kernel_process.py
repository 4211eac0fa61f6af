"""A kernel, in a process that the nursery forked: as ``python -m ipykernel_launcher`` would have it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from typing import Any

import zmq
from ipykernel import zmqshell
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from zmq.eventloop.zmqstream import ZMQStream

from academy.labs.nursery.death import name_process

LAUNCHER = "ipykernel_launcher"
PORTS = ("shell_port", "iopub_port", "stdin_port", "hb_port", "control_port")


def run(argument: dict[str, Any], report_fd: int) -> None:
    """Be a kernel until it is shut down.

    ``argv`` is what follows ``-m ipykernel_launcher``. It reports its ports when it listens on them, and
    an empty line when it is about to answer. One that is ``confined`` listens nowhere but on those, and
    lets go of the log when it has started.
    """
    name_process("academy-kernel")
    argv: list[str] = argument["argv"]
    log = os.fstat(2)
    spec = importlib.util.find_spec(LAUNCHER)
    assert spec is not None
    assert spec.origin is not None
    sys.argv = [spec.origin, *argv]
    sys.orig_argv = [sys.executable, "-m", LAUNCHER, *argv]
    _know_matplotlib()
    app = IPKernelApp.instance(parent_handle=os.getppid())
    if argument["confined"]:
        _pipe_through_socket(app)
        zmqshell.system = _run_command
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
    if argument["confined"]:
        _let_go(log)
    app.start()


def _pipe_through_socket(app: Any) -> None:
    """Let what forks print come through a socket beside the kernel's others; Jupyter's own is a port."""

    def listen(self: Any) -> None:
        self._pipe_uuid = os.urandom(16)
        self._pipe_in = ZMQStream(_socket(self.socket.context, zmq.PULL), self.io_loop)
        self._pipe_in.socket.bind(f"ipc://{app.ip}-0")
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def speak(_self: Any) -> tuple[Any, Any]:
        context = zmq.Context()  # a fork must not use the kernel's
        socket = _socket(context, zmq.PUSH)
        socket.linger = 3000
        socket.connect(f"ipc://{app.ip}-0")
        return context, socket

    IOPubThread._setup_pipe_in, IOPubThread._setup_pipe_out = listen, speak


def _socket(context: Any, kind: int) -> Any:
    socket = context.socket(kind)
    socket.linger = 0
    return socket


def _run_command(command: str) -> int:
    """Run the command of a line that begins with ``!``, and print what it prints; return its exit status.

    IPython's own way takes a terminal, and there are no terminals where a submission is confined.
    """
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                sys.stdout.write(line)
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode


def _let_go(log: os.stat_result) -> None:
    """Write to the log no more, on whichever descriptor: it is the grader's, and has no limit."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(descriptor), log):
                os.dup2(nothing, descriptor)
    os.close(nothing)


def _know_matplotlib() -> None:
    """Choose the backend as it would be chosen, had matplotlib not been imported already."""
    if (matplotlib := sys.modules.get("matplotlib")) and not os.environ.get("MPLBACKEND"):
        matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
