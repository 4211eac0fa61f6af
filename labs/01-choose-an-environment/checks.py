"""What the learner has reached in lab 01: needs and reports in the notebook, the model in the workspace."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from academy.errors import InvalidField
from academy.evidence.digests import tree
from academy.labs.checks import Facts, NotYet, check
from academy.matrix import Needs, recommend

# The package of which the model and the plant's server have versions that do not go together.
CONFLICT = "scikit-learn"

# Where each story leads, and what it says: the field, its value, and the words that say so.
STORIES: dict[str, tuple[str, list[tuple[str, Any, str]]]] = {
    "laboratory": (
        "developer",
        [
            ("stage", "training", "a first model is made there"),
            ("data", "on_premises", "the measurements may not leave the house"),
            ("operator", "owner", "the computer is hers to set up"),
            ("budget", "own_machines", "nothing can be rented"),
        ],
    ),
    "association": (
        "hosted",
        [
            ("stage", "training", "models are made there"),
            ("data", "tenant", "the data may be in the association's own subscription"),
            ("operator", "platform", "nobody there wants to look after machines"),
            ("budget", "pay_per_use", "they pay for what they use"),
        ],
    ),
    "plant": (
        "unmanaged",
        [
            ("stage", "inference", "a model answers there"),
            ("data", "on_premises", "the hall has no connection"),
            ("operator", "owner", "the plant runs the server itself"),
            ("traffic", "steady", "bottles come all day"),
            ("latency", "interactive", "the next bottle waits for the answer"),
            ("offline", True, "the hall has no connection"),
        ],
    ),
}


@check("place-situations", parts=3)
def place_situations(facts: Facts) -> None:
    situations = facts.value("situations")
    if not isinstance(situations, Mapping):
        raise NotYet(
            "a dictionary of the three situations",
            situations,
            "Write situations = {…} with laboratory, association and plant.",
        )
    for name, (cell, said) in STORIES.items():
        _place(facts, situations.get(name), name, cell, said)


def _place(facts: Facts, given: Any, name: str, cell: str, said: list[tuple[str, Any, str]]) -> None:
    if not isinstance(given, Mapping) or not given:
        facts.expect(
            False,
            expected=f"the needs of the {name}, as a dictionary",
            found="nothing under this name" if given is None else given,
            advice=f"Write the fields that the story tells under {name!r}, the stage first.",
        )
        return
    try:
        needs = Needs.from_mapping(given, name)
    except InvalidField as error:
        facts.expect(False, expected=f"needs of the {name} that go together", found=error.message)
        return
    missed = [one for one in said if getattr(needs, one[0]) != one[1]]
    if missed:
        field, value, words = missed[0]
        found = getattr(needs, field)
        facts.expect(
            False,
            expected=f"{field}: {_shown(value)} for the {name}",
            found="not said" if found is None else f"{field}: {_shown(found)}",
            advice=f"The story says that {words}.",
        )
        return
    best = recommend(needs).best
    facts.expect(
        best is not None and best.id == cell,
        expected=f"the {name} in the cell {cell}",
        found=best.id if best else "no cell that fits",
        advice="Look at the reasons that the cell above shows: a field says more than the story does.",
    )


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, bool) else f"{str(value)!r}"


@check("read-record", parts=2)
def read_record(facts: Facts) -> None:
    body = _dictionary(facts, "body")
    accuracy, logged = facts.value("accuracy"), body["metrics"]["accuracy"]
    facts.expect(
        isinstance(accuracy, float) and abs(accuracy - logged) < 1e-9,
        expected=f"the accuracy on record, {logged:.3f}",
        found=accuracy,
        advice="Take it from body, by the metric's name.",
    )
    packages = {one["name"]: one["version"] for one in body["evidence"]["software"]["packages"]}
    answered = facts.call("version_of", "scikit-learn")
    facts.expect(
        answered == packages["scikit-learn"],
        expected=f"version_of('scikit-learn') to be {packages['scikit-learn']}",
        found=answered,
        advice="Look for the package whose name is the one that version_of is given.",
    )


@check("register-from-run", parts=3)
def register_from_run(facts: Facts) -> None:
    name = facts.value("model_name")
    outputs = _dictionary(facts, "body")["evidence"]["outputs"]
    versions = list(facts.ml_client.models.list(name=name))
    facts.require(
        versions,
        expected=f"a model named {name}",
        found="none",
        advice="Give Model(name=model_name, …) to ml_client.models.create_or_update.",
    )
    version = str(max(int(one.version) for one in versions))
    model = facts.ml_client.models.get(name, version=version)
    facts.expect(
        model.type == "mlflow_model",
        expected="a model of the type mlflow_model",
        found=model.type,
        advice="Give type=AssetTypes.MLFLOW_MODEL: only then its packages and its sample are known.",
    )
    # The SDK prints where it writes, which is of no use to who reads the check's result.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        facts.ml_client.models.download(name, version=version, download_path=folder)
        content = [tree(marker.parent).sha256 for marker in Path(folder).rglob("MLmodel")]
    facts.expect(
        content == [one["tree"]["sha256"] for one in outputs],
        expected="the same files that the run wrote, by their hash",
        found="other files" if content else "no model of MLflow's",
        advice="Give path=model_folder. Was the training run again? Then register the model again, too.",
    )


@check("name-conflict", parts=2)
def name_conflict(facts: Facts) -> None:
    report = _dictionary(facts, "report")
    ends = [report[end]["packages"].get(CONFLICT) for end in ("origin", "goal")]
    answered = facts.call("blocking", report)
    facts.require(
        isinstance(answered, Mapping) and list(answered) == [CONFLICT],
        expected=f"the name of the one package that blocks, {CONFLICT}, and no other",
        found=answered,
        advice="Leave out the differences of any other severity.",
    )
    versions = answered[CONFLICT]
    facts.expect(
        isinstance(versions, list | tuple) and list(versions) == ends,
        expected=f"both versions of {CONFLICT}, {' and '.join(map(str, ends))}",
        found=answered,
        advice="The version that it was made with comes first: origin, then goal.",
    )


@check("mend-server", parts=3)
def mend_server(facts: Facts) -> None:
    mended = _dictionary(facts, "mended")
    made_with, there = (mended[end]["packages"].get(CONFLICT) for end in ("origin", "goal"))
    facts.expect(
        made_with == there,
        expected=f"{CONFLICT} {made_with} at the goal, as the model was made with",
        found=there or "none",
        advice="Put the lines of the model's requirements.txt under packages in mended.yml.",
    )
    facts.expect(
        mended["trial"]["outcome"] == "equal",
        expected="the same answers at both ends",
        found=f"the trial: {mended['trial']['outcome']}",
        advice=mended["trial"]["text"],
    )
    facts.expect(
        mended["verdict"] in ("ready", "ready after tests"),
        expected="a move that nothing blocks",
        found=mended["verdict"],
        advice="mended['reasons'] says what is left.",
    )


@check("find-change", parts=2)
def find_change(facts: Facts) -> None:
    noticed = facts.value("noticed")
    facts.require(
        isinstance(noticed, Mapping) and "what" in noticed and "text" in noticed,
        expected="one mismatch, with what and text",
        found=noticed,
        advice="Take the first of the mismatches that verified_with_change returns.",
    )
    facts.expect(
        noticed["what"] == "output" and "model" in str(noticed["text"]),
        expected="a mismatch of an output, the model",
        found=f"{noticed['what']}: {noticed['text']}",
        advice="Change a file in model_folder.",
    )


def _dictionary(facts: Facts, name: str) -> dict[str, Any]:
    """Return a dictionary that a given cell of the notebook made."""
    value = facts.value(name)
    if not isinstance(value, dict) or not value:
        raise NotYet(f"the dictionary {name} that a cell above makes", value, "Run that cell again.")
    return value
