"""What the user wants of a reproduction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from academy.reproduction.result import Tolerance

# Takes a line on what goes on.
Say = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """``leave_out`` are names or patterns of metrics. ``data`` says where an input of a local run is now.

    ``anyway`` goes on although something is not what it was.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    leave_out: tuple[str, ...] = ()
    anyway: bool = False
    data: Mapping[str, Path] = field(default_factory=dict)
