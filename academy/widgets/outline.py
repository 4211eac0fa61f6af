"""The steps of a notebook: cells of one ``metadata.academy.step``, under the heading above the first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from academy.labs.manifest import Manifest

_HEADING = re.compile(r"^#{2,4}\s+(.+?)\s*#*$", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """A step's id, and its heading as the notebook has it, with its number if it has one."""

    id: str
    title: str


def steps_of(notebook: Mapping[str, Any], manifest: Manifest) -> tuple[Step, ...]:
    """Return the steps in the notebook's order; last those that only the manifest's tasks name."""
    titles: dict[str, str] = {}
    heading = ""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            heading = next(reversed(_HEADING.findall(text)), heading)
        step = cell["metadata"].get("academy", {}).get("step")
        if step:
            titles.setdefault(step, heading)
    for task in manifest.tasks:
        titles.setdefault(task.step, "")
    return tuple(Step(step, title or step.replace("-", " ").capitalize()) for step, title in titles.items())
