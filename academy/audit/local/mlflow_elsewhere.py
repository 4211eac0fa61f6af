"""MLflow runs that a script keeps at an address which it sets itself, where the audit trail does not look."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from academy.audit.local import mlflow_database
from academy.audit.local.mlflow_runs import NotReadable
from academy.audit.local.request import Before, Request
from academy.evidence.sightings import named

_SETS_ADDRESS = b"set_tracking_uri"
_DATABASES = ("*.db", "*.sqlite", "*.sqlite3")


def notes(request: Request, before: Before) -> list[str]:
    """Return what to say of a run without metrics whose MLflow runs may be elsewhere; nothing is usual."""
    found = list(dict.fromkeys(_databases(request, before)))
    scripts = list(dict.fromkeys(_scripts(request)))
    if found:
        why = f"the command made some in {named(found)}"
    elif scripts:
        why = f"{named(scripts)} names set_tracking_uri, and a script that sets an address logs there"
    else:
        return []
    looked = named([_shown(place, request) for place in dict.fromkeys(before.mlflow.places)])
    return [
        f"No MLflow run was found in {looked}; {why}. What it logged there is not on record: let the audit "
        "trail set the address, or give --metrics FILE."
    ]


def _databases(request: Request, before: Before) -> Iterator[str]:
    for pattern in _DATABASES:
        for file in sorted(request.folder.glob(pattern)):
            # A database of something else has no such runs.
            with contextlib.suppress(NotReadable, OSError):
                is_older = file.stat().st_mtime_ns < (before.began_ms - 1000) * 1_000_000
                if not is_older and mlflow_database.runs_since(file, before.began_ms):
                    yield file.name


def _scripts(request: Request) -> Iterator[str]:
    for word in request.command:
        # A word may be too long for a file's name, or have characters that none has.
        with contextlib.suppress(OSError, ValueError):
            file = request.folder / word
            if word.endswith(".py") and file.is_file() and _SETS_ADDRESS in file.read_bytes():
                yield word


def _shown(place: Path, request: Request) -> str:
    inside = place.is_relative_to(request.folder)
    return str(place.relative_to(request.folder) if inside else place)
