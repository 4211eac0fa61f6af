"""The sections that a lab's notebook has, and their order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from academy.labs.lint.made import cleans, leaves_endpoint, makes
from academy.labs.lint.source import Cell, Finding, Rule, Source

OBJECTIVES = "After this lab you can"

# The sections below the title, in their order: how the heading reads, and how it is known.
SECTIONS = {
    "The situation": re.compile(r"\bsituation\b", re.I),
    "What usually goes wrong": re.compile(r"\bgoes? wrong\b", re.I),
    "What this would have been on Azure": re.compile(r"\bon azure\b", re.I),
    "Clean up": re.compile(r"\bclean[ -]?up\b", re.I),
    "Read on": re.compile(r"^read on\b", re.I),
}


def _objectives(source: Source) -> Iterator[Finding]:
    first = source.cells[0] if source.cells else None
    if first is None or not first.is_prose or not re.match(r"#[ \t]+\S", first.source):
        yield source.in_notebook(
            "objectives-first", "The first cell is not the title.", "Begin with '# Title'.", first
        )
    elif OBJECTIVES.lower() not in first.source.lower() or not re.search(r"^\s*[-*]\s", first.source, re.M):
        yield source.in_notebook(
            "objectives-first",
            "The first cell does not say what one can do afterwards.",
            f"Write '**{OBJECTIVES}**' below the title, and list it.",
            first,
        )


def _sections(source: Source) -> Iterator[Finding]:
    reached, last = -1, ""
    for name in SECTIONS:
        at = _place(source, name)
        if at is None:
            yield source.in_notebook("sections", f"There is no section {name!r}.", f"Write one: '## {name}'.")
            continue
        cell, heading = source.headings[at]
        if at < reached:
            yield source.in_notebook(
                "sections",
                f"The section {heading!r} stands before {last!r}, which comes earlier in a lab.",
                f"Keep the order: {', '.join(SECTIONS)}.",
                cell,
            )
        reached, last = max((reached, last), (at, heading))
        if not _text(source, at).strip() and not _code(source, at):
            yield source.in_notebook(
                "sections", f"The section {heading!r} is empty.", "Say it in a few sentences.", cell
            )


def _clean_up(source: Source) -> Iterator[Finding]:
    at = _place(source, "Clean up")
    if at is None or not makes(source):
        return
    cells = _code(source, at)
    finding = partial(source.in_notebook, "clean-up", cell=cells[0] if cells else source.headings[at][0])
    if not cells:
        yield finding(
            "No cell below 'Clean up' cleans up.",
            "Delete there what costs money on Azure while it exists, and archive the rest.",
        )
    elif not cleans(source, cells):
        yield finding(
            "Nothing below 'Clean up' deletes, archives, stops or cancels what the lab makes.",
            "Delete with ml_client what costs money on Azure while it exists, and archive the rest.",
        )
    elif leaves_endpoint(source, cells):
        yield finding(
            "Nothing below 'Clean up' deletes the online endpoint, which costs money on Azure.",
            "Call ml_client.online_endpoints.begin_delete(name=…) there.",
        )


def _read_on(source: Source) -> Iterator[Finding]:
    at = _place(source, "Read on")
    if at is None:
        return
    for level in (100, 200, 300):
        if not re.search(rf"\b{level}\b[^\n]*https://", _text(source, at)):
            yield source.in_notebook(
                "read-on",
                f"There is nothing to read on at level {level}.",
                f"Write '- Level {level}: *Title*, https://…'.",
                source.headings[at][0],
            )


def _place(source: Source, name: str) -> int | None:
    """Return the number of the heading that begins a section."""
    bare = (re.sub(r"^\d+\.\s*", "", heading) for _, heading in source.headings)
    return next((at for at, heading in enumerate(bare) if SECTIONS[name].search(heading)), None)


def _text(source: Source, at: int) -> str:
    """Return the text below a heading: up to the next heading of its cell, or the cell's end."""
    cell, heading = source.headings[at]
    text = cell.source.partition(heading)[2]
    following = source.headings[at + 1] if at + 1 < len(source.headings) else None
    return text.partition(following[1])[0].rstrip("# \n") if following and following[0] is cell else text


def _code(source: Source, at: int) -> list[Cell]:
    """Return the code cells below a heading, up to the next heading."""
    first = source.headings[at][0].index
    ends = source.headings[at + 1][0].index if at + 1 < len(source.headings) else len(source.cells)
    return [cell for cell in source.cells[first + 1 : ends] if cell.is_code]


RULES = (
    Rule("objectives-first", "the notebook begins with what one can do afterwards", _objectives),
    Rule("sections", "situation, what goes wrong, on Azure, clean up, read on: in this order", _sections),
    Rule(
        "clean-up",
        "what the lab makes is deleted, archived, stopped or cancelled below 'Clean up'",
        _clean_up,
    ),
    Rule("read-on", "there is something to read on at levels 100, 200 and 300", _read_on),
)
