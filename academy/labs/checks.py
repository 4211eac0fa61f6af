"""The check engine: one for the learner's ``check("task")``, the suite and the grader.

``labs/NN-verb-noun/checks.py`` holds one function a task. It looks at facts in the service and values
in the notebook, never at printed text:

    from academy.labs.checks import Facts, check

    @check("register-model", parts=2)
    def register_model(facts: Facts) -> None:
        model = facts.ml_client.models.get(facts.value("model_name"), label="latest")
        facts.require(model.type == "mlflow_model", expected="an MLflow model", found=model.type,
                      advice="Give type=AssetTypes.MLFLOW_MODEL.")
        facts.expect(...)
"""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from academy.errors import AcademyError, InvalidField, NotFound, choices
from academy.labs.language import texts
from academy.labs.manifest import Task
from academy.labs.time_limit import TooLate, time_limit

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_MOST_SHOWN = 400


@dataclass(frozen=True)
class CheckResult:
    """What a check found; ``seconds`` is how long it took.

    ``message`` is for the learner. ``expected``, ``found`` and ``advice`` are those of the first fact that
    does not hold. ``error`` is set when the check itself failed, which is its author's fault.
    """

    id: str
    passed: bool
    points: float
    max_points: float
    message: str
    hint: str = ""
    seconds: float = 0.0
    expected: str = ""
    found: str = ""
    advice: str = ""
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class NotYet(Exception):
    """A fact that a check needs does not hold: the task is not done yet."""

    def __init__(self, expected: str, found: object, advice: str = "") -> None:
        super().__init__(expected)
        self.expected, self.found, self.advice = expected, shown(found), advice


class Values(Protocol):
    """The values of a notebook: those of this kernel, or of one that the grader looks at from outside."""

    def get(self, name: str) -> Any:
        """Return the value; ``KeyError`` when the notebook has no such name."""

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call the notebook's function of this name, and return what it returns.

        ``KeyError(name)`` when the notebook has no such name.
        """


@dataclass(frozen=True)
class OwnValues:
    """The values of the notebook that this process runs."""

    namespace: Mapping[str, Any]

    def get(self, name: str) -> Any:
        return self.namespace[name]

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.namespace[name](*args, **kwargs)


@dataclass
class Facts:
    """What a check may look at, and how it says what it found.

    ``folder`` is the lab's folder as the learner has it (``src/``, ``data/``). ``connect`` gives the client
    of the service that the notebook talks to; it is called when a check first asks for ``ml_client``.
    """

    values: Values
    folder: Path
    connect: Callable[[], MLClient]
    held: int = field(default=0, init=False)
    failures: list[NotYet] = field(default_factory=list, init=False)
    _texts: list[str] = field(default_factory=list, init=False, repr=False)

    @cached_property
    def ml_client(self) -> MLClient:
        return self.connect()

    def value(self, name: str) -> Any:
        """Return a value of the notebook; a name that is not there ends the check kindly."""
        try:
            return self._noted(self.values.get(name))
        except KeyError:
            raise _no_value(name) from None

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of the notebook; one that is not there, or fails, ends the check kindly."""
        try:
            return self._noted(self.values.call(name, *args, **kwargs))
        except NotYet:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001  the learner's own code may raise anything
            if isinstance(error, KeyError) and error.args == (name,):
                raise _no_value(name) from None
            given = ", ".join([*map(repr, args), *(f"{key}={value!r}" for key, value in kwargs.items())])
            say, call = texts(), f"{name}({shown(given)})"
            unsolved = isinstance(error, NotImplementedError)
            advice = say("notebook.call-unsolved" if unsolved else "notebook.call-advice", call=call)
            found = f"{type(error).__name__}: {error}"
            raise NotYet(say("notebook.call-expected", call=call), found, advice) from None

    def run(self, job_name: str) -> Any:
        """Return the MLflow run of a job: ``run.data.metrics``, ``run.data.params``."""
        from mlflow import MlflowClient

        _ = self.ml_client  # MLflow would wait minutes for a service that is down; this says so at once
        return MlflowClient().get_run(job_name)

    def expect(self, condition: object, *, expected: str, found: object, advice: str = "") -> bool:
        """Note whether one part of the task holds, and go on; each is one of the check's ``parts``.

        ``found`` is a sentence or a value. A text that ``value`` or ``call`` returned is shown in quotes, as
        a text, so that it is not taken for a number.
        """
        if condition:
            self.held += 1
        else:
            self.failures.append(NotYet(expected, self._told_apart(found), advice))
        return bool(condition)

    def require(self, condition: object, *, expected: str, found: object, advice: str = "") -> None:
        """Like ``expect``, for what the rest of the check rests on: it ends here when this does not hold."""
        if not self.expect(condition, expected=expected, found=found, advice=advice):
            raise self.failures.pop()

    def _noted(self, value: Any) -> Any:
        if isinstance(value, str):
            self._texts.append(value)
        return value

    def _told_apart(self, found: object) -> object:
        if any(found is text for text in self._texts):
            return texts()("notebook.found-text", value=shown(repr(found)))
        return found


