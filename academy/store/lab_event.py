"""One thing that a learner did in a lab. Light: what lists the labs imports no database."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.errors import InvalidField, choices

# Two digits, a verb and a noun.
LAB_ID = re.compile(r"\d\d-[a-z0-9]+(-[a-z0-9]+)+")

TASK_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# What fits the table's columns.
LAB_LENGTH, TASK_LENGTH = 100, 100


class EventKind(enum.StrEnum):
    """What happened."""

    STARTED = "started"
    OPENED = "opened"
    CHECKED = "checked"
    HINTED = "hinted"
    SOLUTION_SHOWN = "solution_shown"
    RESET = "reset"
    SUBMITTED = "submitted"


@dataclass(frozen=True)
class Event:
    """One entry of the record; ``at`` is in seconds since 1970, by the service's clock."""

    sequence: int
    at: float
    lab: str
    kind: EventKind
    task: str | None
    data: Mapping[str, Any]


def checked_lab(lab: str) -> str:
    """Return the lab's id if it is one, else refuse it."""
    if not LAB_ID.fullmatch(lab) or len(lab) > LAB_LENGTH:
        raise InvalidField(
            f"The lab {lab[:LAB_LENGTH]!r} is not named as labs are: NN-verb-noun, such as "
            "05-track-experiments.",
            target="lab",
        )
    return lab


def checked_task(task: object) -> str | None:
    """Return the task's id if it is one, or None where an event is about a whole lab; else refuse it."""
    if task is None or (isinstance(task, str) and len(task) <= TASK_LENGTH and TASK_ID.fullmatch(task)):
        return task
    raise InvalidField(
        f"The task {str(task)[:TASK_LENGTH]!r} is not named as tasks are: lower-case words with '-' between "
        "them.",
        target="task",
    )


def checked_kind(kind: object) -> EventKind:
    """Return the kind of this name, else refuse it."""
    try:
        return EventKind(str(kind))
    except ValueError:
        raise InvalidField(
            f"The kind of event {str(kind)[:40]!r} is not valid. Valid: {choices(EventKind)}.", target="kind"
        ) from None
