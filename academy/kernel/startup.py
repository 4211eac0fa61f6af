"""The extension that the Academy kernel loads by itself, before the first cell.

It prints nothing when all is well, so that a notebook's outputs are what they are on Azure.
"""

from __future__ import annotations

import sys
from typing import Any

from academy.errors import AcademyError
from academy.kernel.extension import open_session


def load_ipython_extension(shell: Any) -> None:
    """Do what ``%load_ext academy`` does; a service that cannot be started leaves a plain kernel."""
    try:
        open_session(shell)
    except AcademyError as error:
        _say_before_first_cell(shell, error.message)


def _say_before_first_cell(shell: Any, reason: str) -> None:
    # What is printed while a kernel starts belongs to no cell, and no notebook shows it.
    def say(_info: Any) -> None:
        shell.events.unregister("pre_run_cell", say)
        sys.stderr.write(
            f"Academy is not there: {reason}\n"
            "This is a plain Python kernel until '%load_ext academy' works.\n"
        )

    shell.events.register("pre_run_cell", say)