@dataclass(frozen=True)
class Check:
    """A task's check. Each of its ``parts`` earns the same share of the task's points."""

    task: str
    parts: int
    function: Callable[[Facts], None]


def check(task: str, *, parts: int = 1) -> Callable[[Callable[[Facts], None]], Check]:
    """Make the function below the check of ``task``; ``parts`` is how many facts it expects."""
    if parts < 1:
        raise InvalidField(f"The check of {task!r} has parts={parts}; it takes 1 or more.")

    def mark(function: Callable[[Facts], None]) -> Check:
        return Check(task, parts, function)

    return mark


def load_checks(file: Path) -> dict[str, Check]:
    """Read a lab's ``checks.py``, and return its checks by task.

    Raises
    ------
    InvalidField
        It cannot be imported, or has two checks of one task.
    """
    name = f"academy_checks_{abs(hash(str(file)))}"
    specification = importlib.util.spec_from_file_location(name, file)
    if specification is None or specification.loader is None or not file.exists():
        return {}
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise InvalidField(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[name]
    found: dict[str, Check] = {}
    for value in vars(module).values():
        if isinstance(value, Check):
            if value.task in found:
                raise InvalidField(f"{file} has two checks of the task {value.task!r}. Keep one.")
            found[value.task] = value
    return found


def run_check(
    checks: Mapping[str, Check], task: Task, facts: Facts, *, hint: str = "", limit_s: float | None = None
) -> CheckResult:
    """Run the check of ``task`` on ``facts``; ``hint`` is passed on in a result that did not pass.

    In the main thread, a check that takes longer than ``limit_s``, or than a ``time_limit`` of the caller's,
    ends as one that did not pass, and its other parts count; None sets no limit.

    Raises
    ------
    NotFound
        The lab has no check for the task.
    """
    if task.id not in checks:
        known = choices(checks, in_order=True)
        raise NotFound(f"There is no check of the task {task.id!r}. Checks: {known}.")
    chosen = checks[task.id]
    began = time.perf_counter()
    error = ""
    try:
        with time_limit(limit_s):
            chosen.function(facts)
    except TooLate as late:
        facts.failures.append(_too_late(late))
    except NotYet as failure:
        facts.failures.append(failure)
    except AcademyError as failure:
        facts.failures.append(NotYet(texts()("notebook.service-expected"), failure.message))
    except Exception as failure:  # noqa: BLE001  whatever a check raises is a result
        facts.failures.append(of_exception(failure))
        error = "" if _is_absence(failure) else f"{type(failure).__name__}: {failure}"
    return _result(chosen, task, facts, hint=hint, error=error, seconds=time.perf_counter() - began)


def shown(value: object) -> str:
    """Return a value as a message shows it: short, and text without quotes."""
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:  # noqa: BLE001  a learner's own class may raise anything; Python refuses long integers
        text = f"<{type(value).__name__}>"
    short = text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + " …"
    return short.encode("utf-8", "backslashreplace").decode("utf-8")  # no file holds half a character


def of_exception(error: Exception) -> NotYet:
    """Say what an exception inside a check means to the learner."""
    say = texts()
    if _is_absence(error):
        message = str(getattr(error, "message", error)).splitlines()[0]
        return NotYet(say("notebook.resource-expected"), message, say("notebook.resource-advice"))
    return NotYet(
        say("notebook.check-expected"), f"{type(error).__name__}: {error}", say("notebook.check-advice")
    )


def _no_value(name: str) -> NotYet:
    say = texts()
    return NotYet(
        say("notebook.value-expected", name=name),
        say("notebook.value-missing"),
        say("notebook.value-advice"),
    )


def _too_late(late: TooLate) -> NotYet:
    say = texts()
    expected = say("notebook.late-expected", seconds=f"{late.limit_s:g}")
    return NotYet(expected, say("notebook.late-found"), say("notebook.late-advice"))


def _is_absence(error: Exception) -> bool:
    # The SDK's ResourceNotFoundError, by name: this module does not import the SDK.
    return type(error).__name__ == "ResourceNotFoundError" or getattr(error, "status_code", None) == 404


def _result(chosen: Check, task: Task, facts: Facts, *, hint: str, error: str, seconds: float) -> CheckResult:
    say = texts()
    failed = facts.failures[0] if facts.failures else None
    if failed is None and facts.held != chosen.parts:
        error = f"it holds {facts.held} parts, not the {chosen.parts} that it says"
        failed = NotYet(
            say("notebook.parts-expected", parts=chosen.parts), facts.held, say("notebook.check-advice")
        )
    if failed is None:
        message = say("notebook.done", title=task.title)
        return CheckResult(task.id, True, task.points, task.points, message, seconds=seconds)
    share = min(facts.held / chosen.parts, 1.0)
    message = say(
        "notebook.not-yet", title=task.title, expected=failed.expected, found=failed.found.rstrip(".")
    )
    return CheckResult(
        task.id,
        False,
        round(task.points * share, 4) if not error else 0.0,
        task.points,
        f"{message} {failed.advice}".strip(),
        hint=hint,
        seconds=seconds,
        expected=failed.expected,
        found=failed.found,
        advice=failed.advice,
        error=error,
    )
