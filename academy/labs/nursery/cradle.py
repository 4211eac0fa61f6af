"""What a fork of the nursery holds until it is a keeper or a child."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from academy.labs.nursery.birth import Birth


@dataclass(frozen=True)
class Cradle:
    """A request and its descriptors.

    They are: where the keeper says how it goes, the log, the file of the result, and those passed on.
    ``variables`` are what the imports set in the environment. ``foreign`` are the nursery's descriptors.
    """

    birth: Birth
    descriptors: list[int]
    warm: bool
    variables: Mapping[str, str]
    foreign: tuple[int, ...]

    @property
    def status(self) -> int:
        return self.descriptors[0]

    @property
    def returned(self) -> int:
        return self.descriptors[2]

    @property
    def passed(self) -> list[int]:
        return self.descriptors[3:]

    def say(self, **said: int) -> None:
        """Tell the owner; it may be gone."""
        with contextlib.suppress(OSError):
            os.write(self.status, json.dumps(said).encode() + b"\n")

    def settle(self) -> None:
        """Close what is the nursery's, and write to the log from here on."""
        for descriptor in self.foreign:
            if descriptor >= 0:
                os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        for target in (1, 2):
            os.dup2(self.descriptors[1], target)
        os.close(self.descriptors[1])

    def let_go(self) -> None:
        """Close what only the child needs, so that its readers see the child's end."""
        for descriptor in self.descriptors[2:]:
            os.close(descriptor)
