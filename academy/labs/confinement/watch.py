"""A watch over confined trees: counts and measures them from outside, and ends those that take too much."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from academy.labs.confinement import disk
from academy.labs.confinement.confine import Confinement
from academy.labs.confinement.tree import below, end_tree

EVERY_S = 0.05
_DISK_EVERY_S = 0.5

# Measuring may take this part of one processor; where a tree is large, it is done less often.
_PART = 0.2


class Watch:
    """Looks at the trees below some processes, all together, until it is stopped.

    ``exceeded`` is empty, or says in a sentence which limit was passed; everything has been ended then.

    Parameters
    ----------
    pids
        The ``root`` of each child that the confinement is for.
    """

    def __init__(
        self, pids: int | tuple[int, ...], confinement: Confinement, *, every_s: float = EVERY_S
    ) -> None:
        self.confinement = confinement
        self.exceeded = ""
        self.most_memory_gb = 0.0
        self.most_processes = 0
        self._roots = [pids] if isinstance(pids, int) else list(pids)
        self._stopped = threading.Event()
        # Measuring waits for processes that are just forking; counting must not wait with it.
        self._threads = [
            threading.Thread(target=self._watch, args=(look, every), name=f"confinement-{name}", daemon=True)
            for name, look, every in (
                ("count", self._too_many, every_s),
                ("memory", self._too_much, every_s),
                ("disk", self._too_full, max(every_s, _DISK_EVERY_S)),
            )
        ]

    def __enter__(self) -> Watch:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop looking; the trees go on."""
        self._stopped.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def add(self, pid: int) -> None:
        """Watch one more tree; it counts together with the others."""
        self._roots = [*self._roots, pid]
        if self.exceeded:
            end_tree(pid)

    def kill(self) -> None:
        """End all the trees."""
        for root in self._roots:
            end_tree(root)

    def look_at_disk(self) -> None:
        """Look now at what was written, and end the trees when it is too much."""
        if not self.exceeded:
            self._act(self._too_full())

    def _too_many(self) -> str:
        limit = self.confinement.processes
        number = sum(len(below(root, most=limit)) for root in self._roots)
        self.most_processes = max(self.most_processes, number)
        return f"more than {limit} processes ran at once" if number > limit else ""

    def _too_much(self) -> str:
        most = self.confinement.memory_gb
        limit = self.confinement.processes
        used = _memory_gb([pid for root in self._roots for pid in below(root, most=limit)], most)
        self.most_memory_gb = max(self.most_memory_gb, used)
        return f"{used:.1f} GB of memory were in use, and {most:g} GB are allowed" if used > most else ""

    def _too_full(self) -> str:
        most = self.confinement.disk_gb
        pids = [pid for root in self._roots for pid in below(root, most=self.confinement.processes)]
        try:
            used = disk.used(self.confinement.writable, pids, most * 2**30) / 2**30
        except OSError as error:
            return f"what it takes up on disk cannot be measured ({error.strerror})"
        return f"{used:.1f} GB of disk were in use, and {most:g} GB are allowed" if used > most else ""

    def _watch(self, look: Callable[[], str], every_s: float) -> None:
        pause = every_s
        while not self._stopped.wait(pause):
            began = time.thread_time()
            if self._act(look()):
                return
            pause = max(every_s, (time.thread_time() - began) / _PART)

    def _act(self, exceeded: str) -> bool:
        """End the trees when something was exceeded."""
        if exceeded:
            self.exceeded = self.exceeded or exceeded
            self._stopped.set()
            self.kill()
        return bool(exceeded)


def _memory_gb(pids: list[int], limit_gb: float) -> float:
    """Return what the processes take up. Pages that several share count once, if it comes to that.

    The kernel has to walk through every page to find out; it is asked only when the sum of what each
    takes up, shared pages and all, is above the limit.
    """
    whole = sum(_resident_gb(pid) for pid in pids)
    return whole if whole <= limit_gb else sum(_proportional_gb(pid) for pid in pids)


def _resident_gb(pid: int) -> float:
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/status") as file:
        return _kilobytes(next(line for line in file if line.startswith("VmRSS:")))
    return 0.0


def _proportional_gb(pid: int) -> float:
    """Return a process's share of the memory it uses: a page that four use is a quarter each."""
    with contextlib.suppress(OSError, StopIteration), open(f"/proc/{pid}/smaps_rollup") as file:
        return _kilobytes(next(line for line in file if line.startswith("Pss:")))
    return 0.0


def _kilobytes(line: str) -> float:
    return int(line.split()[1]) / 2**20
