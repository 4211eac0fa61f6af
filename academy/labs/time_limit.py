"""A limit on the time that someone else's code takes, where signals are to be had."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

# Code that catches everything is interrupted again after so many seconds.
_AGAIN_S = 0.5


class TooLate(BaseException):
    """The time is over. No ``except Exception`` of the code that runs holds it up."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"no end after {limit_s:g} seconds")
        self.limit_s = limit_s


@contextlib.contextmanager
def time_limit(limit_s: float | None, tell: Callable[[], object] | None = None) -> Iterator[None]:
    """Call ``tell`` and raise ``TooLate`` in the work below when it takes longer.

    Only the main thread of a process takes signals: on another one, and on a system that has no timer of
    this kind, the work is not limited, nor is it with None. A timer that ran before goes on afterwards.
    """
    if limit_s is None or not _has_signals():
        yield
        return
    over = False

    def late(_number: int, _frame: Any) -> None:
        if not over:
            if tell is not None:
                tell()
            raise TooLate(limit_s)

    began = time.monotonic()
    handler = signal.signal(signal.SIGALRM, late)
    left, every = signal.setitimer(signal.ITIMER_REAL, limit_s, _AGAIN_S)
    try:
        yield
    finally:
        over = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - began), 0.001), every)


def _has_signals() -> bool:
    return hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread()
