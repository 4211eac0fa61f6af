"""The trial: the model's sample input scored at both ends, and the answers compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from academy.environments.build import build
from academy.environments.built import BuiltEnvironment
from academy.environments.errors import EnvironmentBuildError
from academy.migration import stated
from academy.migration.answers import compare
from academy.migration.ends import Placed, with_packages
from academy.migration.report import End, Scored, Subject, SubjectKind, Trial, TrialOutcome
from academy.migration.scoring import score

Log = Callable[[str], None]

_WITH_EXAMPLE = (
    "Log the model with a sample, as in mlflow.sklearn.log_model(model, name='model', "
    "input_example=table.head(5)), and register that."
)


@dataclass(frozen=True)
class Stage:
    """Both ends once their environments are there; ``failed`` says for an end why it is not."""

    origin: End
    goal: End
    built: tuple[BuiltEnvironment | None, BuiltEnvironment | None] = (None, None)
    failed: tuple[str | None, str | None] = (None, None)


def build_both(origin: Placed, goal: Placed, log: Log) -> Stage:
    """Build both environments, as far as they can be, and complete the ends with what is in them."""
    ends, built, failed = [], [], []
    for placed, word in ((origin, "origin"), (goal, "goal")):
        there, why = _built(placed, word, log)
        unchanged = there is None or placed.end.complete
        ends.append(
            placed.end
            if unchanged or there is None
            else with_packages(placed.end, stated.of_built(there, ""))
        )
        built.append(there)
        failed.append(why)
    return Stage(ends[0], ends[1], (built[0], built[1]), (failed[0], failed[1]))


def _built(placed: Placed, word: str, log: Log) -> tuple[BuiltEnvironment | None, str | None]:
    if placed.runnable is None:
        return None, f"nothing says which packages the {word} has"
    if isinstance(placed.runnable, BuiltEnvironment):
        log(f"The {word}: {placed.runnable.python}, as it stands.")
        return placed.runnable, None
    log(f"The {word}: the environment of {placed.end.name}.")
    try:
        return build(placed.runnable, log=log), None
    except EnvironmentBuildError as error:
        return None, error.message


def run(subject: Subject, stage: Stage, tolerance: float, log: Log) -> Trial:
    """Score the sample at both ends and compare; what cannot be scored is said, with the next step."""
    left_out = _not_scorable(subject)
    if left_out is not None:
        return replace(left_out, tolerance=tolerance)
    for why, end in zip(stage.failed, ("origin", "goal"), strict=True):
        if why is not None:
            return Trial(
                TrialOutcome.NOT_BUILT,
                f"The environment of the {end} cannot be had on this machine: {why}",
                tolerance,
                next_step=f"Mend what the {end}'s environment asks for, or score the sample there by hand.",
            )
    first, second = stage.built
    assert subject.folder is not None
    assert first is not None
    assert second is not None
    log("Scoring the model's sample in both …")
    origin, goal = score(subject.folder, (first, second))
    return judged(origin, goal, tolerance)


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
    if goal.failed is not None:
        return Trial(TrialOutcome.GOAL_FAILED, _failure("goal", goal), tolerance, origin, goal)
    if origin.failed is not None:
        text = f"{_failure('origin', origin)} At the goal it answers; there is nothing to compare that with."
        step = "Compare the answer at the goal with one that is known to be right."
        return Trial(TrialOutcome.ORIGIN_FAILED, text, tolerance, origin, goal, next_step=step)
    found = compare(origin.answer, goal.answer, tolerance)
    outcome = TrialOutcome.EQUAL if found.equal else TrialOutcome.DIFFERENT
    largest = (
        "" if found.largest is None else f"; the largest difference of two numbers is {found.largest:.3g}"
    )
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


def _failure(end: str, scored: Scored) -> str:
    first = f": {scored.lines[0].rstrip(':')}" if scored.lines else ""
    return f"The {end}'s Python {scored.python} fails to {scored.failed} the model{first}."
