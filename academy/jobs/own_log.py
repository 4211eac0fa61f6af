"""The logs that a supervisor writes itself, beside those of its job's command."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO


class Log:
    """Lines with their times; the file is made with the first one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._open: TextIO | None = None

    def write(self, text: str) -> None:
        """Add a line."""
        if self._open is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._open = self._file.open("a", encoding="utf-8", buffering=1)
        self._open.write(f"{datetime.now(UTC).isoformat()} {text}\n")
