"""The code of local runs: each file kept once, by its content, so that a run can be made again.

``objects/`` holds files by the SHA-256 of their content. The list of a snapshot is kept the same way: its
text, as ``sha256sum`` prints it, has the hash that the tree in the record has.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from academy.audit.local.code_files import CodeFiles
from academy.errors import AcademyError, NotFound
from academy.evidence import digests
from academy.evidence.evidence import FileHash, Tree
from academy.paths import AuditFolder, write_atomic


@dataclass(frozen=True)
class Snapshot:
    """The code as it was; ``notes`` say what of it is not kept. ``fresh`` are contents that are not kept yet.

    The content of a file and whether it is executable, by its hash.
    """

    tree: Tree
    notes: tuple[str, ...]
    fresh: Mapping[str, tuple[bytes, bool]]


def taken(audit: AuditFolder, folder: Path, code: CodeFiles) -> Snapshot:
    """Return the code as it is now. Nothing is written: the command is not to wait for the disk."""
    files: list[FileHash] = []
    fresh: dict[str, tuple[bytes, bool]] = {}
    notes = list(code.notes)
    for name in code.names:
        try:
            content, executable = _read(folder / name)
        except OSError as error:
            notes.append(f"Not kept with the code: {name} ({error.strerror}).")
            continue
        sha256 = _hash(content)
        files.append(FileHash(name, len(content), sha256))
        if not _is_kept(audit.object_file(sha256), len(content), executable):
            fresh[sha256] = content, executable or fresh.get(sha256, (b"", False))[1]
    files.sort(key=lambda one: one.name.encode())
    tree = digests.summed(files, path=str(folder), is_file=False)
    listing = b"".join(f"{one.sha256}  {one.name}\n".encode() for one in files)
    if not _is_kept(audit.object_file(tree.sha256), len(listing), False):
        fresh[tree.sha256] = listing, False
    return Snapshot(tree, tuple(notes), fresh)


def keep(audit: AuditFolder, snapshot: Snapshot) -> None:
    """Write the contents that are not kept yet; when this returns they outlive a power failure."""
    audit.objects.mkdir(exist_ok=True)
    for sha256, (content, executable) in snapshot.fresh.items():
        write_atomic(audit.object_file(sha256), content, mode=0o555 if executable else 0o444)


def damaged(audit: AuditFolder, tree: Tree) -> list[str]:
    """Return what of a kept snapshot is missing or was changed, in sentences; nothing when it is whole."""
    try:
        files = _listed(audit, tree)
    except AcademyError as error:
        return [error.message]
    found = []
    for name, sha256 in files:
        object_file = audit.object_file(sha256)
        if not object_file.is_file():
            found.append(f"The copy of {name} is missing: {object_file}.")
        elif _hash(object_file.read_bytes()) != sha256:
            found.append(f"The copy of {name} was changed: {object_file}.")
    return found


def listed(audit: AuditFolder, tree: Tree) -> list[tuple[str, str]]:
    """Return names and hashes of a snapshot's files: all of them, or those in the record without the list."""
    try:
        return _listed(audit, tree)
    except AcademyError:
        return [(file.name, file.sha256) for file in tree.files]


def restore(audit: AuditFolder, tree: Tree, target: Path) -> None:
    """Put the files of a kept snapshot into the folder ``target``, as they were.

    Raises
    ------
    NotFound
        A copy is missing, as after a clone: git does not keep ``objects/``.
    AcademyError
        A copy was changed.
    """
    wrong = damaged(audit, tree)
    if wrong:
        raise AcademyError(f"The code of this run cannot be put back. {wrong[0]}")
    for name, sha256 in _listed(audit, tree):
        copy, goal = audit.object_file(sha256), target / name
        if not goal.resolve().is_relative_to(target.resolve()):
            raise AcademyError(f"The code of this run cannot be put back: {name!r} lies outside its folder.")
        goal.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(goal, copy.read_bytes(), mode=0o644 | (copy.stat().st_mode & 0o111), durable=False)


def _listed(audit: AuditFolder, tree: Tree) -> list[tuple[str, str]]:
    try:
        content = audit.object_file(tree.sha256).read_bytes()
    except FileNotFoundError as error:
        raise NotFound(
            f"The list of its files is missing: {error.filename}. Copies of code are kept in "
            f"{audit.objects}, where the run was made; git does not take them along."
        ) from error
    if _hash(content) != tree.sha256:
        raise AcademyError(f"The list of its files was changed: {audit.object_file(tree.sha256)}.")
    lines = content.decode().split("\n")[:-1]
    return [(line[66:], line[:64]) for line in lines]


def _read(path: Path) -> tuple[bytes, bool]:
    with open(path, "rb") as file:
        return file.read(), bool(os.fstat(file.fileno()).st_mode & 0o111)


def _is_kept(copy: Path, size: int, executable: bool) -> bool:
    try:
        status = copy.stat()
    except FileNotFoundError:
        return False
    return status.st_size == size and (not executable or bool(status.st_mode & 0o111))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
