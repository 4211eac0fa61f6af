"""What a run of the suite is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from academy.labs.suite.near import Tolerance


class Edition(StrEnum):
    """What is run of a lab: the source, and what learners get."""

    SOLVED = "solved"
    LEARNER = "learner"


@dataclass(frozen=True)
class Options:
    """How labs are run and compared.

    Parameters
    ----------
    sanitize_with
        nbval's file of ``regex:`` and ``replace:`` lines; outputs are compared after these replacements.
    parameters
        Values for the cell tagged ``parameters``, checked already.
    update
        Write the executed outputs into the source notebooks.
    folder
        Where the executed notebooks are kept; ``None`` keeps none.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    sanitize_with: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    update: bool = False
    folder: Path | None = None

    def executed(self, lab: str, edition: Edition) -> Path | None:
        """Return where the executed copy of an edition is kept."""
        if self.folder is None:
            return None
        return self.folder / (f"{lab}.ipynb" if edition is Edition.SOLVED else f"{lab}-learner.ipynb")

    def to_json(self) -> dict[str, Any]:
        return {
            "tolerance": [self.tolerance.rtol, self.tolerance.atol],
            "sanitize_with": str(self.sanitize_with) if self.sanitize_with else None,
            "parameters": dict(self.parameters),
            "update": self.update,
            "folder": str(self.folder) if self.folder else None,
        }


def options_of(found: Mapping[str, Any]) -> Options:
    """Rebuild what ``to_json`` took apart."""
    sanitize_with, folder = found["sanitize_with"], found["folder"]
    return Options(
        Tolerance(*found["tolerance"]),
        Path(sanitize_with) if sanitize_with else None,
        found["parameters"],
        found["update"],
        Path(folder) if folder else None,
    )
