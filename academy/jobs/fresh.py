"""A job that repeats another one: what its document says of that, and the environment it has built anew.

Azure's documents have no field for it, and a job's ``properties`` are free; so no environment has to be
registered for a repetition, and a service that is killed finds in the document all that it needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from academy.environments.definition import EnvironmentSpec
from academy.errors import InvalidField

# The id of the job that this one repeats.
REPRODUCES = "academy.reproduces"

# What the environment built for this job alone has to hold, as JSON.
FRESH_ENVIRONMENT = "academy.freshEnvironment"

_TARGET = f"properties.properties.{FRESH_ENVIRONMENT}"

_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(==[^\s,;=]+| @ \S+)")

_NO_DEPENDENCIES = "--no-deps"


@dataclass(frozen=True)
class FreshEnvironment:
    """What an environment held, to be built once more.

    ``packages`` is all that was installed, as requirements at one version each; empty for a Python with what
    it brings along. With ``lock_sha256`` it is the lock of that hash that counts.
    """

    python: str
    packages: tuple[str, ...] = ()
    lock_sha256: str | None = None

    @classmethod
    def of_job(cls, properties: Mapping[str, Any]) -> FreshEnvironment | None:
        """Return what a job's document asks for, or None when it asks for no fresh environment."""
        text = (properties.get("properties") or {}).get(FRESH_ENVIRONMENT)
        if text is None:
            return None
        try:
            value = json.loads(text)
            found = cls(**{**value, "packages": tuple(value["packages"])})
            unpinned = [line for line in found.packages if not _PIN.fullmatch(line)]
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidField(
                f"{_TARGET} is {text!r}. It is JSON with python, packages and lock_sha256, as "
                "'academy audit reproduce' writes it.",
                target=_TARGET,
            ) from error
        if unpinned:
            raise InvalidField(
                f"{_TARGET} holds {unpinned[0]!r}. Write each package as NAME==VERSION or NAME @ ADDRESS.",
                target=_TARGET,
            )
        return found

    def to_property(self) -> str:
        """Return the text that ``of_job`` reads."""
        return json.dumps(asdict(self))

    def spec(self, like: EnvironmentSpec) -> EnvironmentSpec:
        """Return what to build; all but Python and packages is ``like`` the environment that the job names.

        Raises
        ------
        InvalidField
            The lock is another one by now.
        """
        if self.lock_sha256 is not None:
            if like.lock is None or like.lock.sha256 != self.lock_sha256:
                raise InvalidField(
                    f"The lock of the environment {like.label!r} is not the one with the SHA-256 "
                    f"{self.lock_sha256} any more. Give its packages instead.",
                    target=_TARGET,
                )
            return like
        if not self.packages:
            return replace(like, python=self.python, requirements=(), lock=None)
        return replace(
            like,
            python=self.python,
            requirements=self.packages,
            # Exactly these: what was installed is known, dependencies and all.
            options=(*(option for option in like.options if option != _NO_DEPENDENCIES), _NO_DEPENDENCIES),
            lock=None,
        )
