"""Both ends of a move: where the subject was made, where it is to run, and where the facts are from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from academy.audit.finding import Records, Unreadable, record_in
from academy.audit.record import Kind, Record, Relation
from academy.audit.same_content import wrote
from academy.environments.built import BuiltEnvironment, installed, own
from academy.environments.definition import EnvironmentSpec
from academy.evidence.digests import tree
from academy.evidence.evidence import Evidence, Software
from academy.evidence.machine import machine
from academy.matrix.catalogue import Catalogue, CellId, Compute
from academy.migration import stated, target_file
from academy.migration.report import End, Host, SubjectKind
from academy.migration.shelf import Shelf, reason
from academy.migration.stated import Stated
from academy.migration.subject import Found
from academy.migration.versions import series
from academy.reproduction.environment import pinned

# What can be made to run here: something to build, or something that is built already.
Runnable = EnvironmentSpec | BuiltEnvironment | None

_ACADEMY = "academy"

_LEDGER = "--ledger DIR names the folder where 'academy audit run' was used"


@dataclass(frozen=True)
class Placed:
    """An end, and what of it can be had on this machine for the trial."""

    end: End
    runnable: Runnable = None


@dataclass(frozen=True)
class Sources:
    """Where facts on the origin may be: records of the service and of local runs; None is not looked at."""

    records: Records | None = None
    runs: Records | None = None


@dataclass(frozen=True)
class _Made:
    """The record of the run that made the subject."""

    record: Record
    evidence: Evidence
    source: str
    cell_side: Compute


def origin(cell: CellId, found: Found, shelf: Shelf, sources: Sources) -> Placed:
    """Return where the subject was made: as its record tells, else as far as the subject itself says."""
    unknown: list[str] = []
    made = None if found.subject.kind is SubjectKind.ENVIRONMENT else _made(found, shelf, sources, unknown)
    if made is None:
        return _without_record(cell, found, tuple(unknown))
    said = [made.source]
    if made.cell_side is not cell.compute:
        there = "hosted" if made.cell_side is Compute.CLOUD else "developer"
        said.append(f"The record is of what stands for {there!r} here; you named {str(cell)!r}.")
    software = made.evidence.software
    end = End(
        cell=cell,
        name=software.environment or f"the machine {made.evidence.machine.host}",
        sources=tuple(said),
        python=software.python,
        host=stated.host(made.evidence.machine),
        packages=stated.of_software(software).packages,
        complete=True,
        unknown=made.evidence.notes,
    )
    return Placed(end, as_recorded(software))


def goal(cell: CellId, found: Found, shelf: Shelf, into: str | None) -> Placed:
    """Return what stands for a cell on this machine, where no target file describes another place."""
    here = stated.host(machine())
    if into is not None:
        spec, _ = shelf.environment(into)
        return _of_spec(cell, spec, here, f"the environment {spec.label} of the service, on this machine")
    if cell is CellId.DEVELOPER:
        built = own()
        known = stated.of_built(built, "the Python that Academy runs in")
        end = _end(cell, str(built.root), known, here, f"{known.how}, on this machine")
        return Placed(end, built)
    if found.environment is None:
        end = End(
            cell=cell,
            name="this machine",
            sources=("This machine; no environment is known for it.",),
            host=here,
            unknown=(
                "its Python and packages (name an environment with --into, or describe it with --target)",
            ),
            is_this_machine=True,
        )
        return Placed(end)
    return _of_spec(cell, found.environment, here, f"{found.came_with}, on this machine")


def described(cell: CellId, file: Path, catalogue: Catalogue) -> Placed:
    """Return the place that a target file describes."""
    target = target_file.read(file, cell, catalogue)
    return Placed(target.end, target.spec)


def with_python_of(goal: Placed, origin: Placed) -> Placed:
    """Return the goal, to be built with the origin's Python where nothing says which one it has."""
    python = origin.end.python
    if goal.end.python is not None or python is None or not isinstance(goal.runnable, EnvironmentSpec):
        return goal
    unknown = tuple(
        f"{text} (the origin's stands for it in the trial)" if text == target_file.UNKNOWN_PYTHON else text
        for text in goal.end.unknown
    )
    return Placed(replace(goal.end, unknown=unknown), replace(goal.runnable, python=python))


def with_packages(end: End, known: Stated) -> End:
    """Return the end with all packages of the environment that was built from what it says."""
    return replace(
        end,
        packages=known.packages,
        asked={},
        complete=True,
        sources=(
            *(text.removesuffix(stated.NOT_BUILT) for text in end.sources),
            "Packages that these bring along: as installed here for the trial.",
        ),
        unknown=tuple(text for text in end.unknown if "packages" not in text),
    )


