"""Checking records: the chain that they are in, and what they say against what is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from academy.audit.chain import START, Break, Head, Sealed, breaks
from academy.audit.content import Contents
from academy.audit.export import FromRuns, LocalRuns
from academy.audit.finding import Unreadable, record_in
from academy.audit.lineage import Shelf, Step, called, chain_of, key_of, links_of, origins
from academy.audit.record import Kind, Link
from academy.audit.same_content import writer
from academy.audit.verification import Findings, Mismatch, Verification
from academy.errors import InvalidField
from academy.paths import AuditFolder

# Told how many of how many records were looked at, and which one is next.
Progress = Callable[[int, int, str], None]

_HASH = re.compile(r"[0-9a-f]{64}")


def verify(
    records: Sequence[Sealed],
    head: Head,
    target_id: str | None = None,
    *,
    folder: AuditFolder | None = None,
    progress: Progress | None = None,
) -> Verification:
    """Check the chain of all records, then what those of a target say: files, packages, and links.

    What the target came from is checked too: the job of a model, the model of a deployment.

    Parameters
    ----------
    records
        All records of the ledger, whatever the target.
    target_id
        The id of one thing; None for all records.
    folder
        That of local runs, whose code is kept there.
    """
    findings = Findings()
    _chain(findings, records, head)
    shelf = Shelf(records)
    chosen = records if target_id is None else _of_target(target_id, shelf)
    done = 0

    def looking(text: str) -> None:
        if progress is not None:
            progress(done, len(chosen), text)

    contents = Contents(shelf, findings, folder, looking)
    for done, sealed in enumerate(chosen):  # noqa: B007  what is looked at is told with how far it is
        looking(f"record {sealed.sequence}")
        _record(findings, sealed, shelf, contents)
    return findings.done()


def verify_chain(records: Sequence[Sealed], head: Head, kind: str = "job") -> Verification:
    """Check the chain of all records, and no file. ``kind`` is that of a target that would name more."""
    findings = Findings()
    _chain(findings, records, head)
    if records:
        findings.unchecked.append(
            f"What records say of files, data and packages: name a target, such as --{kind} NAME, or give "
            "--all."
        )
    return findings.done()


def verify_part(records: Sequence[Sealed], head: Head, broken: Sequence[Break] = ()) -> Verification:
    """Check records taken out of a ledger: their own hashes, those next to one another, and their links.

    ``broken`` is where the ledger did not hold when they were taken out, as the export tells.
    """
    findings = Findings()
    for one in broken:
        text = f"The ledger that these records are from was not whole when they were exported: {one.text}"
        findings.differs(one.sequence, "chain", text)
    findings.checked.append(f"{_count(len(records))}, each against its own hash.")
    shelf = Shelf(records)
    before: Sealed | None = None
    for sealed in records:
        if not sealed.is_whole:
            text = f"Record {sealed.sequence} was changed after it was sealed."
            findings.differs(sealed.sequence, "record", text)
        _follows(findings, sealed, before)
        _links(findings, sealed, shelf, whole=False)
        before = sealed
    _end_of_part(findings, records, head)
    findings.unchecked.append(
        "The files, packages and data that the records name: they are where the records were written."
    )
    return findings.done()


def runs_behind(target_id: str, records: Sequence[Sealed], runs: LocalRuns) -> tuple[tuple[Step, Step], ...]:
    """Return the local runs that wrote what the models of a target's chain hold, each with its model."""
    shelf = Shelf(records)
    newest = shelf.newest(target_id.lower())
    if newest is None:
        return ()
    steps = chain_of(newest, shelf, Shelf(runs.records, runs.place))
    made = {step.key: step for step in steps if step.place and step.sealed}
    return tuple((made[key], step) for step in steps if not step.place for key in step.before if key in made)


def verify_runs(records: Sequence[Sealed], runs: FromRuns) -> Verification:
    """Check the records of local runs in an export, and that one of them wrote a model of the others."""
    found = verify_part(runs.records, runs.head, runs.breaks)
    pairs = [
        (sealed.body.get("name"), run.body.get("name"))
        for sealed in records
        if sealed.body.get("kind") == Kind.MODEL
        for run in [_writer(sealed, runs.records)]
        if run is not None
    ]
    said = tuple(
        f"Run {run!r} wrote files that are the same as those of the model {name!r}." for name, run in pairs
    )
    if said:
        return replace(found, checked=(*said, *found.checked))
    text = "No run among these wrote files that are the same as those of a model in the export."
    return replace(found, mismatches=(Mismatch(0, "model", text), *found.mismatches))


def _writer(sealed: Sealed, runs: Sequence[Sealed]) -> Sealed | None:
    try:
        record = record_in(sealed)
    except Unreadable:
        return None
    return writer(record.model, runs, until=record.created_at) if record.model else None


def check_noted(verification: Verification, records: Sequence[Sealed], noted: str) -> Verification:
    """Return the verification with one more check: that the chain still holds a hash noted elsewhere.

    Raises
    ------
    InvalidField
        ``noted`` is no hash.
    """
    hash = _hash(noted)
    findings = Findings(*(list(getattr(verification, name)) for name in Findings.__dataclass_fields__))
    found = next((sealed for sealed in records if sealed.hash == hash), None)
    if hash == START:
        findings.checked.append("The noted head is that of an empty ledger: it says nothing of any record.")
    elif found is None:
        findings.differs(
            0, "head", f"No record has the noted hash {hash}: records were changed or taken out."
        )
    else:
        findings.checked.append(
            f"The noted hash is that of record {found.sequence}: up to it, the records are those of then."
        )
    return findings.done()


