"""The files of a lab: that they are there, are small, and say where they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from academy.labs.editions.layout import files_of
from academy.labs.lint.paths import Paths, paths_of
from academy.labs.lint.source import Cell, Finding, Rule, Source

MEGABYTE = 2**20
FILE_BYTES, LAB_BYTES, NOTEBOOK_BYTES = 2 * MEGABYTE, 8 * MEGABYTE, MEGABYTE

_SOURCE = re.compile(r"\b(source|origin|made (?:up|by|with)|generated|from)\b", re.I)
_LINKED = re.compile(r"\]\([^)\s]*")
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
    paths = paths_of(source.cells)
    yield from _read_files(source, paths, mention)
    for cell in source.cells:
        text = _LINKED.sub("](", cell.source) if cell.is_prose else cell.source  # the rule `links` has those
        for name in dict.fromkeys(mention.findall(text)):
            file = source.collection.root / name.removeprefix("../")
            if not file.exists() and not paths.is_written(name):
                yield source.in_notebook(
                    "files", f"There is no {name}.", "Mend the path, or add the file.", cell
                )
            elif file.exists() and cell.is_code and not name.startswith("../"):
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


def _read_files(source: Source, paths: Paths, mention: re.Pattern[str]) -> Iterator[Finding]:
    """Look for files that code reads, other than those that ``mention`` finds."""
    here, folder = source.lab.notebook.parent, source.lab.folder
    own = {path.name for path in folder.iterdir()}
    for cell, path in {(cell.index, path): (cell, path) for cell, path in paths.read}.values():
        if (
            "*" in path
            or not re.search("[./]", path)
            or "raises-exception" in cell.tags
            or (here / path).exists()
            or path in mention.findall(cell.source)
        ):
            continue
        in_lab = not source.lab.is_edition and f"labs/{source.lab.id}/" in f"{path}/"
        first = PurePosixPath(path).parts[0] if PurePosixPath(path).parts else ""
        if paths.is_written(path) if in_lab else paths.is_named(path) or (paths.opaque and first not in own):
            continue
        yield _not_there(source, cell, path)


def _not_there(source: Source, cell: Cell, path: str) -> Finding:
    at = "." if source.lab.is_edition else f"../labs/{source.lab.id}"
    if (source.lab.folder / path).exists():
        name = PurePosixPath(path)
        what, do = f"{path!r} is not found from where the notebook runs.", f"Write {at}/{name}."
    else:
        what, do = f"There is no {path}.", f"Mend the path, or add the file: the lab's own are in {at}/."
    return source.in_notebook("files", what, do, cell)


RULES = (
    Rule("files", "files that cells name are there, and are the lab's own", _named_files),
    Rule("data-readme", "data says its source and its licence", _readme),
    Rule("file-size", "files are small: every learner gets a copy", _sizes),
)
