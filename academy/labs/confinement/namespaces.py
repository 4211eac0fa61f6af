"""Namespaces."""

from __future__ import annotations

from academy.labs.confinement.confine import Confinement


def enter_namespaces() -> bool:
    return False


def seal(confinement: Confinement) -> None:
    pass
