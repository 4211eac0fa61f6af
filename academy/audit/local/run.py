"""A plain command with an audit trail, in any folder and without the service."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from academy.audit.chain import Sealed
from academy.audit.local import claims, code_files, command_line, foreground, mlflow_place, snapshot
from academy.audit.local.data import LocalData
from academy.audit.local.ledger import LocalLedger
from academy.audit.local.record import record_of
from academy.audit.local.request import Before, Ended, Request
from academy.audit.local.snapshot import Snapshot
from academy.audit.local.surroundings import Survey
from academy.audit.record import Record
from academy.errors import AcademyError
from academy.paths import AuditFolder


@dataclass(frozen=True)
class Outcome:
    """How it went. ``warnings`` are for who ran it; ``failure`` says why it is not on record.

    ``asked`` are the signals that came to end it.
    """

    record: Record
    exit_status: int
    sealed: Sealed | None
    warnings: tuple[str, ...] = ()
    failure: AcademyError | None = None
    asked: tuple[signal.Signals, ...] = ()


def run(request: Request, variables: Mapping[str, str]) -> Outcome:
    """Run a command as a shell does, with its streams and signals, and put it on record.

    Raises
    ------
    AcademyError
        Nothing was run: there is no such command or data, the name is taken, or the folder is not writable.
    """
    program = command_line.program(request.command, variables)
    python = command_line.interpreter(request.command, variables)
    ledger = LocalLedger(AuditFolder(request.folder / AuditFolder.NAME))
    local = LocalData(request.folder)
    data = local.given(request.data)
    ledger.prepare()
    with contextlib.ExitStack() as held:
        stem, _ = command_line.script(request.command)
        name = held.enter_context(claims.run_name(ledger, request.name, stem))
        mlflow = held.enter_context(mlflow_place.place(ledger.folder, python, variables))
        before = Before(
            name=name,
            created_at=_now(),
            began_ms=int(time.time() * 1000),
            code=_code(request, ledger.folder),
            data=data,
            outputs=local.expected(request.outputs),
            metrics=local.expected([request.metrics_file])[0] if request.metrics_file else None,
            mlflow=mlflow,
            variables=() if mlflow_place.TRACKING in mlflow.added else _told(variables),
        )
        survey = Survey(ledger.folder, python, variables)
        environment = {**variables, **mlflow.added}
        process = held.enter_context(foreground.held(request.command, program, request.folder, environment))
        started_at = _now()
        survey.begin(before.code)
        end = Ended(process.wait(), started_at, _now())
        record = record_of(request, before, local, survey.end(), end)
        return _kept(ledger, record, local, end)


def _kept(ledger: LocalLedger, record: Record, local: LocalData, end: Ended) -> Outcome:
    outcome = Outcome(record, end.end.status, None, tuple(local.warnings), asked=end.end.asked)
    try:
        return replace(outcome, sealed=ledger.append(record))
    except AcademyError as error:
        return replace(outcome, failure=error)


def _code(request: Request, audit: AuditFolder) -> Snapshot:
    named = [*request.data, *request.outputs, *([request.metrics_file] if request.metrics_file else ())]
    files = code_files.code_files(request.folder, [request.folder / name for name in named])
    return snapshot.taken(audit, request.folder, files)


def _told(variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name in (mlflow_place.TRACKING,) if variables.get(name))


def _now() -> str:
    return datetime.now(UTC).isoformat()
