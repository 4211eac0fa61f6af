"""The packages in a folder, each with the hash of what its wheel held, and files that were changed since.

https://packaging.python.org/specifications/recording-installed-packages/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from academy.environments.built import normalised
from academy.evidence.credentials import printable, without_credentials
from academy.evidence.evidence import Package

# What an installer writes of its own beside a wheel's files: it differs from one installation to the next.
_OF_INSTALLER = frozenset(
    {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_build.json", "uv_cache.json"}
)

# The older ones are forbidden in a RECORD, and any other is not worth the trouble.
_ALGORITHMS = ("sha256", "sha384", "sha512")

_SUFFIXES = (".dist-info", ".egg-info")


class Recorded(NamedTuple):
    """A line of a RECORD: a file below site-packages, and its hash, such as ``sha256=…``."""

    name: str
    hash: str


def packages(site: Path) -> tuple[Package, ...]:
    """Return what is installed in a site-packages folder, sorted by name (PEP 503).

    ``sha256`` is None where nothing says which files belong to a package: it has no RECORD (``.egg-info``,
    some system packages), or is installed as editable, so that its code lies at ``origin``.

    Raises
    ------
    OSError
        When the folder is not there or cannot be read.
    """
    found = [_package(site / name) for name in distributions(site)]
    return tuple(sorted(found, key=lambda package: (package.name, package.version)))


def changed_files(site: Path, name: str) -> list[str]:
    """Return the files of a package whose content is not what was installed; one that is gone is named so.

    Every file that its RECORD has a hash of is read. Of a package without RECORD (``sha256`` is None)
    nothing can be said, and the list is empty, as it is for one that is not installed. Of a file that
    several packages bring, any of their contents is right: the last one installed has won.
    """
    changed = [file for folder in _folders(site, normalised(name)) for file in _changed(site, folder)]
    return sorted(changed)


def changed_in_all(site: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield the name of each package and what ``changed_files`` says of it; several are read at once."""

    def one(entry: str) -> tuple[str, list[str]]:
        return _name_and_version(site / entry)[0], sorted(_changed(site, site / entry))

    with ThreadPoolExecutor() as pool:
        yield from pool.map(one, distributions(site))


def unlisted(site: Path) -> list[str]:
    """Return the files that no package lists, bytecode left out; Python imports them all the same.

    Where a package has no list (``.egg-info``), nothing can be said, and the list is empty.
    """
    listed: set[str] = set()
    for entry in distributions(site):
        rows = list(_rows(site / entry))
        if not rows:
            return []
        listed.update(_below_site(row[0]) for row in rows)
    found = (Path(folder, name) for folder, _, names in os.walk(site) for name in names)
    names = (str(path.relative_to(site)) for path in found if path.parent.name != "__pycache__")
    return sorted(printable(name) for name in names if name not in listed)


def distributions(site: Path) -> list[str]:
    """Return the names of the folders and files in which packages say what they are, sorted."""
    # pip renames what it could not delete to a name that begins with a tilde.
    return sorted(name for name in os.listdir(site) if name.endswith(_SUFFIXES) and not name.startswith("~"))


def _folders(site: Path, name: str) -> list[Path]:
    """Return where a package says what it is; its name is in the folder's, or else in a file in it."""
    everything = [site / entry for entry in distributions(site)]
    by_name = [folder for folder in everything if normalised(folder.name.partition("-")[0]) == name]
    return by_name or [folder for folder in everything if _name_and_version(folder)[0] == name]


def _package(folder: Path) -> Package:
    name, version = _name_and_version(folder)
    origin, is_editable = _origin(folder)
    sha256 = None if is_editable else _sha256(folder)
    return Package(name, version, sha256, origin)


def _name_and_version(folder: Path) -> tuple[str, str]:
    said: dict[str, str] = {}
    for file in (folder / "METADATA", folder / "PKG-INFO", folder):
        try:
            with open(file, encoding="utf-8", errors="replace") as lines:
                for line in lines:
                    if not line.strip():
                        break
                    field, _, value = line.partition(":")
                    said.setdefault(field.lower(), value.strip())
            break
        except OSError:
            continue
    named, _, numbered = folder.name.rpartition(".")[0].partition("-")
    return normalised(said.get("name") or named), said.get("version") or numbered.partition("-py")[0]


def _origin(folder: Path) -> tuple[str | None, bool]:
    """Return where a package came from when that was no index, and whether its code is used in place."""
    try:
        value = json.loads((folder / "direct_url.json").read_bytes())
        url = str(value["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None, False
    source = value.get("vcs_info")
    commit = source.get("commit_id") if isinstance(source, dict) else None
    shown = without_credentials(url) + (f"@{commit}" if commit else "")
    place = value.get("dir_info")
    return printable(shown), isinstance(place, dict) and bool(place.get("editable"))


def _sha256(folder: Path) -> str | None:
    lines = sorted(f"{item.name},{item.hash}\n" for item in _recorded(folder))
    if not lines:
        return None
    return hashlib.sha256("".join(lines).encode("utf-8", "backslashreplace")).hexdigest()


def _recorded(folder: Path) -> Iterator[Recorded]:
    """Yield the lines of RECORD that are the wheel's own, and have a hash: bytecode has none."""
    for row in _rows(folder):
        if len(row) < 2 or not row[1]:
            continue
        name = _below_site(row[0])
        if name.startswith(("..", "/")) or _is_of_installer(name, folder.name):
            continue
        yield Recorded(name, row[1])


def _rows(folder: Path) -> Iterator[list[str]]:
    try:
        with open(folder / "RECORD", encoding="utf-8", errors="surrogateescape", newline="") as file:
            yield from (row for row in csv.reader(file) if row)
    except (OSError, csv.Error):
        return


def _below_site(listed: str) -> str:
    return os.path.normpath(listed.replace("\\", "/"))


def _is_of_installer(name: str, folder: str) -> bool:
    above, _, last = name.rpartition("/")
    return above == folder and last in _OF_INSTALLER


def _changed(site: Path, folder: Path) -> Iterator[str]:
    for item in _recorded(folder):
        try:
            as_installed = _is_as_recorded(site, item)
        except OSError as error:
            yield f"{printable(item.name)} ({(error.strerror or 'cannot be read').lower()})"
            continue
        if not as_installed and not _is_of_another(site, item.name):
            yield printable(item.name)


def _is_as_recorded(site: Path, item: Recorded) -> bool:
    algorithm, _, wanted = item.hash.partition("=")
    if algorithm not in _ALGORITHMS:
        return True  # what cannot be computed cannot be compared
    with open(site / item.name, "rb") as file:
        digest = hashlib.file_digest(file, algorithm).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == wanted.rstrip("=")


def _is_of_another(site: Path, name: str) -> bool:
    """Say whether the file is as some package in the folder brought it."""
    recorded = (item for entry in distributions(site) for item in _recorded(site / entry))
    return any(item.name == name and _is_as_recorded(site, item) for item in recorded)
