"""``academy lab …``: each command's module is imported when it runs, so that help and lists are fast."""

from __future__ import annotations

import click

from academy.cli.lazy import LazyGroup

# Where each command is, and what the group's help says of it.
_LEARNER = {
    "list": ("academy.cli.lab_learner:list_labs", "Show the labs, and how far you are."),
    "start": ("academy.cli.lab_learner:start", "Make your own copy of a lab."),
    "open": ("academy.cli.lab_open:open_labs", "Open JupyterLab with the labs in view."),
    "check": ("academy.cli.lab_learner:check", "Check a lab's tasks."),
    "hint": ("academy.cli.lab_learner:hint", "Show the next hint of a task."),
    "solution": ("academy.cli.lab_learner:solution", "Show the solution of a task."),
    "status": ("academy.cli.lab_learner:status", "Show points, hints and time of a lab."),
    "reset": ("academy.cli.lab_learner:reset", "Restore a lab, or one step of it."),
    "submit": ("academy.cli.lab_learner:submit", "Hand your copy in."),
}
_INSTRUCTOR = {
    "release": ("academy.cli.lab_release:release", "Make learners' editions."),
    "grade": ("academy.cli.lab_grade:grade", "Grade the submissions of a class."),
}
_AUTHOR = {
    "new": ("academy.cli.lab_author:new", "Begin a lab."),
    "lint": ("academy.cli.lab_author:lint", "Look for what a good lab does not have."),
}


class _Lab(LazyGroup):
    sections = {"Learner": _LEARNER, "Instructor": _INSTRUCTOR, "Author": _AUTHOR}


@click.group(cls=_Lab)
def lab() -> None:
    """Guided notebooks with checks."""
