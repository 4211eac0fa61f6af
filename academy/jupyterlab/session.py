"""A learner's JupyterLab: which process it is, or which one runs already."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import psutil
from jupyter_core.paths import jupyter_runtime_dir

from academy.paths import Home, read_json
from academy.service.process import PortTaken

LOOPBACK = "127.0.0.1"

# Turned off in a learner's session, though the environment may have it: JupyterLab's question about news,
# which come from the network, and nbgrader, which is for instructors and looks for a course.
_CONFIG = Path(__file__).parent / "session_config"


@dataclass(frozen=True)
class Session:
    """JupyterLab with the learner's work folder as its root, and the labs page or a notebook in front."""

    home: Home
    notebook: Path | None = None

    @property
    def page(self) -> str:
        """What the browser opens, below the server's address."""
        if self.notebook is None:
            return "/academy/page"
        return f"/lab/tree/{quote(self.notebook.relative_to(self.home.work).as_posix())}"

    def running(self) -> str | None:
        """Return the address of the session that runs already, with its token."""
        # What Jupyter Server writes of itself; asking it for this list would take a second of imports.
        for file in Path(jupyter_runtime_dir()).glob("jpserver-*.json"):
            info = read_json(file)
            if info and info["root_dir"] == str(self.home.work.resolve()) and psutil.pid_exists(info["pid"]):
                token = urlencode({"token": info["token"]})
                return f"{info['url'].rstrip('/')}{self.page}?{token}"
        return None

    def command(self, *, port: int | None = None, browser: bool = True) -> list[str]:
        """Return the command line that starts it: on this machine only, and with a token.

        Raises
        ------
        PortTaken
            Something else listens on ``port``.
        """
        command = [
            *(sys.executable, "-P", "-m", "jupyterlab", "--log-level=WARN"),
            f"--ServerApp.ip={LOOPBACK}",
            f"--ServerApp.root_dir={self.home.work.resolve()}",
            f"--LabApp.default_url={self.page}",
            "--LabApp.news_url=None",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]
        if port is not None:
            _refuse_taken(port)
            command += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
        if not browser:
            command.append("--no-browser")
        if os.geteuid() == 0:
            command.append("--allow-root")  # in a container; whoever can reach loopback there is root too
        return command

    def environment(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of the process: ``own``, with this home for the kernels that it starts."""
        paths = [str(_CONFIG), *filter(None, [own.get("JUPYTER_CONFIG_PATH")])]
        return {**own, "ACADEMY_HOME": str(self.home.root), "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} is taken. Choose another --port, or leave it out for a free one."
            ) from error
