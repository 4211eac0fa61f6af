"""What a check may take and how it says what it found; the quickstart lab's own checks, on made-up facts."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from academy.errors import NotFound, ServiceUnavailable
from academy.labs.checks import Check, CheckResult, Facts, OwnValues, load_checks, run_check
from academy.labs.manifest import Task
from academy.labs.time_limit import TooLate, time_limit

TASK = Task("count", "Count", 3, "step", ())
QUICKSTART = Path(__file__).parents[1] / "labs" / "00-run-quickstart" / "checks.py"
NOON = datetime(2026, 11, 21, 12)


def nobody() -> Any:
    raise ServiceUnavailable("No service runs.")


def checked(
    function: Callable[[Facts], None],
    namespace: dict[str, Any],
    *,
    limit_s: float | None = None,
    parts: int = 1,
) -> CheckResult:
    facts = Facts(OwnValues(namespace), Path(), nobody)
    return run_check({"count": Check("count", parts, function)}, TASK, facts, limit_s=limit_s)


# What is found.


def test_a_text_of_the_notebook_is_told_from_a_number_and_an_authors_words_stay() -> None:
    def of_value(facts: Facts) -> None:
        facts.expect(False, expected="0.93", found=facts.value("accuracy"))

    def of_call(facts: Facts) -> None:
        facts.require(False, expected="0.93", found=facts.call("measure"))

    def of_author(facts: Facts) -> None:
        facts.value("accuracy")
        facts.expect(False, expected="a model", found="none")

    assert checked(of_value, {"accuracy": "0.93"}).found == "'0.93' (text)"
    assert checked(of_value, {"accuracy": 0.93}).found == "0.93"
    assert checked(of_call, {"measure": lambda: "0.93"}).found == "'0.93' (text)"
    assert checked(of_author, {"accuracy": "0.93"}).found == "none"
    assert len(checked(of_value, {"accuracy": "9" * 100_000}).found) < 1000


def test_a_run_is_not_asked_for_from_a_service_that_is_down() -> None:
    found = checked(lambda facts: facts.run("job"), {})
    assert (found.found, found.error) == ("No service runs.", "")


def test_an_unknown_check_names_the_others_in_their_order() -> None:
    with pytest.raises(NotFound, match="Checks: 'zeta', 'alpha'"):
        run_check({"zeta": Check("zeta", 1, nobody), "alpha": Check("alpha", 1, nobody)}, TASK, nobody)  # type: ignore[arg-type]


# How long it takes.


def forever() -> None:
    while True:
        pass


def stubborn() -> None:
    while True:
        try:
            while True:
                pass
        except Exception:  # noqa: BLE001, S110  a learner's loop may catch whatever comes
            pass


@pytest.mark.parametrize("loop", [forever, stubborn])
def test_a_check_that_calls_a_loop_without_end_does_not_pass_and_keeps_its_other_parts(
    loop: Callable[[], None],
) -> None:
    before = signal.getsignal(signal.SIGALRM)

    def of_loop(facts: Facts) -> None:
        facts.expect(True, expected="a", found="b")
        facts.call("ask")

    found = checked(of_loop, {"ask": loop}, limit_s=0.2, parts=3)

    assert (found.passed, found.points, found.error) == (False, 1, "")
    assert found.message == (
        "Count: not yet. Expected an answer within 0.2 seconds; found none. "
        "Look for a loop that does not end in what the check calls."
    )
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 0.0  # that of a test of its own limit may run


def test_a_timer_that_ran_before_goes_on_afterwards() -> None:
    rung = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rung.set())
    kept = signal.setitimer(signal.ITIMER_REAL, 0.3)
    try:
        with pytest.raises(TooLate), time_limit(0.1):
            forever()
        assert rung.wait(10)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *kept)


def test_another_thread_is_not_limited() -> None:
    before, seen = signal.getsignal(signal.SIGALRM), []

    def work() -> None:
        with time_limit(0.01):
            seen.append(signal.getsignal(signal.SIGALRM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


# The quickstart's own.


def made(minutes: int, **more: Any) -> Any:
    moment = NOON + timedelta(minutes=minutes)
    return SimpleNamespace(creation_context=SimpleNamespace(created_at=moment), **more)


def model(version: str, minutes: int, job_name: str | None, kind: str = "mlflow_model") -> Any:
    return made(minutes, version=version, job_name=job_name, type=kind)


@pytest.mark.parametrize(
    ("versions", "points", "found"),
    [
        ([], 0, "none"),
        ([model("1", -5, "older_job")], 0, "only versions from before this job"),
        ([model("1", -5, "older_job"), model("2", 5, "own_job")], 3, ""),
        ([model("2", -5, "own_job"), model("1", 5, "own_job")], 3, ""),
        ([model("1", 5, "older_job")], 2, "the job older_job, not this notebook's"),
        ([model("1", 5, None)], 2, "a path that names no job"),
        ([model("1", 5, None, "custom_model")], 1, "custom_model"),
    ],
)
def test_only_a_model_registered_since_this_notebooks_job_earns_points(
    versions: list[Any], points: float, found: str
) -> None:
    client: Any = SimpleNamespace(
        jobs=SimpleNamespace(get=lambda name: made(0, name=name)),
        models=SimpleNamespace(
            list=lambda name: versions,
            get=lambda name, version: next(one for one in versions if one.version == version),
        ),
    )
    task = Task("register-model", "Register", 3, "model", ())
    facts = Facts(OwnValues({"model_name": "m", "job_name": "own_job"}), Path(), lambda: client)
    result = run_check(load_checks(QUICKSTART), task, facts)
    assert (result.points, result.found, result.error) == (points, found, "")
