"""Waiting for supervisors to end, without polling."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Callable

import psutil

from academy.jobs.processes import ProcessId


class Watcher:
    """Calls ``ended(key)`` once for each thing watched, when it has ended."""

    def __init__(self, ended: Callable[[str], None]) -> None:
        self._ended = ended
        self._lock = threading.Lock()
        self._keys: dict[int, str] = {}
        self._poll = select.poll()
        self._wakeups, self._wakeup = os.pipe()
        self._poll.register(self._wakeups, select.POLLIN)
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="job-watcher", daemon=True)
        self._thread.start()

    def watch(self, key: str, process: ProcessId) -> None:
        """Watch a process; one that has ended already is reported at once."""
        if sys.platform != "linux":
            self._watch_portably(key, process)
            return
        try:
            descriptor = os.pidfd_open(process.pid)
        except ProcessLookupError:
            self._ended(key)
            return
        if process.is_alive():
            self.watch_descriptor(key, descriptor)
        else:
            os.close(descriptor)
            self._ended(key)

    def watch_descriptor(self, key: str, descriptor: int) -> None:
        """Watch for a descriptor to become readable; it is closed then."""
        with self._lock:
            self._keys[descriptor] = key
            self._poll.register(descriptor, select.POLLIN)
        # A poll that is under way does not see what is registered meanwhile.
        os.write(self._wakeup, b"w")

    def close(self) -> None:
        """Stop watching; the processes go on."""
        self._closing = True
        os.write(self._wakeup, b"c")
        self._thread.join()
        for descriptor in (*self._keys, self._wakeups, self._wakeup):
            os.close(descriptor)

    def _run(self) -> None:
        while not self._closing:
            for descriptor, _event in self._poll.poll():
                if descriptor == self._wakeups:
                    os.read(self._wakeups, 4096)
                    continue
                with self._lock:
                    self._poll.unregister(descriptor)
                    key = self._keys.pop(descriptor)
                os.close(descriptor)
                self._ended(key)

    def _watch_portably(self, key: str, process: ProcessId) -> None:
        def wait() -> None:
            if process.is_alive():
                with contextlib.suppress(psutil.Error):
                    psutil.Process(process.pid).wait()
            self._ended(key)

        threading.Thread(target=wait, name=f"job-watcher-{process.pid}", daemon=True).start()
