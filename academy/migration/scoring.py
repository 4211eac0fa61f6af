"""Scoring a model's sample in an environment: a process of its Python, which runs the model's own code."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.environments.built import BuiltEnvironment
from academy.evidence import secrecy
from academy.migration.report import Scored

LIMIT_S = 300.0
LINES_SHOWN = 12

_SCRIPT = Path(__file__).with_name("score.py")

# Of no use to somebody who moves a model: they speak of code that works.
_LEFT_OUT = frozenset(
    {"DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "ResourceWarning", "ImportWarning"}
)
# The report says the same, and more of it.
_REPORTED = "Detected one or more mismatches between the model's dependencies"
# The last of a traceback, or the first of what faulthandler says.
_RAISED = re.compile(
    r"^(Fatal Python error|[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning|Failure)\b)"
)
_WARNING_LENGTH = 400


# Of what the code wrote, as much as an exception's last lines need.
_ERRORS_BYTES = 100_000


@dataclass(frozen=True)
class Scoring:
    """A process that scores."""

    built: BuiltEnvironment
    process: subprocess.Popen[bytes]
    result: Path
    errors: Path
    started: float

    def awaited(self, limit_s: float = LIMIT_S) -> Scored:
        """Return what came of it; it is ended when it runs for more than ``limit_s`` seconds."""
        try:
            code = self.process.wait(max(0.0, self.started + limit_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.end()
            said = f"It did not end within {limit_s:g} seconds and was ended."
            stage = str(_result(self.result).get("stage") or "start")
            return _scored(self, {}, stage, (said, *_last(self.errors)))
        result = _result(self.result)
        if code == 0 and result.get("stage") == "done":
            return _scored(self, result, None, ())
        stage = str(result.get("stage") or "start")
        crashed = (f"Its process was ended by {_signal(-code)}.",) if code < 0 else ()
        left = ("It ended its process by itself.",) if code == 0 else ()
        return _scored(self, result, stage, (*crashed, *left, *_last(self.errors)))

    def end(self) -> None:
        """End the process, and what the model's code started in it."""
        # The group is there for as long as one of it is, or the process was not waited for.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def scoring(model: Path, built: BuiltEnvironment) -> Iterator[Scoring]:
    """Begin to score the model's sample in an environment; after the block no process of it is left."""
    with tempfile.TemporaryDirectory(prefix="academy-migrate-", ignore_cleanup_errors=True) as folder:
        begun = _begin(model, built, Path(folder))
        try:
            yield begun
        finally:
            begun.end()


def _begin(model: Path, built: BuiltEnvironment, work: Path) -> Scoring:
    result, errors = work / "result.json", work / "errors.txt"
    with open(errors, "wb") as out:
        process = subprocess.Popen(
            [built.python, "-X", "faulthandler", _SCRIPT, model, result],
            cwd=work,
            env=_variables(built, work, model),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=out,
            process_group=0,
        )
    return Scoring(built, process, result, errors, time.monotonic())


def _variables(built: BuiltEnvironment, work: Path, model: Path) -> dict[str, str]:
    """Return the process's variables: it speaks to no tracking server, and writes nothing into the model."""
    variables = built.process_environment(os.environ)
    variables["MLFLOW_TRACKING_URI"] = (work / "mlruns").as_uri()
    variables["MLFLOW_DISABLE_TELEMETRY"] = "true"
    variables.pop("MLFLOW_TRACKING_TOKEN", None)
    if (model / "code").exists():
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
    return variables


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _scored(one: Scoring, result: Mapping[str, Any], failed: str | None, lines: tuple[str, ...]) -> Scored:
    secrets = secrecy.known(os.environ, {})
    return Scored(
        where=str(one.built.python),
        python=str(result.get("python") or one.built.minor),
        seconds=round(time.monotonic() - one.started, 2),
        answer=result.get("answer"),
        failed=failed,
        lines=tuple(secrecy.without_secrets(line, secrets) for line in lines),
        warnings=tuple(secrecy.without_secrets(text, secrets) for text in warnings_of(result)),
        note=one.built.note,
    )


def _result(file: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def warnings_of(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what was warned of, each kind once: the first of it, and how many more there were."""
    kinds: dict[str, list[str]] = {}
    for category, message in result.get("warnings") or ():
        # One sentence of a kind for each estimator of a pipeline says no more than the first.
        if category not in _LEFT_OUT and not (category == "UserWarning" and message in str(kinds)):
            kinds.setdefault(category, []).append(" ".join(str(message).split()))
    said = []
    for category, messages in kinds.items():
        different = list(dict.fromkeys(messages))
        more = f" (and {len(different) - 1} more of this kind)" if len(different) > 1 else ""
        said.append(f"{category}: {_short(different[0])}{more}")
    lines = (" ".join(str(line).split()) for line in result.get("logged") or ())
    logged = dict.fromkeys(line for line in lines if not line.startswith(_REPORTED))
    return (*said, *(f"MLflow: {_short(line)}" for line in logged))


def _short(text: str) -> str:
    return text if len(text) <= _WARNING_LENGTH else f"{text[:_WARNING_LENGTH]} …"


def _last(errors: Path) -> tuple[str, ...]:
    """Return the exception that ended the process, or the last lines that it wrote."""
    try:
        with errors.open("rb") as file:
            file.seek(max(0, errors.stat().st_size - _ERRORS_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ()
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
    return tuple(lines[raised[-1] if raised else -LINES_SHOWN :][:LINES_SHOWN])
