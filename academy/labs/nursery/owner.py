"""The owner's end of a nursery."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from academy.errors import AcademyError
from academy.labs.confinement import Confinement, unavailable
from academy.labs.confinement.machine import has_namespaces
from academy.labs.nursery.birth import Birth, send
from academy.labs.nursery.child import Child, NurseryError
from academy.labs.nursery.folder import Folder
from academy.labs.nursery.fresh import command
from academy.labs.nursery.stack import IMPORT_VARIABLES, STACK
from academy.paths import Home, write_json
from academy.service.process import START_TIMEOUT_S, STOP_TIMEOUT_S, ServiceInfo, up

# The imports take seconds, and longer where many processes start at once.
_BIRTH_S = 120.0
_END_S = 30.0

# What a process needs to know of this machine, and nothing that is its owner's affair.
_PLAIN = re.compile(r"PATH|LANG|LC_.*|TZ|LANGUAGE|USER|LOGNAME|TERM|SHELL|ACADEMY_ENVIRONMENT_CACHE")

# What the nursery itself needs besides, to find modules, libraries and their settings.
_NEEDED = re.compile(r"HOME|PYTHON[A-Z]+|LD_LIBRARY_PATH|VIRTUAL_ENV")


class ConfinementUnavailable(AcademyError):
    """This machine cannot confine a process; the message says why."""

    code = "ConfinementUnavailable"


class Nursery:
    """A process that forks children on request; see the package's description.

    Parameters
    ----------
    warm
        Whether it imports the stack and forks; left out, wherever that is safe (Linux).
    modules
        What it imports.
    """

    def __init__(self, *, warm: bool | None = None, modules: Sequence[str] = STACK) -> None:
        self.warm = sys.platform == "linux" if warm is None else warm
        self._modules = tuple(modules)
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._children: list[Child] = []
        self._services: dict[Path, Child] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._folder: Folder | None = None

    def __enter__(self) -> Nursery:
        """Start the nursery's process; children that are asked for before it is ready wait."""
        self._folder = Folder.make()
        ours, theirs = socket.socketpair()
        kind = "warm" if self.warm else "cold"
        with theirs, (self._folder.path / "nursery.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command("academy.labs.nursery.parent"), str(theirs.fileno()), kind, *self._modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Every child could read what the nursery began with in /proc/self/environ.
                env={**plain_environment(_NEEDED), **IMPORT_VARIABLES},
                start_new_session=True,
            )
        self._connection = ours
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process that forks."""
        return self._started().pid

    def run(
        self,
        target: str,
        argument: Any = None,
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        confine: Confinement | None = None,
        log: Path | None = None,
    ) -> Child:
        """Start a child that calls ``target`` ("module:function") with ``argument``, a JSON value.

        Raises
        ------
        NurseryError
            No process could be started.
        ConfinementUnavailable
            It is to be confined, and this machine cannot.
        """
        birth = Birth(target, argument, self.environment(env, confine), str(cwd or Path.cwd()), confine)
        return self.bear(birth, log=log)

    def service(
        self,
        home: Home,
        *,
        env: Mapping[str, str] | None = None,
        confine: Confinement | None = None,
        port: int | None = None,
        timeout_s: float = START_TIMEOUT_S,
    ) -> ServiceInfo:
        """Start the home's service unless it runs, as ``academy.service.process.up`` does, but forked."""
        spawn = functools.partial(self._spawn_service, env=env, confine=confine)
        info = up(home, port=port, timeout_s=timeout_s, spawn=spawn)
        child = self._services.get(home.root)
        if child is None or info.pid == child.pid or child.poll() is not None:
            return info
        # A confined service knows itself by another id than we know it by.
        info = replace(info, pid=child.pid)
        write_json(home.service_file, asdict(info), mode=0o600)
        return info

    def down(self, home: Home) -> bool:
        """End the service that this nursery started for the home, its jobs and its replicas.

        Returns
        -------
        bool
            Whether there was one.
        """
        child = self._services.pop(home.root, None)
        if child is None:
            return False
        child.send(signal.SIGTERM)
        child.wait(STOP_TIMEOUT_S)
        child.kill()
        home.service_file.unlink(missing_ok=True)
        return True

    def service_child(self, home: Home) -> Child:
        """Return the process of the home's service, for ``Watch`` and the like."""
        return self._services[home.root]

    def bear(self, birth: Birth, descriptors: Sequence[int] = (), *, log: Path | None = None) -> Child:
        """Start a child; the descriptors are passed to its function."""
        self._started()
        assert self._folder is not None
        assert self._connection is not None
        if birth.confine is not None:
            prepare(birth.confine)
            birth = replace(birth, confine=birth.confine.with_software(), namespaces=has_namespaces())
        number = next(self._numbers)
        chosen_log = log or self._folder.path / f"{number}.log"
        returned = self._folder.path / f"{number}.json" if birth.returns else Path(os.devnull)
        hearing, saying = os.pipe()
        child = Child(hearing, returned, chosen_log, birth.target or birth.command[0])
        with os.fdopen(saying, "wb"), chosen_log.open("ab") as output, returned.open("wb") as result:
            try:
                with self._lock:
                    send(self._connection, birth, [saying, output.fileno(), result.fileno(), *descriptors])
                    self._children.append(child)
            except OSError as error:
                os.close(hearing)
                raise NurseryError(f"The nursery has ended ({error}). {self._last_words()}") from error
        try:
            child.await_birth(_BIRTH_S)
        except NurseryError as error:
            raise NurseryError(f"{error.message}\n{self._last_words()}") from error
        return child

    def environment(self, env: Mapping[str, str] | None, confine: Confinement | None) -> dict[str, str]:
        """Return the whole environment of a child."""
        if confine is None:
            return dict(os.environ if env is None else env)
        return {**(plain_environment() if env is None else env), **confine.variables()}

    def close(self) -> None:
        """End everything that the nursery started, then the nursery."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        for child in self._children:
            child.kill()
        self._children.clear()
        self._services.clear()
        if self._folder is not None:
            self._folder.remove()
            self._folder = None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._connection is None:
            raise NurseryError("The nursery does not run. Use it as: with Nursery() as nursery: …")
        return self._process

    def _spawn_service(
        self,
        home: Home,
        port: int | None,
        report_fd: int,
        *,
        env: Mapping[str, str] | None,
        confine: Confinement | None,
    ) -> None:
        birth = Birth(
            "academy.labs.nursery.service_process:serve",
            {"home": str(home.root), "port": port},
            self.environment(env, confine),
            str(home.root),
            confine,
            returns=False,
        )
        self._services[home.root] = self.bear(birth, [report_fd], log=home.log_file)

    def _last_words(self) -> str:
        assert self._folder is not None
        with contextlib.suppress(OSError):
            return "Its log ends:\n" + (self._folder.path / "nursery.log").read_text()[-2000:]
        return ""


def plain_environment(*also: re.Pattern[str]) -> dict[str, str]:
    """Return the variables of this process that are nobody's secret."""
    patterns = (_PLAIN, *also)
    return {name: value for name, value in os.environ.items() if any(p.fullmatch(name) for p in patterns)}


def prepare(confine: Confinement) -> None:
    """Make the folders that a confined child needs; refuse where it cannot be confined."""
    reason = unavailable()
    if reason:
        raise ConfinementUnavailable(reason)
    for folder in (confine.temporary, confine.home):
        if folder.is_symlink():
            folder.unlink()  # that comes from the submission, and leads who knows where
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
