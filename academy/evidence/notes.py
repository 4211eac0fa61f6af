"""What could not be looked at, and why: it is said, and nothing fails for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from academy.evidence.credentials import printable
from academy.evidence.hashes import Stopped
from academy.evidence.sightings import Lost

T = TypeVar("T")


class Notes:
    """Sentences, each once."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._texts))

    def add(self, text: str) -> None:
        """Add a sentence."""
        self._texts.append(printable(text))

    def tried(self, what: str, look: Callable[[], T]) -> T | None:
        """Return what ``look`` finds; when it cannot, say so of ``what`` and return None."""
        try:
            return look()
        except Stopped:
            self.add(f"{what} was not read to its end: there was no more time for it.")
        except Lost as error:
            self.add(f"{what} is not known: {str(error)!r} was changed or deleted while it ran.")
        except OSError as error:
            self.add(f"{what} cannot be looked at: {error}.")
        return None
