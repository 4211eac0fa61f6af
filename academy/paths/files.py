"""Names and paths that are safe to use, and files that are written whole."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from academy.errors import AcademyError, UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")


def checked_name(name: str) -> str:
    """Return ``name`` if it can stand as one path segment, else refuse it."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"The name {name!r} is not valid. Names hold 1 to 255 letters, digits, '_', '-' or '.', "
            "and begin with a letter, a digit or '_'."
        )
    return name


def confined(root: Path, relative: str) -> Path:
    """Return ``root / relative``, refusing absolute paths, ``..`` and links that lead outside.

    Raises
    ------
    UserError
        When the path would leave ``root``.
    """
    parts = PurePosixPath(relative).parts
    if "\x00" in relative or "\\" in relative or relative.startswith("/") or ".." in parts:
        raise UserError(f"The path {relative!r} leaves its folder. Give a relative path without '..'.")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise UserError(f"The path {relative!r} leads outside its folder through a link.")
    return path


@contextlib.contextmanager
def writing(target: Path, otherwise: str) -> Iterator[None]:
    """Refuse a target that cannot be written: say why, and what to do ``otherwise``."""
    try:
        yield
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError)
        reason = f"{error.filename} is a file, not a folder" if in_the_way else error.strerror
        raise AcademyError(f"{target} cannot be written: {reason}. {otherwise}") from error


def write_atomic(path: Path, content: bytes | str, *, mode: int = 0o644, durable: bool = True) -> None:
    """Write beside ``path`` and rename over it, so that a reader sees the old or the new, whole.

    ``durable`` also waits for the disk (fsync), so that the content outlives a power failure.
    """
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def write_json(path: Path, value: Mapping[str, Any], *, mode: int = 0o644, durable: bool = True) -> None:
    """Write ``value`` as JSON, atomically."""
    write_atomic(path, json.dumps(value, indent=1), mode=mode, durable=durable)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the JSON object in ``path``, or None when there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    value: dict[str, Any] = json.loads(text)
    return value
