"""The process that forks: ``main``, with the socket's descriptor, ``warm`` or ``cold``, and the modules.

It has one thread, holds no secret, and lives as long as its owner's end of the socket is open. Each
child has a keeper between it and this process; whatever else becomes a child of this process has lost
its keeper, and is ended.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from academy.jobs.processes import become_subreaper
from academy.labs.confinement.confine import connections
from academy.labs.confinement.tree import end_below
from academy.labs.nursery import keeper, newborn, stack
from academy.labs.nursery.birth import receive
from academy.labs.nursery.cradle import Cradle

_END_S = 15.0


def main() -> None:
    """Import the stack, serve, and become each child that is asked for."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    warm = sys.argv[2] == "warm"
    variables = stack.load(sys.argv[3:]) if warm else {}
    for name in stack.IMPORT_VARIABLES:
        os.environ.pop(name, None)
    cradle = serve(connection, warm=warm, variables=variables)
    if cradle is not None:
        newborn.live(cradle)


def serve(connection: socket.socket, *, warm: bool, variables: dict[str, str]) -> Cradle | None:
    """Fork on request until the owner is gone; in a child, return what it is to be."""
    become_subreaper()
    keepers: set[int] = set()
    sleeping, waking = _wake_on_child()
    owner = os.pidfd_open(os.getppid()) if sys.platform == "linux" else -1
    watched: list[Any] = [connection, sleeping, *([owner] if owner >= 0 else [])]
    foreign = (connection.fileno(), sleeping, waking, owner)
    while True:
        ready = select.select(watched, [], [])[0]
        if sleeping in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(sleeping, 4096)
            _reap(keepers)
        request = receive(connection) if connection in ready else None
        if owner in ready or (connection in ready and request is None):
            _end(keepers)
            return None
        if request is None:
            continue
        birth, descriptors = request
        if warm:
            stack.require_one_thread()
        if birth.confine is not None:
            connections()  # made here, once for all
        nursery = os.getpid()
        pid = os.fork()
        if pid == 0:
            cradle = Cradle(birth, descriptors, warm, variables, foreign)
            connection.detach()
            return _keep(cradle, nursery)
        keepers.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(cradle: Cradle, nursery: int) -> Cradle | None:
    try:
        return keeper.keep(cradle, nursery)
    except BaseException:  # noqa: BLE001  whatever it is: this process must not go on as the nursery
        traceback.print_exc()
        os._exit(1)


def _wake_on_child() -> tuple[int, int]:
    sleeping, waking = os.pipe()
    os.set_blocking(sleeping, False)
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return sleeping, waking


def _reap(keepers: set[int]) -> None:
    lost = False
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            lost = lost or (ended[0] in keepers and ended[1] != 0)
            keepers.discard(ended[0])
    if lost:
        end_below(os.getpid(), spare=keepers)


def _end(keepers: set[int]) -> None:
    """Let every keeper end what it keeps, then end what is left."""
    signal.set_wakeup_fd(-1)
    for pid in keepers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    signal.signal(signal.SIGALRM, lambda _number, _frame: end_below(os.getpid()))
    signal.setitimer(signal.ITIMER_REAL, _END_S, 1)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
