"""The files of a lab: that they are there, are small, and say where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from academy.labs.editions.layout import files_of
from academy.labs.lint.source import Finding, Rule, Source

MEGABYTE = 2**20
FILE_BYTES, LAB_BYTES, NOTEBOOK_BYTES = 2 * MEGABYTE, 8 * MEGABYTE, MEGABYTE

_SOURCE = re.compile(r"\b(source|origin|made (?:up|by|with)|generated|from)\b", re.I)
_LICENCE = re.compile(r"\blicen[cs]e|\bpublic domain\b|\bCC0\b", re.I)


def _readme(source: Source) -> Iterator[Finding]:
    folder = source.lab.folder / "data"
    if not folder.is_dir() or not [path for path in folder.rglob("*") if path.is_file()]:
        return
    file = folder / "README.md"
    if not file.is_file():
        yield source.in_file(
            "data-readme", folder, "The data has no README.md.", "Say its source and its licence there."
        )
        return
    text = file.read_text(encoding="utf-8")
    for name, pattern in (("source", _SOURCE), ("licence", _LICENCE)):
        if not pattern.search(text):
            yield source.in_file(
                "data-readme",
                file,
                f"It does not say the data's {name}.",
                "Write '- Source: …' and '- Licence: …'; data that you made has a licence too.",
            )


def _sizes(source: Source) -> Iterator[Finding]:
    sizes = {path: (source.lab.folder / path).stat().st_size for path in files_of(source.lab)}
    for path, size in sizes.items():
        if size > FILE_BYTES:
            yield _too_large(source, source.lab.folder / path, size, FILE_BYTES)
    if sum(sizes.values()) > LAB_BYTES:
        yield _too_large(source, source.lab.folder, sum(sizes.values()), LAB_BYTES)
    size = source.lab.notebook.stat().st_size
    if size > NOTEBOOK_BYTES:
        yield _too_large(source, source.lab.notebook, size, NOTEBOOK_BYTES)


def _too_large(source: Source, path: Path, size: int, limit: int) -> Finding:
    return source.in_file(
        "file-size",
        path,
        f"It has {size / MEGABYTE:.1f} MB.",
        f"Keep it below {limit // MEGABYTE} MB: every learner gets a copy. Make data smaller, or make it in "
        "the lab.",
    )


def _named_files(source: Source) -> Iterator[Finding]:
    """Look for the lab's files that cells name: ``../labs/NN-verb-noun/src/train.py``."""
    mention = re.compile(rf"(?<![\w./-])((?:\.\./)?labs/{re.escape(source.lab.id)}(?:/[\w./-]*\w)?)")
    other = re.compile(r"(?<![\w./-])\.\./labs/(\d\d-[a-z0-9-]+)")
    for cell in source.cells:
        for name in dict.fromkeys(mention.findall(cell.source)):
            file = source.collection.root / name.removeprefix("../")
            if not file.exists():
                yield source.in_notebook(
                    "files", f"There is no {name}.", "Mend the path, or add the file.", cell
                )
            elif cell.is_code and not name.startswith("../"):
                yield source.in_notebook(
                    "files",
                    f"{name!r} is not found from where the notebook runs.",
                    f"Write ../{name}: the notebook is in notebooks/.",
                    cell,
                )
        for name in dict.fromkeys(other.findall(cell.source)):
            if name != source.lab.id:
                yield source.in_notebook(
                    "files",
                    f"The cell names files of the lab {name}, which a learner's copy does not have.",
                    "Copy what is needed into this lab's own folder.",
                    cell,
                )


RULES = (
    Rule("files", "files that cells name are there, and are the lab's own", _named_files),
    Rule("data-readme", "data says its source and its licence", _readme),
    Rule("file-size", "files are small: every learner gets a copy", _sizes),
)
