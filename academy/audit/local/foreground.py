"""A command in the foreground, as a shell runs it: it has the terminal, and gets the signals."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# They would end this process; the command gets them, and what it makes of them is its end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FORWARDED = frozenset({*_ENDING, signal.SIGUSR1, signal.SIGUSR2})

_FROM_KERNEL = 0x80  # SI_KERNEL
_LOOK_AGAIN_S = 1.0
_LOOK_OFTEN_S = 0.02


@dataclass(frozen=True)
class End:
    """How the command ended: its exit code, or minus the signal that killed it.

    ``asked`` are the signals that came to end it.
    """

    code: int
    asked: tuple[signal.Signals, ...] = ()

    @property
    def status(self) -> int:
        """The exit status as shells have it."""
        return self.code if self.code >= 0 else 128 - self.code

    @property
    def killed_by(self) -> str | None:
        return signal.Signals(-self.code).name if self.code < 0 else None

    @property
    def was_canceled(self) -> bool:
        return self.code != 0 and (bool(self.asked) or -self.code in (signal.SIGINT, signal.SIGTERM))


class Foreground:
    """A started command. While it lives, and until ``held`` ends, signals wait or go to the command."""

    def __init__(self, process: subprocess.Popen[bytes], early: list[signal.Signals]) -> None:
        self._process = process
        self._early = early

    def wait(self) -> End:
        """Wait for its end, and hand on the signals that come."""
        asked: list[signal.Signals] = []
        while self._process.poll() is None:
            found = (self._early.pop(0), False) if self._early else _next_signal()
            if found is None:
                continue
            number, from_terminal = found
            if number in _ENDING:
                asked.append(number)
            # The terminal sends the others to the command, too; of its own end it tells one process alone.
            if not from_terminal or number == signal.SIGHUP:
                self._process.send_signal(number)
        return End(self._process.returncode, tuple(dict.fromkeys(asked)))


@contextlib.contextmanager
def held(
    command: Sequence[str], program: Path, folder: Path, variables: Mapping[str, str]
) -> Iterator[Foreground]:
    """Start a command with this process's own streams, and hold signals back until the block has ended.

    Raises
    ------
    OSError
        It cannot be started.
    """
    early: list[signal.Signals] = []
    with _kept(early):
        process = subprocess.Popen(command, executable=program, cwd=folder, env=variables)
        # Only now: the command would inherit it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _FORWARDED | {signal.SIGCHLD})
        try:
            yield Foreground(process, early)
        finally:
            _discard()
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _kept(early: list[signal.Signals]) -> Iterator[None]:
    """Keep signals that come before they are blocked. What is ignored stays so, for the command as well."""
    old = {number: signal.getsignal(number) for number in _FORWARDED}
    # Where children are not waited for, their exit status is lost.
    unwaited = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, handler in old.items():
        if handler != signal.SIG_IGN:
            signal.signal(number, lambda found, _frame: early.append(signal.Signals(found)))
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, unwaited or signal.SIG_DFL)
        for number, handler in old.items():
            signal.signal(number, handler or signal.SIG_DFL)


def asked_to_end() -> bool:
    """Return whether a signal waits that is to end this process."""
    return bool(signal.sigpending() & set(_ENDING))


def _next_signal() -> tuple[signal.Signals, bool] | None:
    """Wait a while for a signal to hand on; return it, and whether it comes from the terminal."""
    if sys.platform == "linux":
        found = signal.sigtimedwait(_FORWARDED | {signal.SIGCHLD}, _LOOK_AGAIN_S)
        if found is None or found.si_signo == signal.SIGCHLD:
            return None
        return signal.Signals(found.si_signo), found.si_code == _FROM_KERNEL
    for number in signal.sigpending() & _FORWARDED:  # other systems do not say who sent it
        signal.sigwait({number})
        return signal.Signals(number), number in (signal.SIGINT, signal.SIGQUIT) and os.isatty(0)
    time.sleep(_LOOK_OFTEN_S)
    return None


def _discard() -> None:
    while waiting := signal.sigpending() & _FORWARDED:
        signal.sigwait(waiting)
