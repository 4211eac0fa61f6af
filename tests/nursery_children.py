"""What the tests of the nursery and of confinement run in children."""

from __future__ import annotations

import ctypes
import mmap
import multiprocessing
import os
import random
import secrets
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any


def describe(argument: Any) -> dict[str, Any]:
    """Tell what this process is, and what it has."""
    tempfile.gettempdir()
    return {
        "argument": argument,
        "pid": os.getpid(),
        "session": os.getsid(0),
        "cwd": os.getcwd(),
        "env": dict(os.environ),
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": sorted(os.readlink(f"/proc/self/fd/{fd}") for fd in _descriptors()),
        "signals": [
            s.name for s in signal.valid_signals() if signal.getsignal(s) not in (signal.SIG_DFL, None)
        ],
        "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "temporary": tempfile.gettempdir(),
        "modules": sorted(name for name in sys.modules if "." not in name),
        "umask": os.umask(0o022),
    }


def _descriptors() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue
        found.append(int(name))
    return found


def chance(_argument: None) -> list[Any]:
    """Draw from every source of chance that names things."""
    import numpy
    from mlflow.utils.name_utils import _generate_random_name

    name = next(tempfile._get_candidate_names())  # type: ignore[attr-defined]
    return [random.random(), float(numpy.random.rand()), _generate_random_name(), name, secrets.token_hex(4)]


def exit_with(status: int) -> None:
    sys.exit(status)


def fail(message: str) -> None:
    raise ValueError(message)


def kill_self(_argument: None) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def daemonise(file: str) -> None:
    """Leave a process behind that has its own session and no parent; note its id."""
    script = (
        "import os, sys, time\n"
        "os.setsid()\n"
        "if os.fork(): os._exit(0)\n"
        f"open({file!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(600)\n"
    )
    subprocess.run([sys.executable, "-S", "-E", "-c", script], check=True)
    time.sleep(600)


def fork_without_end(most: int) -> None:
    """Fork in every process that comes of it; stop by itself when there were ``most``."""
    made = mmap.mmap(-1, 8)  # shared by all
    while (number := int.from_bytes(made[:8])) < most:
        made[:8] = (number + 1).to_bytes(8)
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)
    time.sleep(60)


def eat(gigabytes: float) -> str:
    """Take memory in pieces; tell when the system gives no more."""
    taken: list[bytearray] = []
    try:
        while len(taken) < gigabytes * 64:
            taken.append(bytearray(os.urandom(1)) * 2**24)
            time.sleep(0.002)
    except MemoryError:
        return "refused"
    return "taken"


def fill(argument: list[float]) -> str:
    """Write files, remove their names, and keep them open."""
    number, gigabytes = int(argument[0]), argument[1]
    kept = []
    try:
        for place in range(number):
            kept.append(open(f"large-{place}", "wb", buffering=0))  # noqa: SIM115
            kept[-1].write(b"x" * int(gigabytes * 2**30))
            if kept[-1].tell() < int(gigabytes * 2**30):
                kept[-1].write(b"x")
            if place % 2:
                os.unlink(f"large-{place}")
    except OSError:
        return "refused"
    time.sleep(60)
    return "filled"


def eat_together(argument: list[float]) -> None:
    """Take memory in several processes."""
    number, gigabytes = int(argument[0]), argument[1]
    for _ in range(number):
        if os.fork() == 0:
            eat(gigabytes)
            time.sleep(60)
    time.sleep(60)


def share_memory(number: int) -> str:
    """Fork processes that all see the same large piece."""
    piece = b"x" * 2**28
    children = []
    for _ in range(number):
        pid = os.fork()
        if pid == 0:
            time.sleep(1)
            os._exit(piece[0] != 120)
        children.append(pid)
    return "done" if all(os.waitpid(pid, 0)[1] == 0 for pid in children) else "failed"


def attempt(ways: dict[str, str]) -> dict[str, str]:
    """Try to reach what must not be reached; return how each attempt ended."""
    return {name: _outcome(name, place) for name, place in ways.items()}


def _outcome(name: str, place: str) -> str:
    kind = name.partition(":")[0]
    try:
        return _TRIES[kind](place)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"refused: {type(error).__name__}"


def _read(place: str) -> str:
    return "read: " + Path(place).read_bytes()[:20].decode(errors="replace")


def _list(place: str) -> str:
    return f"listed: {os.listdir(place)}"


def _write(place: str) -> str:
    Path(place).write_text("x")
    return "written"


def _through_symlink(place: str) -> str:
    link = Path(os.environ["TMPDIR"], f"link-{secrets.token_hex(4)}")
    link.symlink_to(place)
    return _read(str(link))


def _through_hard_link(place: str) -> str:
    link = Path(os.environ["TMPDIR"], f"hard-{secrets.token_hex(4)}")
    os.link(place, link)
    return _read(str(link))


def _trace(place: str) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, int(place), 0, 0) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")
    return "attached"


def _signal(place: str) -> str:
    os.kill(int(place), 0)
    return "signalled"


def _connect(place: str) -> str:
    host, _, port = place.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=5):
        return "connected"


def _connect_unix(place: str) -> str:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(place.replace("@", "\0"))
        return "connected"


_TRIES = {
    "read": _read,
    "list": _list,
    "write": _write,
    "symlink": _through_symlink,
    "hardlink": _through_hard_link,
    "ptrace": _trace,
    "signal": _signal,
    "connect": _connect,
    "unix": _connect_unix,
}


def work_as_usual(folder: str) -> dict[str, Any]:
    """Do what a notebook may do."""
    import psutil

    with sqlite3.connect(Path(folder, "own.db")) as database:
        database.execute("create table t (a)")
        database.execute("insert into t values (1)")
    database.close()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        squares = pool.map(_square, range(4))
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Path("/tmp/scratch").write_text("x")
    Path(folder, "moved").mkdir()
    os.replace("/tmp/scratch", "/tmp/scratch2")
    Path(folder, "a").write_text("a")
    os.replace(Path(folder, "a"), Path(folder, "moved", "a"))
    torch = subprocess.run([sys.executable, "-c", "import torch"], capture_output=True).returncode
    return {
        "processes": sorted(psutil.pids()),
        "squares": squares,
        "processors": psutil.cpu_count(),
        "torch": torch,
        "shell": subprocess.check_output("echo hello | tr a-z A-Z", shell=True, text=True).strip(),
    }


def _square(number: int) -> int:
    return number * number
