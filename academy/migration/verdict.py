"""From differences and trial to a verdict with its reasons, what to test again, and the next steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from academy.matrix.catalogue import CellId, Move, MoveKind, Stage
from academy.migration.report import (
    Area,
    Difference,
    End,
    Retest,
    Severity,
    Subject,
    SubjectKind,
    Trial,
    TrialOutcome,
    Verdict,
)

# What the trial answers: whether the software gives the same answers. Not how fast, nor to whom.
_ANSWERED = frozenset({Area.PYTHON, Area.PACKAGE})

_FAILED = (TrialOutcome.GOAL_FAILED, TrialOutcome.DIFFERENT)


def settled(differences: Iterable[Difference], trial: Trial, goal: End) -> tuple[Difference, ...]:
    """Return the differences; those that ask for a test which the trial was, are marked as settled."""
    answered = trial.outcome is TrialOutcome.EQUAL
    same_python = trial.goal is None or trial.goal.note is None
    return tuple(
        replace(one, settled=True)
        if answered
        and (one.severity is Severity.RETEST or (one.severity is Severity.BLOCKS and one.goal is None))
        and (one.area is Area.PACKAGE or (one.area in _ANSWERED and same_python))
        else one
        for one in differences
    )


def verdict(differences: Sequence[Difference], trial: Trial) -> Verdict:
    """Return whether the move can be made as things are."""
    if trial.outcome in _FAILED or any(_blocks(one) for one in differences):
        return Verdict.BLOCKED
    if any(one.severity is Severity.RETEST and not one.settled for one in differences):
        return Verdict.AFTER_TESTS
    if trial.outcome in (TrialOutcome.ORIGIN_FAILED, TrialOutcome.NOT_BUILT):
        return Verdict.AFTER_TESTS
    return Verdict.READY


def _blocks(one: Difference) -> bool:
    return one.severity is Severity.BLOCKS and not one.settled


def reasons(differences: Sequence[Difference], trial: Trial) -> tuple[str, ...]:
    """Return why the verdict is what it is, the weightiest first."""
    said = [one.text for one in differences if _blocks(one)]
    if trial.outcome in _FAILED:
        said.append(f"In the trial: {trial.text}")
    elif said and trial.outcome is TrialOutcome.EQUAL:
        said.append(
            "In the trial the sample was answered the same, which does not show what the packages' own "
            "projects do not promise."
        )
    open_tests = [one for one in differences if one.severity is Severity.RETEST and not one.settled]
    if open_tests:
        names = ", ".join(one.name for one in open_tests[:6])
        more = f" and {len(open_tests) - 6} more" if len(open_tests) > 6 else ""
        said.append(f"To be tested at the goal: {names}{more}.")
    if trial.outcome in (TrialOutcome.ORIGIN_FAILED, TrialOutcome.NOT_BUILT):
        said.append(f"In the trial: {trial.text.splitlines()[0].removesuffix('uv says:').rstrip()}")
    if not said:
        said.append("Nothing that it needs differs in a way that matters.")
    if trial.outcome is TrialOutcome.EQUAL and len(said) == 1 and not open_tests:
        said.append(f"In the trial: {trial.text}")
    return tuple(said)


def retests(
    subject: Subject, move: Move, differences: Sequence[Difference], trial: Trial
) -> tuple[Retest, ...]:
    """Return what has to be tested again, derived from what differs and where it goes."""
    counted = [one for one in differences if not one.settled or one.goal is not None]
    areas = {one.area for one in counted if one.severity is not Severity.NOTE}
    return tuple(_retests(subject, move, areas, trial))


def _retests(subject: Subject, move: Move, areas: set[Area], trial: Trial) -> Iterator[Retest]:
    software = sorted(areas & {Area.PYTHON, Area.PACKAGE, Area.SYSTEM})
    if software:
        yield Retest("unit tests of the code", f"other software: {', '.join(software)}")
    if subject.kind is SubjectKind.MODEL:
        done = trial.outcome is TrialOutcome.EQUAL
        why = "the trial scored the sample at both ends" if done else "the answers have to be the same there"
        yield Retest("scoring with the sample input", why, done)
        if software:
            yield Retest("accuracy on held-out data", "a sample of a few rows does not show rare cases")
    if subject.kind is SubjectKind.JOB:
        yield Retest("one whole run, its metrics compared", "a job is right when its metrics are")
    if subject.kind is SubjectKind.ENVIRONMENT and software:
        yield Retest("one job or model that uses it", "packages show only in what is done with them")
    if Area.HARDWARE in areas:
        yield Retest("load: answers a second, and memory", "other hardware")
    if Area.DATA in areas:
        yield Retest("reading the data from there", "other ways to the data")
    if Area.SECRET in areas:
        yield Retest("starting with the secrets that are set there", "secrets have to be set anew")
    yield from _in_production(subject, move, Area.HARDWARE in areas)


def _in_production(subject: Subject, move: Move, load_asked: bool) -> Iterator[Retest]:
    if move.goal in (CellId.UNMANAGED, CellId.MANAGED) and subject.kind is SubjectKind.MODEL:
        if move.origin.stage is Stage.TRAINING:
            if not load_asked:
                yield Retest("load: answers a second, and memory", "it has not answered requests so far")
            yield Retest("monitoring: alarms, and drift of the inputs", "it goes from training to production")
        elif move.kind is not MoveKind.SAME:
            yield Retest(
                "monitoring and alarms", "they are the platform's on one side and the owner's on the other"
            )
    if move.goal is CellId.UNMANAGED:
        yield Retest("restart after a failure, and going back to the version before", "its owner runs it")


def next_steps(
    subject: Subject, move: Move, differences: Sequence[Difference], trial: Trial, decided: Verdict
) -> tuple[str, ...]:
    """Return what to do, in order, each once."""
    blocks = [one.next_step for one in differences if _blocks(one)]
    tests = [one.next_step for one in differences if one.severity is Severity.RETEST and not one.settled]
    if decided is Verdict.BLOCKED:
        again = "Then run this command again."
        tried = "" if trial.outcome is TrialOutcome.LEFT_OUT else trial.next_step
        steps = [*blocks, tried, *([] if blocks else [_after_failure(trial)]), again]
    else:
        steps = [*tests, trial.next_step, *_take(subject, move, differences)]
    return tuple(dict.fromkeys(step for step in steps if step))


def _after_failure(trial: Trial) -> str:
    if trial.outcome is TrialOutcome.DIFFERENT:
        return "Find out which answer is right, and make the packages at both ends the same until they agree."
    return (
        "Make the packages at the goal those of the origin, or train the model again with those at the goal."
    )


def _take(subject: Subject, move: Move, differences: Sequence[Difference]) -> Iterator[str]:
    yield from (
        one.next_step for one in differences if one.severity is Severity.NOTE and one.area is Area.DATA
    )
    if subject.kind is SubjectKind.MODEL and move.goal is CellId.MANAGED:
        yield f"Deploy it: academy online-deployment create, with model: azureml:{subject.name}"
    if subject.kind is SubjectKind.JOB and move.goal is CellId.HOSTED:
        yield "Submit it there: academy job create --file job.yml --stream"
    if subject.kind is SubjectKind.JOB and move.goal is CellId.DEVELOPER:
        yield "Run it there with a record: academy audit run -- python SCRIPT"
