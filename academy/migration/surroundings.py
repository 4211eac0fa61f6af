"""What lies around the software: data, secrets, and what people have to know."""

from __future__ import annotations

import re
from collections.abc import Iterator

from academy.matrix.catalogue import Catalogue, Cell, CellId, Service, Skill
from academy.migration.report import Area, DataUse, Difference, End, Severity, Subject, SubjectKind

# Cells that the service on this machine stands for: what it keeps, it hands to what runs there.
_IN_SERVICE = (CellId.HOSTED, CellId.MANAGED)

_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|connection|sas\b", re.I)
_WEB = ("http://", "https://")


def differences(subject: Subject, origin: End, goal: End, catalogue: Catalogue) -> Iterator[Difference]:
    """Yield what has to be arranged around the software."""
    for use in subject.data:
        yield _data(subject, use, goal)
    yield from _secrets(subject, goal)
    yield from _people(catalogue.cells[origin.cell], catalogue.cells[goal.cell])
    yield from _skills(origin, goal, catalogue)


def _data(subject: Subject, use: DataUse, goal: End) -> Difference:
    here = str(use.path) if use.path else use.uri
    model = subject.kind is SubjectKind.MODEL
    if goal.data is not None and not model:
        return _listed(use, goal.data)
    if use.path is not None and not use.path.exists():
        return Difference(
            Area.DATA, use.name, use.uri, None, Severity.BLOCKS,
            f"{use.name} is {use.uri}, and nothing is there.",
            "Put it there again, or name other data.", needed=True,
        )  # fmt: skip
    if goal.is_this_machine and use.path is not None and (goal.cell in _IN_SERVICE or not model):
        text = (
            "The model's files lie in the home of this machine's service, which runs there, too."
            if model
            else f"{use.name} lies on this machine ({here}), where it can be read."
        )
        return Difference(Area.DATA, use.name, here, here, Severity.NOTE, text)
    if model:
        text = "The model's files lie in the home of this machine's service, where nobody else reads them."
        name, version = subject.name.split(":")
        command = f"academy model download --name {name} --version {version} --download-path DIR"
        step = f"Take the model's files along: {command}"
        return Difference(Area.DATA, use.name, here, None, Severity.NOTE, text, step)
    if use.uri.startswith(_WEB) and goal.is_this_machine:
        text = f"{use.name} is {use.uri}, read from this machine as before."
        return Difference(Area.DATA, use.name, here, here, Severity.NOTE, text)
    if use.uri.startswith(_WEB):
        text = f"{use.name} is {use.uri}: whether the goal reaches that address is not known."
        step = f"Fetch {use.name} once from there."
    else:
        text = f"{use.name} is {use.uri}, which this machine keeps: whether the goal reaches it is not known."
        step = f"Copy {use.name} there, or give it a way in, and name its path in the target file's 'data'."
    return Difference(Area.DATA, use.name, here, None, Severity.RETEST, text, step, needed=True)


def _listed(use: DataUse, reachable: tuple[str, ...]) -> Difference:
    places = [use.uri, *([str(use.path)] if use.path else [])]
    for place in places:
        for known in reachable:
            if place == known or place.startswith(known.rstrip("/") + "/"):
                text = f"{use.name} can be read there ({known})."
                return Difference(Area.DATA, use.name, place, known, Severity.NOTE, text)
    text = f"{use.name} is {use.uri}, and the target file's 'data' does not name it: it cannot be read there."
    return Difference(
        Area.DATA, use.name, places[-1], None, Severity.BLOCKS, text,
        f"Copy {use.name} there, or give the machines there access, and name its path in 'data'.",
        needed=True,
    )  # fmt: skip


