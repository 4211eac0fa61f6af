"""What a person names when asking for records: a job, a model, a deployment, a local run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from academy.audit.record import Kind
from academy.errors import InvalidField

# How each kind's name is written.
SPELLING: Mapping[Kind, str] = {
    Kind.JOB: "NAME",
    Kind.MODEL: "NAME:VERSION",
    Kind.DEPLOYMENT: "ENDPOINT/DEPLOYMENT",
    Kind.RUN: "NAME",
}
_SEPARATOR = {Kind.MODEL: ":", Kind.DEPLOYMENT: "/"}


@dataclass(frozen=True)
class Target:
    """One thing that has records; ``name`` as in its records."""

    kind: Kind
    name: str

    @classmethod
    def of(cls, kind: Kind, name: str) -> Target:
        """Return the target, or raise ``InvalidField`` when the name is not written as its kind's are."""
        separator = _SEPARATOR.get(kind)
        parts = name.split(separator) if separator else [name]
        if not all(parts) or len(parts) != (2 if separator else 1):
            raise InvalidField(
                f"{name!r} names no {kind}. Write {SPELLING[kind]}" + (", such as " + _example(kind) + "."),
                target=kind,
            )
        return cls(kind, name)

    def below(self, workspace_id: str) -> str:
        """Return the id that the target's records have, in a workspace."""
        if self.kind is Kind.RUN:
            return f"run:{self.name}"
        if self.kind is Kind.JOB:
            return f"{workspace_id}/jobs/{self.name}"
        first, second = self.name.split(_SEPARATOR[self.kind])
        if self.kind is Kind.MODEL:
            return f"{workspace_id}/models/{first}/versions/{second}"
        return f"{workspace_id}/onlineEndpoints/{first}/deployments/{second}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"


def _example(kind: Kind) -> str:
    return {
        Kind.JOB: "brave_sail_1x2y3z",
        Kind.MODEL: "breast-cancer:1",
        Kind.DEPLOYMENT: "breast-cancer/blue",
    }.get(kind, "run-1")
