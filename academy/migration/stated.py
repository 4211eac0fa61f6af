"""Which packages an environment has, as far as that is known without building it."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from academy.environments import interpreters
from academy.environments.built import BuiltEnvironment, normalised, own
from academy.environments.definition import EnvironmentSpec
from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import EnvironmentFolder
from academy.evidence.evidence import Machine, Package, Software
from academy.migration.report import Host
from academy.migration.versions import pins
from academy.paths import environment_cache, read_json, writable_environment_cache

# Said of what is built for the trial, if there is one.
NOT_BUILT = "; it is not built yet"

_LOCKED = re.compile(r"^[A-Za-z0-9][^\\#\n]*", re.MULTILINE)


@dataclass(frozen=True)
class Stated:
    """The packages of an environment and its Python; ``how`` says how they are known."""

    packages: dict[str, str]
    asked: dict[str, str]
    complete: bool
    python: str
    how: str


def of_spec(spec: EnvironmentSpec) -> Stated:
    """Return what is known of an environment: from the cache when it is built, else from its description."""
    if spec.own:
        return of_built(own(), "the Python that Academy runs in")
    try:
        interpreter = interpreters.find(spec.python)
    except EnvironmentBuildError:
        pinned, limited = pins(spec.requirements)
        return Stated(pinned, limited, False, spec.python, f"what {spec.label} asks for")
    key = spec.key(interpreter)
    for cache in (environment_cache(), writable_environment_cache()):
        ready = read_json(EnvironmentFolder(cache / key).ready_file)
        if ready is not None:
            return Stated(
                dict(ready["packages"]), {}, True, interpreter.version, f"{spec.label} as it was built here"
            )
    lock = spec.lock_for(interpreter)
    if lock is not None:
        lines = _LOCKED.findall(lock.path.read_text(encoding="utf-8"))
        locked, _ = pins(lines, python=interpreter.version)
        return Stated(locked, {}, True, interpreter.version, f"the lock of {spec.label}")
    pinned, limited = pins(spec.requirements)
    return Stated(pinned, limited, False, interpreter.version, f"what {spec.label} asks for{NOT_BUILT}")


def of_built(environment: BuiltEnvironment, how: str) -> Stated:
    """Return what is in an environment that is there."""
    version = _version(environment)
    return Stated(environment.packages(), {}, True, version, how)


def of_software(software: Software) -> Stated:
    """Return what a record says."""
    packages = by_name((*software.packages, *software.own_packages))
    return Stated(packages, {}, True, software.python, "its record")


def by_name(packages: Iterable[Package]) -> dict[str, str]:
    """Return name → version; of two, the later one, which the run put over the shared one."""
    return {normalised(package.name): package.version for package in packages}


def host(machine: Machine) -> Host:
    """Return what of a machine matters for a move."""
    return Host(
        machine.system,
        machine.distribution,
        machine.architecture,
        machine.cores,
        machine.memory_bytes,
        machine.gpus,
    )


def _version(environment: BuiltEnvironment) -> str:
    if environment.python == Path(sys.executable):
        return platform.python_version()
    for interpreter in interpreters.known():
        if interpreter.path == environment.base.resolve():
            return interpreter.version
    return environment.minor
