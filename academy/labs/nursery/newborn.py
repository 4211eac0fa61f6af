"""The child, from the fork to its end: what it must not have from the nursery, then its function.

A child that is not forked warm is a new Python, which begins at ``main()`` here.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import locale
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
import types
from collections.abc import Mapping
from typing import Any, NoReturn

from academy.labs.nursery.cradle import Cradle
from academy.labs.nursery.death import end_with_parent
from academy.labs.nursery.fresh import command

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_AUTHKEY_BYTES = 32


def live(cradle: Cradle) -> NoReturn:
    """Become the child, in a process that was just forked."""
    birth = cradle.birth
    keeper = os.getppid()
    os.close(cradle.status)
    _default_signals()
    os.setsid()
    forked = cradle.warm and not birth.command
    try:
        if forked:
            renew(birth.env, cradle.variables)
        os.chdir(birth.cwd)
        if birth.confine is not None:
            birth.confine.enter()
        end_with_parent(signal.SIGKILL, keeper)
        if not forked:
            _execute(cradle)
    except BaseException:  # noqa: BLE001  whatever it is: this process must not go on as the nursery
        traceback.print_exc()
        os._exit(1)
    run(birth.target, birth.argument, cradle.returned, cradle.passed)


def run(target: str, argument: Any, returned: int, passed: list[int]) -> NoReturn:
    """Call the function, write what it returns, and end as a Python process ends."""
    status = 0
    try:
        module, _, name = target.partition(":")
        value = getattr(importlib.import_module(module), name)(argument, *passed)
        with open(returned, "wb") as file:
            file.write(json.dumps(value).encode())
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001  as at the end of any Python: shown, and told by the status
        traceback.print_exc()
        status = 1
    _leave(status)


def main() -> None:
    """Be the child in a new Python: the request comes as arguments."""
    target, argument, *descriptors = sys.argv[1:]
    returned, *passed = map(int, descriptors)
    for descriptor in (returned, *passed):
        os.set_inheritable(descriptor, False)
    run(target, json.loads(argument), returned, passed)


def renew(env: Mapping[str, str], set_by_imports: Mapping[str, str]) -> None:
    """Make of a copy of the nursery what a process would be that began with this environment."""
    _renew_path(os.environ.get("PYTHONPATH", ""), env.get("PYTHONPATH", ""))
    os.environ.clear()
    os.environ.update({**set_by_imports, **env})
    time.tzset()
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "")
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    tempfile.tempdir = None
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    multiprocessing.current_process().authkey = os.urandom(_AUTHKEY_BYTES)
    _limit_threads(env)
    main_module = types.ModuleType("__main__")
    main_module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules["__main__"] = main_module


def _renew_path(inherited: str, own: str) -> None:
    if inherited != own:
        for folder in filter(None, inherited.split(os.pathsep)):
            with contextlib.suppress(ValueError):
                sys.path.remove(os.path.abspath(folder))
        sys.path[:0] = [os.path.abspath(folder) for folder in own.split(os.pathsep) if folder]


def _limit_threads(env: Mapping[str, str]) -> None:
    """Numeric libraries read these variables when they are loaded, which they are already."""
    chosen = next((env[name] for name in _THREADS if env.get(name, "").isdecimal()), None)
    if chosen is not None and (control := sys.modules.get("threadpoolctl")):
        control.threadpool_limits(int(chosen))


def _default_signals() -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number in (signal.SIGKILL, signal.SIGSTOP):
            continue
        with contextlib.suppress(OSError, ValueError):
            # Python's own choices, as at the start of every Python.
            kept = signal.SIG_IGN if number in (signal.SIGPIPE, signal.SIGXFSZ) else signal.SIG_DFL
            signal.signal(number, kept)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def _execute(cradle: Cradle) -> NoReturn:
    """Start a new Python (or the other program that was asked for) in this process."""
    birth = cradle.birth
    kept = [cradle.returned, *cradle.passed]
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    own = [*command("academy.labs.nursery.newborn"), birth.target, json.dumps(birth.argument)]
    chosen = list(birth.command) or [*own, *map(str, kept)]
    os.execvpe(chosen[0], chosen, dict(birth.env))


def _leave(status: int) -> NoReturn:
    """End as Python does, but for taking every object apart, which would copy all shared memory."""
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]  # waits for threads, as the interpreter does
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    os._exit(status & 0xFF)
