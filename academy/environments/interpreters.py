"""The Python interpreters of this machine, and which one an environment gets.

None is ever downloaded. Looked for, in this order: what the setting ``ACADEMY_PYTHONS`` names
(interpreters, or folders that hold them), the running interpreter, ``PATH``, pyenv's and uv's.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import interpreters_file
from academy.errors import choices
from academy.paths import read_json, write_json

# uv makes environments for these and no older ones.
_OLDEST, _NEWEST = (3, 6), (3, 20)

_FULL_VERSION = re.compile(r"3\.\d+\.\d+")
_UV_FOLDER = re.compile(r"cpython-(3\.\d+\.\d+)-.*")

_PROBE = (
    "import json, platform, sys; print(json.dumps([platform.python_version(), "
    "platform.python_implementation(), getattr(sys, '_is_gil_enabled', lambda: True)()]))"
)


@dataclass(frozen=True)
class Interpreter:
    """A CPython on this machine, by the path of the interpreter itself, not of a link to it."""

    path: Path
    version: str

    @property
    def minor(self) -> str:
        """Its release series, such as ``3.10``."""
        return ".".join(str(part) for part in minor(self.version))


@dataclass(frozen=True)
class Candidate:
    """A path where an interpreter seems to be, and the release series that its name claims."""

    path: Path
    claimed: tuple[int, int]


def minor(version: str) -> tuple[int, int]:
    """Return the release series of a version: ``3.10.13`` is ``(3, 10)``."""
    parts = version.split(".")
    return int(parts[0]), int(parts[1])


def find(version: str) -> Interpreter:
    """Return the interpreter for ``version``: its release series if the machine has it, else the nearest.

    Of two as near, the newer one: it has wheels for more.

    Raises
    ------
    EnvironmentBuildError
        When the machine has no usable interpreter at all.
    """
    wanted = minor(version)
    memory = _Memory(interpreters_file())
    usable = [item for item in candidates(os.environ) if item.claimed >= _OLDEST]
    for candidate in sorted(usable, key=lambda item: _distance(item.claimed, wanted)):
        found = memory.probe(candidate.path)
        if found is not None and minor(found.version) == candidate.claimed:
            return found
    raise EnvironmentBuildError(
        f"There is no Python for environments on this machine (Python {version} is asked for). "
        "Install one, or name interpreters in the setting ACADEMY_PYTHONS."
    )


def known() -> list[Interpreter]:
    """Return all interpreters found, one for each release series, oldest first."""
    memory = _Memory(interpreters_file())
    best: dict[tuple[int, int], Interpreter] = {}
    for candidate in candidates(os.environ):
        if candidate.claimed >= _OLDEST and candidate.claimed not in best:
            found = memory.probe(candidate.path)
            if found is not None and minor(found.version) == candidate.claimed:
                best[candidate.claimed] = found
    return [best[series] for series in sorted(best)]


def difference(wanted: str, interpreter: Interpreter) -> str | None:
    """Return what a job's log says about an interpreter that is not of the series asked for."""
    if minor(wanted) == minor(interpreter.version):
        return None
    there = choices(item.minor for item in known())
    return (
        f"Python {wanted} is asked for and is not on this machine: Python {interpreter.version} is used. "
        f"There are {there}; install another, or name it in the setting ACADEMY_PYTHONS."
    )


class _Memory:
    """What was learnt by asking interpreters, kept in a file: asking costs more than a job's start."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._told = self._read()

    def probe(self, path: Path) -> Interpreter | None:
        """Return the interpreter at ``path``, or None when none of ours answers there."""
        try:
            real = path.resolve(strict=True)
            stat = real.stat()
        except OSError:
            return None
        mark = [stat.st_mtime_ns, stat.st_size]
        told = self._told.get(str(real))
        if told is None or told.get("mark") != mark:
            told = {"mark": mark, "version": _ask(real)}
            self._remember(str(real), told)
        version = told["version"]
        return Interpreter(real, version) if version else None

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return read_json(self._file) or {}
        except (OSError, json.JSONDecodeError):
            return {}

    def _remember(self, key: str, told: dict[str, Any]) -> None:
        # Two processes may learn at the same time; one of them then learns again, which is harmless.
        self._told[key] = told
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, self._told, durable=False)
        except OSError:
            return


def _ask(path: Path) -> str | None:
    """Run the interpreter and return its version; None if it is no CPython with its lock, or fails."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    try:
        answer = subprocess.run(
            [path, "-I", "-S", "-c", _PROBE], capture_output=True, text=True, timeout=20, env=clean
        )
        if answer.returncode != 0:
            return None
        version, implementation, has_lock = json.loads(answer.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    usable = implementation == "CPython" and has_lock and _FULL_VERSION.fullmatch(version)
    return str(version) if usable else None


def _distance(claimed: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, bool]:
    return abs(claimed[1] - wanted[1]), claimed < wanted


def candidates(environment: Mapping[str, str]) -> Iterator[Candidate]:
    """Yield where interpreters seem to be, those to be preferred first; none has been asked."""
    for entry in filter(None, environment.get("ACADEMY_PYTHONS", "").split(os.pathsep)):
        yield from _named(Path(entry).expanduser())
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    for base in (Path(sys.base_prefix, "bin", f"python{running}"), Path(sys.executable)):
        yield Candidate(base, sys.version_info[:2])
    for folder in filter(None, environment.get("PATH", "").split(os.pathsep)):
        # pyenv's shims are scripts that answer differently in each folder.
        if Path(folder).name != "shims":
            yield from _in_folder(Path(folder))
    yield from _pyenv(environment)
    yield from _managed_by_uv(environment)


def _named(entry: Path) -> Iterator[Candidate]:
    if not entry.is_dir():
        # Its name need not tell the version: it is asked.
        version = _Memory(interpreters_file()).probe(entry)
        if version is not None:
            yield Candidate(entry, minor(version.version))
        return
    yield from _in_folder(entry)
    yield from _in_folder(entry / "bin")


def _in_folder(folder: Path) -> Iterator[Candidate]:
    # By name: asking for fifteen names is quicker than listing a folder of thousands.
    for number in range(_OLDEST[1], _NEWEST[1]):
        path = os.path.join(folder, f"python3.{number}")
        if os.access(path, os.X_OK):
            yield Candidate(Path(path), (3, number))


def _pyenv(environment: Mapping[str, str]) -> Iterator[Candidate]:
    roots = [environment.get("PYENV_ROOT"), str(Path.home() / ".pyenv")]
    for root in dict.fromkeys(filter(None, roots)):
        for folder in _listing(Path(root, "versions")):
            if _FULL_VERSION.fullmatch(folder.name):
                yield Candidate(folder / "bin" / "python", minor(folder.name))


def _managed_by_uv(environment: Mapping[str, str]) -> Iterator[Candidate]:
    data = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    root = environment.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    for folder in _listing(Path(root)):
        match = _UV_FOLDER.fullmatch(folder.name)
        if match:
            series = minor(match[1])
            yield Candidate(folder / "bin" / f"python{series[0]}.{series[1]}", series)


def _listing(folder: Path) -> list[Path]:
    """Return what is in ``folder``, the newest version first."""
    try:
        found = list(folder.iterdir())
    except OSError:
        return []
    return sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)], reverse=True)
