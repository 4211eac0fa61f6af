"""The trial: the model's sample input scored at both ends, and the answers compared."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from academy.environments import interpreters
from academy.environments.build import build
from academy.environments.built import BuiltEnvironment
from academy.environments.errors import EnvironmentBuildError
from academy.migration import stated
from academy.migration.answers import compare
from academy.migration.ends import Placed, with_packages
from academy.migration.report import End, Scored, Subject, SubjectKind, Trial, TrialOutcome
from academy.migration.scoring import LIMIT_S, scoring
from academy.migration.versions import series
from academy.reproduction.environment import source

Log = Callable[[str], None]

_WITH_EXAMPLE = (
    "Log the model with a sample, as in mlflow.sklearn.log_model(model, name='model', "
    "input_example=table.head(5)), and register that."
)


# What uv says of versions that exclude each other or do not exist, and not of an index out of reach.
_NO_SOLUTION = "No solution found"
_OUT_OF_REACH = re.compile(
    "network was disabled|connectivity is disabled|not found in the cache|dns error|timed out"
    "|error sending request"
)


_WITH_INDEX = "Run this command again where the package index can be reached, or with --no-trial."


@dataclass(frozen=True)
class Stage:
    """Both ends, with all that is known of their packages once their environments are there."""

    origin: End
    goal: End


@dataclass(frozen=True)
class _Built:
    """An end's environment on this machine, or why there is none.

    ``impossible`` says that it can be built nowhere, ``is_unknown`` that nothing says what to build,
    ``is_out_of_reach`` that the package index does not answer.
    """

    end: End
    environment: BuiltEnvironment | None = None
    why: str = ""
    impossible: bool = False
    is_unknown: bool = False
    is_out_of_reach: bool = False


def run(
    subject: Subject,
    ends: tuple[Placed, Placed],
    log: Log,
    *,
    tolerance: float,
    limit_s: float = LIMIT_S,
) -> tuple[Stage, Trial]:
    """Build both environments as far as they can be, score the sample at both ends, and compare.

    The origin scores while the goal is built. What cannot be scored is said, with the next step.
    """
    left_out = _not_scorable(subject)
    with contextlib.ExitStack() as processes:
        origin = _built(ends[0], "origin", log)
        first = None
        if left_out is None and origin.environment is not None and subject.folder is not None:
            first = processes.enter_context(scoring(subject.folder, origin.environment))
        goal = _built(ends[1], "goal", log)
        stage = Stage(origin.end, goal.end)
        refused = _not_built(origin, goal, left_out is not None) or left_out
        if refused is not None:
            return stage, replace(refused, tolerance=tolerance)
        assert first is not None
        assert subject.folder is not None
        assert goal.environment is not None
        log(f"Scoring the model's sample in both, for at most {limit_s:g} seconds …")
        second = processes.enter_context(scoring(subject.folder, goal.environment))
        one, two = first.awaited(limit_s), second.awaited(limit_s)
        found = judged(one, two, tolerance)
        if found.outcome is TrialOutcome.DIFFERENT:
            log("The answers differ. Scoring at the origin once more, to see whether that is by chance …")
            again = processes.enter_context(scoring(subject.folder, first.built))
            found = by_chance(found, one, again.awaited(limit_s))
        return stage, found


def _built(placed: Placed, word: str, log: Log) -> _Built:
    spec = placed.runnable
    if spec is None:
        return _Built(placed.end, why=f"nothing says which packages the {word} has.", is_unknown=True)
    if isinstance(spec, BuiltEnvironment):
        log(f"The {word}: {spec.python}, as it stands.")
        return _Built(placed.end, spec)
    log(f"The {word}: the environment of {placed.end.name}.")
    try:
        there = build(spec, log=log)
    except EnvironmentBuildError as error:
        if _OUT_OF_REACH.search(error.message):
            why = f"{source(os.environ)} cannot be reached, and what it needs is not in the cache"
            return _Built(placed.end, why=f"{why}.\n{error.message}", is_out_of_reach=True)
        hopeless = _NO_SOLUTION in error.message
        # Another Python than the end's may lack what that one has.
        same_python = placed.end.python is not None and _has_python(spec.python)
        return _Built(placed.end, None, error.message, hopeless and same_python)
    known = placed.end.complete
    return _Built(placed.end if known else with_packages(placed.end, stated.of_built(there, "")), there)


def _has_python(version: str) -> bool:
    return series(interpreters.find(version).version) == series(version)


def _not_built(origin: _Built, goal: _Built, facts_alone: bool) -> Trial | None:
    if goal.impossible:
        return Trial(
            TrialOutcome.NOT_INSTALLABLE,
            f"What the goal asks for cannot be installed: {goal.why}",
            0.0,
            next_step="Mend what the goal's environment asks for: choose versions that are there and fit.",
        )
    for one, word in ((origin, "origin"), (goal, "goal")):
        if one.why and not (facts_alone and one.is_unknown):
            return Trial(
                TrialOutcome.NOT_BUILT,
                f"The environment of the {word} cannot be had on this machine: {one.why}",
                0.0,
                next_step=_WITH_INDEX
                if one.is_out_of_reach
                else f"Mend what the {word}'s environment asks for, or score the sample there by hand.",
            )
    return None


def left_out(tolerance: float) -> Trial:
    """Return the trial that was not asked for."""
    text = "The trial was left out, as you asked for with --no-trial."
    return Trial(TrialOutcome.LEFT_OUT, text, tolerance, next_step="Run this command without --no-trial.")


def _not_scorable(subject: Subject) -> Trial | None:
    if subject.kind is not SubjectKind.MODEL:
        what = (
            "a job has no sample to score"
            if subject.kind is SubjectKind.JOB
            else "an environment answers nothing"
        )
        step = (
            "Run the job at the goal, and compare its metrics with those on record: academy audit show."
            if subject.kind is SubjectKind.JOB
            else "Move a model or job that uses it, too: --model or --job."
        )
        return Trial(TrialOutcome.LEFT_OUT, f"Packages alone were compared: {what}.", 0.0, next_step=step)
    if subject.folder is None or not subject.flavors:
        text = "The model is no MLflow model on this machine, so that nothing says how it is loaded."
        return Trial(TrialOutcome.LEFT_OUT, text, 0.0, next_step="Log it with MLflow, and register that.")
    if subject.example is None:
        text = "The model was saved without a sample input, so that there is nothing to score."
        return Trial(TrialOutcome.LEFT_OUT, text, 0.0, next_step=_WITH_EXAMPLE)
    return None


def judged(origin: Scored, goal: Scored, tolerance: float) -> Trial:
    """Return what two scorings come to."""
    if goal.failed is not None and origin.failed is not None:
        text = f"It fails at both ends. {_failure('goal', goal)}"
        step = (
            "The packages are not what it fails by: mend the model, its sample, or what its code expects "
            "around it (files, variables, a network), and register it again."
        )
        return Trial(TrialOutcome.BOTH_FAILED, text, tolerance, origin, goal, next_step=step)
    if goal.failed is not None:
        return Trial(TrialOutcome.GOAL_FAILED, _failure("goal", goal), tolerance, origin, goal)
    if origin.failed is not None:
        text = f"{_failure('origin', origin)} At the goal it answers; there is nothing to compare that with."
        step = "Compare the answer at the goal with one that is known to be right."
        return Trial(TrialOutcome.ORIGIN_FAILED, text, tolerance, origin, goal, next_step=step)
    found = compare(origin.answer, goal.answer, tolerance)
    outcome = TrialOutcome.EQUAL if found.equal else TrialOutcome.DIFFERENT
    largest = f"; the largest difference of two numbers is {found.largest:.3g}" if found.largest else ""
    if found.equal:
        values = "value of the answer is" if found.compared == 1 else "values of the answer are"
        text = f"{found.compared} {values} the same at both ends{largest} (tolerance {tolerance:g})."
    else:
        text = f"The answers are not the same{largest} (tolerance {tolerance:g})."
    return Trial(
        outcome,
        text,
        tolerance,
        origin,
        goal,
        found.compared,
        found.largest,
        found.differing,
    )


def by_chance(trial: Trial, first: Scored, again: Scored) -> Trial:
    """Return the trial, with what it means when the origin does not agree with itself."""
    if again.failed is not None or compare(first.answer, again.answer, trial.tolerance).equal:
        return trial
    return replace(
        trial,
        text=f"{trial.text} The origin itself does not answer the same twice: there is chance in it.",
        next_step="Give the model a fixed seed, or say with --tolerance how far its answers may be apart.",
    )


def _failure(end: str, scored: Scored) -> str:
    first = f": {scored.lines[0].rstrip(':.')}" if scored.lines else ""
    return f"The {end}'s Python {scored.python} fails to {scored.failed} the model{first}."