def _secrets(subject: Subject, goal: End) -> Iterator[Difference]:
    kept = goal.is_this_machine and goal.cell in _IN_SERVICE
    for name in subject.variables:
        if kept or (goal.secrets is not None and name in goal.secrets):
            continue
        what = "a secret, by its name" if _SECRET_NAME.search(name) else "its value is not copied"
        severity = Severity.RETEST if goal.secrets is None else Severity.BLOCKS
        state = "is not known to be set there" if goal.secrets is None else "is not set there"
        yield Difference(
            Area.SECRET, name, "set", None, severity,
            f"The environment variable {name} ({what}) is set by the job's document and {state}.",
            f"Set {name} there, as secrets are kept there, and name it in the target file's 'secrets'.",
            needed=True,
        )  # fmt: skip
    if kept:
        return
    # What lies on this machine is read there as a file, without the store's key.
    stored = [use for use in subject.data if not (goal.is_this_machine and use.path is not None)]
    for credentials in sorted({use.credentials for use in stored if use.credentials not in (None, "None")}):
        if subject.kind is SubjectKind.JOB:
            yield Difference(
                Area.SECRET, f"datastore ({credentials})", "kept by the service", None, Severity.RETEST,
                f"The service opens datastores itself ({credentials}); the job has no key to take along.",
                "Give the goal an identity or key of its own that may read the data, and no more.",
                needed=True,
            )  # fmt: skip
    if subject.kind is SubjectKind.JOB:
        yield Difference(
            Area.SECRET, "MLflow tracking", "set by the service", None, Severity.NOTE,
            "The service tells its jobs where to log (MLFLOW_TRACKING_URI), and gives each a token.",
            "Set MLFLOW_TRACKING_URI there, or run it with 'academy audit run', which keeps runs there.",
        )  # fmt: skip


def _people(origin: Cell, goal: Cell) -> Iterator[Difference]:
    if origin.id is goal.id:
        return
    for name, here, there in (
        ("Who sets it up there", origin.set_up_by, goal.set_up_by),
        ("Who supports it there", origin.supported_by, goal.supported_by),
        ("Upkeep there", origin.upkeep, goal.upkeep),
    ):
        if here != there:
            yield Difference(Area.SKILL, name, here, there, Severity.NOTE, f"{name}: {there}")


def _skills(origin: End, goal: End, catalogue: Catalogue) -> Iterator[Difference]:
    services = _services(goal, catalogue)
    known_here = {skill for service in catalogue.cells[origin.cell].services for skill in _asked(service)}
    known_here |= {Skill.PYTHON}  # what is moved was made with it
    for skill in Skill:
        askers = [service for service in services if skill in _asked(service)]
        if not askers or (goal.skills is not None and skill in goal.skills):
            continue
        if skill in known_here and (goal.skills is None or goal.service is None):
            continue
        names = ", ".join(service.name for service in askers[:3]) + (" and others" if len(askers) > 3 else "")
        have = (
            "the people there do not have it"
            if goal.skills is not None
            else "where it was made, nothing asks for it"
        )
        yield Difference(
            Area.SKILL, str(skill), None, "asked for", Severity.NOTE,
            f"{_LABELS[skill]} is asked for there ({names}); {have}.",
            f"See what to learn: academy matrix show {askers[0].id}" if goal.service else "",
        )  # fmt: skip


def _services(goal: End, catalogue: Catalogue) -> list[Service]:
    if goal.service is not None:
        return [service for service in catalogue.services() if service.id == goal.service]
    return list(catalogue.cells[goal.cell].services)


def _asked(service: Service) -> tuple[Skill, ...]:
    # Of several of which one is enough, none is asked for by itself.
    alone = service.traits.any_skill if len(service.traits.any_skill) == 1 else ()
    return (*service.traits.skills, *alone)


_LABELS = {
    Skill.PYTHON: "Python",
    Skill.R: "R",
    Skill.DOTNET: ".NET",
    Skill.SQL: "SQL",
    Skill.SPARK: "Spark",
    Skill.LINUX: "Linux",
    Skill.WINDOWS: "Windows",
    Skill.CONTAINERS: "Knowing containers",
    Skill.KUBERNETES: "Kubernetes",
    Skill.WEB: "Knowing web services",
    Skill.LOW_CODE: "Working without code",
}
