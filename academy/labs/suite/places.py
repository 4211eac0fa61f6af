"""The files that messages name: those of the collection, not the copies that a run works with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from academy.labs.collection import Lab
from academy.labs.suite.report import CellReport, CheckReport, EditionReport


@dataclass(frozen=True)
class Places:
    """Where a run's copies lie below its folder, and what each is a copy of.

    A difference of outputs is left as it is: there the copy's path is what is wrong.
    """

    root: Path
    lab: Lab

    @property
    def edition(self) -> Path:
        """Where the learner's edition is written."""
        return self.root / "work" / self.lab.id

    def told(self, report: EditionReport) -> EditionReport:
        """Return the report with the collection's own paths in all that it says."""
        return replace(
            report,
            cells=tuple(self._cell(cell) for cell in report.cells),
            checks=tuple(self._check(check) for check in report.checks),
            problems=tuple(self._text(problem) for problem in report.problems),
        )

    def _cell(self, cell: CellReport) -> CellReport:
        return replace(
            cell,
            traceback=self._text(cell.traceback),
            reason=self._text(cell.reason),
            stderr=self._text(cell.stderr),
            reached=self._text(cell.reached),
        )

    def _check(self, check: CheckReport) -> CheckReport:
        return replace(check, message=self._text(check.message), fault=self._text(check.fault))

    def _text(self, text: str) -> str:
        originals = self._originals()
        # The longest first, and no folder whose name only begins like one of these.
        copies = sorted(map(re.escape, originals), key=len, reverse=True)
        return re.sub(rf"({'|'.join(copies)})(?![\w-])", lambda found: originals[found[1]], text)

    def _originals(self) -> Mapping[str, str]:
        notebook, folder = self.lab.notebook, self.lab.folder
        pairs = {
            self.edition / notebook.name: notebook,
            self.edition: folder,
            self.root / "notebooks": notebook.parent,
            self.root / "labs": folder.parent,
        }
        return {str(copy): str(original) for copy, original in pairs.items()}
