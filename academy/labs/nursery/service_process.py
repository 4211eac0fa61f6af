"""The service, in a process that the nursery forked."""

from __future__ import annotations

import sys
from typing import Any

from academy.labs.nursery.death import name_process
from academy.service import server


def serve(argument: dict[str, Any], report_fd: int) -> None:
    """Be the service of a home, as ``python -m academy.service`` is."""
    name_process("academy-service")
    command = ["--home", argument["home"], "--report-fd", str(report_fd)]
    if argument["port"] is not None:
        command += ["--port", str(argument["port"])]
    sys.argv = ["academy.service", *command]
    server.main()
