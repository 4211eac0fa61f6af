"""The document of a job that repeats another one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from academy.jobs.fresh import FRESH_ENVIRONMENT, REPRODUCES, FreshEnvironment
from academy.store.documents import Body

# What is taken over as it is. Status, services and whatever else the service reported are not.
_KEPT = (
    "jobType", "command", "codeId", "environmentId", "computeId", "inputs", "limits", "environmentVariables",
    "resources", "identity", "queueSettings", "description", "experimentName", "tags",
)  # fmt: skip

# Of an output: what kind of thing it is. Where it lay, and as what it was registered, stays the original's.
_OUTPUT_KEPT = ("jobOutputType", "mode")

# Facts about the code, which is the same; all other properties are about the original's run.
_CODE_FACTS = re.compile(r"(azureml|mlflow\.source)\.git\..*")

# The service's own output, which every job gets.
_DEFAULT_OUTPUT = "default"

_LONGEST_ORIGINAL = 180
_SUFFIX = re.compile(r"-reproduced-\d+$")


def names(original: str) -> Iterator[str]:
    """Yield the names that a repetition of a job may have, in order."""
    number = 1
    while True:
        yield f"{stem(original)}-reproduced-{number}"
        number += 1


def stem(original: str) -> str:
    """Return what the names of all repetitions begin with; those of a repetition are of its original."""
    return _SUFFIX.sub("", original)[:_LONGEST_ORIGINAL]


def repetition(
    original: Mapping[str, Any], *, id: str, fresh: FreshEnvironment | None, compute: bool = True
) -> Body:
    """Return the properties of a job that does what ``original`` did.

    Parameters
    ----------
    id
        The id of the original.
    fresh
        The environment to build for it; None: it runs in Academy's own Python.
    compute
        Whether its compute is still there; otherwise the new one is serverless.
    """
    kept = {key: original[key] for key in _KEPT if original.get(key) not in (None, {}, [])}
    if not compute:
        kept.pop("computeId", None)
    said = {key: value for key, value in (original.get("properties") or {}).items() if _CODE_FACTS.match(key)}
    said[REPRODUCES] = id
    if fresh is not None:
        said[FRESH_ENVIRONMENT] = fresh.to_property()
    shown = original.get("displayName") or id.rpartition("/")[2]
    return {**kept, "outputs": _outputs(original), "properties": said, "displayName": f"{shown} (reproduced)"}


def _outputs(original: Mapping[str, Any]) -> Body:
    given = original.get("outputs") or {}
    return {
        name: {key: output[key] for key in _OUTPUT_KEPT if output.get(key) is not None}
        for name, output in given.items()
        if name != _DEFAULT_OUTPUT
    }