def as_recorded(software: Software) -> Runnable:
    """Return the recorded environment as it stands, if it still does unchanged, else one to build from it."""
    site = Path(software.site)
    wanted = stated.by_name(software.packages)
    if not software.own_packages and site.is_dir() and installed(site) == wanted:
        python = _python_of(software, site)
        if python is not None:
            return BuiltEnvironment(
                name=software.environment or "recorded",
                root=python.parents[1],
                python=python,
                minor=series(software.python),
                base=python.resolve(),
                site=site,
                bins=(python.parent,),
            )
    # What lay in a folder is there no more, or is another by now.
    had = (*software.packages, *software.own_packages)
    lines = tuple(
        pinned([one for one in had if not (one.origin or "").startswith("file:") and one.name != _ACADEMY])
    )
    return EnvironmentSpec("recorded", "origin", software.python, lines)


def _python_of(software: Software, site: Path) -> Path | None:
    beside = site.parents[2] / "bin" / "python" if len(site.parents) > 2 else site
    for python in (Path(software.executable), beside):
        if python.is_file() and python.is_absolute():
            return python
    return None


def _without_record(cell: CellId, found: Found, unknown: tuple[str, ...]) -> Placed:
    # An environment is what it says; what ran is asked of models and jobs.
    is_environment = found.subject.kind is SubjectKind.ENVIRONMENT
    missing = () if is_environment else ("its operating system and hardware",)
    if found.environment is None:
        end = End(
            cell,
            "not known",
            ("Nothing tells where it was made.",),
            unknown=(*unknown, *missing, "its packages"),
            on_record=is_environment,
        )
        return Placed(end)
    known = stated.of_spec(found.environment)
    declared = found.environment.python
    # An environment is what it is here; a model or job was made where its own file says.
    python = (
        known.python if series(declared) == series(known.python) and declared.count(".") < 2 else declared
    )
    end = End(
        cell=cell,
        name=found.environment.label,
        sources=(f"{found.came_with[0].upper()}{found.came_with[1:]}; {known.how}",),
        python=python,
        packages=known.packages,
        asked=known.asked,
        complete=known.complete,
        unknown=(*unknown, *missing),
        on_record=is_environment,
    )
    return Placed(end, found.environment)


def _of_spec(cell: CellId, spec: EnvironmentSpec, here: Host, source: str) -> Placed:
    known = stated.of_spec(spec)
    return Placed(_end(cell, spec.label, known, here, f"{source[0].upper()}{source[1:]}; {known.how}"), spec)


def _end(cell: CellId, name: str, known: Stated, here: Host, source: str) -> End:
    return End(
        cell=cell,
        name=name,
        sources=(source,),
        python=known.python,
        host=here,
        packages=known.packages,
        asked=known.asked,
        complete=known.complete,
        is_this_machine=True,
    )


def _made(found: Found, shelf: Shelf, sources: Sources, unknown: list[str]) -> _Made | None:
    # One after the other: finding a local run by content reads all of the model.
    for made in chain(
        _in_service(found, shelf, sources.records, unknown), _in_runs(found, sources.runs, unknown)
    ):
        return made
    looked = [name for name, given in (("service", sources.records), ("local runs", sources.runs)) if given]
    if looked:
        where = "" if found.subject.kind is not SubjectKind.MODEL else f" ({_LEDGER})"
        unknown.append(f"what ran: no record of it in the audit trail of {' or '.join(looked)}{where}")
    return None


def _in_service(found: Found, shelf: Shelf, records: Records | None, unknown: list[str]) -> Iterator[_Made]:
    if records is None:
        return
    subject = found.subject
    ids = [subject.id] if subject.kind is SubjectKind.JOB else []
    if subject.kind is SubjectKind.MODEL:
        for record, _ in _readable(records, unknown, id=subject.id):
            ids += [link.target for link in record.linked(Relation.FROM_JOB)]
        ids += [shelf.workspace.child("jobs", subject.job)] if subject.job else []
    for id in dict.fromkeys(ids):
        for record, sequence in _readable(records, unknown, id=id):
            if record.evidence is not None:
                source = f"The audit record of {record.kind} {record.name} (record {sequence})"
                yield _Made(record, record.evidence, source, Compute.CLOUD)


def _in_runs(found: Found, runs: Records | None, unknown: list[str]) -> Iterator[_Made]:
    folder = found.subject.folder
    if runs is None or folder is None:
        return
    try:
        content = tree(folder)
    except OSError as error:
        unknown.append(f"which local run made it: {reason(error)}")
        return
    for record, _ in _readable(runs, unknown):
        if record.kind is Kind.RUN and record.evidence is not None and wrote(record.evidence, content):
            source = f"The audit record of the local run {record.name}, which wrote the same files"
            yield _Made(record, record.evidence, source, Compute.HYBRID)


def _readable(records: Records, unknown: list[str], *, id: str | None = None) -> Iterator[tuple[Record, int]]:
    """Yield records with their places, the newest first; one that was changed into no record is told."""
    for sealed in reversed(records.read(id=id)):
        try:
            yield record_in(sealed), sealed.sequence
        except Unreadable as error:
            unknown.append(f"what a record holds: {reason(error)}")
