"""The packages of a built environment, hashed once and kept in a file for all that run in it.

The list is valid as long as no package has come, gone or been installed anew: that is seen by the names
in site-packages and the times of a few files, in about a millisecond.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from academy.environments.folders import EnvironmentFolder, kept_packages_file
from academy.evidence.evidence import Package
from academy.evidence.packages import distributions, packages
from academy.paths import write_atomic

# Raised when packages are hashed in another way.
_FORMAT = 1

# Hashing 200 packages takes a tenth of a second: whoever waits longer does it again itself.
_PATIENCE_S = 5.0
_PAUSE_S = 0.01


def kept_packages(site: Path) -> tuple[Package, ...]:
    """Return the packages in a site-packages folder; many may ask at once, and one reads them.

    Raises
    ------
    OSError
        When the folder is not there or cannot be read.
    """
    known = packages_at_hand(site)
    if known is not None:
        return known
    with _alone(site):
        known = packages_at_hand(site)
        if known is None:
            mark = _mark(site)
            known = packages(site)
            _write(site, mark, known)
    return known


def packages_at_hand(site: Path) -> tuple[Package, ...] | None:
    """Return the packages if they are kept, else None: nothing is hashed and nobody waited for.

    Raises
    ------
    OSError
        When the folder is not there or cannot be read.
    """
    try:
        return _read(site, _mark(site))
    except LookupError:
        return None


def _mark(site: Path) -> str:
    """Return what changes when a package is installed, removed or replaced."""
    digest = hashlib.sha256(f"{_FORMAT}\n".encode())
    descriptor = os.open(site, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in distributions(site):
            digest.update(os.fsencode(name))
            with contextlib.suppress(OSError):
                found = os.stat(f"{name}/RECORD", dir_fd=descriptor)
                digest.update(f"\n{found.st_size} {found.st_mtime_ns} {found.st_ino}\n".encode())
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _files(site: Path) -> tuple[Path, ...]:
    """Return where the list may be: beside the environment's record, or with the user's own."""
    own = kept_packages_file(site)
    folder = EnvironmentFolder(site.parents[2])
    return (folder.packages_file, own) if folder.ready_file.exists() else (own,)


@functools.lru_cache(maxsize=8)
def _read(site: Path, mark: str) -> tuple[Package, ...]:
    for file in _files(site):
        try:
            value = json.loads(file.read_bytes())
            if value["mark"] == mark:
                return tuple(Package(**item) for item in value["packages"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
    raise LookupError(site)


def _write(site: Path, mark: str, known: tuple[Package, ...]) -> None:
    text = json.dumps({"mark": mark, "packages": [asdict(package) for package in known]}, indent=1)
    for file in _files(site):
        # A cache that is shared in a classroom is read-only.
        with contextlib.suppress(OSError):
            if file == kept_packages_file(site):
                file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(file, text, durable=False)
            return


@contextlib.contextmanager
def _alone(site: Path) -> Iterator[None]:
    """Let others wait a while, who would hash the same; a lock that cannot be had is done without."""
    folder, descriptor = EnvironmentFolder(site.parents[2]), None
    own = kept_packages_file(site).with_suffix(".lock")
    lock = folder.lock_file if folder.ready_file.exists() else own
    with contextlib.suppress(OSError):
        lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        if descriptor is not None:
            _lock(descriptor)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE_S)
        else:
            return
