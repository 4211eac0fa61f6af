"""Group commit: one fsync serves all writes that wait for it at that moment."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine

from academy.errors import ServiceUnavailable
from academy.experiments.session import Session, undoable, writing

T = TypeVar("T")

# More writes than this do not share a transaction: the first would wait too long for the last.
_BATCH = 200


@dataclass(frozen=True)
class _Write(Generic[T]):
    operation: Callable[[Session], T]
    future: Future[T] = field(default_factory=Future)


class Writer:
    """One thread that writes for all callers; a future is done when its write is on the disk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[_Write[Any] | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracking-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Session], T]) -> Future[T]:
        """Write soon; what ``operation`` raises undoes it and goes to the future."""
        if self._closed.is_set():
            raise ServiceUnavailable("The tracking database is closed, because the service is ending.")
        write = _Write(operation)
        self._queue.put(write)
        return write.future

    def close(self) -> None:
        """Write what waits, then end."""
        self._closed.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            while len(batch) < _BATCH:
                try:
                    waiting = self._queue.get_nowait()
                except queue.Empty:
                    break
                if waiting is None:
                    self._queue.put(None)
                    break
                batch.append(waiting)
            self._commit(batch)

    def _commit(self, batch: list[_Write[Any]]) -> None:
        results: list[tuple[_Write[Any], Any, BaseException | None]] = []
        try:
            with writing(self._engine) as session:
                if len(batch) == 1:
                    results.append((batch[0], batch[0].operation(session), None))
                else:
                    results.extend(_attempt(write, session) for write in batch)
        except BaseException as error:  # noqa: BLE001 - each caller gets it, and this thread serves on
            results = [(write, None, error) for write in batch]
        for write, result, failure in results:
            if failure is None:
                write.future.set_result(result)
            else:
                write.future.set_exception(failure)


def _attempt(write: _Write[Any], session: Session) -> tuple[_Write[Any], Any, BaseException | None]:
    try:
        with undoable(session):
            return write, write.operation(session), None
    except Exception as error:  # noqa: BLE001 - handed to the caller; the others of the batch go on
        return write, None, error
