"""What a local run runs on: machine, packages, git. Looked at while it runs, so that it need not wait."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from academy.audit.local import snapshot
from academy.audit.local.command_line import Interpreter
from academy.audit.local.snapshot import Snapshot
from academy.errors import AcademyError
from academy.evidence import code, software
from academy.evidence.evidence import Git, Machine, Software
from academy.evidence.machine import machine
from academy.paths import AuditFolder

_PATIENCE_S = 60.0
_UNKNOWN = Software(python="", implementation="", executable="", site="", packages=())


@dataclass(frozen=True)
class Surroundings:
    """Where and on what a run ran; ``notes`` say what could not be looked at."""

    machine: Machine
    software: Software
    git: Git | None
    notes: tuple[str, ...] = ()


class Survey:
    """Looks at the surroundings of a run in a thread of its own."""

    def __init__(self, audit: AuditFolder, python: Interpreter, variables: Mapping[str, str]) -> None:
        self._audit = audit
        self._folder = audit.root.parent
        self._python = python
        self._variables = variables
        self._worker = ThreadPoolExecutor(1)
        self._found: Future[Surroundings] | None = None
        self._sites_ns: tuple[int, ...] = ()

    def begin(self, taken: Snapshot) -> None:
        """Start looking, and write the code's copies."""
        self._found = self._worker.submit(self._look, taken)

    def end(self) -> Surroundings:
        """Return what was found. Packages that changed since then are looked at again."""
        assert self._found is not None
        found = self._found.result()
        self._worker.shutdown()
        if _changed_ns(found.software) == self._sites_ns:
            return found
        now, notes = self._packages()
        if now.packages == found.software.packages:
            return found
        changed = "Packages were installed or removed while it ran: those on record are the ones at its end."
        return Surroundings(found.machine, now, found.git, (*found.notes, *notes, changed))

    def _look(self, taken: Snapshot) -> Surroundings:
        packages, notes = self._packages()
        self._sites_ns = _changed_ns(packages)
        # Before the copies are written, which git would see where the folder is not ignored.
        git = code.git(self._folder)
        try:
            snapshot.keep(self._audit, taken)
        except OSError as error:
            notes.append(
                f"The code is not kept whole, only its hashes are: {error.strerror} ({error.filename})."
            )
        return Surroundings(machine(), packages, git, tuple(notes))

    def _packages(self) -> tuple[Software, list[str]]:
        notes = [self._python.note] if self._python.note else []
        if self._python.executable is None:
            return _UNKNOWN, notes
        try:
            return software.of_python(self._itself(self._python.executable)), notes
        except (AcademyError, OSError, subprocess.SubprocessError) as error:
            return _UNKNOWN, [*notes, f"The packages are not known: {error}"]

    def _itself(self, executable: Path) -> Path:
        """Return the Python behind a script that chooses one by the working folder, as pyenv's do."""
        with open(executable, "rb") as file:
            if file.read(2) != b"#!":
                return executable
        answer = subprocess.run(
            [executable, "-c", "import sys; print(sys.executable)"],
            cwd=self._folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
        )
        return Path(answer.stdout.strip() or executable)


def _changed_ns(found: Software) -> tuple[int, ...]:
    """Return when something was last installed into each folder of packages, or removed from it."""
    return tuple(folder.stat().st_mtime_ns if folder.is_dir() else 0 for folder in map(Path, found.folders))
