"""Records as a page that a person reads or prints: one file, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from academy import __version__
from academy.audit.chain import Sealed
from academy.audit.export import Export
from academy.audit.finding import Unreadable, record_in
from academy.audit.lineage import Step, called
from academy.audit.picture import picture
from academy.audit.record import Kind, Record
from academy.audit.text import asked_for, duration, lasted, size, when

TEMPLATE = "page.html.j2"

# How the page calls each thing, at the beginning of a sentence and in it.
NAMES = {
    "data": ("Data", "data"),
    "job": ("Training job", "training job"),
    "run": ("Local run", "run of a local script"),
    "model": ("Model", "model"),
    "deployment": ("Deployment", "deployment"),
    "endpoint": ("Endpoint", "endpoint"),
    "deletion": ("Deletion", "deletion"),
}


@dataclass(frozen=True)
class Section:
    """One record of the chain, for the page; ``anchor`` is its place there."""

    anchor: str
    sealed: Sealed
    record: Record
    step: Step


def page(export: Export) -> str:
    """Return the page of an export, as HTML: the same records and head give the same bytes."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(when=when, size=size, called=called, duration=duration)
    text = files("academy.audit").joinpath(TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(text).render(
        export=export,
        record=export.record,
        sections=list(_sections(export)),
        story=" ".join(_story(export)),
        picture=picture(export.steps, export.record.id.lower()),
        names=NAMES,
        asked_for=asked_for,
        lasted=lasted,
        version=__version__,
    )


def _sections(export: Export) -> Iterator[Section]:
    for step in export.steps:
        sealed = step.sealed
        if sealed is None:
            continue
        try:
            yield Section(f"record-{sealed.sequence}", sealed, record_in(sealed), step)
        except Unreadable:
            continue  # the table of the chain names it


def _story(export: Export) -> Iterator[str]:
    """Yield the sentences of the summary: what a reader has to know first."""
    record = export.record
    what = NAMES.get(record.kind, ("", str(record.kind)))[1]
    yield f"This page says what is on record of the {what} “{record.name}”."
    runs = export.records_of(Kind.JOB, Kind.RUN)
    for run in (record,) if record.kind in (Kind.JOB, Kind.RUN) else runs[:1]:
        yield from _of_run(run)
    models = [one for one in export.records_of(Kind.MODEL) if one.id != record.id]
    if record.kind is Kind.MODEL:
        yield f"{record.who} registered it on {when(record.created_at)} UTC."
    elif models:
        listed = ", ".join(f"“{one.name}”" for one in models)
        yield f"The chain holds the model{'s' if len(models) > 1 else ''} {listed}."
    if record.kind is Kind.DEPLOYMENT:
        at = when(record.created_at or record.ended_at)
        yield f"{record.who} deployed it on {at} UTC; the deployment {record.status.lower()}."
    deleted = next((step.deleted for step in export.steps if step.sealed is export.sealed), None)
    if deleted is not None:
        yield f"{deleted.body.get('who')} deleted it on {when(deleted.at)} UTC."


def _of_run(run: Record) -> Iterator[str]:
    evidence = run.evidence
    where = f" on the machine “{evidence.machine.host}”" if evidence else ""
    took = lasted(run)
    time = f" in {duration(took)}" if took is not None else ""
    what = NAMES[run.kind][1]
    began = f" on {when(run.started_at)} UTC" if run.started_at else ""
    yield f"{run.who} ran the {what} “{run.name}”{where}{began}; it ended as {run.status}{time}."
    if evidence is None:
        return
    read = [data.name for data in evidence.inputs if data.value is None]
    if read:
        yield f"It read the data {', '.join(f'“{name}”' for name in read)}."
    count = len(evidence.software.packages) + len(evidence.software.own_packages)
    yield f"It used {evidence.software.implementation} {evidence.software.python} and {count} packages."
