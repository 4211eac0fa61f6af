"""The learner's own copy of a lab: where it lies, what it was made from, what has changed in it since."""

from __future__ import annotations

import filecmp
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from academy.errors import AcademyError, InvalidField
from academy.labs.collection import MANIFEST, Collection, Lab
from academy.paths import Home, read_json, write_json

# Beside the notebook. Submissions and editions leave hidden files out.
RECORD = ".academy.json"

_LEFT_BEHIND = frozenset(("__pycache__", ".ipynb_checkpoints", "mlruns"))


@dataclass(frozen=True)
class CopyRecord:
    """Which collection a copy was made from, and the SHA-256 of each of its files as it was then."""

    collection: Path
    files: Mapping[str, str]


def copy_of(home: Home, lab: Lab) -> Lab:
    """Return where the learner's copy of the lab lies, be it there or not."""
    folder = home.work / lab.id
    return Lab(lab.id, folder / f"{lab.id}.ipynb", folder)


def exists(copy: Lab) -> bool:
    """Tell whether the copy is there, as far as opening it needs."""
    return copy.notebook.is_file() and (copy.folder / MANIFEST).is_file()


def missing(copy: Lab) -> list[str]:
    """Return what the copy lacks of what ``exists`` looks for."""
    return [path.name for path in (copy.notebook, copy.folder / MANIFEST) if not path.is_file()]


def damaged(error: AcademyError, copy: Lab) -> InvalidField:
    """Return an error about one of the copy's files with what can be done about it."""
    said = " ".join(error.message.split())
    return InvalidField(
        f"{said} Restore the whole lab, which keeps your copy aside: 'academy lab reset {copy.id}'."
    )


def write_record(copy: Lab, collection: Collection) -> None:
    """Note what the copy, just made, holds."""
    files = {str(name): _sha256(copy.folder / name) for name in files_in(copy.folder)}
    write_json(copy.folder / RECORD, {"collection": str(collection.root), "files": files}, durable=False)


def read_record(folder: Path) -> CopyRecord | None:
    """Return what a copy was made from, or None where nothing says so."""
    try:
        found = read_json(folder / RECORD)
        return None if found is None else CopyRecord(Path(found["collection"]), dict(found["files"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def changed_files(folder: Path) -> list[Path]:
    """Return the files that are not as they were at first, relative to the copy; all where none says."""
    record = read_record(folder)
    before = record.files if record else {}
    return [name for name in files_in(folder) if before.get(str(name)) != _sha256(folder / name)]


def same_content(one: Path, other: Path) -> bool:
    """Tell whether two copies hold the same, hidden files and links too; compiled Python may differ."""
    entries = [_entries(folder) for folder in (one, other)]
    return entries[0] == entries[1] and all(
        filecmp.cmp(one / name, other / name, shallow=False)
        for name, mode in entries[0].items()
        if stat.S_ISREG(mode)
    )


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the regular files below a folder, relative to it.

    Links are not followed, neither to files nor to folders, and hidden files and caches are left out.
    """
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _LEFT_BEHIND and not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                yield path.relative_to(folder)


def links_in(folder: Path) -> list[Path]:
    """Return the links below a folder, relative to it."""
    found = []
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_BEHIND and not name.startswith(".")]
        found += [Path(here, name) for name in (*folders, *files) if Path(here, name).is_symlink()]
    return sorted(path.relative_to(folder) for path in found)


def _entries(folder: Path) -> dict[Path, int]:
    """Return what lies below a folder with its kind; what is neither file nor folder differs from all."""
    found = {}
    for here, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for path in (Path(here, name) for name in (*folders, *files) if name != RECORD):
            kind = stat.S_IFMT(path.lstat().st_mode)
            plain = stat.S_ISREG(kind) or stat.S_ISDIR(kind)
            found[path.relative_to(folder) if plain else path] = kind
    return found


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
