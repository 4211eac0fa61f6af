"""The description of an environment, as one frozen value that plans carry around."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from academy.environments.interpreters import Interpreter, minor

# What an environment gets that names no Python: that of Azure's current base images.
DEFAULT_PYTHON = "3.10"

# Raised when the way of building changes, so that what older releases built is built again.
_FORMAT = 1


@dataclass(frozen=True)
class LockFile:
    """A file with every package of an environment, pinned and with hashes."""

    path: Path
    sha256: str

    @classmethod
    def of(cls, path: Path) -> LockFile:
        """Return the lock in ``path`` as it is now."""
        return cls(path, hashlib.sha256(path.read_bytes()).hexdigest())


@dataclass(frozen=True)
class EnvironmentSpec:
    """What an environment holds. Two that hold the same share one folder in the cache.

    Parameters
    ----------
    python
        The version asked for: ``3.10``, or ``3.10.13``.
    requirements
        What is to be installed, as in a requirements file.
    options
        Options for the installer that the description asks for (``--extra-index-url``, …).
    lock
        Used instead of the requirements on Pythons from ``python`` on.
    variables
        What processes find in their environment.
    own
        Academy's own Python: nothing is built.
    notes
        What the build log says first: how the description was read.
    elsewhere
        What differs when the machine does not have the Python asked for.
    """

    name: str
    version: str
    python: str = DEFAULT_PYTHON
    requirements: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    lock: LockFile | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    own: bool = False
    notes: tuple[str, ...] = ()
    elsewhere: str | None = None

    @property
    def label(self) -> str:
        """How messages name it: ``name:version``."""
        return f"{self.name}:{self.version}"

    def lock_for(self, interpreter: Interpreter) -> LockFile | None:
        """Return the lock if it holds for this Python: locks are made for theirs and later ones."""
        return self.lock if minor(interpreter.version) >= minor(self.python) else None

    def key(self, interpreter: Interpreter) -> str:
        """Return the name of the built folder: what decides the content decides the name."""
        lock = self.lock_for(interpreter)
        content = {
            "format": _FORMAT,
            "platform": f"{sys.platform}-{platform.machine()}",
            "python": [interpreter.version, str(interpreter.path)],
            "lock": lock.sha256 if lock else None,
            "requirements": None if lock else sorted(self.requirements),
            "options": self.options,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return f"py{interpreter.minor}-{digest[:24]}"

    def to_json(self) -> dict[str, Any]:
        """Return the specification as JSON values."""
        return {
            "name": self.name,
            "version": self.version,
            "python": self.python,
            "requirements": list(self.requirements),
            "options": list(self.options),
            "lock": {"path": str(self.lock.path), "sha256": self.lock.sha256} if self.lock else None,
            "variables": dict(self.variables),
            "image": self.image,
            "own": self.own,
            "notes": list(self.notes),
            "elsewhere": self.elsewhere,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> EnvironmentSpec:
        """Return the specification that ``to_json`` wrote."""
        lock = value["lock"]
        return cls(
            **{
                **value,
                "requirements": tuple(value["requirements"]),
                "options": tuple(value["options"]),
                "notes": tuple(value["notes"]),
                "lock": LockFile(Path(lock["path"]), lock["sha256"]) if lock else None,
            }
        )
