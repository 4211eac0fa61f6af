"""The software that something ran on: of an environment that was built, or of any other Python."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.environments.built import BuiltEnvironment
from academy.environments.definition import EnvironmentSpec
from academy.environments.folders import EnvironmentFolder
from academy.environments.interpreters import Interpreter
from academy.errors import AcademyError
from academy.evidence.credentials import printable, without_users
from academy.evidence.evidence import Package, Software
from academy.evidence.kept_packages import kept_packages
from academy.evidence.notes import Notes
from academy.evidence.packages import packages

# A Python on a network drive, with nothing in memory yet, takes seconds to start.
_PATIENCE_S = 60.0

_PROBE = (
    "import json, platform, sys, sysconfig; print(json.dumps({'python': platform.python_version(), "
    "'implementation': platform.python_implementation(), 'executable': sys.executable, "
    "'site': sysconfig.get_path('purelib'), 'path': sys.path}))"
)


class InterpreterSilent(AcademyError):
    """A Python does not say what it is: it is none, cannot be run, or takes too long."""

    code = "InterpreterSilent"


@dataclass(frozen=True)
class _Base:
    """The Python that an environment is made of, and the one by which it can be looked at later."""

    version: str
    implementation: str
    executable: Path


def of_built(
    built: BuiltEnvironment, spec: EnvironmentSpec, shared: tuple[Package, ...] | None = None
) -> Software:
    """Return what is in a built environment, with what was installed into its private folder, if it has one.

    ``shared`` are the packages of the shared one, where they are known already.

    Raises
    ------
    OSError
        When its packages cannot be read.
    """
    base = _base(built)
    lock = spec.lock_for(Interpreter(built.base, base.version))
    return Software(
        python=base.version,
        implementation=base.implementation,
        executable=printable(str(base.executable)),
        site=printable(str(built.site)),
        packages=kept_packages(built.site) if shared is None else shared,
        own_packages=_own_packages(built),
        lock_sha256=lock.sha256 if lock else None,
        **_asked_for(spec),
    )


def known(
    built: BuiltEnvironment | None,
    spec: EnvironmentSpec,
    notes: Notes,
    shared: tuple[Package, ...] | None = None,
) -> Software:
    """Return what is known of an environment that may not be there, or not be readable."""
    if built is None:
        notes.add("The environment was not built: what would have been in it is not known.")
        return of_unbuilt(spec)
    found = notes.tried("The environment", lambda: of_built(built, spec, shared))
    return found or of_unbuilt(spec)


def of_unbuilt(spec: EnvironmentSpec) -> Software:
    """Return what is known of an environment that there is none of: what was asked for."""
    return Software(spec.python, "", "", "", packages=(), **_asked_for(spec))


def of_python(executable: Path) -> Software:
    """Return what another Python has: all packages on its path, the first of each name.

    Raises
    ------
    InterpreterSilent
        When it does not answer.
    """
    told = _told(executable)
    there = {folder: packages(folder) for folder in _folders(told["path"])}
    found: dict[str, Package] = {}
    for package in itertools.chain.from_iterable(there.values()):
        found.setdefault(package.name, package)
    sites = tuple(printable(str(folder)) for folder, held in there.items() if held)
    site = printable(told["site"])
    return Software(
        python=told["python"],
        implementation=told["implementation"],
        executable=printable(told["executable"] or str(executable)),
        site=site,
        packages=tuple(found[name] for name in sorted(found)),
        sites=sites if sites != (site,) else (),
    )


def _base(built: BuiltEnvironment) -> _Base:
    if built.site == Path(sysconfig.get_path("purelib")):
        return _Base(platform.python_version(), platform.python_implementation(), Path(sys.executable))
    # The private folder of a job is deleted when it has ended; the shared one stays.
    folder = EnvironmentFolder(built.site.parents[2])
    python = folder.python if folder.python.exists() else built.python
    return _Base(_version(folder.root) or built.minor, "CPython", python)


def _version(root: Path) -> str | None:
    """Return the version that a virtual environment notes of its Python."""
    with contextlib.suppress(OSError):
        for line in (root / "pyvenv.cfg").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "version_info":
                return value.strip()
    return None


def _own_packages(built: BuiltEnvironment) -> tuple[Package, ...]:
    own = EnvironmentFolder(built.root).site_packages(built.minor)
    return packages(own) if own != built.site and own.is_dir() else ()


def _asked_for(spec: EnvironmentSpec) -> dict[str, Any]:
    return {
        "environment": printable(spec.label),
        "image": spec.image,
        "requirements": tuple(printable(without_users(line)) for line in spec.requirements),
    }


def _folders(path: Iterable[str]) -> Iterable[Path]:
    return (Path(item) for item in dict.fromkeys(path) if item and os.path.isdir(item))


def _told(executable: Path) -> dict[str, Any]:
    try:
        answer = subprocess.run(
            # In a folder where no file can be taken for a module of the standard library.
            [str(executable), "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            cwd="/",
        )
        told: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise InterpreterSilent(
            f"{executable} does not say which packages it has ({type(error).__name__}). Name a Python that "
            "can be run, such as the one of your virtual environment."
        ) from error
    return told
