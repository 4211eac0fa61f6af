"""Compare the outputs of a run with the stored ones: by nbval's own code, with a tolerance for numbers.

nbval compares inside a pytest session of its own. Its two classes are taken out of that here: the bases
below stand where ``pytest.File`` and ``pytest.Item`` would ask for a session, and the rest is nbval's.

Two rules are ours. Standard error is compared only in a cell that is marked ``NBVAL_CHECK_OUTPUT``: there
a library warns, and shows progress, as it likes. Of a check's result only the text is compared; the rest
holds the seconds that it took.
"""

from __future__ import annotations

import copy
import difflib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from nbformat import NotebookNode
from nbval.plugin import (
    IPyNbCell,
    IPyNbFile,
    _trim_base64,
    coalesce_streams,
    find_comment_markers,
    find_metadata_tags,
    get_sanitize_patterns,
)

from academy.errors import NotFound
from academy.labs.learning.feedback import CHECK_MIME
from academy.labs.suite.near import Tolerance, tolerance_of

_MOST_LINES = 400


@dataclass(frozen=True)
class Marks:
    """What nbval's tags and comments ask for in one cell."""

    compare: bool
    stderr: bool
    skip: bool
    raises: bool


def marks(cell: NotebookNode) -> Marks:
    """Read a cell's tags (``nbval-ignore-output``) and comments (``# NBVAL_IGNORE_OUTPUT``)."""
    found = dict(find_metadata_tags(cell.metadata))
    found.update(find_comment_markers(cell.source))
    return Marks(
        compare=found.get("check", True),
        stderr=found.get("check", False),
        skip=found.get("skip", False),
        raises=found.get("check_exception", False),
    )


class Comparison:
    """Compares cells under one set of options.

    Parameters
    ----------
    sanitize_with
        A file of ``regex:`` and ``replace:`` lines, as ``pytest --nbval-sanitize-with`` takes.
    """

    def __init__(self, tolerance: Tolerance, sanitize_with: Path | None = None) -> None:
        self._tolerance = tolerance
        self._file = _of(_File)
        if sanitize_with is not None:
            if not sanitize_with.is_file():
                raise NotFound(f"There is no file {sanitize_with} to sanitize outputs with.")
            self._file.sanitize_patterns.update(get_sanitize_patterns(sanitize_with.read_text()))

    def difference(self, stored: NotebookNode, outputs: Sequence[NotebookNode]) -> str:
        """Return how the outputs differ from those of the cell ``stored``: a unified diff, or nothing."""
        asked = marks(stored)
        if not asked.compare or asked.skip:
            return ""
        if stored.execution_count is None:
            # nbval's rule: a cell that was stored without a run is not compared, but may not hold outputs.
            return "The stored cell was never run, but has outputs." if stored.outputs else ""
        cell = _of(_Cell, self._file, stored)
        cell.tolerance = tolerance_of(stored.metadata, self._tolerance)
        before, after = (_comparable(found, asked) for found in (stored.outputs, outputs))
        if cell.compare_outputs(after, before):
            return ""
        shown = "\n".join(cell.comparison_traceback)
        return shown if cell.shown else _diff(_as_text(before), _as_text(after)) or shown


class _FileBase(pytest.File):
    def __init__(self) -> None:
        options = SimpleNamespace(nbval_lax=False, nbdime=False, color="no")
        self.parent: Any = SimpleNamespace(config=SimpleNamespace(option=options))


class _File(IPyNbFile, _FileBase):  # type: ignore[misc]
    """nbval's settings: which fields are not compared, and what is sanitized."""


class _CellBase(pytest.Item):
    def __init__(self, _name: str, parent: Any) -> None:
        self.parent = parent


class _Cell(IPyNbCell, _CellBase):  # type: ignore[misc]
    """nbval's comparison of one cell, whose texts are the same when their numbers are near."""

    tolerance = Tolerance()
    shown = False

    def __init__(self, file: _File, cell: NotebookNode) -> None:
        super().__init__("", file, 0, cell, defaultdict(bool))  # type: ignore[call-arg]

    def sanitize(self, s: Any) -> _Near:
        # JSON outputs are compared as text, so that their numbers are near too.
        text = s if isinstance(s, str) else json.dumps(s, indent=1, sort_keys=True)
        return _Near(super().sanitize(text), self.tolerance)

    def format_output_compare(self, key: str, left: str, right: str) -> None:
        self.shown = True
        before, after = (_trim_base64(str(text)) for text in (left, right))
        self.comparison_traceback.append(_diff(before, after, key))


class _Near(str):
    """A text that equals another when their numbers are near; nbval asks with ``!=``."""

    tolerance: Tolerance

    def __new__(cls, text: str, tolerance: Tolerance) -> _Near:
        made = super().__new__(cls, text)
        made.tolerance = tolerance
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and self.tolerance.same(str(self), str(other))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _of(kind: Any, *arguments: Any) -> Any:
    """Make one of pytest's nodes without a session; pytest refuses to call their classes directly."""
    made = kind.__new__(kind)
    made.__init__(*arguments)
    return made


def _comparable(outputs: Sequence[NotebookNode], asked: Marks) -> list[NotebookNode]:
    kept = []
    for output in coalesce_streams(copy.deepcopy(list(outputs))):
        if output.output_type == "stream" and output.name == "stderr" and not asked.stderr:
            continue
        if CHECK_MIME in output.get("data", ()):
            output.data = NotebookNode({"text/plain": output.data.get("text/plain", "")})
        kept.append(output)
    return [output for output in kept if output.get("text", "x")]  # an empty text is no output


def _as_text(outputs: Sequence[NotebookNode]) -> str:
    """Return outputs as a reader sees them, each under its kind."""
    parts = []
    for output in outputs:
        if output.output_type == "stream":
            parts.append(f"[{output.name}]\n{output.text}")
        elif output.output_type == "error":
            parts.append(f"[error]\n{output.ename}: {output.evalue}")
        else:
            kinds = ", ".join(sorted(output.data))
            parts.append(f"[{kinds}]\n{_trim_base64(str(output.data.get('text/plain', '')))}")
    return "\n".join(parts)


def _diff(before: str, after: str, kind: str = "") -> str:
    """Return a unified diff without names and numbers: every line is marked with ``-``, ``+`` or a blank."""
    one, other = before.splitlines(), after.splitlines()
    if one == other:  # they differ in line ends only: show these too
        one, other = ([repr(line) for line in text.splitlines(keepends=True)] for text in (before, after))
    lines = list(difflib.unified_diff(one, other, lineterm=""))[2:]
    marked = ["  …" if line.startswith("@@") else line for line in lines][1:]
    if len(marked) > _MOST_LINES:
        marked = [*marked[:_MOST_LINES], f"  … and {len(marked) - _MOST_LINES} lines more"]
    title = [f"  {kind}:"] if kind and kind not in ("stdout", "text/plain") else []
    return "\n".join([*title, *marked])


def written(outputs: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return all that was written to a stream."""
    return "".join(o["text"] for o in outputs if o["output_type"] == "stream" and o["name"] == name)
