"""What the rules look at: one lab's manifest, notebook and files, read once."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from academy.labs.collection import Collection, Lab
from academy.labs.editions import edition, ipynb
from academy.labs.editions.layout import as_text, files_of
from academy.labs.manifest import Manifest

# Calls that run a line of the shell: of IPython, os and subprocess.
SHELL = ("system", "getoutput", "run_cell_magic", "run_line_magic")


@dataclass(frozen=True)
class Finding:
    """One thing to mend: ``what`` is wrong, and what to ``do``. ``number`` counts cells from 1; 0 is none."""

    rule: str
    file: str
    what: str
    do: str
    cell: str = ""
    number: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}, cell {self.cell} (number {self.number})" if self.number else self.file


@dataclass(frozen=True)
class Rule:
    """A rule: its id, what it asks for, and the function that looks, where there is a lab to look at."""

    id: str
    asks: str
    look: Callable[[Source], Iterator[Finding]] | None = None


@dataclass(frozen=True)
class Cell:
    """A cell, and its place."""

    node: NotebookNode
    index: int

    @property
    def source(self) -> str:
        return str(self.node.source)

    @property
    def is_code(self) -> bool:
        return bool(self.node.cell_type == "code")

    @property
    def is_prose(self) -> bool:
        return bool(self.node.cell_type == "markdown")

    @property
    def tags(self) -> list[str]:
        return list(edition.tags(self.node))

    def own(self, key: str) -> str:
        """Return ``metadata.academy.KEY``, or an empty text."""
        return str(edition.own(self.node).get(key, ""))

    @cached_property
    def tree(self) -> ast.Module | None:
        """The cell's code with IPython's lines made Python; ``None`` when it is not Python."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a cell's odd escape is no news of ours
                code: str = TransformerManager().transform_cell(self.source)
                return ast.parse(code)
        except SyntaxError:
            return None

    def calls(self) -> Iterator[ast.Call]:
        if self.is_code and self.tree:
            yield from (node for node in ast.walk(self.tree) if isinstance(node, ast.Call))


@dataclass(frozen=True)
class Source:
    """One lab as its author wrote it."""

    lab: Lab
    collection: Collection
    manifest: Manifest
    notebook: NotebookNode

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(node, index) for index, node in enumerate(self.notebook.cells))

    @cached_property
    def headings(self) -> tuple[tuple[Cell, str], ...]:
        """Each heading of the notebook below its title, with its cell, in their order."""
        return tuple(
            (cell, heading.strip())
            for cell in self.cells
            if cell.is_prose
            for heading in re.findall(r"^#{2,}[ \t]+(.+)$", without_code(cell.source), re.MULTILINE)
        )

    @cached_property
    def texts(self) -> tuple[tuple[Path, str], ...]:
        """The lab's text files beside the notebook."""
        found = ((path, as_text((self.lab.folder / path).read_bytes())) for path in files_of(self.lab))
        return tuple((self.lab.folder / path, text) for path, text in found if text is not None)

    def name(self, path: Path) -> str:
        """Return a file's name as the collection's folder knows it."""
        root = self.collection.root
        return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)

    def in_notebook(self, rule: str, what: str, do: str, cell: Cell | None = None) -> Finding:
        file = self.name(self.lab.notebook)
        if cell is None:
            return Finding(rule, file, what, do)
        return Finding(rule, file, what, do, str(cell.node.get("id", "?")), cell.index + 1)

    def in_manifest(self, rule: str, what: str, do: str) -> Finding:
        return Finding(rule, self.name(self.lab.folder / "lab.yml"), what, do)

    def in_file(self, rule: str, path: Path, what: str, do: str) -> Finding:
        return Finding(rule, self.name(path), what, do)


def read(lab: Lab, collection: Collection) -> Source:
    """Read a lab; ``AcademyError`` says what cannot be read."""
    return Source(lab, collection, lab.manifest, ipynb.read(lab.notebook))


def without_code(markdown: str) -> str:
    """Return the text without what stands as code in it; lines stay where they are."""
    fenced = re.sub(
        r"^(```|~~~).*?^\1", lambda found: "\n" * found[0].count("\n"), markdown, flags=re.M | re.S
    )
    return re.sub(r"`[^`\n]*`", " ", fenced)


def sentence(text: str) -> str:
    """Return a message that other text follows: with a stop at its end."""
    ended = text.rstrip()
    return ended if ended.endswith((".", "…", "?", ":")) else f"{ended}."


def called(call: ast.Call) -> str:
    """Return the name that a call calls: ``update`` of ``display(x).update(y)``."""
    function: Any = call.func
    return str(getattr(function, "attr", getattr(function, "id", "")))


def shell_line(call: ast.Call) -> str:
    """Return the shell's line that a call runs, as far as the text tells it; empty for other calls."""
    owner = getattr(call.func, "value", None)
    if called(call) not in SHELL and getattr(owner, "id", "") != "subprocess":
        return ""
    return " ".join(str(one.value) for one in call.args if isinstance(one, ast.Constant))
