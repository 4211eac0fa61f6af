"""Runs one request at a time, or as many at once as the deployment allows."""

from __future__ import annotations

import logging
import queue
import signal
import threading
import time
from typing import Any

from .messages import AMLRequest, AMLResponse, BadInput, failure
from .script import user_traceback

log = logging.getLogger("azmlinfsrv")


class Interrupted(BaseException):
    """The time limit ended a ``run()``; not an ``Exception``, so that scripts do not swallow it."""


class Task:
    """One request on its way through a worker; times are of ``time.monotonic()``."""

    def __init__(self, request: AMLRequest, deadline: float) -> None:
        self.request = request
        self.deadline = deadline
        self.started = 0.0
        self.done = threading.Event()
        self.response: AMLResponse | None = None


class Workers:
    """Runs at most ``max_concurrent`` requests at once; the first worker is the main thread.

    Scripts were written for a server that calls ``init`` and ``run`` on the main thread: signal
    handlers, event loops and some libraries need it. There the time limit also ends a ``run`` that
    takes too long; on a further thread it can only stop waiting for it.
    """

    def __init__(self, scorer: Any, max_concurrent: int, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._scorer = scorer
        self._tasks: queue.Queue[Task] = queue.Queue()
        self._count = max_concurrent
        self._running: dict[int, Task] = {}
        self._limited = False

    def submit(self, request: AMLRequest) -> AMLResponse:
        """Wait for a worker and for its result, at most the time limit."""
        task = Task(request, time.monotonic() + self.timeout_s)
        self._tasks.put(task)
        task.done.wait(self.timeout_s)
        if task.response is not None:
            return task.response
        limit_ms = round(self.timeout_s * 1000)
        response = failure(
            408,
            f"The model did not answer within {limit_ms} ms. Raise request_timeout_ms in the deployment's "
            "request_settings, or make run() faster.",
        )
        response.headers["x-ms-timeout-ms"] = str(limit_ms)
        return response

    def work_forever(self) -> None:
        """Start the further workers and become the first one."""
        signal.signal(signal.SIGALRM, self._interrupt)
        for _number in range(self._count - 1):
            threading.Thread(target=self._work, args=(False,), daemon=True).start()
        self._work(True)

    def stuck_for_s(self) -> float:
        """Return for how long the oldest ``run`` has been running."""
        return max((time.monotonic() - task.started for task in list(self._running.values())), default=0.0)

    def _work(self, on_main_thread: bool) -> None:
        while True:
            task = self._tasks.get()
            task.started = time.monotonic()
            if task.started >= task.deadline:
                continue
            self._running[id(task)] = task
            if on_main_thread:
                self._answer_in_time(task)
            else:
                task.response = self._answer(task)
            del self._running[id(task)]
            task.done.set()

    def _answer_in_time(self, task: Task) -> None:
        try:
            self._limited = True
            signal.setitimer(signal.ITIMER_REAL, task.deadline - time.monotonic())
            task.response = self._answer(task)
            self._limited = False
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Interrupted:
            log.error(
                "run() was ended by the time limit of %s s, here:\n%s", self.timeout_s, user_traceback()
            )

    def _interrupt(self, _signal: int, _frame: Any) -> None:
        # Python delivers a signal a little late; one that arrives after run() has returned is void.
        if self._limited:
            self._limited = False
            raise Interrupted

    def _answer(self, task: Task) -> AMLResponse:
        try:
            return _response(self._scorer.run(task.request), task)
        except BadInput as error:
            return failure(error.status, str(error))
        except Exception as error:  # noqa: BLE001 - a script may raise anything; it is logged and answered
            log.error("Encountered Exception: %s", user_traceback())
            return failure(
                500,
                "An unexpected error occurred in scoring script "
                f"({type(error).__name__}: {error}). Check the logs for more info.",
                of_model=True,
            )


def _response(result: Any, task: Task) -> AMLResponse:
    if isinstance(result, AMLResponse):
        response = result
    elif hasattr(result, "get_data") and hasattr(result, "status_code"):
        # A Flask response: the environment has Flask, and the script uses it.
        response = AMLResponse(result.get_data(), result.status_code, dict(result.headers))
    else:
        response = AMLResponse(result, 200, json_str=True)
    response.headers["x-ms-run-fn-exec-ms"] = f"{(time.monotonic() - task.started) * 1000:.3f}"
    return response
