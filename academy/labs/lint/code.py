"""How the code of a lab is written."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from academy.labs.lint.source import Cell, Finding, Rule, Source, called
from academy.labs.lint.texts import texts_of

LINE = 120

_MAGIC = re.compile(r"^\s*[%!].*\bacademy\b.*$", re.M)
_EXTENSION = "%load_ext academy"
# What teaches where to run and what ran: nothing on Azure stands for it, and it calls nothing of Azure's.
_ROOMS = ("widgets", "matrix")
_COMMANDS = re.compile(r"\bacademy (matrix|audit)\b")

# What Azure takes as a name (learn.microsoft.com: resource name rules; limits of endpoints and assets).
_ENDPOINT = (r"[A-Za-z][A-Za-z0-9-]{1,30}[A-Za-z0-9]", "3 to 32 letters, digits and '-', a letter first")
_ASSET = (r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", "up to 255 letters, digits, '.', '_' and '-'")
_COMPUTE = (r"[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]", "3 to 24 letters, digits and '-', a letter first")
NAMES = {
    "ManagedOnlineEndpoint": _ENDPOINT,
    "KubernetesOnlineEndpoint": _ENDPOINT,
    "BatchEndpoint": _ENDPOINT,
    "ManagedOnlineDeployment": _ENDPOINT,
    "KubernetesOnlineDeployment": _ENDPOINT,
    "ModelBatchDeployment": _ENDPOINT,
    "BatchDeployment": _ENDPOINT,
    "Data": _ASSET,
    "Model": _ASSET,
    "Environment": _ASSET,
    "AmlCompute": _COMPUTE,
    "ComputeInstance": _COMPUTE,
}
_SIZE = re.compile(r"(Standard|STANDARD)_[A-Z]{1,3}\d+[A-Za-z0-9-]*(_[A-Za-z0-9]+)*")


def _academy_lines(source: Source) -> Iterator[Finding]:
    loads = []
    for cell in source.cells:
        if not cell.is_code:
            continue
        for line in _MAGIC.findall(cell.source):
            if line.strip() == _EXTENSION:
                loads.append(cell)
            elif "academy" in _COMMANDS.sub("", line):
                yield _own_line(source, cell, line)
        for name in _imported(cell):
            yield _own_line(source, cell, name)
    if len(loads) != 1:
        yield source.in_notebook(
            "academy-lines",
            f"{_EXTENSION!r} stands in the notebook {len(loads)} times.",
            "Write it once, before the client is made.",
            loads[1] if loads[1:] else None,
        )
    for cell in loads[:1]:
        above = source.cells[cell.index - 1] if cell.index else None
        if above is None or not above.is_prose or "Azure" not in above.source:
            yield source.in_notebook(
                "academy-lines",
                f"Nothing above {_EXTENSION!r} says what stands there on Azure.",
                "Say that it is the only line of Academy's own, and that one leaves it out on Azure.",
                cell,
            )


def _own_line(source: Source, cell: Cell, line: str) -> Finding:
    return source.in_notebook(
        "academy-lines",
        f"{line.strip()!r} is not code that runs on Azure.",
        f"Write what one would write on Azure; only {_EXTENSION!r}, check, hint, solution, academy.widgets, "
        "academy.matrix and the commands 'academy matrix' and 'academy audit' are Academy's.",
        cell,
    )


def _imported(cell: Cell) -> Iterator[str]:
    """Yield what a cell imports from Academy, its widgets and its matrix aside."""
    for node in ast.walk(cell.tree) if cell.is_code and cell.tree else ():
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] == "academy" and name.split(".")[1:2] not in ([room] for room in _ROOMS):
                yield f"import {name}"


def _is_python(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        if cell.is_code and cell.tree is None and "raises-exception" not in cell.tags:
            yield source.in_notebook("python", "The cell is not Python.", "Mend it.", cell)


def _updated_displays(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        for call in cell.calls():
            inner = getattr(call.func, "value", None)
            updates = called(call) == "update" and isinstance(inner, ast.Call) and called(inner) == "display"
            kept = called(call) == "display" and any(one.arg == "display_id" for one in call.keywords)
            if updates or kept or called(call) in ("update_display", "clear_output"):
                yield source.in_notebook(
                    "display-update",
                    f"{ast.unparse(call)} changes an output that is there already; nbval reads that wrong.",
                    "Display the final state once.",
                    cell,
                )


def _semicolons(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        lines = [line for line in cell.source.rstrip().split("\n") if not line.strip().startswith("#")]
        if cell.is_code and lines and lines[-1].rstrip().endswith(";"):
            yield source.in_notebook(
                "semicolon",
                "A ';' at the end hides the cell's output; nbval reads that wrong.",
                "Assign the value to a name instead, such as _.",
                cell,
            )


def _lines(source: Source) -> Iterator[Finding]:
    for cell in source.cells:
        for number, line in enumerate(cell.source.split("\n") if cell.is_code else (), start=1):
            if len(line) > LINE:
                yield source.in_notebook(
                    "line-length",
                    f"Line {number} has {len(line)} characters.",
                    f"Break it: {LINE} at most.",
                    cell,
                )
    for path, text in source.texts:
        for number, line in enumerate(text.split("\n") if path.suffix == ".py" else (), start=1):
            if len(line) > LINE:
                yield source.in_file(
                    "line-length",
                    path,
                    f"Line {number} has {len(line)} characters.",
                    f"Break it: {LINE} at most.",
                )


def _names(source: Source) -> Iterator[Finding]:
    texts = texts_of(source)
    for cell in source.cells:
        for call in cell.calls():
            given = {one.arg: one.value for one in call.keywords if one.arg}
            form, words = NAMES.get(called(call), ("", ""))
            name = texts.value(given.get("name"))
            if form and name is not None and not re.fullmatch(form, name):
                yield source.in_notebook(
                    "resource-names",
                    f"{called(call)}(name={name!r}) is refused by Azure.",
                    f"It takes {words}.",
                    cell,
                )
            for key in ("instance_type", "size"):
                size = texts.value(given.get(key))
                if size is not None and "tandard" in size.lower() and not _SIZE.fullmatch(size):
                    yield source.in_notebook(
                        "resource-names",
                        f"{key}={size!r} is no size of a machine on Azure.",
                        "Spell it as Azure does: Standard_DS3_v2.",
                        cell,
                    )


RULES = (
    Rule("python", "code cells are Python", _is_python),
    Rule("academy-lines", "the code is Azure's, but for %load_ext academy", _academy_lines),
    Rule("display-update", "no output is changed after it was shown", _updated_displays),
    Rule("semicolon", "no ';' hides a cell's output", _semicolons),
    Rule("line-length", f"lines of code have at most {LINE} characters", _lines),
    Rule("resource-names", "names of resources are such as Azure takes", _names),
)
