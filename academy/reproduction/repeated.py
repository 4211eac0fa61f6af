"""The second run of something, before it is compared with the first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from academy.audit.record import Record
from academy.evidence.evidence import Evidence, Gpu
from academy.reproduction import comparing
from academy.reproduction.installed import differences
from academy.reproduction.result import Environment, Reproduction
from academy.reproduction.wishes import Wishes


@dataclass(frozen=True)
class Repeated:
    """The record of the second run, what it ran in, and what was known to differ before it began."""

    record: Record
    environment: Environment
    beforehand: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def reproduction(target: str, origin: Record, repeated: Repeated, wishes: Wishes) -> Reproduction:
    """Return how the two runs compare."""
    record = repeated.record
    metrics = comparing.metrics(origin.metrics, record.metrics, wishes.tolerance, wishes.leave_out)
    outputs = comparing.outputs(origin, record)
    mismatches = comparing.mismatches(origin, record, metrics, wishes.tolerance)
    environment, notes = repeated.environment, repeated.notes
    if origin.evidence and record.evidence:
        before, now = origin.evidence, record.evidence
        found = tuple(differences(before.software.packages, now.software.packages))
        environment = replace(environment, differences=found)
        notes = (*notes, *_other_circumstances(before, now))
    return Reproduction(
        target=target,
        origin=origin,
        repeated=record,
        verdict=comparing.verdict(mismatches, metrics, outputs),
        tolerance=wishes.tolerance,
        metrics=metrics,
        outputs=outputs,
        environment=environment,
        mismatches=mismatches,
        beforehand=repeated.beforehand,
        notes=notes,
    )


def _other_circumstances(before: Evidence, now: Evidence) -> Iterator[str]:
    """Yield what else may be why results differ: the machine, and what the run installed for itself."""
    was, is_ = before.machine, now.machine
    facts = (
        ("machine", was.host, is_.host),
        ("operating system", f"{was.distribution}, {was.release}", f"{is_.distribution}, {is_.release}"),
        ("processor", was.processor, is_.processor),
        ("cores", was.cores, is_.cores),
        ("accelerators", _named(was.gpus), _named(is_.gpus)),
    )
    for name, earlier, later in facts:
        if earlier != later:
            yield f"The {name}: {later}; on record it is {earlier}."
    yield from _other_content(before, now)
    for text in differences(before.software.own_packages, now.software.own_packages):
        yield f"Installed by the run itself: {text}"


def _other_content(before: Evidence, now: Evidence) -> Iterator[str]:
    """Yield what the second run read that the first did not; most of it was seen before, and gone on with."""
    given = {item.name: item.tree for item in before.inputs}
    pairs = [(f"The input {item.name!r}", given.get(item.name), item.tree) for item in now.inputs]
    for what, earlier, later in [("The code", before.code, now.code), *pairs]:
        if earlier is not None and later is not None and earlier.sha256 != later.sha256:
            yield f"{what} that it read is not what is on record."


def _named(gpus: tuple[Gpu, ...]) -> str:
    return ", ".join(f"{gpu.name} (driver {gpu.driver})" for gpu in gpus) or "none"
