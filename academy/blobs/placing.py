"""Put files where blobs are, and take them away, with the folders between that nobody made by hand."""

from __future__ import annotations

import os
from pathlib import Path

from academy.blobs.errors import BlobError
from academy.blobs.staging import StagedFile, copy_range

# How often a folder may vanish (its last blob deleted) between making it and renaming into it.
_ATTEMPTS = 10


def place_file(staged: StagedFile, target: Path) -> None:
    """Rename ``staged`` to ``target``, making the folders on the way.

    Raises
    ------
    BlobError
        When a blob stands where a folder is needed, or blobs lie below ``target``.
    """
    for _ in range(_ATTEMPTS):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.place(target)
        except IsADirectoryError:
            _remove_empty_folders(target)
        except (FileExistsError, NotADirectoryError) as error:
            raise BlobError(
                "ResourceTypeMismatch",
                f"A part of the blob's path {target.name!r} is a blob itself, and a blob has nothing below "
                "it. Names work as in an account with a hierarchical namespace: choose another.",
                target=target.name,
            ) from error
        except FileNotFoundError:
            continue
        else:
            return
    raise BlobError("ResourceTypeMismatch", f"{target.name!r} changed again and again. Upload it again.")


def append_file(staged: StagedFile, target: Path, size: int) -> os.stat_result:
    """Add the bytes of ``staged`` to ``target``, which holds ``size`` bytes: all of them or none."""
    descriptor = os.open(target, os.O_RDWR | os.O_CLOEXEC)
    try:
        copy_range(staged.descriptor, 0, os.fstat(staged.descriptor).st_size, descriptor, size)
        os.fsync(descriptor)
        return os.fstat(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise
    finally:
        os.close(descriptor)


def remove_empty_parents(path: Path, root: Path) -> None:
    """Remove the folders above ``path`` that are empty now, up to ``root``, which stays."""
    for folder in path.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except OSError:
            return


def _remove_empty_folders(folder: Path) -> None:
    try:
        for below, _, _ in os.walk(folder, topdown=False):
            os.rmdir(below)
    except OSError as error:
        raise BlobError(
            "ResourceTypeMismatch",
            f"There are blobs below {folder.name!r}, so it cannot be a blob itself. Names work as in an "
            "account with a hierarchical namespace: choose another.",
            target=folder.name,
        ) from error
