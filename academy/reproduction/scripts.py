"""Reproducing a local run: its code from the copies, its data, a new environment, a temporary folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from academy.audit.local import claims, snapshot
from academy.audit.local import run as local_run
from academy.audit.local.ledger import LocalLedger
from academy.audit.local.mlflow_place import ARTIFACTS, TELEMETRY, TRACKING
from academy.audit.local.run import Outcome
from academy.audit.record import Link, Record, Relation
from academy.environments import interpreters
from academy.environments.built import BuiltEnvironment
from academy.environments.definition import EnvironmentSpec
from academy.errors import InvalidField, choices
from academy.evidence.evidence import Data, Evidence
from academy.evidence.secrecy import MASK
from academy.reproduction import beforehand, comparing
from academy.reproduction.environment import Rebuild, pinned, rebuilt
from academy.reproduction.errors import NotReproducible
from academy.reproduction.installed import compared
from academy.reproduction.origin import newest
from academy.reproduction.repeated import Repeated
from academy.reproduction.repetition import stem
from academy.reproduction.scratch import scratch
from academy.reproduction.stage import Stage, place_of, unmoved_outputs
from academy.reproduction.wishes import Say, Wishes

_COMPLETED, _CANCELED = "Completed", "Canceled"

# Set by 'academy audit run' for MLflow, unless the record names them; with the new run it sets them anew.
_SET_FOR_MLFLOW = (TRACKING, ARTIFACTS, TELEMETRY)


def repeat_script(origin: Record, ledger: LocalLedger, wishes: Wishes, say: Say) -> Repeated:
    """Run a local run on record again, and put that on record too.

    Raises
    ------
    NotReproducible
        What it takes is not there, or is not what it was; nothing was run.
    """
    what = f"the run {origin.name!r}"
    evidence = _evidence(origin, wishes)
    places = _places(evidence, wishes.data)
    say(f"Looking at what {what} was made of …")
    found = _looked_at(ledger, evidence, places, f"The run {origin.name!r}", wishes.anyway)
    rebuild = Rebuild.of(evidence.software, _spec(origin, evidence))
    ledger.prepare()
    say(f"Building the environment of {what} anew …")
    with contextlib.ExitStack() as held:
        built = held.enter_context(rebuilt(rebuild, what))
        python = interpreters.find(rebuild.spec.python).version
        environment = replace(compared(rebuild, built.site, python), text=f"of {what}")
        unlike = (*environment.differences, *environment.altered)
        beforehand.refuse(unlike, f"The environment of {what}", wishes.anyway)
        root = held.enter_context(scratch("academy-reproduction-", Path(tempfile.gettempdir())))
        stage = Stage.below(root.resolve(), evidence, places)
        stage.set(ledger.folder)
        name = held.enter_context(claims.run_name(ledger, None, f"{stem(origin.name)}-reproduced"))
        say(f"Running it as {name} in a temporary folder …")
        record = _named(_run(stage, built, evidence), name, origin, stage)
        ledger.append(_kept(record, origin, ledger))
    unknown = beforehand.unknown_inputs(evidence, places)
    notes = (*rebuild.notes, *unknown, *_of_failure(record, evidence))
    return Repeated(record, environment, tuple(found), notes)


def _evidence(origin: Record, wishes: Wishes) -> Evidence:
    comparing.check_left_out(wishes.leave_out, origin.metrics)
    evidence = origin.evidence
    if evidence is None or not evidence.software.python or not evidence.command:
        noted = " ".join(evidence.notes if evidence else origin.notes)
        raise NotReproducible(
            f"The record of the run {origin.name!r} does not say which Python it ran in, so there is nothing "
            f"to build anew. {noted}".rstrip()
        )
    if MASK in evidence.command and any("Masked on the command line" in note for note in origin.notes):
        raise NotReproducible(
            f"The command line of the run {origin.name!r} held a secret, which is not on record: "
            f"{evidence.command}. Have the script read it from an environment variable, and run it "
            "again with 'academy audit run'."
        )
    if origin.status != _COMPLETED and not wishes.anyway:
        raise NotReproducible(
            f"The run {origin.name!r} ended as {origin.status}: there are no results to come to again. Name "
            "one that completed, or see with --anyway whether this one ends like that again."
        )
    return evidence


def _places(evidence: Evidence, given: Mapping[str, Path]) -> dict[str, Path]:
    """Return where each input is now."""
    names = [item.name for item in evidence.inputs]
    for name, path in given.items():
        if name not in names:
            raise InvalidField(
                f"The run read no data called {name!r}. It read: {choices(names)}.", target="data"
            )
        if not path.exists():
            raise InvalidField(f"--data {name}={path}: there is no such file or folder.", target="data")
    known = {item.name: place for item in evidence.inputs if (place := place_of(item)) is not None}
    return {**known, **given}


def _looked_at(
    ledger: LocalLedger, evidence: Evidence, places: Mapping[str, Path], what: str, anyway: bool
) -> list[str]:
    """Return what is not as it was, if the caller goes on anyway."""
    broken = [
        *beforehand.of_records(ledger),
        *(f"The audit trail does not hold: {one.text}" for one in ledger.damage()),
    ]
    code = [*snapshot.damaged(ledger.folder, evidence.code)] if evidence.code is not None else []
    data = [*beforehand.of_inputs(evidence, places)]
    outputs = [
        f"The output {name!r} lies outside of the working folder: running again writes over it."
        for name in unmoved_outputs(evidence)
    ]
    found = [*broken, *code, *data, *outputs]
    advice = beforehand.advice(broken=bool(broken), changed=bool(code), moved=bool(data))
    beforehand.refuse(found, what, anyway, next_step=advice)
    return found


def _spec(origin: Record, evidence: Evidence) -> EnvironmentSpec:
    if evidence.software.implementation not in ("", "CPython"):
        raise NotReproducible(
            f"The run {origin.name!r} ran in {evidence.software.implementation} {evidence.software.python}. "
            "Environments are built with CPython only."
        )
    return EnvironmentSpec(
        name=origin.name,
        version="on record",
        python=evidence.software.python,
        requirements=tuple(pinned(evidence.software.packages)),
    )


def _run(stage: Stage, built: BuiltEnvironment, evidence: Evidence) -> Record:
    with _on_stderr():
        outcome: Outcome = local_run.run(stage.request(built), _variables(built, evidence))
    if outcome.record.status == _CANCELED and outcome.asked:
        # The command had it; now it ends this process as it would have without one.
        if signal.SIGTERM in outcome.asked:
            signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt
    return outcome.record


def _variables(built: BuiltEnvironment, evidence: Evidence) -> dict[str, str]:
    base = {
        name: value
        for name, value in os.environ.items()
        if name not in _SET_FOR_MLFLOW or name in evidence.variables
    }
    variables = built.process_environment(base)
    # A path below the working folder leads to the code on record; others to what may have changed.
    below = [part for part in base.get("PYTHONPATH", "").split(os.pathsep) if part and part[0] != "/"]
    return {**variables, **({"PYTHONPATH": os.pathsep.join(below)} if below else {})}


@contextlib.contextmanager
def _on_stderr() -> Iterator[None]:
    """Have what the command prints go to standard error: the result alone goes to standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _named(record: Record, name: str, origin: Record, stage: Stage) -> Record:
    """Return the new run's record under the names that the original has for what it read and wrote."""
    assert record.evidence is not None
    evidence = replace(
        record.evidence,
        command=stage.evidence.command,
        code=stage.evidence.code,
        inputs=tuple(_input(item, stage) for item in record.evidence.inputs),
        outputs=tuple(replace(item, name=stage.named(item.name)) for item in record.evidence.outputs),
    )
    return replace(record, name=name, id=f"run:{name}", git=origin.git, evidence=evidence)


