"""A record as text: what a terminal shows of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from academy.audit.chain import Sealed
from academy.audit.export import Export, of_broken, of_changed, readable
from academy.audit.lineage import Step, called
from academy.audit.record import Kind, Record, Relation
from academy.evidence.evidence import Data, Evidence, Package, Tree

_LABEL = 12
_SHOWN_FILES = 8
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def told(export: Export, *, all_packages: bool = False) -> str:
    """Return what is on record of one thing, for people; then of what it came from, the nearest first."""
    blocks = [_title(export), *_about(export.record, all_packages)]
    for step, record in reversed(list(readable(export.before()))):
        blocks += [[f"It came from {record.kind} {record.name}: {record.status} ({_place(step)})"]]
        blocks += _about(record, all_packages)
    blocks += [_chain(export), _sealed(export)]
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block)


def line(sealed: Sealed) -> str:
    """Return one line for a record: number, when, what, how it is, who."""
    body = sealed.body
    return (
        f"{sealed.sequence:>5}  {when(sealed.at)}  {body.get('kind', '?')!s:<10}  "
        f"{body.get('name', '?')!s:<32}  {body.get('status', '')!s:<10}  {body.get('who', '')}"
    ).rstrip()


def when(at: str | None) -> str:
    """Return a time of a record as people read it: UTC, to the second."""
    if not at:
        return "-"
    try:
        return datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return at


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} bytes" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def lasted(record: Record) -> timedelta | None:
    """Return how long a run took."""
    if not record.started_at or not record.ended_at:
        return None
    try:
        return datetime.fromisoformat(record.ended_at) - datetime.fromisoformat(record.started_at)
    except ValueError:
        return None


def duration(took: timedelta) -> str:
    """Return a length of time as people read it."""
    seconds = took.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def asked_for(evidence: Evidence) -> list[Package]:
    """Return the packages that the environment asked for by name, at the versions that it got."""
    names = set()
    for requirement in evidence.software.requirements:
        try:
            names.add(canonicalize_name(Requirement(requirement).name))
        except InvalidRequirement:  # as conda writes it: numpy=1.26
            found = _NAME.match(requirement.strip())
            names |= {canonicalize_name(found[0])} if found else set()
    own = list(evidence.software.own_packages)
    return [one for one in evidence.software.packages if canonicalize_name(one.name) in names] + own


def _title(export: Export) -> Iterator[str]:
    record = export.record
    yield f"{record.kind.capitalize()} {record.name}: {record.status}"
    yield from of_changed(export)
    yield from of_broken(export)
    if len(export.several) > 1:
        shown, number = ", ".join(map(str, export.several)), export.sealed.sequence
        yield f"It has {len(export.several)} records ({shown}); this is {number}. --record N shows another."
    deleted = next((step.deleted for step in export.steps if step.sealed is export.sealed), None)
    if deleted is not None:
        yield f"{deleted.body.get('who')} deleted it on {when(deleted.at)} UTC (record {deleted.sequence})."


def _about(record: Record, all_packages: bool) -> Iterator[Iterable[str]]:
    yield _facts(record)
    if record.evidence is not None:
        yield _machine(record.evidence)
        yield _software(record.evidence, all_packages=all_packages)
        yield _code(record)
    yield _content(record)
    yield _numbers(record)
    yield _notes(record)


def _facts(record: Record) -> list[str]:
    lines = [_row("who", record.who)]
    if record.description:
        lines.append(_row("about", record.description))
    for label, at in (("made", record.created_at), ("began", record.started_at), ("ended", record.ended_at)):
        if at:
            lines.append(_row(label, f"{when(at)} UTC"))
    took = lasted(record)
    if took is not None:
        lines[-1] += f", after {duration(took)}"
    if record.exit_code is not None:
        lines.append(_row("exit status", str(record.exit_code)))
    return lines


def _machine(evidence: Evidence) -> Iterator[str]:
    machine, software = evidence.machine, evidence.software
    memory = size(machine.memory_bytes)
    yield _row("machine", f"{machine.host}: {machine.processor}, {machine.cores} cores, {memory} of memory")
    for gpu in machine.gpus:
        memory = f", {size(gpu.memory_bytes)}" if gpu.memory_bytes else ""
        yield _row("gpu", f"{gpu.name}{memory}, driver {gpu.driver}")
    if not machine.gpus:
        yield _row("gpu", "none")
    yield _row(
        "system", f"{machine.distribution} ({machine.system} {machine.release}, {machine.architecture})"
    )
    yield _row("python", f"{software.implementation} {software.python}, {software.executable}")


def _software(evidence: Evidence, *, all_packages: bool) -> Iterator[str]:
    software = evidence.software
    if software.environment:
        yield _row("environment", software.environment)
    if software.image:
        yield _row("image", software.image)
    if software.lock_sha256:
        yield _row("lock", f"sha256 {software.lock_sha256}")
    own = f", {len(software.own_packages)} of its own" if software.own_packages else ""
    more = "" if all_packages else "; --packages lists them all"
    yield _row("packages", f"{len(software.packages)}{own}{more}")
    if all_packages:
        for package in (*software.packages, *software.own_packages):
            origin = f"  from {package.origin}" if package.origin else ""
            hash = package.sha256 or "without hash"
            yield f"  {package.name:<30} {package.version:<16} {hash}{origin}"
    else:
        wanted = [f"{package.name} {package.version}" for package in asked_for(evidence)]
        yield from _wrapped("asked for", wanted)


def _code(record: Record) -> Iterator[str]:
    evidence = record.evidence
    if evidence is None:
        return
    if evidence.command:
        yield _row("command", evidence.command)
    if evidence.variables:
        yield _row("variables", f"{', '.join(evidence.variables)} (their values are not kept)")
    if evidence.code:
        yield from _tree("code", evidence.code, files=True)
    if record.git:
        git = record.git
        state = {True: ", with changes that are not in it", False: "", None: ""}[git.dirty]
        branch = f" ({git.branch})" if git.branch else ""
        yield _row("git commit", f"{git.commit}{branch}{state}")
        if git.repository:
            yield _row("", git.repository)


def _content(record: Record) -> Iterator[str]:
    evidence = record.evidence
    if record.model:
        yield from _tree("model", record.model, files=True)
    if record.flavors:
        yield _row("flavours", ", ".join(record.flavors))
    if evidence is None:
        return
    if evidence.model:
        yield from _tree("model", evidence.model, files=False)
    for label, several in (("reads", evidence.inputs), ("writes", evidence.outputs)):
        for data in several:
            yield from _data(label, data)


def _data(label: str, data: Data) -> Iterator[str]:
    if data.value is not None:
        yield _row(label, f"{data.name} = {data.value}")
        return
    yield _row(label, f"{data.name}: {data.kind} {called(data.uri)}".rstrip())
    if data.tree is None:
        yield _row("", "its content was not looked at")
    else:
        yield _row("", _summary(data.tree))
        yield _row("", f"sha256 {data.tree.sha256}")


def _tree(label: str, tree: Tree, *, files: bool) -> Iterator[str]:
    yield _row(label, f"{tree.path}: {_summary(tree)}")
    yield _row("", f"sha256 {tree.sha256}")
    if files and tree.count > 1:
        for file in tree.files[:_SHOWN_FILES]:
            yield _row("", f"  {file.name}, {size(file.size)}")
        if tree.count > _SHOWN_FILES:
            yield _row("", f"  and {tree.count - _SHOWN_FILES} more")


def _numbers(record: Record) -> Iterator[str]:
    for label, values in (("parameters", record.parameters), ("metrics", record.metrics)):
        first = label
        for name, value in values.items():
            yield _row(first, f"{name} = {value}")
            first = ""


def _chain(export: Export) -> Iterator[str]:
    yield "From data to endpoint:"
    if len(export.steps) == 1 and not export.record.links:
        yield "  nothing else is on record with it"
        return
    for step in export.steps:
        here = "  <- this" if step.key == export.record.id.lower() else ""
        yield f"  {'   ' * step.level}{step.kind} {step.name}{_where(step)}{here}"
    if export.runs:
        yield "  The run is known by content: it wrote files that are the same as the model's."
    for link in export.record.linked(Relation.REPRODUCES):
        yield f"  It repeats {called(link.target)}."


def _where(step: Step) -> str:
    facts = []
    if step.sealed is not None:
        facts.append(_place(step))
    if step.deleted is not None:
        facts.append(f"deleted, record {step.deleted.sequence}")
    if step.sha256:
        facts.append(f"sha256 {step.sha256[:12]}…")
    return f" ({', '.join(facts)})" if facts else ""


def _place(step: Step) -> str:
    number = step.sealed.sequence if step.sealed else "none"
    return f"record {number} of {step.place}" if step.place else f"record {number}"


def _notes(record: Record) -> Iterator[str]:
    notes = (*record.notes, *(record.evidence.notes if record.evidence else ()))
    if notes:
        yield "Not on record:"
        yield from (f"  {note}" for note in notes)


def _sealed(export: Export) -> Iterator[str]:
    sealed = export.sealed
    yield f"Record {sealed.sequence}, written {when(sealed.at)} UTC, hash {sealed.hash}"
    record = export.record
    target = "" if record.kind is Kind.DELETION else f" --{record.kind} {record.name}"
    yield f"'academy audit verify{target}' checks it against what is there."


def _summary(tree: Tree) -> str:
    return f"{tree.count} file{'' if tree.count == 1 else 's'}, {size(tree.size)}"


def _row(label: str, text: str) -> str:
    return f"  {label:<{_LABEL}}{text}"


def _wrapped(label: str, items: Sequence[str], width: int = 96) -> Iterator[str]:
    current = ""
    for item in items:
        longer = f"{current}, {item}" if current else item
        if len(longer) > width and current:
            yield _row(label, f"{current},")
            label, current = "", item
        else:
            current = longer
    if current:
        yield _row(label, current)
