"""Where one submission is graded: folders of its own, and what may be read and written in them."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from academy.labs.confinement import Confinement
from academy.labs.grading.removal import remove
from academy.labs.manifest import Limits
from academy.paths import Home


@dataclass(frozen=True)
class Room:
    """Folders of one submission. The kernel writes below ``kernel``, the service and its jobs below ``home``.

    What the grader needs of them is copied to ``aside``, which neither of them can see.
    """

    root: Path

    @property
    def kernel(self) -> Path:
        return self.root / "kernel"

    @property
    def lab(self) -> Path:
        """The learner's edition, where the notebook runs."""
        return self.kernel / "lab"

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def aside(self) -> Path:
        return self.root / "aside"

    @property
    def noted(self) -> Home:
        """What the supervisor noted of the service when it started: its address and its token.

        It looks to ``connect`` like the home itself, whose own files the learner's jobs may write.
        """
        return Home(self.aside / "service")

    def kernels(self, limits: Limits) -> Confinement:
        """Return what confines the kernel: it reads its home's token, and writes in its own folder."""
        return Confinement((self.home.root,), (self.kernel,), limits.memory_gb, limits.processes)

    def services(self, limits: Limits) -> Confinement:
        """Return what confines the service, and with it the jobs that it runs for the learner."""
        return Confinement((self.lab,), (self.home.root,), limits.memory_gb, limits.processes)

    def variables(self, lab_id: str) -> Mapping[str, str]:
        """Return what the submission's processes find in their environment beside the machine's own."""
        return {
            "ACADEMY_HOME": str(self.home.root),
            "ACADEMY_LAB": lab_id,
            "ACADEMY_WORK": str(self.kernel),
            # Two submissions at a time share the machine's cores; results do not hang on how many.
            "OMP_NUM_THREADS": "1",
        }


@contextlib.contextmanager
def room(above: Path | None = None) -> Iterator[Room]:
    """Make a room below ``above`` (a folder for temporary files), and remove it afterwards."""
    made = Room(Path(tempfile.mkdtemp(prefix=f"academy-grade-{secrets.token_hex(4)}-", dir=above)).resolve())
    try:
        for folder in (made.kernel, made.home.root, made.aside):
            folder.mkdir(mode=0o700)
        yield made
    finally:
        remove(made.root)
