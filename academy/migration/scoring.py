"""Scoring in two environments at once, each in a process of its own Python."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.environments.built import BuiltEnvironment
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
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning|Failure)\b")
_WARNING_LENGTH = 400


@dataclass
class _Process:
    built: BuiltEnvironment
    process: subprocess.Popen[bytes]
    result: Path
    errors: Path
    started: float


def score(model: Path, environments: Sequence[BuiltEnvironment], *, limit_s: float = LIMIT_S) -> list[Scored]:
    """Score the model's sample in each environment; all at once, and each at most ``limit_s`` seconds."""
    with (
        tempfile.TemporaryDirectory(prefix="academy-migrate-") as folder,
        _started(model, environments, Path(folder)) as processes,
    ):
        deadline = time.monotonic() + limit_s
        return [_awaited(one, deadline, limit_s) for one in processes]


@contextlib.contextmanager
def _started(model: Path, environments: Sequence[BuiltEnvironment], folder: Path) -> Iterator[list[_Process]]:
    started: list[_Process] = []
    try:
        for number, built in enumerate(environments):
            started.append(_start(model, built, folder, number))
        yield started
    finally:
        for one in started:
            if one.process.poll() is None:
                one.process.kill()
            one.process.wait()


def _start(model: Path, built: BuiltEnvironment, folder: Path, number: int) -> _Process:
    work = folder / str(number)
    work.mkdir()
    result, errors = work / "result.json", work / "errors.txt"
    with open(errors, "wb") as out:
        process = subprocess.Popen(
            [built.python, _SCRIPT, model, result],
            cwd=work,
            env=_variables(built, work, model),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=out,
        )
    return _Process(built, process, result, errors, time.monotonic())


def _variables(built: BuiltEnvironment, work: Path, model: Path) -> dict[str, str]:
    """Return the process's variables: it speaks to no tracking server, and writes nothing into the model."""
    variables = built.process_environment(os.environ)
    variables["MLFLOW_TRACKING_URI"] = (work / "mlruns").as_uri()
    variables["MLFLOW_DISABLE_TELEMETRY"] = "true"
    variables.pop("MLFLOW_TRACKING_TOKEN", None)
    if (model / "code").exists():
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
    return variables


def _awaited(one: _Process, deadline: float, limit_s: float) -> Scored:
    try:
        code = one.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        one.process.kill()
        one.process.wait()
        return _scored(one, {}, "finish", (f"It did not end within {limit_s:.0f} seconds and was ended.",))
    result = _result(one.result)
    if code == 0 and result.get("stage") == "done":
        return _scored(one, result, None, ())
    stage = str(result.get("stage") or "start")
    if code < 0:
        return _scored(one, result, stage, (f"Its process was ended by signal {-code}.", *_last(one.errors)))
    return _scored(one, result, stage, _last(one.errors))


def _scored(one: _Process, result: Mapping[str, Any], failed: str | None, lines: tuple[str, ...]) -> Scored:
    return Scored(
        where=str(one.built.python),
        python=str(result.get("python") or one.built.minor),
        seconds=round(time.monotonic() - one.started, 2),
        answer=result.get("answer"),
        failed=failed,
        lines=lines,
        warnings=warnings_of(result),
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
        lines = [line.rstrip() for line in errors.read_text(encoding="utf-8", errors="replace").splitlines()]
    except OSError:
        return ()
    lines = [line for line in lines if line]
    raised = [number for number, line in enumerate(lines) if _RAISED.match(line)]
    return tuple(lines[raised[-1] if raised else -LINES_SHOWN :][:LINES_SHOWN])
