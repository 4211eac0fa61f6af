"""What a report says where no record tells what ran: what it rests on, and how to have it rest on more."""

from __future__ import annotations

from collections.abc import Iterator

from academy.migration.report import End, Subject, SubjectKind, Verdict


def basis(subject: Subject) -> str:
    """Return what the facts on the origin are from, in words."""
    return "the model's own list of packages" if subject.kind is SubjectKind.MODEL else "the job's document"


def reasons(subject: Subject, origin: End) -> Iterator[str]:
    """Yield that what ran is not known, where it is not."""
    if origin.on_record:
        return
    known = bool(origin.packages or origin.asked)
    rests = f", so this rests on {basis(subject)} alone" if known else ""
    yield f"No record tells what it was made with{rests}."


def next_steps(subject: Subject, origin: End, decided: Verdict) -> Iterator[str]:
    """Yield how a local run's record is found, where the verdict does not stand in the way anyway."""
    if not origin.on_record and subject.kind is SubjectKind.MODEL and decided is not Verdict.BLOCKED:
        yield (
            "Run this command again with --ledger DIR, the folder where 'academy audit run' was used, so "
            "that what ran is compared, too."
        )
