"""What a lab's ``lab.yml`` has to say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from academy.errors import AcademyError, choices
from academy.labs.lint.made import misnamed
from academy.labs.lint.source import Finding, Rule, Source
from academy.labs.parameters import parameters_of

MINUTES = range(15, 41)
HINTS = 3
_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])(-\d\d)?")

# What is wrong in lab.yml, and what to do.
Faults = Iterator[tuple[str, str]]


def _title(source: Source) -> Faults:
    title = source.manifest.title.strip()
    if not title or title.endswith(".") or len(title) > 70:
        yield (
            f"The title is {title!r}.",
            "Write one line of up to 70 characters, without a full stop.",
        )


def _number(source: Source) -> Faults:
    for lab in source.collection.labs():
        if lab.number == source.lab.number and lab.id != source.lab.id:
            yield (
                f"The lab {lab.id} has the number {lab.number} too.",
                "Give one of them another: folder, notebook, and the paths in them.",
            )


def _minutes(source: Source) -> Faults:
    found = source.manifest.minutes
    if found not in MINUTES:
        yield (
            f"The lab takes {found} minutes.",
            f"A lab takes {MINUTES[0]} to {MINUTES[-1]}: split it, join it, or measure anew.",
        )


def _objectives(source: Source) -> Faults:
    if not source.manifest.objectives or not all(text.strip() for text in source.manifest.objectives):
        yield (
            "An objective is missing or empty.",
            "Say in a sentence each what the learner can do afterwards.",
        )


def _prerequisites(source: Source) -> Faults:
    others = {lab.id for lab in source.collection.labs()} - {source.lab.id}
    for name in source.manifest.prerequisites:
        if name == source.lab.id:
            yield "The lab asks for itself.", f"Take {name} out."
        elif name not in others:
            yield (
                f"There is no lab {name!r} in the collection.",
                f"Name one of {choices(others)}." if others else f"Take {name} out: there is no other lab.",
            )


def _tasks(source: Source) -> Faults:
    if not source.manifest.tasks:
        yield "The lab has no task.", "Give the learner something to do, and check it."


def _hints(source: Source) -> Faults:
    for task in source.manifest.tasks:
        told = [hint.strip() for hint in task.hints if hint.strip()]
        if len(task.hints) != HINTS or len(set(told)) != HINTS:
            different = "1 hint" if len(set(told)) == 1 else f"{len(set(told))} different hints"
            yield (
                f"The task {task.id} has {different}.",
                f"Write {HINTS}, each saying more than the one before.",
            )


def _steps(source: Source) -> Faults:
    steps = {cell.own("step") for cell in source.cells} - {""}
    named = [(f"The task {task.id}", task.step) for task in source.manifest.tasks]
    named += [(f"The resource {one.name}", one.step) for one in source.manifest.resources]
    for who, step in named:
        if step not in steps:
            yield (
                f"{who} is of the step {step!r}, which no cell has.",
                f"Name one of {choices(steps)}, or set metadata.academy.step in its cells."
                if steps
                else "Set metadata.academy.step in its cells.",
            )


def _resources(source: Source) -> Faults:
    try:
        known = {parameter.name for parameter in parameters_of(source.notebook)}
    except AcademyError:
        return  # the rule `parameters` says what is wrong
    for resource in source.manifest.resources:
        for name in re.findall(r"{(\w+)}", resource.name):
            if name not in known:
                yield (
                    f"The {resource.type} {resource.name!r} is named by {name!r}, which is no parameter.",
                    f"Name one of {choices(known)}, so that a reset finds what the step made."
                    if known
                    else f"Make {name} a parameter, so that a reset finds what the step made.",
                )


def _azure(source: Source) -> Faults:
    azure = source.manifest.azure
    if azure.minutes <= 0:
        yield (
            "azure.minutes is missing: how long one waits on Azure.",
            "Write azure: with minutes, as_of and costs; a lab that costs nothing has costs: [].",
        )
    if azure.costs and not _MONTH.fullmatch(azure.as_of):
        yield (
            f"azure.as_of is {azure.as_of!r}.",
            'Say when the prices were read, as "2026-11": they change.',
        )


def _rule(
    name: str,
    asks: str,
    faults: Callable[[Source], Faults],
    in_notebook: Callable[[Source], Iterator[Finding]] = lambda source: iter(()),
) -> Rule:
    def look(source: Source) -> Iterator[Finding]:
        for what, do in faults(source):
            yield source.in_manifest(name, what, do)
        yield from in_notebook(source)

    return Rule(name, asks, look)


RULES = (
    _rule("title", "lab.yml has a title of one line", _title),
    _rule("number", "no other lab has the lab's number", _number),
    _rule("minutes", "a lab takes 15 to 40 minutes", _minutes),
    _rule("objectives", "lab.yml says what one can do afterwards", _objectives),
    _rule("prerequisites", "prerequisites are labs of the collection", _prerequisites),
    _rule("tasks", "the learner has something to do", _tasks),
    _rule("hints", "each task has three hints, each saying more", _hints),
    _rule("steps", "steps of tasks and resources are in the notebook", _steps),
    _rule(
        "resources",
        "names of resources are made from parameters, and lab.yml names what the code makes",
        _resources,
        misnamed,
    ),
    _rule("azure", "lab.yml says what the lab takes on Azure, and when prices were read", _azure),
)
