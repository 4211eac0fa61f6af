"""What a lab's ``lab.yml`` has to say."""

from __future__ import annotations

import re
from collections.abc import Iterator

from academy.errors import AcademyError, choices
from academy.labs.lint.source import Finding, Rule, Source
from academy.labs.parameters import parameters_of

MINUTES = range(15, 41)
HINTS = 3
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])(-\d\d)?")


def _title(source: Source) -> Iterator[Finding]:
    title = source.manifest.title.strip()
    if not title or title.endswith(".") or len(title) > 70:
        yield source.in_manifest(
            "title",
            f"The title is {title!r}.",
            "Write one line of up to 70 characters, without a full stop.",
        )


def _minutes(source: Source) -> Iterator[Finding]:
    found = source.manifest.minutes
    if found not in MINUTES:
        yield source.in_manifest(
            "minutes",
            f"The lab takes {found} minutes.",
            f"A lab takes {MINUTES[0]} to {MINUTES[-1]}: split it, join it, or measure anew.",
        )


def _objectives(source: Source) -> Iterator[Finding]:
    if not source.manifest.objectives or not all(text.strip() for text in source.manifest.objectives):
        yield source.in_manifest(
            "objectives",
            "An objective is missing or empty.",
            "Say in a sentence each what the learner can do afterwards.",
        )


def _prerequisites(source: Source) -> Iterator[Finding]:
    known = {lab.id for lab in source.collection.labs()}
    for name in source.manifest.prerequisites:
        if name == source.lab.id:
            yield source.in_manifest("prerequisites", "The lab asks for itself.", f"Take {name} out.")
        elif name not in known:
            yield source.in_manifest(
                "prerequisites",
                f"There is no lab {name!r} in the collection.",
                f"Name one of {choices(known - {source.lab.id})}.",
            )


def _tasks(source: Source) -> Iterator[Finding]:
    if not source.manifest.tasks:
        yield source.in_manifest(
            "tasks", "The lab has no task.", "Give the learner something to do, and check it."
        )


def _hints(source: Source) -> Iterator[Finding]:
    for task in source.manifest.tasks:
        told = [hint.strip() for hint in task.hints if hint.strip()]
        if len(task.hints) != HINTS or len(set(told)) != HINTS:
            yield source.in_manifest(
                "hints",
                f"The task {task.id} has {len(set(told))} different hints.",
                f"Write {HINTS}, each saying more than the one before.",
            )


def _steps(source: Source) -> Iterator[Finding]:
    steps = {cell.own("step") for cell in source.cells} - {""}
    named = [(f"The task {task.id}", task.step) for task in source.manifest.tasks]
    named += [(f"The resource {one.name}", one.step) for one in source.manifest.resources]
    for who, step in named:
        if step not in steps:
            yield source.in_manifest(
                "steps",
                f"{who} is of the step {step!r}, which no cell has.",
                f"Name one of {choices(steps)}, or set metadata.academy.step in its cells.",
            )


def _resources(source: Source) -> Iterator[Finding]:
    try:
        known = {parameter.name for parameter in parameters_of(source.notebook)}
    except AcademyError:
        return  # the rule `parameters` says what is wrong
    for resource in source.manifest.resources:
        for name in re.findall(r"{(\w+)}", resource.name):
            if name not in known:
                yield source.in_manifest(
                    "resources",
                    f"The {resource.type} {resource.name!r} is named by {name!r}, which is no parameter.",
                    f"Name one of {choices(known)}, so that a reset finds what the step made.",
                )


def _azure(source: Source) -> Iterator[Finding]:
    azure = source.manifest.azure
    if azure.minutes <= 0:
        yield source.in_manifest(
            "azure",
            "azure.minutes is missing: how long one waits on Azure.",
            "Write azure: with minutes, as_of and costs; a lab that costs nothing has costs: [].",
        )
    if azure.costs and not _MONTH.fullmatch(azure.as_of):
        yield source.in_manifest(
            "azure",
            f"azure.as_of is {azure.as_of!r}.",
            'Say when the prices were read, as "2026-11": they change.',
        )


RULES = (
    Rule("title", "lab.yml has a title of one line", _title),
    Rule("minutes", "a lab takes 15 to 40 minutes", _minutes),
    Rule("objectives", "lab.yml says what one can do afterwards", _objectives),
    Rule("prerequisites", "prerequisites are labs of the collection", _prerequisites),
    Rule("tasks", "the learner has something to do", _tasks),
    Rule("hints", "each task has three hints, each saying more", _hints),
    Rule("steps", "steps of tasks and resources are in the notebook", _steps),
    Rule("resources", "names of resources are made from parameters", _resources),
    Rule("azure", "lab.yml says what the lab takes on Azure, and when prices were read", _azure),
)
