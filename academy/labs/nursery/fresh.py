"""New Pythons for the nursery, which find no module in the folder that they begin in."""

from __future__ import annotations

import sys

# What ``-P`` would do, but for its flag: a fork has it too, and a kernel that has it finds no module that
# lies beside its notebook.
_PROGRAM = "import sys; sys.path[:] = filter(None, sys.path); from {module} import main; main()"


def command(module: str) -> list[str]:
    """Return the command that calls the module's ``main``, to which arguments can be added."""
    return [sys.executable, "-c", _PROGRAM.format(module=module)]
