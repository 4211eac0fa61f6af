"""An edition's layout: which of a lab's files it holds, and how its texts name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from academy.errors import InvalidField, NotFound
from academy.labs.collection import Lab

# Instructors' files of a pack, and what tools leave behind; other hidden files are left out too.
_LEFT_OUT = frozenset(("release", "hidden.json", "__pycache__", "mlruns"))
_HIDDEN_BUT_PART = frozenset((".amlignore", ".gitignore"))


def files_of(lab: Lab) -> Iterator[Path]:
    """Yield the lab's files beside its notebook, relative to its folder; hidden ones and caches are left out.

    Raises
    ------
    NotFound
        The lab has no folder.
    InvalidField
        A link leads out of the folder.
    """
    if not lab.folder.is_dir():
        raise NotFound(f"The lab {lab.id} has no folder {lab.folder}.")
    for path in sorted(lab.folder.rglob("*")):
        name = path.relative_to(lab.folder)
        if any(_is_left_out(part) for part in name.parts) or path == lab.notebook:
            continue
        if not path.resolve().is_relative_to(lab.folder.resolve()):
            raise InvalidField(f"{path} is a link that leads out of the lab. Put the file itself there.")
        if path.is_file():
            yield name


def in_edition(text: str, lab_id: str) -> str:
    """Return a source's text with its paths as they are in an edition, where all lies in one folder."""
    name = re.escape(lab_id)
    text = re.sub(rf"(?<![\w.-])(?:\.\./)+labs/{name}/", "./", text)
    text = re.sub(rf"(?<![\w.-])(?:\.\./)+labs/{name}(?![\w-])", ".", text)
    text = re.sub(rf"(?<![\w./-])(?:\./)?labs/{name}/", "", text)
    text = re.sub(rf"(?<![\w./-])(?:\./)?labs/{name}(?![\w-])", ".", text)
    text = re.sub(rf"(?<![\w.-])(?:(?:\.\./)+)?notebooks/{name}\.ipynb", f"{lab_id}.ipynb", text)
    # Other labs' notebooks lie beside the source, and in a folder of their own beside an edition's.
    other = rf"(?!{name}\.)(\d\d-[a-z0-9-]+)\.ipynb"
    return re.sub(rf"\]\((?:\./)?{other}", r"](../\1/\1.ipynb", text)


def as_text(content: bytes) -> str | None:
    """Return a file's content as text, or ``None`` when it is none."""
    if b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _is_left_out(part: str) -> bool:
    if part in _HIDDEN_BUT_PART:
        return False
    return part in _LEFT_OUT or part.startswith(".") or part.endswith((".pyc", "~", ".egg-info"))
