"""From what a person names to the run that it comes from: deployment → model → job or local run."""

from __future__ import annotations

from dataclasses import dataclass

from academy.audit.chain import Sealed
from academy.audit.finding import Records
from academy.audit.local.ledger import LocalLedger
from academy.audit.record import Kind, Link, Record, Relation
from academy.audit.same_content import writer
from academy.audit.target import Target
from academy.reproduction.errors import NotReproducible

_LOCAL = "run:"


@dataclass(frozen=True)
class Origin:
    """A run on record. ``way`` says how it was found, a sentence a step.

    ``local`` is the ledger of a local run.
    """

    sealed: Sealed
    record: Record
    way: tuple[str, ...] = ()
    local: LocalLedger | None = None


def origin(target: Target, sealed: Sealed, records: Records, local: LocalLedger | None) -> Origin:
    """Return the run that made ``target``, whose newest record is ``sealed``.

    Parameters
    ----------
    local
        The records of local runs that were found, if any: models can come from there too.

    Raises
    ------
    NotReproducible
        No run is on record that it comes from; the message says what can be done.
    """
    record = sealed.record
    if record.kind is Kind.JOB:
        return Origin(sealed, record)
    if record.kind is Kind.RUN:
        return _of_run(sealed, record, local)
    if record.kind is Kind.DELETION:
        raise NotReproducible(
            f"Of {target} nothing but its deletion is on record: it was made before there was an audit trail."
        )
    if record.kind is Kind.DEPLOYMENT:
        return _of_deployment(record, records, local)
    return _of_model(record, records, local, ())


def newest(records: Records, id: str) -> Sealed | None:
    """Return the newest record of an id that is not of its deletion."""
    kept = [sealed for sealed in records.read(id=id) if sealed.body.get("kind") != Kind.DELETION]
    return kept[-1] if kept else None


def _of_run(sealed: Sealed, record: Record, local: LocalLedger | None) -> Origin:
    """Return the run itself, or the one that it repeats: what a repetition wrote is gone."""
    for link in record.linked(Relation.REPRODUCES):
        first = newest(local, link.target) if local else None
        if first is not None:
            said = f"The run {record.name!r} repeats {first.body['name']!r}, which is run again."
            return Origin(first, first.record, (said,), local)
    return Origin(sealed, record, local=local)


def _of_deployment(record: Record, records: Records, local: LocalLedger | None) -> Origin:
    links = record.linked(Relation.MODEL)
    sealed = newest(records, links[0].target) if links else None
    if sealed is None:
        what = f"the model {links[0].target!r}, which is not on record" if links else "no registered model"
        raise NotReproducible(
            f"The deployment {record.name!r} serves {what}, so it is not known which run it comes from. "
            "Register the model from a job's output and deploy it as azureml:NAME:VERSION; or name the job "
            "with --job, or the local run with --run."
        )
    model = sealed.record
    return _of_model(model, records, local, (f"The deployment {record.name!r} serves {model.name!r}.",))


def _of_model(model: Record, records: Records, local: LocalLedger | None, way: tuple[str, ...]) -> Origin:
    for link in model.linked(Relation.FROM_JOB):
        found = _followed(link, model, records, local)
        return Origin(found.sealed, found.record, (*way, *found.way), found.local)
    sealed = writer(model.model, local.read(), until=model.created_at) if local and model.model else None
    if sealed is None:
        raise NotReproducible(
            f"The model {model.name!r} has no run on record: it was registered from files, and no local run "
            "on record here wrote files with the same content. Name the run that made it with --job NAME or "
            "--run NAME (with --ledger DIR for runs of another folder). What is registered from the output "
            "of a job or from its MLflow run is matched by itself."
        )
    made = sealed.record
    said = f"The local run {made.name!r} wrote files with the content of the model {model.name!r}."
    return Origin(sealed, made, (*way, said), local)


def _followed(link: Link, model: Record, records: Records, local: LocalLedger | None) -> Origin:
    is_local = link.target.startswith(_LOCAL)
    where = local if is_local else records
    sealed = None if where is None else newest(where, link.target)
    name = link.target.removeprefix(_LOCAL).rpartition("/")[2]
    if sealed is None and is_local:
        raise NotReproducible(
            f"The model {model.name!r} is from the local run {name!r}, whose records are not in this folder "
            f"or above it. Run this in its folder, or give --run {name} --ledger DIR."
        )
    if sealed is None:
        raise NotReproducible(
            f"The model {model.name!r} is from the job {name!r}, which has no record: it was made before "
            "there was an audit trail here, or by another service. Run the job again, and it is recorded."
        )
    said = f"The model {model.name!r} is from the {sealed.body['kind']} {name!r}."
    return Origin(sealed, sealed.record, (said,), local if is_local else None)
