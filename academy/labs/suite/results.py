"""The folder through which pytest and the process that runs labs for it speak."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.errors import AcademyError
from academy.labs.suite.report import EditionReport, edition_report
from academy.labs.suite.units import Unit
from academy.paths import read_json, write_json

_LOOK_S = 0.05


class RunnerEnded(AcademyError):
    """The process that runs the labs ended before it had run all."""


@dataclass(frozen=True)
class Results:
    """Each unit's report is a file that appears whole; ``ended`` appears when there will be no more."""

    root: Path

    @property
    def request_file(self) -> Path:
        return self.root / "request.json"

    @property
    def log_file(self) -> Path:
        return self.root / "runner.log"

    @property
    def ended_file(self) -> Path:
        return self.root / "ended"

    def put(self, unit: Unit, report: EditionReport) -> None:
        write_json(self._file(unit), report.to_json(), durable=False)

    def get(self, unit: Unit) -> EditionReport | None:
        found: Mapping[str, Any] | None = read_json(self._file(unit))
        return edition_report(found) if found is not None else None

    def wait(self, unit: Unit) -> EditionReport:
        """Wait for a unit's report.

        Raises
        ------
        RunnerEnded
            There will be none: the process that runs the labs has ended, or the one that started it.
        """
        parent = os.getppid()
        while (report := self.get(unit)) is None:
            if self.ended_file.exists() or os.getppid() != parent:
                report = self.get(unit)  # it may have come just before the end
                if report is not None:
                    break
                raise RunnerEnded(
                    f"{unit.lab.id} was not run. The log of what runs labs ends:\n{self.tail()}"
                )
            time.sleep(_LOOK_S)
        return report

    def tail(self, lines: int = 15) -> str:
        try:
            return "\n".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(there is no log)"

    def _file(self, unit: Unit) -> Path:
        return self.root / f"{unit.key}.json"
