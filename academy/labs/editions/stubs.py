"""What stands in a learner's edition where the solution was."""

from __future__ import annotations

import re

from nbformat import NotebookNode

from academy.labs.editions.markers import Kind, Region, replaced

STUB_COMMENT = "# Your code here"
STUB_TEXT = "*Write your answer here.*"

# Cell magics whose cells are not Python, and the ending of the file that their code would be in.
_MAGICS = {
    "%%bash": ".sh",
    "%%sh": ".sh",
    "%%script": ".sh",
    "%%html": ".html",
    "%%markdown": ".md",
    "%%latex": ".tex",
    "%%javascript": ".js",
    "%%js": ".js",
    "%%sql": ".sql",
}
_COMMENTS = {
    ".sql": "-- Your code here",
    ".js": "// Your code here",
    ".tex": "% Your text here",
    ".html": "<!-- Your text here -->",
    ".xml": "<!-- Your text here -->",
    ".md": STUB_TEXT,
}


_SAID = r"Your code[^\n]* is missing here\."
_RAISED = re.compile(rf'raise NotImplementedError\("{_SAID}"\)')


def stripped(text: str, where: str, ending: str, task: str = "") -> str:
    """Return a text without hidden tests, and with a line to begin at for each solution.

    Parameters
    ----------
    ending
        That of the file that the text is or would be in: it says what a comment looks like.
    task
        The id of the task, for the message of the error that unfinished code raises.
    """

    def put(region: Region) -> list[str]:
        return [] if region.kind is Kind.HIDDEN_TESTS else _stub(region.indent, ending, task)

    return replaced(text, where, put)


def without_stubs(text: str) -> str:
    """Return a text of a learner's edition without the lines that stand for solutions."""
    comments = {STUB_COMMENT, STUB_TEXT, *_COMMENTS.values()}
    lines = [line for line in text.splitlines() if line.strip() not in comments]
    return "\n".join(line for line in lines if not _RAISED.fullmatch(line.strip()))


def is_said_by_stub(text: str) -> bool:
    """Tell whether a message holds what unfinished code says when it runs."""
    return re.search(_SAID, text) is not None


def ending_of(cell: NotebookNode) -> str:
    """Return the ending that the file of a cell's text would have: ``.py`` for most code."""
    if cell.cell_type != "code":
        return ".md"
    words = cell.source.lstrip().partition("\n")[0].split()
    if words and words[0] in ("%%writefile", "%%file") and len(words) > 1:
        last = words[-1].strip("\"'")
        return "." + last.rpartition(".")[2] if "." in last else ""
    return _MAGICS.get(words[0], ".py") if words else ".py"


def _stub(indent: str, ending: str, task: str) -> list[str]:
    lines = [_COMMENTS.get(ending, STUB_COMMENT)]
    if ending in (".py", ".ipy"):
        of = f" for the task {task}" if task else ""
        lines.append(f'raise NotImplementedError("Your code{of} is missing here.")')
    elif ending == ".sh":
        lines.append("exit 1")
    return [indent + line for line in lines]