def _kept(record: Record, origin: Record, ledger: LocalLedger) -> Record:
    """Return the record without what is in the temporary folder, which is about to go."""
    before = newest(ledger, origin.id)
    link = Link(Relation.REPRODUCES, origin.id, record=before.hash if before else None)
    seen = record.evidence
    assert seen is not None
    read = (Link(Relation.READ, item.uri, item.tree.sha256 if item.tree else None) for item in seen.inputs)
    evidence = replace(seen, outputs=(), notes=(*seen.notes, *_of_outputs(seen.outputs)))
    return replace(record, evidence=evidence, links=(link, *read))


def _input(item: Data, stage: Stage) -> Data:
    name = stage.named(item.name)
    place = stage.places.get(name)
    if place is None:
        return replace(item, name=name)
    tree = replace(item.tree, path=str(place)) if item.tree else None
    return replace(item, name=name, uri=place.as_uri(), tree=tree)


def _of_outputs(outputs: Sequence[Data]) -> Iterator[str]:
    for item in outputs:
        if item.tree is not None:
            yield (
                f"The output {item.name!r} was written in a temporary folder, hashed and deleted: sha256 "
                f"{item.tree.sha256}."
            )


def _of_failure(record: Record, evidence: Evidence) -> Iterator[str]:
    """Yield why it may have failed: it had only what is on record."""
    if record.status == _COMPLETED:
        return
    yield (
        f"The new run ended with exit status {record.exit_code}; its own words are above. It had the code on "
        "record and the data named with --data, and no other files."
    )
    yield from (note for note in evidence.notes if note.startswith("Not kept with the code"))
