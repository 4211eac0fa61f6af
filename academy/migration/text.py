"""The report as a person reads it: the verdict first, 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from academy.matrix.catalogue import MoveKind
from academy.migration.report import (
    Area,
    Difference,
    End,
    Migration,
    Scored,
    Severity,
    TrialOutcome,
    Verdict,
    gigabytes,
)
from academy.migration.unrecorded import basis

WIDTH = 80

# Of a line of a traceback, which may hold all of an array's type.
_ROWS_OF_A_LINE = 6

# So many packages that are asked for are told one by one, and so many of a kind are named of the others.
_ASKED = 8
_NAMED = 6

_VERDICTS = {
    Verdict.READY: "Ready",
    Verdict.AFTER_TESTS: "Ready after tests",
    Verdict.BLOCKED: "Blocked",
}
_KINDS = {
    MoveKind.SAME: "the same cell at both ends",
    MoveKind.USUAL: "a usual move",
    MoveKind.CROSSING: "crossing over to the other side",
    MoveKind.SIDEWAYS: "a sideways move",
    MoveKind.BACK: "a move back",
}
_HEADINGS = {
    Severity.BLOCKS: "What blocks",
    Severity.RETEST: "What a test has to show",
    Severity.NOTE: "Also to be known",
}


def shown(report: Migration, *, every: bool = False) -> str:
    """Return the report; of many packages those that matter most, unless ``every`` one is asked for."""
    return "\n".join(_lines(report, every))


def _lines(report: Migration, every: bool) -> Iterator[str]:
    subject, move = report.subject, report.move
    yield from _wrapped(
        f"{_headline(report)}: {subject.kind} {subject.name} from {move.origin} to {move.goal}"
        f" ({_KINDS[move.kind]})"
    )
    for reason in report.reasons:
        yield from _item(reason)
    yield from _heading("The way")
    yield from _wrapped(move.summary, "  ")
    yield "  Its price:"
    for price in move.price:
        yield from _item(price, "  ")
    yield from _heading("Both ends")
    yield from _end("Origin", report.origin)
    yield from _end("Goal", report.goal)
    for note in report.notes:
        yield from _item(note, "  ")
    for severity in Severity:
        yield from _differences(report, severity, every)
    yield from _trial(report)
    settled = [one for one in report.differences if one.settled]
    if settled:
        yield "  That answers for:"
        for one in settled if every else settled[:_ASKED]:
            yield from _item(one.text, "  ")
        if len(settled) > _ASKED and not every:
            yield from _item(f"{_counted(settled[_ASKED:], every)}.", "  ")
    yield from _heading("To test again")
    for test in report.retests:
        yield from _item(f"{'[done] ' if test.done else ''}{test.name}: {test.why}", "  ")
    yield from _heading("Next steps")
    for number, step in enumerate(report.next_steps, 1):
        yield from _wrapped(step, f"  {number}. ", "     ")
    if not report.next_steps:
        yield "  None."


def _headline(report: Migration) -> str:
    said = _VERDICTS[report.verdict]
    if report.origin.on_record or report.verdict is Verdict.BLOCKED:
        return said
    return f"{said}, as far as {basis(report.subject)} tells"


def _end(title: str, end: End) -> Iterator[str]:
    yield from _wrapped(f"{end.cell}: {end.name}", f"  {title:<7}", " " * 9)
    host = end.host
    gpus = None if host.gpus is None else ", ".join(gpu.name for gpu in host.gpus) or "no GPU"
    memory = None if host.memory_bytes is None else f"{gigabytes(host.memory_bytes)} GB"
    cores = None if host.cores is None else f"{host.cores} cores"
    python = f"Python {end.python}" if end.python else None
    count = len(end.packages) + len(end.asked)
    packages = f"{count} packages{'' if end.complete else ' named'}" if count else None
    facts = [python, packages, host.distribution or host.system, host.architecture, cores, memory, gpus]
    known = ", ".join(fact for fact in facts if fact)
    if known:
        yield from _wrapped(f"{known}.", " " * 9)
    for source in end.sources:
        yield from _wrapped(f"From: {source.rstrip('.')}.", " " * 9)
    if end.unknown:
        yield from _wrapped(f"Not known: {'; '.join(text.rstrip('.') for text in end.unknown)}.", " " * 9)


def _differences(report: Migration, severity: Severity, every: bool) -> Iterator[str]:
    found = report.of(severity)
    if not found:
        return
    packages = [one for one in found if one.area is Area.PACKAGE and one.needed]
    # Those whose objects the model holds come first.
    short = packages if every else packages[:_ASKED]
    unasked = [one for one in found if one.area is Area.PACKAGE and not one.needed]
    yield from _heading(_HEADINGS[severity])
    for one in found:
        if one in short or one.area is not Area.PACKAGE:
            yield from _difference(one)
    for others, why in ((packages[len(short) :], "Asked for, too"), (unasked, "Not asked for by name")):
        if others:
            yield from _wrapped(f"{why}: {_counted(others, every)}.", f"  {Area.PACKAGE:<9}", " " * 11)


def _difference(one: Difference) -> Iterator[str]:
    yield from _wrapped(one.text, f"  {one.area:<9}", " " * 11)
    # A note's step is not always to be taken; the others are under Next steps, too.
    if one.next_step:
        yield from _wrapped(f"→ {one.next_step}", " " * 11, " " * 13)


def _counted(found: Sequence[Difference], every: bool) -> str:
    groups = {
        "in other versions": [
            f"{one.name} {one.origin} → {one.goal}" for one in found if one.origin and one.goal
        ],
        "not there": [one.name for one in found if one.goal is None],
        "there in addition": [one.name for one in found if one.origin is None and one.goal is not None],
    }
    said = [
        f"{len(names)} {word} ({', '.join(names) if every else _few(names)})"
        for word, names in groups.items()
        if names
    ]
    return "; ".join(said)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _trial(report: Migration) -> Iterator[str]:
    trial = report.trial
    yield from _heading(f"Trial: {trial.outcome}")
    yield from _said(trial.text, "  ")
    for place in trial.differing:
        yield from _item(place, "  ")
    for title, scored in (("Origin", trial.origin), ("Goal", trial.goal)):
        if scored is not None:
            yield from _scored(title, scored)
    if trial.next_step and trial.outcome is TrialOutcome.LEFT_OUT:
        yield from _wrapped(f"→ {trial.next_step}", "  ", "    ")


def _scored(title: str, scored: Scored) -> Iterator[str]:
    state = (
        f"failed to {scored.failed} the model, after {scored.seconds:.1f} s"
        if scored.failed
        else f"answered in {scored.seconds:.1f} s"
    )
    yield from _wrapped(f"{state}, with Python {scored.python} ({scored.where}).", f"  {title:<7}", " " * 9)
    # One line is in the sentence above already.
    for line in scored.lines if len(scored.lines) > 1 else ():
        yield from list(_wrapped(line, " " * 9 + "| "))[:_ROWS_OF_A_LINE]
    for text in (*scored.warnings, *([scored.note] if scored.note else [])):
        yield from _item(text, " " * 9)


def _heading(text: str) -> tuple[str, str]:
    return "", text


def _item(text: str, indent: str = "") -> Iterator[str]:
    yield from _wrapped(text, f"{indent}- ", f"{indent}  ")


def _said(text: str, indent: str) -> Iterator[str]:
    """Yield a text of several lines, as an installer's error is: its own lines stay."""
    for line in text.splitlines():
        yield from _wrapped(line, indent)


def _wrapped(text: str, first: str = "", rest: str | None = None) -> Iterable[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first) if rest is None else rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
