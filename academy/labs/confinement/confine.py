"""What a confined process may do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.paths.home import environment_cache


@dataclass(frozen=True)
class Confinement:
    """Limits of one submission.

    ``readable`` and ``writable`` are folders or files; the first writable one is the submission's own
    folder. ``memory_gb`` and ``processes`` are those of the whole tree.
    """

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    memory_gb: float = 4.0
    processes: int = 256

    @property
    def own(self) -> Path:
        """The submission's own folder."""
        return self.writable[0]

    @property
    def temporary(self) -> Path:
        return self.own / ".tmp"

    @property
    def home(self) -> Path:
        return self.own / ".home"

    def variables(self) -> dict[str, str]:
        """Return the variables of a confined process that keep what it writes in its own folder."""
        home = self.home
        return {
            "HOME": str(home),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "ACADEMY_ENVIRONMENT_CACHE": str(environment_cache()),
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "readable": [str(path) for path in self.readable],
            "writable": [str(path) for path in self.writable],
            "memory_gb": self.memory_gb,
            "processes": self.processes,
        }

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Confinement:
        return cls(
            tuple(map(Path, content["readable"])),
            tuple(map(Path, content["writable"])),
            content["memory_gb"],
            content["processes"],
        )

    def enter(self) -> None:
        """Confine this process, and all that it starts, for good."""


def unavailable() -> str:
    """Return why this machine cannot confine; empty when it can."""
    return ""


def missing() -> tuple[str, ...]:
    return ()
