"""The report on one move, from names to verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from academy.matrix.catalogue import Catalogue, CellId
from academy.matrix.reading import load
from academy.migration import machines, packages, surroundings, trial, unrecorded, verdict
from academy.migration.ends import Sources, described, goal, origin, with_python_of
from academy.migration.report import Difference, Migration, SubjectKind, Trial
from academy.migration.scoring import LIMIT_S
from academy.migration.shelf import Shelf
from academy.migration.subject import Found, find
from academy.migration.trial import Stage
from academy.service.loopback import Loopback
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Asked:
    """What is to be moved, from where to where.

    ``reference`` is ``NAME:VERSION`` of a model or environment, ``NAME`` of a job. ``target`` is a file that
    describes the goal; without it, what stands for the cell on this machine is meant, and ``into`` names an
    environment of the service for it.
    """

    origin: CellId
    goal: CellId
    kind: SubjectKind
    reference: str
    target: Path | None = None
    into: str | None = None
    tolerance: float = TOLERANCE
    with_trial: bool = True
    limit_s: float = LIMIT_S
    workspace: Workspace = DEFAULT_WORKSPACE


def migrate(
    asked: Asked,
    service: ServiceInfo,
    sources: Sources | None = None,
    *,
    log: Callable[[str], None] = lambda _line: None,
) -> Migration:
    """Return what the move takes. It changes nothing; environments for the trial are built into the cache.

    The trial loads the model in processes of both environments, which runs the code that is in it.

    Raises
    ------
    NotFound
        There is no such model, job, environment, version or target file; the message has the nearest names.
    InvalidField
        A field of the target file is not valid.
    """
    catalogue = load()
    # Before the service is asked: a slip in the file is found at once.
    place = described(asked.goal, asked.target, catalogue) if asked.target else None
    shelf = Shelf(Loopback(service), asked.workspace)
    found = find(shelf, asked.kind, asked.reference)
    made = origin(asked.origin, found, shelf, sources or Sources())
    place = with_python_of(place or goal(asked.goal, found, shelf, asked.into), made)
    if asked.with_trial:
        stage, tried = trial.run(
            found.subject, (made, place), log, tolerance=asked.tolerance, limit_s=asked.limit_s
        )
    else:
        stage, tried = Stage(made.end, place.end), trial.left_out(asked.tolerance)
    return _report(found, stage, tried, catalogue)


def _report(found: Found, stage: Stage, tried: Trial, catalogue: Catalogue) -> Migration:
    subject, move = found.subject, catalogue.move(stage.origin.cell, stage.goal.cell)
    differences = verdict.settled(compared(found, stage, catalogue), tried, stage.goal)
    decided = verdict.verdict(differences, tried)
    retests = verdict.retests(subject, move, differences, tried)
    return Migration(
        subject=subject,
        move=move,
        origin=stage.origin,
        goal=stage.goal,
        differences=differences,
        retests=retests,
        trial=tried,
        verdict=decided,
        reasons=(*verdict.reasons(differences, tried, retests), *unrecorded.reasons(subject, stage.origin)),
        next_steps=(
            *unrecorded.next_steps(subject, stage.origin, decided),
            *verdict.next_steps(subject, move, differences, tried, decided),
        ),
        notes=found.notes,
    )


def compared(found: Found, stage: Stage, catalogue: Catalogue) -> list[Difference]:
    """Return all that differs between two ends, in the order in which a report shows it."""
    subject = found.subject
    return [
        *machines.differences(subject, stage.origin, stage.goal),
        *packages.differences(subject, stage.origin, stage.goal),
        *surroundings.differences(subject, stage.origin, stage.goal, catalogue),
    ]
