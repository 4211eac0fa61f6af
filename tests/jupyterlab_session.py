"""A learner's JupyterLab, started as they start it: ``academy lab open``, with two labs and a new home."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from academy.labs.collection import Collection
from academy.labs.scaffold import new_lab
from academy.paths import Home
from academy.service.process import down

FIRST, SECOND = "90-count-days", "91-count-weeks"
TITLE, SECOND_TITLE = "Count the days", "Count the weeks"
START_TIMEOUT_S = 60.0

# The command, in an environment of its own as far as installing goes.
_ACADEMY = "import sys; sys.prefix = sys.argv.pop(1); from academy.cli import main; main()"


@dataclass(frozen=True)
class JupyterLab:
    """One that runs."""

    root: Path
    port: int
    token: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> Home:
        return Home(self.root / "home")

    @property
    def collection(self) -> Collection:
        return Collection(self.root / "labs")

    @property
    def log(self) -> str:
        return (self.root / "log").read_text()

    def academy(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an academy command as the same learner."""
        return subprocess.run(
            _command(self.root, *arguments),
            env=_environment(self.root),
            capture_output=True,
            text=True,
            timeout=60,
        )


@contextmanager
def jupyterlab(root: Path) -> Iterator[JupyterLab]:
    """Start it, and end it with its kernels and the service that it started."""
    _write_labs(Collection(root / "labs"))
    (root / "academy").mkdir()  # where they start it, a folder has the package's name, as a clone has
    port = _free_port()
    command = _command(root, "lab", "open", "--no-browser", "--port", str(port))
    with (root / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=root, env=_environment(root), stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield JupyterLab(root, port, _token(root / "log", port, process))
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()
            down(Home(root / "home"))


def _write_labs(collection: Collection) -> None:
    new_lab(collection, FIRST, title=TITLE)
    manifest = new_lab(collection, SECOND, title=SECOND_TITLE).folder / "lab.yml"
    text = manifest.read_text().replace("prerequisites: []", f"prerequisites: [{FIRST}]")
    manifest.write_text(text.replace("level: 100", "level: 200"))


def _command(root: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-c", _ACADEMY, str(root / "prefix"), *arguments]


def _environment(root: Path) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ACADEMY_", "JUPYTER"))}
    return {
        **own,
        "ACADEMY_HOME": str(root / "home"),
        "ACADEMY_LABS": str(root / "labs"),
        "ACADEMY_LANGUAGE": "en",
        "IPYTHONDIR": str(root / "ipython"),
        "JUPYTER_PATH": str(root / "prefix" / "share" / "jupyter"),
        "JUPYTER_CONFIG_PATH": str(root / "prefix" / "etc" / "jupyter"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "JUPYTER_DATA_DIR": str(root / "data"),
        "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _token(log: Path, port: int, process: subprocess.Popen[bytes]) -> str:
    """Return the token from the address that is printed when the server answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        found = re.search(rf"http://127\.0\.0\.1:{port}/academy/page\?token=(\w+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()}")
