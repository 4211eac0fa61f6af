"""A tree of processes, from outside: who is in it, and how to end all of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Collection, Iterator

import psutil

_PAUSE_S = 0.005


def children_of(pid: int) -> list[int]:
    """Return the processes whose parent is ``pid``, also those that wait to be reaped."""
    tasks = f"/proc/{pid}/task"
    try:
        found: list[int] = []
        for task in os.listdir(tasks):
            with contextlib.suppress(ProcessLookupError), open(f"{tasks}/{task}/children") as file:
                found += map(int, file.read().split())
        return found
    except OSError:
        return _children_elsewhere(pid)


def below(pid: int, *, most: int | None = None) -> list[int]:
    """Return all processes below ``pid``, parents first; with ``most``, no more than about that many."""
    found: list[int] = []
    parents = [pid]
    while parents and (most is None or len(found) <= most):
        children = [child for parent in parents for child in children_of(parent)]
        found += children
        parents = children
    return found


def end_below(pid: int, *, spare: Collection[int] = ()) -> None:
    """Kill everything below ``pid`` but the trees of ``spare``; return when nothing of it runs.

    All are stopped before any is killed: a process that forks without end would otherwise stay ahead.
    """
    while True:
        kept = {inner for one in spare for inner in below(one)} | set(spare)
        running = [one for one in below(pid) if one not in kept and _runs(one)]
        if not running:
            return
        stopped: set[int] = set()
        while fresh := [one for one in running if one not in stopped]:
            for one in fresh:
                _send(one, signal.SIGSTOP)
            stopped.update(fresh)
            running = [one for one in below(pid) if one not in kept]
        for one in stopped:
            _send(one, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def end_tree(pid: int) -> None:
    """Kill ``pid`` and everything below it; return when nothing of it runs."""
    if is_namespace_init(pid):
        _send(pid, signal.SIGKILL)  # the system ends the whole namespace with it
    else:
        end_below(pid)
        _send(pid, signal.SIGKILL)
    while _runs(pid):
        time.sleep(_PAUSE_S)


def is_namespace_init(pid: int) -> bool:
    """Whether this is the first process of a namespace below ours (Linux)."""
    try:
        with open(f"/proc/{pid}/status") as file:
            ids = next((line.split()[1:] for line in file if line.startswith("NSpid:")), [])
    except OSError:
        return False
    return len(ids) > 1 and ids[-1] == "1"


def _runs(pid: int) -> bool:
    """Whether any thread of the process still runs."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        return state not in "ZX" or len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return _runs_elsewhere(pid)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _children_elsewhere(pid: int) -> list[int]:
    return list(_ids(pid)) if not os.path.exists("/proc/self/stat") else []


def _ids(pid: int) -> Iterator[int]:
    with contextlib.suppress(psutil.Error):
        yield from (child.pid for child in psutil.Process(pid).children())


def _runs_elsewhere(pid: int) -> bool:
    if os.path.exists("/proc/self/stat"):
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
