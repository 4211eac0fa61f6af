"""What other versions of packages mean, by what their own projects say of files and releases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from academy.migration.report import Area, Difference, End, Pickled, Severity, Subject, SubjectKind
from academy.migration.versions import Apart, apart, is_older, pins, series

MLFLOW = ("mlflow", "mlflow-skinny")

# NumPy 2 moved numpy.core to numpy._core; NumPy 1.26.1 is the first 1.x that knows the new place.
_NUMPY_READS_2 = "1.26.1"

# MLflow writes them down as needed, and no answer comes from them.
_NO_PART_IN_ANSWERS = frozenset({"azureml-mlflow", "packaging", "pip", "psutil", "setuptools", "wheel"})

# Installers: what is built has no more use for them.
_INSTALLERS = frozenset({"pip", "setuptools", "wheel"})

_SKLEARN = (
    "scikit-learn does not support loading a model in another version than it was saved with "
    "(https://scikit-learn.org/stable/model_persistence.html)"
)


# The one format of MLflow's whose name is that of a package which MLflow does not bring along.
SKOPS = "skops"


@dataclass(frozen=True)
class _Meaning:
    severity: Severity
    why: str


def needs(subject: Subject, origin: End) -> frozenset[str]:
    """Return the packages that the subject asks for itself; what these bring along is not among them."""
    pinned, limited = pins(subject.requirements)
    named = {*pinned, *limited}
    if subject.kind is SubjectKind.MODEL:
        objects = subject.pickled.packages if subject.pickled else ()
        named |= {name for name in objects if name in origin.packages}
        # Without the format's own package nothing is read, whatever the origin's list says or leaves out.
        named |= {SKOPS} if subject.pickled and subject.pickled.format == SKOPS else set()
        if subject.mlflow_version and not named & set(MLFLOW):
            named.add("mlflow")
    return frozenset(named)


def is_listed(name: str, subject: Subject) -> bool:
    """Say whether the only ground to need a package is MLflow's list, which may be a guess."""
    held = subject.pickled.packages if subject.pickled else ()
    return (
        subject.kind is SubjectKind.MODEL
        and name not in held
        and name not in MLFLOW
        and any(name in named for named in pins(subject.requirements))
    )


def differences(subject: Subject, origin: End, goal: End) -> Iterator[Difference]:
    """Yield what differs in the packages: those whose objects a model holds, those it needs, the others."""
    needed = needs(subject, origin)
    names = {*origin.packages, *goal.packages, *needed}
    held = subject.pickled.packages if subject.pickled else ()
    found = []
    for name in sorted(names, key=lambda name: (name not in needed, name not in held, name)):
        if name in MLFLOW and name not in needed and needed & set(MLFLOW):
            continue  # the two bring the same files; the one that is asked for speaks for both
        one = _one(name, name in needed, subject, origin, goal)
        found += [one] if one is not None else []
    if not needed:
        yield from _nothing_asked_for(found)
    yield from _nothing_known(origin, goal)
    yield from found


def _nothing_known(origin: End, goal: End) -> Iterator[Difference]:
    """Yield the test that stands for all packages, when nothing is known of those at an end."""
    for end, which, step in (
        (
            origin,
            "it was made with",
            "Make it with a record ('academy audit run', or a job), or log it with MLflow.",
        ),
        (goal, "the goal has", "Name the goal's environment with --into, or its packages in a target file."),
    ):
        if not end.packages and not end.asked and not end.complete:
            text = f"Nothing says which packages {which}, so that none could be compared."
            yield Difference(Area.PACKAGE, "packages", None, None, Severity.RETEST, text, step, needed=True)


def _nothing_asked_for(found: Sequence[Difference]) -> Iterator[Difference]:
    """Yield the one test that stands for all packages, when nothing tells which of them count."""
    others = [
        one
        for one in found
        if one.origin and one.goal and apart(one.name, one.origin, one.goal) > Apart.PATCH
    ]
    counted = others + [one for one in found if one.goal is None]
    if counted:
        names = ", ".join(f"{one.name} {one.origin} → {one.goal or 'not there'}" for one in counted[:3])
        more = ", …" if len(counted) > 3 else ""
        text = f"Nothing says which packages it asks for, and {len(counted)} differ ({names}{more})."
        step = "Write down which packages it imports, and have these in the same versions at both ends."
        yield Difference(Area.PACKAGE, "packages", None, None, Severity.RETEST, text, step, needed=True)


def _one(name: str, needed: bool, subject: Subject, origin: End, goal: End) -> Difference | None:
    here, there = origin.packages.get(name), goal.packages.get(name)
    if there is None and name in MLFLOW:
        there = next((goal.packages[other] for other in MLFLOW if other in goal.packages), None)
    if here is None:
        here = subject.mlflow_version if name == "mlflow" else here
    if there is None:
        return _not_there(name, needed, here, goal, subject)
    if here is None:
        extra = origin.complete and not needed
        text = f"{name} {there} is there and was not where it was made."
        return Difference(Area.PACKAGE, name, None, there, Severity.NOTE, text) if extra else None
    far = apart(name, here, there)
    if far is Apart.SAME:
        return None
    if not needed:
        text = f"{name} {here} becomes {there}. It is not asked for by name; what is, brings it along."
        return Difference(Area.PACKAGE, name, here, there, Severity.NOTE, text)
    meaning = _meaning(name, here, there, far, subject)
    return Difference(
        Area.PACKAGE,
        name,
        here,
        there,
        meaning.severity,
        f"{name} {here} becomes {there}: {meaning.why}.",
        _mend(name, here, there, origin, goal) if meaning.severity is not Severity.NOTE else "",
        needed=True,
    )


