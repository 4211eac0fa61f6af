"""Reproducing a local run."""

from __future__ import annotations

from academy.audit.local_ledger import LocalLedger
from academy.audit.record import Record
from academy.reproduction.repeated import Repeated
from academy.reproduction.wishes import Say, Wishes


def repeat_script(origin: Record, ledger: LocalLedger, wishes: Wishes, say: Say) -> Repeated:
    raise NotImplementedError
