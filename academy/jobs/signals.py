"""The signals of a supervisor: they wake it while it waits, and interrupt it while it prepares."""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
from collections.abc import Iterator
from types import FrameType


class Ending(enum.Enum):
    """Why a job is ended from outside."""

    CANCEL = "cancel"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"


# The engine sends the first when the job is to be cancelled; the system sends the second.
CANCEL_SIGNAL = signal.SIGUSR1
_ENDINGS = {CANCEL_SIGNAL: Ending.CANCEL, signal.SIGTERM: Ending.SHUTDOWN}


class Interrupted(Exception):
    """Raised out of whatever is being done when the job is to end."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.value)
        self.ending = ending


class Signals:
    """Handlers for the end of children and for the wish to end the job."""

    def __init__(self) -> None:
        self.ending: Ending | None = None
        self._interrupting = False
        # Python writes a byte for each signal here, so that a wait ends at once.
        self._wakeups, sending = os.pipe()
        os.set_blocking(self._wakeups, False)
        os.set_blocking(sending, False)
        signal.set_wakeup_fd(sending, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in _ENDINGS:
            signal.signal(number, self._end)

    def request(self, ending: Ending) -> None:
        """Note that the job is to end, as if a signal had said so."""
        self.ending = self.ending or ending

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within this, the wish to end the job raises ``Interrupted`` out of any call, however long."""
        self._interrupting = True
        try:
            if self.ending is not None:
                raise Interrupted(self.ending)
            yield
        finally:
            self._interrupting = False

    def wait(self, timeout_s: float | None) -> None:
        """Return when a signal has come since the last call, or the time is over."""
        select.select([self._wakeups], [], [], timeout_s)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wakeups, 4096)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.request(_ENDINGS[signal.Signals(number)])
        if self._interrupting:
            self._interrupting = False
            assert self.ending is not None
            raise Interrupted(self.ending)
