"""From a specification to a folder in the cache that processes can run in.

A folder is built once, whoever asks and however many at once: the first one builds under a lock,
the others wait. ``ready.json`` is written last; a folder without it is what a killed build left, and
is built anew.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from academy.environments import interpreters, uv
from academy.environments.built import BuiltEnvironment, installed, normalised, own
from academy.environments.definition import EnvironmentSpec, LockFile
from academy.environments.errors import EnvironmentBuildError
from academy.environments.folders import EnvironmentFolder
from academy.environments.interpreters import Interpreter
from academy.paths import (
    environment_cache,
    read_json,
    writable_environment_cache,
    write_atomic,
    write_json,
)

__all__ = ["BuiltEnvironment", "build"]

Log = Callable[[str], None]

# Every image of Azure's has them, and `pip install` in a job's command counts on it. Later releases of
# setuptools lack pkg_resources, which many packages of those years import.
_ALWAYS = {"pip": "pip", "setuptools": "setuptools<81"}

_MLFLOW = re.compile(r"mlflow\s*==\s*([\w.]+)\s*(?:;|$)")

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def build(spec: EnvironmentSpec, *, log: Log, cache: Path | None = None) -> BuiltEnvironment:
    """Return the environment, built now if it is not in the cache.

    Raises
    ------
    EnvironmentBuildError
        When it cannot be built; the message holds what uv said and names the package.
    """
    if spec.own:
        return own()
    interpreter = interpreters.find(spec.python)
    folder = _folder(spec.key(interpreter), cache)
    note = interpreters.difference(spec.python, interpreter)
    if note and spec.elsewhere:
        note = f"{note} {spec.elsewhere}"
    if _ready(folder) is None:
        for line in (*spec.notes, *([note] if note else [])):
            log(line)
        _build_once(spec, interpreter, folder, log)
    return BuiltEnvironment(
        name=spec.label,
        root=folder.root,
        python=folder.python,
        minor=interpreter.minor,
        base=interpreter.path,
        site=folder.site_packages(interpreter.minor),
        bins=(folder.bin,),
        variables=spec.variables,
        note=note,
    )


def _folder(key: str, cache: Path | None) -> EnvironmentFolder:
    """Return where the environment is; one that is nowhere yet goes where this user can write."""
    found = EnvironmentFolder((cache or environment_cache()) / key)
    if cache or _ready(found) is not None:
        return found
    return EnvironmentFolder(writable_environment_cache() / key)


def _ready(folder: EnvironmentFolder) -> dict[str, Any] | None:
    """Return the record of a finished build, or None; an interpreter that went away undoes it."""
    return read_json(folder.ready_file) if folder.python.exists() else None


def _build_once(spec: EnvironmentSpec, interpreter: Interpreter, folder: EnvironmentFolder, log: Log) -> None:
    folder.root.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder, log) as held:
        if _ready(folder) is not None:
            log(f"Environment {spec.label} was built in the meantime.")
            return
        shutil.rmtree(folder.root, ignore_errors=True)
        try:
            _build(spec, interpreter, folder, log, held)
        except BaseException:
            shutil.rmtree(folder.root, ignore_errors=True)
            raise


@contextlib.contextmanager
def _locked(folder: EnvironmentFolder, log: Log) -> Iterator[int]:
    """Hold the lock of a folder; wait for whoever has it."""
    descriptor = os.open(folder.lock_file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log("Another process is building this environment: waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _build(
    spec: EnvironmentSpec, interpreter: Interpreter, folder: EnvironmentFolder, log: Log, held: int
) -> None:
    started = time.monotonic()
    log(f"Building environment {spec.label} with Python {interpreter.version} in {folder.root}.")
    lock = spec.lock_for(interpreter)
    above = folder.root.parent
    try:
        venv = ["venv", "--quiet", "--no-project", "--python", str(interpreter.path), str(folder.root)]
        uv.run(venv, directory=above, log=log, held=held)
        options = _installation(spec, interpreter, folder, lock)
        install = ["pip", "install", "--python", str(folder.python), *options]
        if lock is None or not _from_cache(install, above, log, held):
            uv.run(install, directory=above, log=log, held=held)
    except uv.UvFailed as failed:
        raise _build_error(spec, interpreter, failed) from failed
    _unbind_scripts(folder)
    seconds = round(time.monotonic() - started, 2)
    packages = installed(folder.site_packages(interpreter.minor))
    size_mb = _size_mb(folder.root)
    write_json(
        folder.ready_file,
        {
            "spec": spec.to_json(),
            "python": {"version": interpreter.version, "path": str(interpreter.path)},
            "packages": packages,
            "seconds": seconds,
            "size_mb": size_mb,
            "built_at": time.time(),
        },
    )
    log(f"Environment {spec.label} is ready: {len(packages)} packages, {size_mb} MB, {seconds} s.")


def _from_cache(install: list[str], directory: Path, log: Log, held: int) -> bool:
    """Install what a lock pins without asking the network, if uv's cache holds all of it.

    The result is the same, and asking the index about each of 170 packages takes seconds.
    """
    said: list[str] = []
    try:
        uv.run([*install, "--offline"], directory=directory, log=said.append, held=held)
    except uv.UvFailed:
        return False
    for line in said:
        log(line)
    return True


def _installation(
    spec: EnvironmentSpec, interpreter: Interpreter, folder: EnvironmentFolder, lock: LockFile | None
) -> list[str]:
    """Return the options that tell uv what to install, and from where."""
    sources = uv.sources(os.environ)
    if lock is not None:
        if LockFile.of(lock.path) != lock:
            raise EnvironmentBuildError(
                f"The lock file {lock.path} of environment {spec.label!r} changed since the job was "
                "submitted. Submit it again."
            )
        return ["--no-deps", "--require-hashes", "-r", str(lock.path), *sources]
    bundled = _bundled(interpreter)
    if not spec.requirements and bundled:
        # A bare Python: what every Python brings along is enough, and needs no network.
        return ["--no-index", "--find-links", str(bundled), *_bundled_names(bundled)]
    write_atomic(folder.requirements_file, "".join(f"{line}\n" for line in _with_basics(spec)), durable=False)
    # As pip does: the best version of all indexes, not the first index that has the package.
    order = ["--index-strategy", "unsafe-best-match"]
    also = ["--find-links", str(bundled)] if bundled else []
    write_atomic(folder.constraints_file, _constraints(spec), durable=False)
    constraints = ["-c", str(folder.constraints_file)]
    return ["-r", str(folder.requirements_file), *constraints, *order, *spec.options, *sources, *also]


def _with_basics(spec: EnvironmentSpec) -> list[str]:
    named = {normalised(match[1]) for line in spec.requirements if (match := _NAME.match(line))}
    return [*spec.requirements, *(line for name, line in _ALWAYS.items() if name not in named)]


def _constraints(spec: EnvironmentSpec) -> str:
    """Hold ``mlflow-skinny``, which azureml-mlflow needs, to the version of ``mlflow`` that is pinned.

    Both bring the same files: another version of the one breaks the other.
    """
    pins = [match[1] for line in spec.requirements if (match := _MLFLOW.match(line))]
    return f"mlflow-skinny=={pins[0]}\n" if pins else ""


def _bundled(interpreter: Interpreter) -> Path | None:
    """Return the folder of the wheels that come with the interpreter (``ensurepip``), if it has one."""
    library = interpreter.path.parents[1] / "lib" / f"python{interpreter.minor}"
    folder = library / "ensurepip" / "_bundled"
    return folder if any(folder.glob("pip-*.whl")) else None


def _bundled_names(folder: Path) -> list[str]:
    return [name for name in _ALWAYS if any(folder.glob(f"{name}-*.whl"))]


def _unbind_scripts(folder: EnvironmentFolder) -> None:
    """Let the commands run under the first ``python`` on PATH: a job's private one sees what it installed."""
    mine = b"#!" + os.fsencode(folder.python) + b"\n"
    for script in folder.bin.iterdir():
        if script.is_symlink():
            continue
        content = script.read_bytes()
        if content.startswith(mine):
            # Written anew, never in place: the file may be a hard link into uv's cache.
            write_atomic(script, b"#!/usr/bin/env python\n" + content[len(mine) :], mode=0o755, durable=False)


