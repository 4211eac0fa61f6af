"""Ending a command by Ctrl-C or SIGTERM: what it began is cleaned up, and what it writes is written whole."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from academy.cli.verb import Failure

ENDED_BY_SIGTERM = 128 + signal.SIGTERM

_STDERR = 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_Handler = Callable[[int, FrameType | None], None]


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raise ``Terminated`` in the block when SIGTERM comes, and ``KeyboardInterrupt`` when SIGINT does.

    Further ones change nothing until the block has cleaned up; that is said on stderr.

    Raises
    ------
    Failure
        The block let ``Terminated`` pass.
    """
    try:
        with _handled_by(_end):
            yield
    except Terminated:
        raise Failure("ended by SIGTERM", ENDED_BY_SIGTERM) from None


@contextlib.contextmanager
def held_back(words: str) -> Iterator[None]:
    """Let neither SIGINT nor SIGTERM end the block; say ``words`` on stderr when one comes."""
    with _handled_by(_saying(words)):
        yield


@contextlib.contextmanager
def _handled_by(handler: _Handler) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals come to the main thread alone
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        _handle(handler)
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old or signal.SIG_DFL)


def _handle(handler: _Handler) -> None:
    # What is ignored stays so: Ctrl-C is not for what a shell runs in the background.
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    # Not SIG_IGN, which processes started from now on would keep.
    _handle(_saying("Ending already: what was begun is being cleaned up …"))
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _saying(words: str) -> _Handler:
    def say(_number: int, _frame: FrameType | None) -> None:
        # Not by way of sys.stderr: the signal may come while it writes, and it takes no second writer.
        with contextlib.suppress(OSError):
            os.write(_STDERR, f"{words}\n".encode())

    return say
