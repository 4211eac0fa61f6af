"""Which files of a working folder are its code: what a run needs to be made again, and no more than that."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from academy.audit.local.ignored import AMLIGNORE, GITIGNORE, Ignored
from academy.evidence.code import asked
from academy.paths import AuditFolder

# Code is small. What is beyond these is data, or a folder that holds more than one project.
MAX_FILE_BYTES = 10_000_000
MAX_TOTAL_BYTES = 100_000_000
MAX_FILES = 5000

NAMES_SHOWN = 5
_LEAVE_OUT_ADVICE = f"List in {AMLIGNORE} what is no code, or name data with --data."

# Made by programs, and made anew by them.
_GENERATED_FOLDERS = frozenset(
    {
        AuditFolder.NAME,
        ".git",
        ".hg",
        ".svn",
        "__pycache__",
        ".ipynb_checkpoints",
        "node_modules",
        ".tox",
        ".nox",
    }
    | {".mypy_cache", ".pytest_cache", ".ruff_cache", ".cache", "mlruns", "mlartifacts", ".eggs"}
)
# Of a submodule, and of one of several working trees, .git is a file.
_GENERATED_FILES = ("*.pyc", "*.pyo", ".DS_Store", "mlflow.db", "mlflow.db-*", ".git")
# A folder with one of these is an environment.
_OF_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")
_SECRET_FILES = (".env", ".env.*", ".netrc", ".pypirc", "*.pem", "*.key", "*.p12", "*.pfx", "id_rsa")
_NO_SECRETS = ("*.example", "*.sample", "*.template", "*.pub")


@dataclass(frozen=True)
class CodeFiles:
    """The files by their names below the folder, sorted; ``notes`` say what was left out."""

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def code_files(folder: Path, leave_out: Sequence[Path] = ()) -> CodeFiles:
    """Return what of ``folder`` is code: as git sees it, or without git all but what is generated.

    ``.amlignore`` leaves files out, and without git ``.gitignore`` does, as when a job is submitted. Files
    that are likely to hold secrets, large ones, environments and caches are left out, and ``leave_out`` is.
    """
    chosen = _Chosen(folder, frozenset(path.resolve() for path in leave_out))
    listed = _listed_by_git(folder)
    found = _walked(chosen) if listed is None else _expanded(chosen, listed)
    return chosen.sorted_out(found)


class _Chosen:
    """Judges files one by one."""

    def __init__(self, folder: Path, leave_out: frozenset[Path]) -> None:
        self.folder = folder
        self._leave_out = leave_out
        self.ignored = Ignored.of_folder(folder, AMLIGNORE)
        self._large: list[str] = []
        self._secret: list[str] = []
        self._misnamed: list[str] = []

    def enters(self, name: str, ignored: Ignored) -> bool:
        path = self.folder / name
        if (
            path.name in _GENERATED_FOLDERS
            or ignored.leaves_out_folder(name)
            or path.resolve() in self._leave_out
        ):
            return False
        return not any((path / mark).exists() for mark in _OF_ENVIRONMENTS)

    def sorted_out(self, found: Iterator[str]) -> CodeFiles:
        names: list[str] = []
        total, more = 0, False
        for name in found:
            size = self._size(name)
            if size is None:
                continue
            if len(names) >= MAX_FILES or total + size > MAX_TOTAL_BYTES:
                more = True
                break
            names.append(name)
            total += size
        return CodeFiles(tuple(sorted(names)), tuple(self._notes(len(names), more)))

    def _size(self, name: str) -> int | None:
        """Return the size of a file that is kept, None when it is not."""
        path = self.folder / name
        if self._is_left_out(name, path):
            return None
        try:
            status = path.stat()
        except OSError:
            return None  # a link that leads nowhere; or tracked by git, and deleted
        if not stat.S_ISREG(status.st_mode):
            return None
        odd = self._odd(name, status.st_size)
        if odd is not None:
            odd.append(name)
            return None
        return status.st_size

    def _is_left_out(self, name: str, path: Path) -> bool:
        if _is_one_of(path.name, _GENERATED_FILES) or self.ignored.leaves_out(name):
            return True
        return bool(self._leave_out) and path.resolve() in self._leave_out

    def _odd(self, name: str, size: int) -> list[str] | None:
        """Return where a file is noted that is code, as it seems, and yet is not kept."""
        last = name.rpartition("/")[2]
        if _is_one_of(last, _SECRET_FILES) and not _is_one_of(last, _NO_SECRETS):
            return self._secret
        if not name.isprintable() or "\\" in name:
            return self._misnamed  # no line of a list of files can hold it as it is
        return self._large if size > MAX_FILE_BYTES else None

    def _notes(self, kept: int, more: bool) -> Iterator[str]:
        if self._secret:
            yield f"Not kept with the code, since they may hold secrets: {_shown(self._secret)}."
        if self._large:
            yield (
                f"Not kept with the code, since larger than {MAX_FILE_BYTES // 1_000_000} MB: "
                f"{_shown(self._large)}. What the run reads is named with --data."
            )
        if self._misnamed:
            names = [ascii(name) for name in self._misnamed]
            yield f"Not kept with the code, for their names: {_shown(names)}."
        if more:
            yield (
                f"The working folder holds more than is kept as code ({MAX_FILES} files, "
                f"{MAX_TOTAL_BYTES // 1_000_000} MB): {kept} files are kept, those at the top first. "
                + _LEAVE_OUT_ADVICE
            )


def _listed_by_git(folder: Path) -> list[str] | None:
    """Return what git tracks and what it would track, nearest the top first; None where git is not."""
    printed = asked(folder, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
    if printed is None:
        return None
    names = [os.fsdecode(name) for name in printed.split(b"\0") if name]
    return sorted(names, key=lambda name: (name.count("/"), name))


def _expanded(chosen: _Chosen, listed: Sequence[str]) -> Iterator[str]:
    entered: dict[str, bool] = {"": True}
    for name in listed:
        above = name.rstrip("/").rpartition("/")[0]
        if not _all_entered(chosen, above, entered):
            continue
        if name.endswith("/") or (
            (chosen.folder / name).is_dir() and not (chosen.folder / name).is_symlink()
        ):
            # A repository in the repository, submodule or not: git does not list what is in it.
            if chosen.enters(name.rstrip("/"), chosen.ignored):
                yield from _walked(chosen, name.rstrip("/"))
        else:
            yield name


def _all_entered(chosen: _Chosen, folder: str, entered: dict[str, bool]) -> bool:
    if folder not in entered:
        above = folder.rpartition("/")[0]
        entered[folder] = _all_entered(chosen, above, entered) and chosen.enters(folder, chosen.ignored)
    return entered[folder]


def _walked(chosen: _Chosen, start: str = "") -> Iterator[str]:
    """Yield the files below a folder, nearest the top first; links to folders are not followed."""
    ignored = Ignored.of_folder(chosen.folder, AMLIGNORE, GITIGNORE)
    waiting = deque([start])
    while waiting:
        above = waiting.popleft()
        try:
            items = sorted(os.scandir(chosen.folder / above), key=lambda item: item.name)
        except OSError:
            continue
        for item in items:
            name = f"{above}/{item.name}" if above else item.name
            if item.is_dir(follow_symlinks=False):
                if chosen.enters(name, ignored):
                    waiting.append(name)
            elif not ignored.leaves_out(name):
                yield name


def _is_one_of(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(sorted(names)[:NAMES_SHOWN]) + more
