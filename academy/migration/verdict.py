"""From differences and trial to a verdict with its reasons, what to test again, and the next steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from academy.matrix.catalogue import CellId, Move, MoveKind, Stage
from academy.migration.packages import is_listed
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

# Of the packages that ask for a test, this many are named.
_NAMED = 4
_PINS = 12

_FAILED = (
    TrialOutcome.GOAL_FAILED,
    TrialOutcome.BOTH_FAILED,
    TrialOutcome.DIFFERENT,
    TrialOutcome.NOT_INSTALLABLE,
)


def settled(differences: Iterable[Difference], trial: Trial, goal: End) -> tuple[Difference, ...]:
    """Return the differences as an equal trial leaves them.

    Tests that the trial was are settled. What its makers do not support, and works all the same, blocks no
    more: whether it always works is for a test on more data, and whether to rely on it for those who run it.
    """
    if trial.outcome is not TrialOutcome.EQUAL:
        return tuple(differences)
    same_python = trial.goal is None or trial.goal.note is None
    return tuple(
        _after_equal(one) if one.area is Area.PACKAGE or (one.area in _ANSWERED and same_python) else one
        for one in differences
    )


def _after_equal(one: Difference) -> Difference:
    if one.severity is Severity.RETEST or (one.severity is Severity.BLOCKS and one.goal is None):
        return replace(one, settled=True)
    if one.severity is not Severity.BLOCKS:
        return one
    text = f"{one.text} It works in the trial, whose few rows do not show every case."
    step = f"{one.next_step.rstrip('.')}; or score held-out data at both ends and compare."
    return replace(one, severity=Severity.RETEST, text=text, next_step=step)


def verdict(differences: Sequence[Difference], trial: Trial) -> Verdict:
    """Return whether the move can be made as things are."""
    if trial.outcome in _FAILED or any(_blocks(one) for one in differences):
        return Verdict.BLOCKED
    if any(_is_open(one) for one in differences):
        return Verdict.AFTER_TESTS
    if trial.outcome in (TrialOutcome.ORIGIN_FAILED, TrialOutcome.NOT_BUILT):
        return Verdict.AFTER_TESTS
    return Verdict.READY


def _blocks(one: Difference) -> bool:
    return one.severity is Severity.BLOCKS and not one.settled


def reasons(
    differences: Sequence[Difference], trial: Trial, retests: Sequence[Retest] = ()
) -> tuple[str, ...]:
    """Return why the verdict is what it is, the weightiest first."""
    said = list(_blocking([one for one in differences if _blocks(one)]))
    if trial.outcome in _FAILED:
        said.append(f"In the trial: {_first(trial)}")
    elif trial.outcome is TrialOutcome.EQUAL:
        said += [one.text for one in differences if one.needed and _is_open(one) and one.area in _ANSWERED]
    # What stands for all packages has no name that would tell anything.
    said += [one.text for one in differences if _is_open(one) and _is_of_all(one)]
    open_tests = [one for one in differences if _is_open(one) and not _is_of_all(one)]
    if open_tests:
        names = ", ".join(one.name for one in open_tests[:6])
        more = f" and {len(open_tests) - 6} more" if len(open_tests) > 6 else ""
        said.append(f"To be tested at the goal: {names}{more}.")
    if trial.outcome in (TrialOutcome.ORIGIN_FAILED, TrialOutcome.NOT_BUILT):
        said.append(f"In the trial: {_first(trial)}")
    if not said:
        said.append("Nothing that it needs differs in a way that matters.")
    if trial.outcome is TrialOutcome.EQUAL and len(said) == 1 and not open_tests:
        said.append(f"In the trial: {trial.text}")
    later = [test.name for test in retests if not test.done]
    if later and verdict(differences, trial) is Verdict.READY:
        said.append(f"Before others rely on it there: {'; '.join(later)}.")
    return tuple(said)


def _blocking(blocks: Sequence[Difference]) -> Iterator[str]:
    missing = [one for one in blocks if _is_missing(one)]
    yield from (one.text for one in blocks if len(missing) == 1 or one not in missing)
    if len(missing) > 1:
        names = _few([one.name for one in missing])
        yield f"{len(missing)} packages that it asks for are not there: {names}."


def _is_of_all(one: Difference) -> bool:
    return one.area is Area.PACKAGE and one.origin is None and one.goal is None


def _is_missing(one: Difference) -> bool:
    return one.area is Area.PACKAGE and one.goal is None and one.origin is not None


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _is_open(one: Difference) -> bool:
    return one.severity is Severity.RETEST and not one.settled


def _first(trial: Trial) -> str:
    return trial.text.splitlines()[0].removesuffix("uv says:").rstrip()


def retests(
    subject: Subject, move: Move, differences: Sequence[Difference], trial: Trial
) -> tuple[Retest, ...]:
    """Return what has to be tested again, derived from what differs and where it goes."""
    counted = [one for one in differences if not one.settled or one.goal is not None]
    return tuple(
        _retests(subject, move, [one for one in counted if one.severity is not Severity.NOTE], trial)
    )


def _retests(subject: Subject, move: Move, counted: Sequence[Difference], trial: Trial) -> Iterator[Retest]:
    areas = {one.area for one in counted}
    software = [one.name for one in counted if one.area in (Area.PYTHON, Area.PACKAGE, Area.SYSTEM)]
    if software:
        yield Retest("unit tests of the code", f"not the same there: {_few(software)}")
    if subject.kind is SubjectKind.MODEL:
        done = trial.outcome is TrialOutcome.EQUAL
        why = "the trial scored the sample at both ends" if done else "the answers have to be the same there"
        rows = "scoring with the sample input" if subject.example else "scoring rows whose answers are known"
        yield Retest(rows, why, done)
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
    blocks = _steps([one for one in differences if _blocks(one)])
    tests = _steps([one for one in differences if _is_open(one)])
    if decided is Verdict.BLOCKED:
        again = "Then run this command again."
        tried = "" if trial.outcome is TrialOutcome.LEFT_OUT else trial.next_step
        guessed = _guessed(subject, differences)
        steps = [*blocks, *guessed, tried, *([] if blocks else [_after_failure(trial)]), again]
    else:
        steps = [*tests, *_guessed(subject, differences), trial.next_step, *_take(subject, move, differences)]
    return tuple(dict.fromkeys(step for step in steps if step))


def _guessed(subject: Subject, differences: Sequence[Difference]) -> Iterator[str]:
    """Yield what to do about packages that are asked for by a list alone, and may not be used at all."""
    asked = [one for one in differences if (_blocks(one) or _is_open(one)) and _is_missing(one)]
    listed = [one.name for one in asked if is_listed(one.name, subject)]
    if listed:
        them = "it" if len(listed) == 1 else "them"
        yield (
            f"The need for {_few(listed)} is from the model's requirements.txt, which MLflow wrote: if the "
            f"model does not import {them}, name pip_requirements when logging it, and leave {them} out."
        )


def _steps(found: Sequence[Difference]) -> list[str]:
    """Return the differences' next steps; those of many packages are one."""
    packages = [one for one in found if one.area is Area.PACKAGE and one.origin is not None]
    if len(packages) <= _NAMED:
        return [one.next_step for one in found]
    pins = [f"{one.name}=={one.origin}" for one in packages]
    more = f", and {len(pins) - _PINS} more: -o json has them all" if len(pins) > _PINS else ""
    steps = [one.next_step for one in found if one not in packages]
    # What comes before packages in a report stays before them.
    steps.insert(found.index(packages[0]), f"Install at the goal: {', '.join(pins[:_PINS])}{more}.")
    return steps


def _after_failure(trial: Trial) -> str:
    if trial.next_step:
        return ""  # the trial's own next step says it
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
        yield (
            "Create an endpoint, if there is none yet: academy online-endpoint create --name ENDPOINT. Then "
            "deploy it: academy online-deployment create --file deployment.yml, with endpoint_name: ENDPOINT "
            f"and model: azureml:{subject.name}"
        )
    if subject.kind is SubjectKind.JOB and move.goal is CellId.HOSTED:
        yield "Submit it there: academy job create --file job.yml --stream"
    if subject.kind is SubjectKind.JOB and move.goal is CellId.DEVELOPER:
        yield "Run it there with a record: academy audit run -- python SCRIPT"
