"""``./outputs`` and ``./logs`` of a job become its artifacts, whether it succeeds or not."""

from __future__ import annotations

from pathlib import Path

from academy.datasets import outputs
from academy.datasets.outputs import Log
from academy.datasets.ports import OutputMode, OutputPlan, PortKind
from academy.paths import ArtifactFolder

# Azure uploads these two folders of the working directory, and makes them beforehand.
COLLECTED = ("outputs", "logs")


def prepare(work: Path, artifacts: ArtifactFolder) -> None:
    """Make the folders that a job may write to without making them itself, and that of its log."""
    for name in COLLECTED:
        (work / name).mkdir(exist_ok=True)
    artifacts.user_log.parent.mkdir(parents=True, exist_ok=True)


def collect(work: Path, artifacts: ArtifactFolder, log: Log) -> None:
    """Move what the job wrote into its artifacts; doing it again moves what is left.

    Raises
    ------
    Conflict
        When a file is where the artifacts have a folder, or the other way round.
    StorageFull
        When the disk is full.
    """
    for name in COLLECTED:
        # A blob store has no empty folders.
        if _removed_as_empty(work / name):
            continue
        target = artifacts.root / name
        folder = OutputPlan(name, PortKind.URI_FOLDER, OutputMode.UPLOAD, target, uri=f"./{name}")
        outputs.collect(folder, work, log)
        # Nothing may be left of what the job linked.
        _removed_as_empty(target)


def _removed_as_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:
        return False
    return True
