"""The command of a job and all that it starts: one tree, which ends as a whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from academy.errors import AcademyError
from academy.jobs.processes import descendants
from academy.jobs.signals import Signals

# How long processes that survive SIGKILL (stuck in the kernel) are waited for.
_STUCK_S = 10.0

# Between rounds of SIGKILL, for what was born while a round was under way.
_ROUND_S = 0.05


class CommandNotStarted(AcademyError):
    """The operating system refused to start the command."""

    code = "CommandNotStarted"


class Tree:
    """All processes below the supervisor, which is their subreaper.

    ``code`` is the command's exit code once it has ended: negative when a signal killed it.
    """

    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._pid: int | None = None
        self.code: int | None = None

    def start(self, command: str, *, environment: Mapping[str, str], directory: Path, log: Path) -> int:
        """Start the command in a session of its own, its output going to ``log``; return its id."""
        shell = shutil.which("bash") or "/bin/sh"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        # posix_spawn cannot change the directory for the child, so this process goes there and back.
        os.chdir(directory)
        try:
            self._pid = os.posix_spawn(
                shell,
                [os.path.basename(shell), "-c", command],
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, descriptor, 1),
                    (os.POSIX_SPAWN_DUP2, descriptor, 2),
                ],
                setsid=True,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as error:
            raise CommandNotStarted(
                f"The command could not be started: {error.strerror}. A command and its environment "
                "variables together may hold about 2 MB; put longer values into a file."
            ) from error
        finally:
            os.chdir("/")
            os.close(descriptor)
        return self._pid

    def reap(self) -> bool:
        """Take note of every process that has ended; say whether any is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._pid:
                self.code = os.waitstatus_to_exitcode(status)

    def end(self, grace_s: float) -> None:
        """End every process: SIGTERM to all at once, and SIGKILL to those that outlast the grace.

        A process that has daemonised itself or ignores SIGTERM ends too.
        """
        if not self.reap():
            return
        for process in descendants(os.getpid()):
            with contextlib.suppress(psutil.Error):
                process.terminate()
                # A stopped process would get the SIGTERM only when it goes on.
                process.send_signal(signal.SIGCONT)
        deadline = time.monotonic() + grace_s
        while self.reap() and (left_s := deadline - time.monotonic()) > 0:
            self._signals.wait(left_s)
        deadline = time.monotonic() + _STUCK_S
        while self.reap() and time.monotonic() < deadline:
            for process in descendants(os.getpid()):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            self._signals.wait(_ROUND_S)
