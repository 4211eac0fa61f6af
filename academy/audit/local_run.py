"""A plain command with an audit trail, in any folder and without the service."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from academy.audit import claims, code_files, command_line, foreground, mlflow_runs, snapshot
from academy.audit.chain import Sealed
from academy.audit.local_data import LocalData
from academy.audit.local_ledger import LocalLedger
from academy.audit.local_record import record_of
from academy.audit.local_request import TRACKING, Before, Ended, MLflow, Request
from academy.audit.record import Record
from academy.audit.snapshot import Snapshot
from academy.audit.surroundings import Survey, mlflow_version
from academy.errors import AcademyError
from academy.paths import AuditFolder

# By this alone MLflow's client can be told where files of runs go that are kept in a database.
ARTIFACTS = "_MLFLOW_SERVER_ARTIFACT_ROOT"
TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"
# Where scripts keep runs that follow MLflow's tutorials.
_TUTORIALS_DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Outcome:
    """How it went. ``warnings`` are for who ran it; ``failure`` says why it is not on record."""

    record: Record
    exit_status: int
    sealed: Sealed | None
    warnings: tuple[str, ...] = ()
    failure: AcademyError | None = None


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
        tracking = held.enter_context(claims.tracking_file(ledger.folder, mlflow_version(python)))
        before = Before(
            name=name,
            created_at=_now(),
            began_ms=int(time.time() * 1000),
            code=_code(request, ledger.folder),
            data=data,
            outputs=local.expected(request.outputs),
            metrics=local.expected([request.metrics_file])[0] if request.metrics_file else None,
            mlflow=_mlflow(request.folder, ledger.folder, tracking, variables),
        )
        survey = Survey(ledger.folder, python, before.mlflow.variables)
        process = held.enter_context(
            foreground.held(request.command, program, request.folder, before.mlflow.variables)
        )
        started_at = _now()
        survey.begin(before.code)
        end = Ended(process.wait(), started_at, _now())
        record = record_of(request, before, local, survey.end(), end)
        return _kept(ledger, record, local, end)


def _kept(ledger: LocalLedger, record: Record, local: LocalData, end: Ended) -> Outcome:
    warnings = tuple(local.warnings)
    try:
        return Outcome(record, end.end.status, ledger.append(record), warnings)
    except AcademyError as error:
        return Outcome(record, end.end.status, None, warnings, error)


def _code(request: Request, audit: AuditFolder) -> Snapshot:
    named = [*request.data, *request.outputs, *([request.metrics_file] if request.metrics_file else ())]
    files = code_files.code_files(request.folder, [request.folder / name for name in named])
    return snapshot.taken(audit, request.folder, files)


def _mlflow(folder: Path, audit: AuditFolder, tracking: Path, variables: Mapping[str, str]) -> MLflow:
    """Return where MLflow runs may come to be: where the script is told to, or where it tells MLflow to."""
    added = {} if TELEMETRY in variables else {TELEMETRY: "true"}
    address = variables.get(TRACKING) or f"sqlite:///{tracking}"
    if not variables.get(TRACKING):
        added |= {TRACKING: address, ARTIFACTS: str(audit.artifacts)}
    told = mlflow_runs.database_of(address, folder)
    databases = dict.fromkeys(file for file in (told, folder / _TUTORIALS_DATABASE) if file is not None)
    return MLflow(address, told is not None, tuple(databases), {**variables, **added}, tuple(sorted(added)))


def _now() -> str:
    return datetime.now(UTC).isoformat()
