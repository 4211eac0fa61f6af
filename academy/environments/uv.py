"""Running ``uv``, the installer that comes with Academy."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from uv import find_uv_bin

# How much of uv's output an error repeats.
_LAST_LINES = 40

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class UvFailed(Exception):
    """uv ended with an error; ``lines`` are the last that it wrote."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = list(lines)


def run(arguments: Sequence[str], *, directory: Path, log: Callable[[str], None], held: int) -> None:
    """Run uv to its end and pass on each line that it writes.

    Parameters
    ----------
    held
        A descriptor of the lock file. uv inherits it, so that the lock holds for as long as uv
        lives, even when this process is killed: nobody removes a folder that uv still writes to.

    Raises
    ------
    UvFailed
        When uv ends with an error.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    process = subprocess.Popen(
        [find_uv_bin(), *arguments],
        cwd=directory,
        env=_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(held,),
        text=True,
        errors="replace",
        process_group=0,
    )
    with process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                text = _COLOURS.sub("", line.rstrip())
                last.append(text)
                log(text)
        except BaseException:
            # With what it has started: a package that is being compiled would go on without it.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode != 0:
        raise UvFailed(last)


def sources(environment: Mapping[str, str]) -> list[str]:
    """Return the options for where packages come from, as pip's own settings name it.

    uv does not read pip's settings; a machine that needs a mirror or a folder of wheels says so in
    them. Settings of uv's own win.
    """
    options: list[str] = []
    if not any(name in environment for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        options += _each("--default-index", environment.get("PIP_INDEX_URL"))
    if not any(name in environment for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL")):
        options += _each("--index", environment.get("PIP_EXTRA_INDEX_URL"))
    options += _each("--find-links", environment.get("PIP_FIND_LINKS"))
    if environment.get("PIP_NO_INDEX", "").lower() in {"1", "true", "yes", "on"}:
        options.append("--no-index")
    return options


def _each(option: str, values: str | None) -> list[str]:
    return [part for value in (values or "").split() for part in (option, value)]


def _environment(base: Mapping[str, str]) -> dict[str, str]:
    # A virtual environment or project that Academy happens to run in is none of uv's business here.
    foreign = {"VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV", "PYTHONPATH", "PYTHONHOME", "UV_PYTHON"}
    environment = {name: value for name, value in base.items() if name not in foreign}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    environment["UV_NO_PROGRESS"] = "1"
    environment["NO_COLOR"] = "1"
    environment.setdefault("UV_LINK_MODE", "hardlink")
    if "PIP_CERT" in base:
        environment.setdefault("SSL_CERT_FILE", base["PIP_CERT"])
    return environment
