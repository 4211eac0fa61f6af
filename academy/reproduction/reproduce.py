"""Reproducing whatever has a record: found, run again, compared."""

from __future__ import annotations

from dataclasses import replace

from academy.audit.chain import Sealed
from academy.audit.finding import Records
from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Kind
from academy.audit.target import Target
from academy.reproduction.jobs import repeat_job
from academy.reproduction.origin import origin
from academy.reproduction.repeated import reproduction
from academy.reproduction.result import Reproduction
from academy.reproduction.scripts import repeat_script
from academy.reproduction.service_jobs import ServiceJobs
from academy.reproduction.wishes import Say, Wishes
from academy.service.loopback import Loopback


def reproduce(
    target: Target,
    sealed: Sealed,
    records: Records,
    *,
    service: Loopback | None,
    local: LocalLedger | None,
    wishes: Wishes,
    say: Say,
) -> Reproduction:
    """Run again what ``target`` comes from, and compare.

    Parameters
    ----------
    sealed
        The newest record of the target, one of ``records``.
    service
        The service that ran it; None for a local run.
    local
        The records of local runs that were found, if any.

    Raises
    ------
    NotReproducible
        What it takes is not there, or is not what it was; nothing was run.
    """
    found = origin(target, sealed, records, local)
    for step in found.way:
        say(step)
    if found.record.kind is Kind.RUN:
        assert found.local is not None
        repeated = repeat_script(found.record, found.local, wishes, say)
    else:
        assert service is not None
        repeated = repeat_job(found.record, records, ServiceJobs(service), wishes, say)
    result = reproduction(str(target), found.record, repeated, wishes)
    return replace(result, notes=(*found.way, *result.notes))