def _size_mb(folder: Path) -> int:
    seen = 0
    for root, _, files in os.walk(folder):
        seen += sum(os.lstat(os.path.join(root, name)).st_size for name in files)
    return seen // 1_000_000


def _build_error(
    spec: EnvironmentSpec, interpreter: Interpreter, failed: uv.UvFailed
) -> EnvironmentBuildError:
    said = _essence(failed.lines)
    text = "\n".join(said)
    return EnvironmentBuildError(
        f"The environment {spec.label!r} cannot be built on Python {interpreter.version}. "
        f"{_culprit(spec, text)}uv says:\n{text}\n{_next_step(text)}",
        target="properties.environmentId",
    )


def _essence(lines: list[str]) -> list[str]:
    """Return uv's lines from its error on; what went well before it is in the build log."""
    starts = [number for number, line in enumerate(lines) if re.match(r"\s*(error|\u00d7)", line)]
    return [line for line in lines[starts[0] if starts else -15 :] if line.strip()]


def _culprit(spec: EnvironmentSpec, text: str) -> str:
    """Return a sentence with the requirements that uv's error speaks of."""
    mentioned = [
        line
        for line in spec.requirements
        if (match := _NAME.match(line))
        and re.search(rf"(?<![\w.-]){re.escape(normalised(match[1]))}(?![\w-])", text.lower())
    ]
    return f"At fault: {', '.join(mentioned)}. " if mentioned else ""


def _next_step(text: str) -> str:
    hints: Mapping[str, str] = {
        "No space left on device": "The disk is full: free space, or move the cache with "
        "ACADEMY_ENVIRONMENT_CACHE and UV_CACHE_DIR.",
        "the network was disabled|connectivity is disabled|dns error|error sending request|timed out": (
            "The package index cannot be reached and the cache does not hold all of it: build once "
            "with a network, or name a folder of wheels in PIP_FIND_LINKS."
        ),
        "was not found in the": "Check the spelling. If conda alone has the package, it cannot be "
        "installed here: packages come from the Python package index.",
        "Failed to build|build backend returned an error": "It has no wheel for this Python and platform "
        "and did not compile: choose a version with a wheel, or another Python.",
        "No solution found": "Loosen the versions that exclude each other, or ask for another Python.",
    }
    found = (hint for pattern, hint in hints.items() if re.search(pattern, text))
    return next(found, "The build log has the rest.")
