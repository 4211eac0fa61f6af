"""A home, and so a service, for each submission that nbgrader grades.

nbgrader grades one submission after the other in one process, and its kernels inherit the environment.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from academy.paths import Home
from academy.service.process import down

_PREFIX = "academy-nbgrader-"


def begin(**_submission: Any) -> None:
    """Give the notebook that comes next a home of its own."""
    end()  # the one before may have failed
    os.environ["ACADEMY_HOME"] = tempfile.mkdtemp(prefix=_PREFIX)


def end(**_submission: Any) -> None:
    """End the service of the notebook that was graded, and remove its home."""
    home = Path(os.environ.get("ACADEMY_HOME", ""))
    if home.name.startswith(_PREFIX):
        down(Home(home))
        shutil.rmtree(home, ignore_errors=True)
        del os.environ["ACADEMY_HOME"]
