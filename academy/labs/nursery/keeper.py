"""Between the nursery and each child: ends all that the child started, when it is told to.

The keeper is the subreaper of the child's tree, so that also what daemonised itself is below it. It
stays until the last of them has ended. Where the child is confined in a namespace, the namespace's
first process does this instead, and the keeper outside only waits for it.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import NoReturn

from academy.jobs.processes import become_subreaper
from academy.labs.confinement.namespaces import enter_namespaces, seal
from academy.labs.confinement.tree import children_of, end_below
from academy.labs.nursery.cradle import Cradle
from academy.labs.nursery.death import end_with_parent, hide_process, name_process

_WATCHED = {signal.SIGCHLD, signal.SIGTERM}


def keep(cradle: Cradle, nursery: int) -> Cradle | None:
    """Fork the child; return in it. In the keeper itself, never return."""
    os.setsid()
    become_subreaper()
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    cradle.settle()
    end_with_parent(signal.SIGTERM, nursery)
    if cradle.birth.confine is not None and cradle.birth.namespaces:
        enter_namespaces()
        end_with_parent(signal.SIGTERM, nursery)
        return _keep_namespace(cradle)
    pid = os.fork()
    if pid == 0:
        return cradle
    cradle.let_go()
    name_process("academy-keeper")
    cradle.say(keeper=os.getpid(), root=os.getpid(), pid=pid)
    _await(cradle, pid)


def _keep_namespace(cradle: Cradle) -> Cradle | None:
    """Fork the first process of the namespace; it forks the child. Wait outside for its end."""
    outside, inside = socket.socketpair()
    init = os.fork()
    if init == 0:
        outside.close()
        return _begin_namespace(cradle, inside)
    inside.close()
    cradle.let_go()
    name_process("academy-keeper")
    with outside:
        if outside.recv(1):
            (pid,) = children_of(init)
            cradle.say(keeper=os.getpid(), root=init, pid=pid)
            outside.sendall(b".")
    # The owner hears of the end when this process, the last to hold the descriptor, is gone.
    while not os.waitpid(init, os.WNOHANG)[0]:
        if signal.sigwait(_WATCHED) == signal.SIGTERM:
            os.kill(init, signal.SIGKILL)  # the system ends all of a namespace with its first process
    os._exit(0)


def _begin_namespace(cradle: Cradle, outside: socket.socket) -> Cradle | None:
    """Close the namespace off, fork the child, and be the parent of all that have none."""
    assert cradle.birth.confine is not None
    seal(cradle.birth.confine)
    pid = os.fork()
    if pid == 0:
        outside.close()
        return cradle
    cradle.let_go()
    name_process("academy-init")
    # The child runs as the same user: it must not look into this process, nor speak for it.
    hide_process()
    with outside:
        outside.sendall(b".")
        outside.recv(1)
    _await(cradle, pid)


def _await(cradle: Cradle, child: int) -> NoReturn:
    """Reap until nothing is left; say how the child ended."""
    while True:
        if signal.sigwait(_WATCHED) == signal.SIGTERM:
            end_below(os.getpid())
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                os._exit(0)
            if not pid:
                break
            if pid == child:
                cradle.say(status=os.waitstatus_to_exitcode(status))