def _not_there(name: str, needed: bool, here: str | None, goal: End, subject: Subject) -> Difference | None:
    shown = f"{name} {here}" if here else name
    pin = f"{name}=={here}" if here else name
    by = " (by the model's requirements.txt)" if is_listed(name, subject) else ""
    if name in goal.asked:
        return _not_pinned(name, needed, here, goal.asked[name])
    if not needed or name in _INSTALLERS:
        if not goal.complete:
            return None
        why = "It is only for installing others" if needed else "It is not asked for by name"
        text = f"{shown} is not there. {why}."
        return Difference(Area.PACKAGE, name, here, None, Severity.NOTE, text)
    if goal.complete:
        text = f"{shown} is needed{by} and is not there."
        return Difference(
            Area.PACKAGE, name, here, None, Severity.BLOCKS, text, f"Install {pin} at the goal.", needed=True
        )
    text = f"{shown} is needed{by}, and the goal does not name it: in which version it comes along is open."
    return Difference(
        Area.PACKAGE,
        name,
        here,
        None,
        Severity.RETEST,
        text,
        f"Name {pin} among the goal's packages.",
        needed=True,
    )


def _not_pinned(name: str, needed: bool, here: str | None, condition: str) -> Difference | None:
    if not needed:
        return None
    pin = f"{name}=={here}" if here else f"{name} at one version"
    shown = f"{name}{condition}" if condition else f"{name} in any version"
    admitted = here is None or here in SpecifierSet(condition)
    severity = Severity.RETEST if admitted else Severity.BLOCKS
    text = (
        f"The goal asks for {shown}: the installer picks the version."
        if admitted
        else f"The goal asks for {shown}, which leaves out {here}, the version it was made with."
    )
    return Difference(
        Area.PACKAGE, name, here, condition or "any", severity, text, f"Pin {pin} at the goal.", needed=True
    )


def _meaning(name: str, here: str, there: str, far: Apart, subject: Subject) -> _Meaning:
    if far is Apart.BUILD:
        return _Meaning(Severity.NOTE, "the same release, built in another way")
    if subject.kind is SubjectKind.MODEL:
        if name in MLFLOW:
            return _of_mlflow(here, there, far)
        if subject.pickled is not None and name in subject.pickled.packages:
            return _of_objects(name, here, there, far, subject.pickled)
        if name in _NO_PART_IN_ANSWERS:
            return _Meaning(Severity.NOTE, "the model's answers do not come from it")
    return _GENERAL[far]


_GENERAL: Mapping[Apart, _Meaning] = {
    Apart.MAJOR: _Meaning(
        Severity.RETEST, "another major version, which may have removed or changed what is used of it"
    ),
    Apart.MINOR: _Meaning(Severity.RETEST, "another minor version, which may behave differently"),
    Apart.PATCH: _Meaning(Severity.NOTE, "another patch release, which should behave the same"),
}


def _of_mlflow(here: str, there: str, far: Apart) -> _Meaning:
    older = is_older(there, here)
    if far is Apart.MAJOR and older:
        return _Meaning(
            Severity.BLOCKS,
            "a later major version of MLflow reads what an earlier one wrote, and not the other way round "
            "(https://mlflow.org/docs/latest/genai/mlflow-3/faqs)",
        )
    if far is Apart.PATCH or not older:
        return _Meaning(Severity.NOTE, "MLflow reads models that an earlier version of it wrote")
    return _Meaning(
        Severity.RETEST, "an earlier MLflow than the model was written with may not know all of it"
    )


def _of_objects(name: str, here: str, there: str, far: Apart, pickled: Pickled) -> _Meaning:
    if name == "scikit-learn":
        severity = Severity.RETEST if far is Apart.PATCH else Severity.BLOCKS
        return _Meaning(severity, _SKLEARN)
    if name == "numpy":
        return _of_numpy(here, there, far, pickled)
    if name == "skops":
        severity = Severity.NOTE if far is Apart.PATCH else Severity.RETEST
        return _Meaning(severity, "the model's file is written and read by it")
    if far is Apart.PATCH:
        return _Meaning(Severity.NOTE, "another patch release of the package whose objects the file holds")
    stored = (
        "its own files" if pickled.format == "its own format" else f"a file of its objects ({pickled.format})"
    )
    if far is Apart.MAJOR:
        return _Meaning(Severity.BLOCKS, f"the model is {stored}, and another major version need not read it")
    return _Meaning(
        Severity.RETEST, f"the model is {stored}, and another minor version may read it differently"
    )


def _of_numpy(here: str, there: str, far: Apart, pickled: Pickled) -> _Meaning:
    if pickled.format != "skops" and far is Apart.MAJOR and is_older(there, here):
        if is_older(there, _NUMPY_READS_2):
            return _Meaning(
                Severity.BLOCKS,
                "a pickle written with NumPy 2 names modules (numpy._core) that NumPy has from 1.26.1 on",
            )
        return _Meaning(
            Severity.RETEST,
            "NumPy 1.26.1 and later read arrays that NumPy 2 pickled, but not all of its other objects, such "
            "as random generators",
        )
    if far is Apart.PATCH:
        return _GENERAL[far]
    return _Meaning(Severity.RETEST, "the model's arrays are NumPy's; results may differ in the last digits")


def _mend(name: str, here: str, there: str, origin: End, goal: End) -> str:
    was, is_now = (series(end.python) if end.python else None for end in (origin, goal))
    on = ""
    if was and is_now and was != is_now:
        on = f", with Python {was} if there is no such release for {is_now}"
    return f"Install {name}=={here} at the goal{on}, or make it again with {name}=={there}."
