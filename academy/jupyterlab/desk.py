"""What the labs page asks for, and the answers as JSON: the learner's labs, and what they do with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.jupyterlab.steps import steps_of
from academy.labs.learning.cards import Card, cards
from academy.labs.learning.learner import Learner
from academy.labs.learning.progress import Progress, TaskProgress
from academy.labs.learning.source import solution_of
from academy.paths import Home


@dataclass(frozen=True)
class Desk:
    """One learner at one JupyterLab, which shows the files below ``root``."""

    root: Path

    @property
    def learner(self) -> Learner:
        # The home is looked up for each request: what a learner has done is kept by its service alone.
        return Learner(Home.locate())

    def labs(self) -> dict[str, Any]:
        """Return the list, and of what cannot be read why: ``unknown`` of progress, ``broken`` of labs."""
        learner = self.learner
        found = cards(learner.home, learner.collection)
        return {
            "labs": [self._card(card, found.cards) for card in found.cards],
            "unknown": found.unknown,
            "broken": list(found.broken),
        }

    def lab(self, name: str) -> dict[str, Any]:
        learner = self.learner
        manifest = learner.lab(name).manifest
        azure = manifest.azure
        found = cards(learner.home, learner.collection)
        card = next(card for card in found.cards if card.lab.id == manifest.id)
        return {
            **self._card(card, found.cards),
            "unknown": found.unknown,
            "azure": {"minutes": azure.minutes, "usd": azure.usd, "as_of": azure.as_of},
            "steps": _steps(learner, card),
        }

    def start(self, lab: str) -> dict[str, Any]:
        return self._place(self.learner.start(lab))

    def open(self, lab: str) -> dict[str, Any]:
        return self._place(self.learner.open(lab))

    def hint(self, lab: str, task: str) -> dict[str, Any]:
        hint = self.learner.hint(lab, task)
        return {"level": hint.level, "of": hint.of, "text": hint.text}

    def solution(self, lab: str, task: str) -> dict[str, Any]:
        return {"text": self.learner.solution(lab, task)}

    def reset(self, lab: str, step: str | None) -> dict[str, Any]:
        report = self.learner.reset(lab, step)
        return {"kept": str(report.kept) if report.kept else None, "removed": list(report.removed)}

    def submit(self, lab: str) -> dict[str, Any]:
        submitted = self.learner.hand_in(lab)
        return {"file": str(submitted.file), "damage": submitted.damage}

    def _card(self, card: Card, cards: Sequence[Card]) -> dict[str, Any]:
        manifest = card.lab.manifest
        done = {other.lab.id: _is_done(other.progress) for other in cards}
        return {
            "id": manifest.id,
            "title": manifest.title,
            "level": manifest.level,
            "minutes": manifest.minutes,
            "cell": manifest.cell,
            "objectives": list(manifest.objectives),
            "prerequisites": [{"id": name, "met": done.get(name)} for name in manifest.prerequisites],
            "state": str(card.progress.state),
            "shown_as": card.progress.shown_as,
            "done": done[card.lab.id],
            "points": card.progress.points,
            "max_points": card.progress.max_points,
            **(self._place(card.copy) if card.copy else {"notebook": None}),
        }

    def _place(self, notebook: Path) -> dict[str, Any]:
        """Say where a copy is: as JupyterLab names it, or ``None`` when it does not show that folder."""
        inside = notebook.resolve().is_relative_to(self.root)
        return {
            "notebook": notebook.resolve().relative_to(self.root).as_posix() if inside else None,
            "folder": str(notebook.parent),
            "root": str(self.root),
        }


def _is_done(progress: Progress) -> bool:
    """Tell whether all checks are passed; handing in alone finishes only a lab that has none."""
    return not progress.open_tasks if progress.tasks else progress.state.is_finished()


def _steps(learner: Learner, card: Card) -> list[dict[str, Any]]:
    notebook = card.lab.notebook if card.lab.notebook.is_file() else card.copy
    steps = steps_of(notebook) if notebook else ()
    return [
        {
            "id": step.id,
            "title": step.title,
            "tasks": [
                _task(learner, card, task) for task in card.progress.tasks if task.task.step == step.id
            ],
        }
        for step in steps
    ]


def _task(learner: Learner, card: Card, progress: TaskProgress) -> dict[str, Any]:
    """Return one task; of its hints and its solution only what was asked for."""
    task = progress.task
    solution = solution_of(learner.home, card.lab, task.id) if progress.solution_shown else ""
    return {
        "id": task.id,
        "title": task.title,
        "points": progress.points,
        "max_points": task.points,
        "passed": progress.passed,
        "attempts": progress.attempts,
        "hints": list(task.hints[: progress.hints]),
        "hints_of": len(task.hints),
        "solution": solution,
        "last_message": progress.last_message,
    }