def holds(records: Sequence[Sealed], noted: str) -> bool:
    """Say whether a record has the hash that was noted; ``InvalidField`` when that is none."""
    hash = _hash(noted)
    return any(sealed.hash == hash for sealed in records)


def _hash(noted: str) -> str:
    hash = noted.strip().lower()
    if not _HASH.fullmatch(hash):
        raise InvalidField(
            f"{noted!r} is no hash of a record: it has 64 hexadecimal digits. "
            "'academy audit verify' prints the head's.",
            target="head",
        )
    return hash


def _chain(findings: Findings, records: Sequence[Sealed], head: Head) -> None:
    found = breaks(records, head)
    findings.mismatches.extend(_as_mismatch(one) for one in found)
    if found:
        return
    if not records:
        findings.checked.append("The ledger is empty, and so is its head.")
        return
    last = records[-1]
    findings.checked.append(
        f"The chain of {_count(len(records))}, up to record {last.sequence} with hash {last.hash}."
    )


def _of_target(target_id: str, shelf: Shelf) -> Sequence[Sealed]:
    """Return the newest record of a target with those of what it came from, and that of its deletion."""
    newest = shelf.newest(target_id.lower())
    if newest is None:
        return shelf.by_id.get(target_id.lower(), [])
    deletion = shelf.deletion(newest)
    return [*origins(newest, shelf), *([deletion] if deletion else [])]


def _record(findings: Findings, sealed: Sealed, shelf: Shelf, contents: Contents) -> None:
    _links(findings, sealed, shelf, whole=True)
    try:
        record = record_in(sealed)
    except Unreadable as error:
        findings.differs(sealed.sequence, "record", error.message)
        return
    if record.kind is not Kind.DELETION:
        contents.check(sealed, record)


def _links(findings: Findings, sealed: Sealed, shelf: Shelf, *, whole: bool) -> None:
    """Check that what a record is linked to is what its links name. ``whole``: all records are there."""
    good = 0
    for link in links_of(sealed):
        if link.record is None:
            continue
        linked = shelf.by_hash.get(link.record)
        if linked is None and not whole:
            findings.unchecked.append(
                f"Record {sealed.sequence}: its link to {called(link.target)!r}: record {link.record} is "
                "not among these."
            )
        elif wrong := _wrong_link(link, linked):
            findings.differs(sealed.sequence, "link", f"Record {sealed.sequence}: {wrong}")
        else:
            good += 1
    if good:
        word = "link" if good == 1 else "links"
        findings.checked.append(f"Record {sealed.sequence}: {good} {word} to other records.")


def _wrong_link(link: Link, linked: Sealed | None) -> str:
    name = called(link.target)
    if linked is None:
        return f"its link to {name!r} names record {link.record}, which is not in the ledger."
    if key_of(linked) != link.target.lower():
        return f"its link to {name!r} names the record of another thing, {linked.body.get('name')!r}."
    model = linked.body.get("model") or {}
    if linked.body.get("kind") == Kind.MODEL and link.sha256 and model.get("sha256") != link.sha256:
        return (
            f"its link to {name!r} says content {link.sha256}, but record {linked.sequence} of it says "
            f"{model.get('sha256')}."
        )
    return ""


def _follows(findings: Findings, sealed: Sealed, before: Sealed | None) -> None:
    if sealed.sequence == 1 and sealed.previous != START:
        findings.differs(1, "chain", "Record 1 is chained to a record before it, and there is none.")
    if before is None:
        return
    if sealed.sequence <= before.sequence:
        findings.differs(sealed.sequence, "chain", f"Record {sealed.sequence} comes after {before.sequence}.")
    elif sealed.sequence == before.sequence + 1 and sealed.previous != before.hash:
        text = f"Record {sealed.sequence} does not follow from the one before it."
        findings.differs(sealed.sequence, "chain", text)


def _end_of_part(findings: Findings, records: Sequence[Sealed], head: Head) -> None:
    last = records[-1] if records else None
    numbers = [sealed.sequence for sealed in records]
    if last is not None and last.sequence == head.sequence:
        if last.hash == head.hash:
            findings.checked.append(f"The last of them is the ledger's head, record {head.sequence}.")
        else:
            text = f"Record {last.sequence} is not the one that the head names."
            findings.differs(last.sequence, "head", text)
    missing = sorted(set(range(1, head.sequence + 1)) - set(numbers))
    if missing:
        gone = " or missing there" if any(one.what == "chain" for one in findings.mismatches) else ""
        findings.unchecked.append(
            f"The chain from the first record to the head: {_count(len(missing))} of the {head.sequence} in "
            f"the ledger {'is' if len(missing) == 1 else 'are'} of other things{gone}, and not among these."
        )


def _as_mismatch(found: Break) -> Mismatch:
    return Mismatch(found.sequence, "chain", found.text)


def _count(number: int) -> str:
    return "1 record" if number == 1 else f"{number} records"
