"""The evidence of one run, as one frozen value. A supervisor writes it before the run's record.

Hashes are SHA-256 in hexadecimal. Sizes are in bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from academy.paths import read_json, write_atomic

# A tree's hash covers all its files; more than these are not listed one by one.
FILES_LISTED = 1000


@dataclass(frozen=True)
class Gpu:
    """One accelerator, and the driver that it ran with."""

    name: str
    driver: str
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Machine:
    """The hardware and the operating system."""

    host: str
    system: str
    release: str
    distribution: str
    architecture: str
    processor: str
    cores: int
    memory_bytes: int
    gpus: tuple[Gpu, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Machine:
        return cls(**{**value, "gpus": tuple(Gpu(**gpu) for gpu in value["gpus"])})


@dataclass(frozen=True)
class Package:
    """One installed distribution.

    ``sha256`` is over the sorted lines ``path,hash`` of its own list of files (RECORD), those outside of
    ``site-packages`` and those that the installer wrote left out: the same wheel gives the same hash wherever
    it is installed. None when it has no such list. ``origin`` is where it came from when that was no index.
    """

    name: str
    version: str
    sha256: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class Software:
    """The Python, the environment by name, and every package in it.

    ``site`` is where packages are installed; ``sites`` are all folders where some lay, in the order in which
    Python looks, where there are more (PYTHONPATH, a system's packages). ``own_packages`` are those that the
    run installed for itself. ``lock_sha256`` is that of the environment's lock file, if it had one.
    ``requirements`` is what the environment asked for; ``image`` the container image that it names.
    """

    python: str
    implementation: str
    executable: str
    site: str
    packages: tuple[Package, ...]
    own_packages: tuple[Package, ...] = ()
    environment: str | None = None
    environment_id: str | None = None
    image: str | None = None
    requirements: tuple[str, ...] = ()
    lock_sha256: str | None = None
    sites: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """Where its packages lay, in the order in which Python looks; nothing when it was never built."""
        return self.sites or ((self.site,) if self.site else ())

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Software:
        packages = {
            name: tuple(Package(**item) for item in value[name]) for name in ("packages", "own_packages")
        }
        # Evidence from before there were several has no sites.
        texts = {name: tuple(value.get(name, ())) for name in ("requirements", "sites")}
        return cls(**{**value, **packages, **texts})


@dataclass(frozen=True)
class FileHash:
    """One file of a tree, by its name below the tree's root."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Tree:
    """A file or a folder and what was in it.

    For one file, ``sha256`` is the file's own. For a folder it is over the lines ``sha256  name`` of all
    files, sorted by name, as ``sha256sum`` prints them. ``files`` lists at most ``FILES_LISTED``.
    """

    path: str
    sha256: str
    size: int
    count: int
    files: tuple[FileHash, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Tree:
        return cls(**{**value, "files": tuple(FileHash(**item) for item in value["files"])})


@dataclass(frozen=True)
class Git:
    """Where code came from. ``dirty`` None: not known."""

    commit: str
    repository: str | None = None
    branch: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True)
class Data:
    """One input or output: a literal has a ``value``, data a ``uri`` and, where it was looked at, a tree."""

    name: str
    kind: str
    uri: str = ""
    value: str | None = None
    tree: Tree | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Data:
        return cls(**{**value, "tree": Tree.from_json(value["tree"]) if value["tree"] else None})


@dataclass(frozen=True)
class Evidence:
    """All that was seen of one run. ``notes`` say what could not be looked at, and why.

    ``command`` is the command line as it ran, placeholders filled in. ``variables`` are the names of the
    environment variables that the document sets; their values may be secrets and are left out.
    """

    machine: Machine
    software: Software
    command: str | None = None
    code: Tree | None = None
    model: Tree | None = None
    inputs: tuple[Data, ...] = ()
    outputs: tuple[Data, ...] = ()
    notes: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON values."""
        value: dict[str, Any] = _json(self)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Evidence:
        """Return the evidence that ``to_json`` wrote."""
        trees = {name: Tree.from_json(value[name]) if value[name] else None for name in ("code", "model")}
        data = {name: tuple(Data.from_json(item) for item in value[name]) for name in ("inputs", "outputs")}
        texts = {name: tuple(value[name]) for name in ("notes", "variables")}
        machine, software = Machine.from_json(value["machine"]), Software.from_json(value["software"])
        return cls(**{**value, **trees, **data, **texts, "machine": machine, "software": software})

    def write(self, file: Path) -> None:
        """Write the evidence, whole or not at all. It is not waited for on the disk; the done file is."""
        # In one line: laying hundreds of packages out takes longer than a small job.
        write_atomic(file, json.dumps(self.to_json()), durable=False)

    @classmethod
    def read(cls, file: Path) -> Evidence | None:
        """Return the evidence in a file, or None when there is none."""
        value = read_json(file)
        return None if value is None else cls.from_json(value)


def _json(value: Any) -> Any:
    # As dataclasses.asdict, which copies each of a thousand strings.
    if is_dataclass(value):
        return {name: _json(item) for name, item in vars(value).items()}
    return [_json(item) for item in value] if isinstance(value, tuple) else value
