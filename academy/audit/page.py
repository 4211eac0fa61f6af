"""Records as a page that a person reads or prints: one file, no script, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from academy import __version__
from academy.audit.chain import Sealed
from academy.audit.export import Export, of_broken, of_changed, readable
from academy.audit.lineage import called
from academy.audit.picture import picture
from academy.audit.record import Kind, Record
from academy.audit.text import asked_for, duration, lasted, size, when

TEMPLATE = "page.html.j2"
METRICS_TOLD = 5

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
    for step, record in readable(export.steps):
        if step.sealed is not None:
            kind = "run-record" if step.place else "record"
            yield Section(f"{kind}-{step.sealed.sequence}", step.sealed, record)


def _story(export: Export) -> Iterator[str]:
    """Yield the sentences of the summary: what a reader has to know first."""
    record = export.record
    yield f"This page says what is on record of the {_what(record)} “{record.name}”."
    yield from of_changed(export)
    yield from of_broken(export)
    before = [found for _, found in readable(export.before())]
    for one in (*before, record):
        if one.kind in (Kind.JOB, Kind.RUN):
            yield from _of_run(one)
        elif one.kind is Kind.MODEL:
            yield f"{one.who} registered the model “{one.name}”{_on(one.created_at)}."
        elif one.kind is Kind.DEPLOYMENT:
            on = _on(one.created_at or one.ended_at)
            yield f"{one.who} deployed it as “{one.name}”{on}; the deployment {one.status.lower()}."
    deleted = next((step.deleted for step in export.steps if step.sealed is export.sealed), None)
    if deleted is not None:
        yield f"{deleted.body.get('who')} deleted the {_what(record)}{_on(deleted.at)}."


def _of_run(run: Record) -> Iterator[str]:
    evidence, took = run.evidence, lasted(run)
    where = f" on the machine “{evidence.machine.host}”" if evidence else ""
    time = f" after {duration(took)}" if took is not None else ""
    yield f"{run.who} ran the {_what(run)} “{run.name}”{where}{_on(run.started_at)}; it {_ended(run)}{time}."
    if evidence is not None:
        read = [f"“{data.name}”" for data in evidence.inputs if data.value is None]
        if read:
            yield f"It read the data {', '.join(read)}."
        count = len(evidence.software.packages) + len(evidence.software.own_packages)
        packages = "1 package" if count == 1 else f"{count} packages"
        yield f"It used {evidence.software.implementation} {evidence.software.python} and {packages}."
    if run.metrics:
        results = ", ".join(f"{name} = {value}" for name, value in list(run.metrics.items())[:METRICS_TOLD])
        yield f"Its results: {results}{', and more' if len(run.metrics) > METRICS_TOLD else ''}."


def _ended(run: Record) -> str:
    return {"Completed": "completed", "Failed": "failed", "Canceled": "was cancelled"}.get(
        run.status, f"ended as {run.status}"
    )


def _what(record: Record) -> str:
    return NAMES[record.kind][1]


def _on(at: str | None) -> str:
    return f" on {when(at)} UTC" if at else ""
