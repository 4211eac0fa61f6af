"""Where MLflow's runs of a script go, without the script being changed, and how they are read from there.

A script that sets no tracking address gets one below ``.academy-audit``, so that its working folder is not
littered and what is in there is this run's. Of which kind depends on its MLflow: before there was a way to
say where files go that belong to a database, only a folder (``mlruns``) holds both; later MLflow refuses
folders. That way is a variable that MLflow has for its server.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from academy.audit.local import claims, mlflow_database, mlflow_folder
from academy.audit.local.command_line import Interpreter
from academy.audit.local.mlflow_runs import NotReadable, TrackedRun
from academy.evidence.credentials import printable, without_credentials
from academy.paths import AuditFolder, tracking_template

TRACKING = "MLFLOW_TRACKING_URI"
ARTIFACTS = "_MLFLOW_SERVER_ARTIFACT_ROOT"
TELEMETRY = "MLFLOW_DISABLE_TELEMETRY"

# What "%load_ext academy" tells all that a notebook starts. A job has a run of its own there besides.
_OF_NOTEBOOKS = re.compile(r"http://127\.0\.0\.1:\d+/mlflow/v1\.0/.*")
_OWN_RUN = "MLFLOW_RUN_ID"

# Without this variable, later versions take no folder.
_FOLDERS_ALLOWED = "MLFLOW_ALLOW_FILE_STORE"

_DATABASE = ("sqlite:///", "sqlite+pysqlite:///")
# What scripts set themselves that follow MLflow's tutorials.
_TUTORIALS = ("mlflow.db", "mlruns")
_NOT_READ = "what the command logged there, if it did, is not on record here."


@dataclass(frozen=True)
class MLflowPlace:
    """Where runs may come to be. ``added`` are the variables that say so to MLflow.

    ``unread`` says why runs may be missing from what is read.
    """

    places: tuple[Path, ...]
    added: Mapping[str, str]
    unread: str | None = None

    def runs(self, since_ms: int) -> tuple[list[TrackedRun], list[str]]:
        """Return the runs that started since then (Unix milliseconds), and what could not be read."""
        found: list[TrackedRun] = []
        notes = [self.unread] if self.unread else []
        for place in dict.fromkeys(self.places):
            read = mlflow_folder.runs_since if place.is_dir() else mlflow_database.runs_since
            try:
                found += read(place, since_ms)
            except NotReadable as error:
                notes.append(error.message)
        return found, notes


@dataclass(frozen=True)
class _Installed:
    """The MLflow beside a Python, as its files tell."""

    version: str
    takes_folders: bool
    tells_artifacts: bool
    has_database: bool


@contextlib.contextmanager
def place(audit: AuditFolder, python: Interpreter, variables: Mapping[str, str]) -> Iterator[MLflowPlace]:
    """Hold a place for the MLflow runs of one command; no other run has it meanwhile."""
    usual = tuple(audit.root.parent / name for name in _TUTORIALS)
    added = {} if TELEMETRY in variables else {TELEMETRY: "true"}
    if _is_chosen(variables):
        yield _told(variables[TRACKING], audit.root.parent, usual, added)
        return
    installed = _installed(python)
    in_folder = installed is not None and installed.takes_folders and not installed.tells_artifacts
    if installed and not in_folder and not installed.has_database:
        why = f"MLflow {installed.version} has no SQLAlchemy here, and keeps its runs where it chooses"
        yield MLflowPlace(usual, added, f"{why}: {_NOT_READ}")
        return
    of_label = audit.tracking_folder if in_folder else audit.tracking_file
    with claims.first_free(audit, map(of_label, _labels(installed))) as kept:
        address = kept.as_uri() if in_folder else f"sqlite:///{kept}"
        files = {} if in_folder else {ARTIFACTS: str(audit.artifacts)}
        if installed and not in_folder:
            _begin(kept, installed.version)
        yield MLflowPlace((kept, *usual), {**added, TRACKING: address, **files})


def _begin(database: Path, version: str) -> None:
    """Start from the empty database that the service has of the same MLflow, where there is one."""
    template = tracking_template(version)
    if database.exists() or not template.is_file():
        return
    # MLflow makes one itself where there is none, and says what is wrong.
    with contextlib.suppress(OSError, sqlite3.Error):
        mlflow_database.begin(database, template)


def _is_chosen(variables: Mapping[str, str]) -> bool:
    """Say whether somebody chose where runs go; a notebook's own address goes to all that it starts."""
    address = variables.get(TRACKING, "")
    return bool(address) and (_OWN_RUN in variables or not _OF_NOTEBOOKS.fullmatch(address))


def _told(address: str, folder: Path, usual: tuple[Path, ...], added: Mapping[str, str]) -> MLflowPlace:
    there = _on_this_machine(address, folder)
    if there is not None:
        return MLflowPlace((there, *usual), added)
    return MLflowPlace(usual, added, f"{TRACKING} is {printable(without_credentials(address))}: {_NOT_READ}")


def _labels(installed: _Installed | None) -> Iterator[str]:
    """Yield what places are told apart by: MLflow refuses a database of another version."""
    version = installed.version if installed else ""
    for number in itertools.count(1):
        yield "-".join(part for part in (version, str(number) if number > 1 else "") if part)


def _on_this_machine(address: str, folder: Path) -> Path | None:
    for scheme in _DATABASE:
        if address.startswith(scheme):
            name = address.removeprefix(scheme).partition("?")[0]
            return folder / name if name and name != ":memory:" else None
    parts = urlsplit(address)
    if parts.scheme in ("", "file") and parts.netloc in ("", "localhost"):
        return folder / unquote(parts.path)
    return None


def _installed(python: Interpreter) -> _Installed | None:
    """Return the MLflow beside a Python, without asking it: that would take as long as starting it."""
    for site in _sites(python):
        for found in sorted(site.glob("mlflow*-*.dist-info")):
            name, _, version = found.name.removesuffix(".dist-info").partition("-")
            if name in ("mlflow", "mlflow_skinny"):
                return _Installed(
                    version,
                    takes_folders=not _says(site / "mlflow/store/tracking/file_store.py", _FOLDERS_ALLOWED),
                    tells_artifacts=_says(site / "mlflow/tracking/_tracking_service/utils.py", ARTIFACTS),
                    has_database=(site / "sqlalchemy").is_dir() and (site / "alembic").is_dir(),
                )
    return None


def _says(file: Path, word: str) -> bool:
    try:
        return word in file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _sites(python: Interpreter) -> Sequence[Path]:
    if python.executable is None:
        return ()
    prefix = python.executable.parent.parent
    return [path for name in ("site", "dist") for path in sorted(prefix.glob(f"lib/python*/{name}-packages"))]
