"""What the tests of environments share: commands run in them, and tiny packages that need no network."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

from academy.environments.build import BuiltEnvironment

THIS = f"{sys.version_info.major}.{sys.version_info.minor}"

# A build backend that notes that it ran and then waits until it may go on.
_WAITING_BACKEND = """
import pathlib, time, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    with open({began!r}, "a") as file:
        file.write("x")
    while not pathlib.Path({go!r}).exists():
        time.sleep(0.02)
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("{name}.py", "")
        info = "{name}-{version}.dist-info"
        wheel.writestr(info + "/METADATA", "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n")
        wheel.writestr(info + "/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "/RECORD", "")
    return name
"""


def quiet(_line: str) -> None:
    """Take a log line and forget it."""


def run(built: BuiltEnvironment, command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a shell command as a job in the environment would."""
    environment = built.process_environment({**os.environ, **variables})
    return subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, cwd="/")


def wheel(
    folder: Path, name: str, version: str, *, requires: Iterable[str] = (), command: str | None = None
) -> None:
    """Put a wheel with one module of its name into ``folder``, and a ``command`` that prints sys.prefix."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n\ndef main():\n    import sys\n    print(sys.prefix)\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{command} = {name}:main\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
        recorded = "".join(f"{path},{_recorded(text)}\n" for path, text in files.items())
        archive.writestr(f"{info}/RECORD", f"{recorded}{info}/RECORD,,\n")


def _recorded(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(text.encode())}"


def waiting_source(folder: Path, name: str, version: str, *, began: Path, go: Path) -> None:
    """Put a source into ``folder`` whose build adds to ``began`` and lasts until ``go`` is there."""
    backend = _WAITING_BACKEND.format(name=name, version=version, began=str(began), go=str(go))
    files = {
        "pyproject.toml": f'[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
        f'[project]\nname = "{name}"\nversion = "{version}"\n',
        "b.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
    }
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
