"""What is stored below the cells: that it is there, that it went well, and that it can be compared."""

from __future__ import annotations

import re
from collections.abc import Iterator

from academy.labs.learning.feedback import CHECK_MIME
from academy.labs.lint.source import Cell, Finding, Rule, Source
from academy.labs.lint.unstable import unstable_calls

# What is another text in the next run.
UNSTABLE = {
    "the address of a service on this machine": re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\]):\d{2,5}"),
    "a time": re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|\b\d\d:\d\d:\d\d\b"),
    "a duration": re.compile(
        r"\b\d+\.\d+ ?(?:s|ms|µs|us|ns|sec|secs|seconds|minutes)\b"
        r"|\b(?:Wall time|CPU times|took \d|elapsed)\b"
    ),
    "a GUID": re.compile(r"\b(?!0{8}-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.I),
    "an id": re.compile(r"\b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{32}\b"),
    "the name of a job": re.compile(r"\b[a-z]+_[a-z]+_(?=[a-z0-9]*\d)[a-z0-9]{10}\b"),
    "the path of a temporary folder": re.compile(r"(?:/tmp/\w|/var/folders/|\\Temp\\)[\w./\\-]*"),
    "the path of somebody's home": re.compile(r"(?:/home/\w|/Users/\w|/root/|[A-Z]:\\Users\\)[\w./\\-]*"),
    "an address in memory": re.compile(r"\b(?:at |object |<)?0x[0-9a-f]{6,}\b", re.I),
    "a progress bar": re.compile(r"\d+%\||\bit/s\b|[█▉▊▋▌▍▎▏]|━━|\r(?!\n)|\.{5,}"),
}

# nbval's names for a cell whose output is not compared, as a tag and as a comment.
_IGNORED = ("nbval-ignore-output", "nbval-skip")
_IGNORED_IN_COMMENT = re.compile(r"^\s*#\s*NBVAL_(?:IGNORE_OUTPUT|SKIP)\b", re.M)
_COMPARES_STDERR = ("nbval-check-output",)


def _executed(source: Source) -> Iterator[Finding]:
    last = 0
    for cell in source.cells:
        if not cell.is_code or not cell.source.strip():
            continue
        count = cell.node.get("execution_count")
        if not isinstance(count, int):
            yield source.in_notebook(
                "executed",
                "The cell is stored without having run.",
                "Run the notebook from the top and save it, or 'academy test LAB --update'.",
                cell,
            )
        elif count <= last:
            yield source.in_notebook(
                "executed",
                f"The cell ran as number {count}, after one below it.",
                "Restart the kernel, run all cells in their order, and save.",
                cell,
            )
        last = count if isinstance(count, int) else last


def _went_well(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        outputs = cell.node.get("outputs", ())
        if "raises-exception" not in cell.tags:
            for output in outputs:
                if output.output_type == "error":
                    yield source.in_notebook(
                        "stored-outputs",
                        f"The stored output is {output.get('ename')}: {output.get('evalue')}.",
                        "Mend the cell; tag it raises-exception if that is what it shows.",
                        cell,
                    )
        if cell.own("check") and cell.node.get("execution_count"):
            results = [output.data for output in outputs if "data" in output]
            if not results or any(not data.get(CHECK_MIME, {"passed": True})["passed"] for data in results):
                yield source.in_notebook(
                    "stored-outputs",
                    "The stored output is not that of a check that passed.",
                    "Solve the task in the source, run the notebook from the top, and save it.",
                    cell,
                )


def _unstable(source: Source) -> Iterator[Finding]:
    for cell, call in unstable_calls(source.cells):
        if not _is_ignored(cell) and any(text.strip() for text in _compared(cell)):
            yield source.in_notebook(
                "unstable-output",
                f"The cell shows what {call} returns, and no other run has the same.",
                "Print what stays the same, or tag the cell nbval-ignore-output.",
                cell,
            )
    for cell in source.cells:
        if _is_ignored(cell):
            continue
        for name, pattern in UNSTABLE.items():
            found = next(filter(None, map(pattern.search, _compared(cell))), None)
            if found:
                yield source.in_notebook(
                    "unstable-output",
                    f"The output holds {name}, {found[0].strip()!r}, and no other run has the same.",
                    "Print what stays the same, or tag the cell nbval-ignore-output.",
                    cell,
                )


def _is_ignored(cell: Cell) -> bool:
    return bool(set(_IGNORED) & set(cell.tags) or _IGNORED_IN_COMMENT.search(cell.source))


def _compared(cell: Cell) -> Iterator[str]:
    """Yield the texts of the stored output that the suite compares."""
    for output in cell.node.get("outputs", ()):
        if output.output_type == "stream":
            if output.name == "stdout" or set(_COMPARES_STDERR) & set(cell.tags):
                yield _joined(output.text)
        elif output.output_type in ("display_data", "execute_result"):
            data = output.data
            kinds = (
                ["text/plain"] if CHECK_MIME in data else [kind for kind in data if kind.startswith("text/")]
            )
            yield from (_joined(data[kind]) for kind in kinds if kind in data)


def _joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


RULES = (
    Rule("executed", "the notebook is stored as it ran, from the top", _executed),
    Rule("stored-outputs", "the stored run went well", _went_well),
    Rule("unstable-output", "output that no other run has is tagged nbval-ignore-output", _unstable),
)
