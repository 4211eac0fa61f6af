"""Which run wrote a model: no link leads from a service's ledger to one of local runs, but content does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import PurePosixPath

from academy.audit.chain import Sealed
from academy.audit.finding import Unreadable, record_in
from academy.audit.record import Kind, Record, Relation
from academy.evidence.evidence import Evidence, Tree


def writer(content: Tree, runs: Sequence[Sealed], *, until: str | None = None) -> Sealed | None:
    """Return the local run that wrote this content last; None when none did.

    Parameters
    ----------
    until
        When the content was taken from there, ISO 8601: of runs that wrote the same, one that had ended by
        then comes before one that had not.
    """
    found = [sealed for sealed, record in _runs(runs) if record.evidence and wrote(record.evidence, content)]
    by_then = [sealed for sealed in found if until is not None and _is_before(sealed, until)]
    return next(reversed(by_then or found), None)


def wrote(evidence: Evidence, content: Tree) -> bool:
    """Say whether a run's outputs hold this content, as a whole or in a folder of theirs."""
    trees = [data.tree for data in evidence.outputs if data.tree] + (
        [evidence.model] if evidence.model else []
    )
    files = {item.name: item.sha256 for item in content.files}
    return any(one.sha256 == content.sha256 or _holds(one, files) for one in trees)


def _runs(runs: Sequence[Sealed]) -> Iterator[tuple[Sealed, Record]]:
    """Yield the records of runs that can be read, those that repeat another run left out."""
    for sealed in runs:
        if sealed.body.get("kind") == Kind.RUN:
            with contextlib.suppress(Unreadable):
                record = record_in(sealed)
                if not record.linked(Relation.REPRODUCES):
                    yield sealed, record


def _is_before(sealed: Sealed, until: str) -> bool:
    ended = sealed.body.get("ended_at") or sealed.at
    with contextlib.suppress(TypeError, ValueError):
        return datetime.fromisoformat(str(ended)) <= datetime.fromisoformat(until)
    return False


def _holds(there: Tree, files: dict[str, str]) -> bool:
    """Say whether a folder in the tree has just these files."""
    if "MLmodel" not in files:
        return False
    for item in there.files:
        if PurePosixPath(item.name).name == "MLmodel" and item.sha256 == files["MLmodel"]:
            prefix = item.name.removesuffix("MLmodel")
            inside = {
                one.name.removeprefix(prefix): one.sha256
                for one in there.files
                if one.name.startswith(prefix)
            }
            if inside == files:
                return True
    return False
