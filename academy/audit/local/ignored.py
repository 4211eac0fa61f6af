"""Which files ``.amlignore`` or ``.gitignore`` leave out of a folder's code, as azure-ai-ml reads them.

The pattern language is git's: https://git-scm.com/docs/gitignore. Like the SDK, only the file in the folder
itself is read, and ``.amlignore`` stands in place of ``.gitignore``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

AMLIGNORE = ".amlignore"
GITIGNORE = ".gitignore"


@dataclass(frozen=True)
class _Pattern:
    expression: re.Pattern[str]
    leaves_out: bool
    folders_only: bool


@dataclass(frozen=True)
class Ignored:
    """The patterns of one file; a later one outweighs an earlier one."""

    patterns: tuple[_Pattern, ...] = ()

    @classmethod
    def of(cls, text: str) -> Ignored:
        """Return what a file with this text leaves out; lines that are no pattern are passed over."""
        return cls(tuple(pattern for line in text.splitlines() if (pattern := _pattern(line)) is not None))

    @classmethod
    def of_folder(cls, folder: Path, *names: str) -> Ignored:
        """Return what the first of these files that the folder has leaves out; nothing when it has none."""
        for name in names:
            try:
                return cls.of((folder / name).read_text(encoding="utf-8-sig", errors="replace"))
            except (FileNotFoundError, IsADirectoryError):
                continue
        return cls()

    def leaves_out(self, name: str) -> bool:
        """Return whether a file is left out, by its path below the folder, or a folder above it is."""
        path = PurePosixPath(name)
        above = [str(parent) for parent in path.parents][-2::-1]
        return any(self.leaves_out_folder(parent) for parent in above) or self._last(name, folder=False)

    def leaves_out_folder(self, name: str) -> bool:
        """Return whether a folder is left out, those above it not being so."""
        return self._last(name, folder=True)

    def _last(self, name: str, *, folder: bool) -> bool:
        for pattern in reversed(self.patterns):
            if (folder or not pattern.folders_only) and pattern.expression.fullmatch(name):
                return pattern.leaves_out
        return False


def _pattern(line: str) -> _Pattern | None:
    text = re.sub(r"(?<!\\) +$", "", line)
    leaves_out = not text.startswith("!")
    text = text.removeprefix("!")
    if not text.strip("/") or (leaves_out and text.startswith("#")):
        return None
    folders_only = text.endswith("/")
    text = text.rstrip("/")
    anywhere = "/" not in text
    try:
        expression = re.compile(("(?:.*/)?" if anywhere else "") + _translated(text.lstrip("/")), re.DOTALL)
    except re.error:
        return None
    return _Pattern(expression, leaves_out, folders_only)


_PARTS = re.compile(
    r"(?P<above>(?:(?<=/)|^)\*\*/)|(?P<below>/\*\*$)|(?P<some>\*+)|(?P<one>\?)"
    r"|\[(?P<none>[!^]?)(?P<set>\]?[^\]]*)\]|\\(?P<literal>.)|(?P<other>.)",
    re.DOTALL,
)


def _translated(pattern: str) -> str:
    return "".join(_part(found) for found in _PARTS.finditer(pattern))


def _part(found: re.Match[str]) -> str:
    kind = found.lastgroup
    fixed = {"above": "(?:.*/)?", "below": "/.*", "some": "[^/]*", "one": "[^/]"}
    if kind in fixed:
        return fixed[kind]
    if kind == "set":
        members = found["set"].replace("\\", r"\\").replace("[", r"\[").replace("]", r"\]")
        return f"(?!/)[{'^' if found['none'] else ''}{members}]"
    return re.escape(found["literal"] or found["other"])
