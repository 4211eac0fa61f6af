"""What one run has to itself: folders, a home, a service, a kernel, and who watches how much they use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.labs.collection import Lab
from academy.labs.confinement import Confinement, Watch
from academy.labs.manifest import Limits
from academy.labs.nursery import Nursery
from academy.labs.nursery.kernel import warm_kernels
from academy.paths import Home

# Set for one lab or home; a run has its own, or must not have any.
_OWN = ("ACADEMY_HOME", "ACADEMY_WORK", "ACADEMY_LAB", "ACADEMY_LABS", "ACADEMY_LANGUAGE", "JPY_SESSION_NAME")
_POINTED = ("MLFLOW_", "AZUREML_", "IDENTITY_", "MSI_")


@dataclass(frozen=True)
class Surroundings:
    """Where one run takes place; ``kernels`` is its class of kernel managers.

    ``watch`` looks at the service and the kernel together, and all that they started.
    """

    kernels: Any
    cwd: Path
    watch: Watch


@contextmanager
def surroundings(root: Path, lab: Lab, limits: Limits, nursery: Nursery) -> Iterator[Surroundings]:
    """Start a service in a home below ``root``; in the end, end it, its jobs and all that was started."""
    home = Home(root / "home")
    env = _environment(root, home, lab)
    # Labs are run as they are, in no sandbox; the limits are looked at from outside.
    confinement = Confinement((), (root,), limits.memory_gb, limits.processes)
    nursery.service(home, env=env)
    try:
        with Watch(nursery.service_child(home).root, confinement) as watch:
            yield Surroundings(warm_kernels(nursery, env=env), lab.notebook.parent, watch)
    finally:
        nursery.down(home)


def stage(lab: Lab, root: Path) -> Lab:
    """Copy a lab of a collection to where a run may write: the same layout, other labs beside it as links."""
    notebooks, labs = root / "notebooks", root / "labs"
    notebooks.mkdir()
    labs.mkdir()
    shutil.copytree(lab.folder, labs / lab.id)
    for other in lab.folder.parent.iterdir():
        if other.name != lab.id:
            (labs / other.name).symlink_to(other)
    return Lab(lab.id, notebooks / lab.notebook.name, labs / lab.id)


def _environment(root: Path, home: Home, lab: Lab) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in _OWN and not name.startswith(_POINTED)
    }
    temporary = root / "tmp"
    temporary.mkdir()
    return {
        **kept,
        "ACADEMY_HOME": str(home.root),
        "ACADEMY_WORK": str(root / "work"),
        "ACADEMY_LAB": lab.id,
        "ACADEMY_LANGUAGE": "en",  # stored outputs are
        "TMPDIR": str(temporary),
    }
