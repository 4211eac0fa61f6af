"""Ending a command by SIGTERM as by Ctrl-C: what it began is cleaned up."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from academy.cli.verb import Failure

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` in the block when SIGTERM comes; further ones wait until it has cleaned up.

    Raises
    ------
    Failure
        The block let ``Terminated`` pass.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    except Terminated:
        raise Failure("ended by SIGTERM", ENDED_BY_SIGTERM) from None
    finally:
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _end(_number: int, _frame: FrameType | None) -> None:
    # Not SIG_IGN, which processes started from now on would keep.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    raise Terminated
