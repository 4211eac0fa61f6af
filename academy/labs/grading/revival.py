"""The kernel of one submission: when it is lost, a new one takes over where the old one was."""

from __future__ import annotations

import time
from collections.abc import Callable

from academy.errors import AcademyError
from academy.labs.grading.conversation import Conversation, Ended, KernelLost, Process, Reply
from academy.labs.grading.outputs import Outputs

START_S = 30.0
MOST_REVIVALS = 8


class LabOver(KernelLost):
    """The time of the whole lab is over, or its kernels were lost too often."""


class Kernel:
    """Runs cells and answers questions; what ended by itself is run again in a kernel that takes over.

    A cell that hung or ended the kernel is not: it would do so again. ``until`` is the end of the lab's
    time (``time.monotonic()``); ``limit_s`` that of one cell. ``allowed_s`` is what the last cell had, and
    ``ended_by`` the limit that ended the last kernel, if one did.
    """

    def __init__(self, start: Callable[[], Process], *, limit_s: float, until: float) -> None:
        self._start, self._limit_s, self._until = start, limit_s, until
        self._ran: list[str] = []
        self._revivals = -1  # the first start is none
        self._conversation: Conversation | None = None
        self.ended_by = ""
        self.allowed_s = limit_s

    def run(self, source: str, outputs: Outputs) -> Reply:
        """Run a cell under its limit.

        Raises
        ------
        LabOver
            The lab's time is over.
        """
        self._notice_end()
        conversation = self._living()
        self.allowed_s = self._within(self._limit_s)
        reply = conversation.execute(source, self.allowed_s, outputs)
        if reply.ended.lost_kernel():
            self._lose()
        elif reply.ended is not Ended.INTERRUPTED:
            self._ran.append(source)
        return reply

    def ask(self, expression: str, limit_s: float) -> str:
        """Evaluate an expression; see ``Conversation.ask``."""
        self._notice_end()
        conversation = self._living()
        try:
            return conversation.ask(expression, self._within(limit_s))
        except KernelLost:
            self._lose()
            raise

    def extend(self, seconds: float) -> None:
        """Give what is asked from here on at least so many seconds more."""
        self._until = max(self._until, time.monotonic() + seconds)

    def close(self) -> None:
        """End the kernel, if there is one."""
        if self._conversation is not None:
            self._conversation.close()
            self._conversation = None

    def _notice_end(self) -> None:
        """When the kernel ended since the last cell, that cell is why: it is not run again."""
        if self._conversation is not None and not self._conversation.process.alive():
            del self._ran[-1:]
            self._lose()

    def _living(self) -> Conversation:
        """Return a kernel that has run what came before."""
        while self._conversation is None:
            if self._revivals >= MOST_REVIVALS:
                raise LabOver(Ended.DEAD, f"Its kernel was lost {self._revivals + 1} times.")
            self._revivals += 1
            self._begin()
            if self._conversation is not None:
                self._replay(self._conversation)
        return self._conversation

    def _begin(self) -> None:
        try:
            self._conversation = Conversation(self._start())
            self._conversation.ready(START_S)
        except AcademyError as error:
            self.close()
            if not self._revivals:
                raise  # nothing of the learner's has run: it is the machine's fault
            raise LabOver(Ended.DEAD, "After it was lost, no kernel could be started.") from error

    def _replay(self, conversation: Conversation) -> None:
        for place, source in enumerate(self._ran):
            reply = conversation.execute(source, self._within(self._limit_s), Outputs())
            if reply.ended.lost_kernel():
                del self._ran[place]
                self._lose()
                return

    def _lose(self) -> None:
        assert self._conversation is not None
        self.ended_by = self._conversation.process.ended_by()
        self.close()

    def _within(self, limit_s: float) -> float:
        left = self._until - time.monotonic()
        if left <= 0:
            raise LabOver(Ended.DEAD, "The time of the lab is over.")
        return min(limit_s, left)
