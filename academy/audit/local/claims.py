"""Names that only one run has at a time. A claim ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from academy.audit.local.ledger import LocalLedger
from academy.errors import Conflict
from academy.paths import AuditFolder, checked_name


@contextlib.contextmanager
def run_name(ledger: LocalLedger, wanted: str | None, stem: str) -> Iterator[str]:
    """Hold a name that no other run has or had: the one wanted, or ``STEM-1``, ``STEM-2`` …

    Raises
    ------
    Conflict
        A run of the name wanted is on record, or under way.
    """
    if wanted is None:
        with _numbered(ledger, stem) as name:
            yield name
        return
    checked_name(wanted)
    with _held(ledger.folder, f"run-{wanted.lower()}") as held:
        if not held:
            raise Conflict(f"A run named {wanted!r} is under way in {_place(ledger)}. Choose another --name.")
        if wanted.lower() in _taken(ledger):
            raise Conflict(
                f"A run named {wanted!r} is on record in {_place(ledger)}. Choose another --name, or give "
                "none."
            )
        yield wanted


@contextlib.contextmanager
def first_free(audit: AuditFolder, candidates: Iterable[Path]) -> Iterator[Path]:
    """Hold the first of these that no run under way has; there are to be more of them than runs."""
    for candidate in candidates:
        with _held(audit, candidate.name) as held:
            if held:
                yield candidate
                return


@contextlib.contextmanager
def _numbered(ledger: LocalLedger, stem: str) -> Iterator[str]:
    numbered = re.compile(re.escape(stem.lower()) + r"-(\d+)")
    numbers = (numbered.fullmatch(name) for name in _taken(ledger))
    first = 1 + max((int(found[1]) for found in numbers if found), default=0)
    for number in itertools.count(first):
        name = f"{stem}-{number}"
        with _held(ledger.folder, f"run-{name.lower()}") as held:
            # Since the names were read, its run may have ended.
            if held and name.lower() not in _taken(ledger):
                yield name
                return


@contextlib.contextmanager
def _held(folder: AuditFolder, name: str) -> Iterator[bool]:
    """Hold a lock file, unless another process does; it is deleted afterwards."""
    folder.claims.mkdir(exist_ok=True)
    file = folder.claims / name
    descriptor = _locked(file)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        file.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(file: Path) -> int | None:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)  # whoever held it has just deleted it


def _taken(ledger: LocalLedger) -> frozenset[str]:
    return frozenset(name.lower() for name in ledger.run_names())


def _place(ledger: LocalLedger) -> Path:
    return ledger.folder.root.parent
