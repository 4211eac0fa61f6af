"""Whose and what a hand-in is: by the names of its files, by what is written in them, and when."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from academy.labs.manifest import LAB_ID

# In each zip that `academy lab submit` makes: who made it, for which lab, and when.
RECORD = "submission.json"

# What a browser or Canvas adds to a name that was taken: "lab (1)", "lab-2".
_AGAIN = re.compile(r"( ?\(\d+\)|-\d+)$")


def lab_of(notebook: Path, labs: tuple[str, ...], only: str, recorded: str) -> tuple[str, bool]:
    """Return which lab a notebook is: by its name, what it says, its folder; or a guess."""
    stem = notebook.stem
    candidates = (stem, _AGAIN.sub("", stem), _of_metadata(notebook), notebook.parent.name, recorded)
    for candidate in candidates:
        if candidate in labs:
            return candidate, False
    for candidate in candidates:
        if LAB_ID.fullmatch(candidate):
            return candidate, False  # of no lab that is graded here, and said so
    return only or (labs[0] if len(labs) == 1 else ""), True


def _of_metadata(notebook: Path) -> str:
    try:
        content = json.loads(notebook.read_bytes())
        return str(content["metadata"]["academy"]["lab"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""  # the grader says what is wrong with it


def record_in(stage: Path) -> dict[str, Any]:
    for file in (stage / RECORD, *sorted(stage.glob(f"*/{RECORD}"))):
        try:
            content = json.loads(file.read_bytes())
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(content, dict):
            return content
    return {}


def handed_in_at(record: dict[str, Any], notebook: Path, source: Path) -> float:
    """Return when it was handed in: what the zip says, else when the file was last written."""
    for key in ("at", "submitted_at", "time"):
        value = record.get(key) or ""
        try:
            at = datetime.fromisoformat(value).timestamp() if isinstance(value, str) else float(value)
        except (ValueError, TypeError, OverflowError, OSError):
            continue  # no time
        if math.isfinite(at):
            return at
    return notebook.stat().st_mtime if source.is_dir() else source.stat().st_mtime
