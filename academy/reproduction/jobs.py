"""Reproducing a job: all is looked at first, then it runs again as a new job in a new environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from academy.audit.finding import Records
from academy.audit.record import Record
from academy.environments import interpreters
from academy.environments.built import own
from academy.errors import InvalidField
from academy.evidence.evidence import Evidence
from academy.jobs.plan import CommandPlan
from academy.jobs.record import JobStatus
from academy.reproduction import beforehand, comparing
from academy.reproduction.environment import Rebuild, rebuilt
from academy.reproduction.errors import NotReproducible
from academy.reproduction.installed import compared
from academy.reproduction.origin import newest
from academy.reproduction.repeated import Repeated
from academy.reproduction.repetition import repetition
from academy.reproduction.result import Environment
from academy.reproduction.service_jobs import ServiceJobs
from academy.reproduction.wishes import Say, Wishes

# Computes that need no document.
_ALWAYS_THERE = ("serverless", "local")


def repeat_job(origin: Record, records: Records, jobs: ServiceJobs, wishes: Wishes, say: Say) -> Repeated:
    """Run a job on record again.

    Raises
    ------
    NotReproducible
        What it takes is not there, or is not what it was; nothing was started.
    """
    evidence = _evidence(origin, wishes)
    properties, plan = _documents(origin, jobs)
    say(f"Looking at what the job {origin.name!r} was made of …")
    broken = [*beforehand.of_records(records)]
    changed = [*beforehand.of_code(evidence), *beforehand.of_inputs(evidence, {})]
    found = [*broken, *changed]
    advice = beforehand.advice(broken=bool(broken), changed=bool(changed))
    beforehand.refuse(found, f"The job {origin.name!r}", wishes.anyway, next_step=advice)
    rebuild = Rebuild.of(evidence.software, plan.environment)
    environment = _environment(rebuild, f"the job {origin.name!r}", say)
    unlike = (*environment.differences, *environment.altered)
    beforehand.refuse(unlike, f"The environment of the job {origin.name!r}", wishes.anyway)
    compute = _compute_is_there(properties, jobs)
    document = repetition(properties, id=origin.id, fresh=rebuild.fresh, compute=compute)
    id = jobs.run(origin.id, document, say)
    return Repeated(
        record=_recorded(id, records, jobs),
        environment=environment,
        beforehand=tuple(found),
        notes=(
            *rebuild.notes,
            *beforehand.unknown_inputs(evidence, {}),
            *_notes(id, properties, compute, jobs),
        ),
    )


def _evidence(origin: Record, wishes: Wishes) -> Evidence:
    comparing.check_left_out(wishes.leave_out, origin.metrics)
    if wishes.data:
        raise InvalidField(
            "--data says where the data of a local run is now. A job's inputs are in its document.",
            target="data",
        )
    if origin.evidence is None:
        noted = " ".join(origin.notes)
        raise NotReproducible(
            f"The record of the job {origin.name!r} holds no evidence of what it ran on, so there is nothing "
            f"to build anew. {noted}".rstrip()
        )
    if origin.status != JobStatus.COMPLETED.value and not wishes.anyway:
        raise NotReproducible(
            f"The job {origin.name!r} ended as {origin.status}: there are no results to come to again. "
            "Name one that completed, or see with --anyway whether this one ends like that again."
        )
    return origin.evidence


def _documents(origin: Record, jobs: ServiceJobs) -> tuple[Mapping[str, Any], CommandPlan]:
    properties = jobs.properties(origin.id)
    plan = jobs.plan(origin.id) if properties else None
    if properties is None or plan is None:
        raise NotReproducible(
            f"The job {origin.name!r} was deleted: its record is kept, but how it was submitted is not. "
            f"'academy audit show --job {origin.name}' has its command, its code and its packages; submit a "
            "job with these."
        )
    reference = str(properties.get("environmentId") or "").removeprefix("azureml:")
    if reference.startswith("/subscriptions/") and not jobs.exists(reference):
        name = plan.environment.label
        raise NotReproducible(
            f"The job {origin.name!r} ran in the environment {name!r}, which is not registered any more. "
            f"Register {name!r} again; its packages are taken from the record."
        )
    return properties, plan


def _environment(rebuild: Rebuild, what: str, say: Say) -> Environment:
    if rebuild.fresh is None:
        say("It ran in Academy's own Python, which is not built anew: its packages are compared.")
        return compared(rebuild, own().site, rebuild.recorded.python)
    say(f"Building the environment {rebuild.spec.label!r} anew …")
    with rebuilt(rebuild, what) as built:
        return compared(rebuild, built.site, interpreters.find(rebuild.spec.python).version)


def _compute_is_there(properties: Mapping[str, Any], jobs: ServiceJobs) -> bool:
    id = str(properties.get("computeId") or "").removeprefix("azureml:")
    return not id.startswith("/") or id.rpartition("/")[2] in _ALWAYS_THERE or jobs.exists(id)


def _recorded(id: str, records: Records, jobs: ServiceJobs) -> Record:
    sealed = newest(records, id)
    if sealed is None:
        raise NotReproducible(
            f"The job {id.rpartition('/')[2]!r} ran, and the service has no record of it. Its log is "
            f"{Path(jobs.loopback.info.home) / 'service.log'}."
        )
    return sealed.record


def _notes(id: str, properties: Mapping[str, Any], compute: bool, jobs: ServiceJobs) -> list[str]:
    said = []
    if not compute:
        name = str(properties["computeId"]).rpartition("/")[2]
        said.append(f"The compute {name!r} is not there any more: the new job ran as a serverless one.")
    why = jobs.why(id)
    return [*said, f"The new job says: {why}"] if why else said
