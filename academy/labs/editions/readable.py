"""All that can be read out of a folder: texts, and those inside notebooks, archives and base64."""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from academy.labs.editions.layout import as_text

# How deep archives and encodings are looked into, one inside another.
_DEPTH = 4
# Of a passage of more lines than this, only those near a word that is looked for are read closely.
_LONG = 2000
_NEAR = 15
_MEMBER_BYTES = 64 * 2**20
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\s+[A-Za-z0-9+/_-]{4,})*={0,2}")
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_BROKEN = (
    OSError,
    EOFError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    NotImplementedError,
    RuntimeError,
)


@dataclass(frozen=True)
class Line:
    """One line of text, and where it stands; ``number`` counts from 1 in the cell, or in the file.

    ``source_of`` is the id of the cell in whose source it stands; empty for all that is no source.
    """

    file: str
    cell: str
    number: int
    text: str
    source_of: str = ""

    @property
    def place(self) -> str:
        return ", ".join(part for part in (self.file, self.cell, f"line {self.number}") if part)


Passage = tuple[Line, ...]


def passages(folder: Path, telling: Iterable[str]) -> Iterator[Passage]:
    """Yield what can be read in the folder's files, each passage in its order.

    A notebook is several: the sources of all its cells, its outputs, its attachments, its metadata. Of a
    long passage, such as a table, only the lines around one of the ``telling`` words are yielded.
    """
    held = re.compile("|".join(map(re.escape, telling)) or "(?!)")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            for passage in _of_content(path.read_bytes(), str(path.relative_to(folder)), _DEPTH):
                short = passage if len(passage) <= _LONG else _around(passage, held)
                yield short
                yield from _variants(short)


def _around(passage: Passage, held: re.Pattern[str]) -> Passage:
    near = {
        near
        for at, line in enumerate(passage)
        if held.search(line.text)
        for near in range(max(at - _NEAR, 0), min(at + _NEAR + 1, len(passage)))
    }
    return tuple(passage[at] for at in sorted(near))


def _of_content(content: bytes, file: str, depth: int) -> Iterator[Passage]:
    text = as_text(content)
    if text is None:
        for encoding in ("latin-1", "utf-16-le", "utf-16-be"):
            yield from _of_text(content.decode(encoding, "ignore"), file, "", depth)
        for name, member in _members(content) if depth else ():
            yield from _of_content(member, f"{file} ({name})" if name else file, depth - 1)
        return
    found = _json(text) if text.lstrip()[:1] in ("{", "[") else None
    if isinstance(found, Mapping) and isinstance(found.get("cells"), list):
        yield from _of_notebook(found, file, depth)
        return
    if found is not None:
        yield from _of_strings(found, file, "", depth)
    yield from _of_text(text, file, "", depth)


def _of_notebook(notebook: Mapping[str, Any], file: str, depth: int) -> Iterator[Passage]:
    sources: list[Line] = []
    for index, cell in enumerate(notebook["cells"]):
        if not isinstance(cell, Mapping):
            continue
        where = f"cell {cell.get('id', '?')} (number {index + 1})"
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(map(str, source))
        sources += _lines(source, file, where, str(cell.get("id", "")))
        for key, value in cell.items():
            if key not in ("source", "id", "cell_type", "execution_count"):
                yield from _of_strings(value, file, f"{where}, {key}", depth)
    yield tuple(sources)
    yield from _encoded(tuple(sources), depth)
    for key, value in notebook.items():
        if key != "cells":
            yield from _of_strings(value, file, key, depth)


def _of_strings(value: Any, file: str, where: str, depth: int) -> Iterator[Passage]:
    passage = tuple(line for text in _strings(value) for line in _lines(text, file, where))
    yield passage
    yield from _encoded(passage, depth)


def _of_text(text: str, file: str, where: str, depth: int) -> Iterator[Passage]:
    passage = tuple(_lines(text, file, where))
    yield passage
    yield from _encoded(passage, depth)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, list):
        # A text may be stored as the list of its lines.
        if all(isinstance(item, str) for item in value):
            yield "".join(item if item.endswith("\n") else item + "\n" for item in value)
        else:
            for item in value:
                yield from _strings(item)


def _lines(text: str, file: str, cell: str, source_of: str = "") -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), start=1):
        yield Line(file, cell, number, _ANSI.sub("", line), source_of)


def _encoded(passage: Passage, depth: int) -> Iterator[Passage]:
    """Yield what base64 in the passage stands for."""
    if not depth or not passage:
        return
    joined = "\n".join(line.text for line in passage)
    for match in _BASE64.finditer(joined):
        content = _decoded(match[0])
        if content:
            first = passage[joined.count("\n", 0, match.start())]
            where = ", ".join(part for part in (first.file, first.cell) if part)
            yield from _of_content(content, f"{where} (base64)", depth - 1)


def _decoded(text: str) -> bytes:
    letters = re.sub(r"\s", "", text).rstrip("=").replace("-", "+").replace("_", "/")
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    try:
        return base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
    except binascii.Error:
        return b""


def _variants(passage: Passage) -> Iterator[Passage]:
    """Yield the passage as it reads without HTML, percent signs or escaped line ends, where it has some."""
    ways = (
        lambda text: html.unescape(_TAG.sub("", text)),
        unquote,
        lambda text: re.sub(r"\\[nrt]", " ", text),
    )
    for way in ways:
        other = tuple(replace(line, text=way(line.text)) for line in passage)
        if other != passage:
            yield other


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _members(content: bytes) -> Iterable[tuple[str, bytes]]:
    """Return the files of an archive; what is none, or is broken, has none."""
    found: list[tuple[str, bytes]] = []
    try:
        if content[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(content)) as stream:
                found.append(("", stream.read(_MEMBER_BYTES)))
        elif content[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    with archive.open(name) as member:
                        found.append((name, member.read(_MEMBER_BYTES)))
        elif content[257:262] == b"ustar":
            with tarfile.open(fileobj=io.BytesIO(content)) as bundle:
                for entry in bundle.getmembers():
                    stream_of = bundle.extractfile(entry)
                    if stream_of:
                        found.append((entry.name, stream_of.read(_MEMBER_BYTES)))
    except _BROKEN:
        return found
    return found
