"""``${{inputs.x}}``, ``${{outputs.x}}`` and ``$[[ … ]]`` in the command of a job.

https://learn.microsoft.com/azure/machine-learning/reference-yaml-core-syntax
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from academy.errors import InvalidField, choices

_EXPRESSION = re.compile(r"\$\{\{\s*([^{}]*?)\s*\}\}")

# An optional part ends at the first "]]" that is not followed by another "]": "$[[--l [${{inputs.l}}]]]".
_OPTIONAL = re.compile(r"\$\[\[(.*?)\]\](?!\])", re.DOTALL)

_NEEDS_ESCAPE = re.compile(r"[^A-Za-z0-9_@%+=:,./~-]")


@dataclass(frozen=True)
class Value:
    """What an expression becomes.

    A literal stands in the command exactly as written, as on Azure, so it may hold several words. The
    path (or URI) of data is one word: where the home's name holds a space, it is escaped.
    """

    text: str
    is_data: bool = False


@dataclass(frozen=True)
class Values:
    """The inputs and outputs that a command may name; inputs without a value are not among them."""

    inputs: Mapping[str, Value]
    outputs: Mapping[str, Value]


def check(command: str, values: Values) -> None:
    """Refuse expressions that name nothing, or outside of ``$[[ … ]]`` an input without a value.

    Raises
    ------
    InvalidField
        Naming the expression and what there is.
    """
    expand(command, values)


def expand(command: str, values: Values) -> str:
    """Return the command with every expression replaced, and the optional parts kept or dropped."""

    def part(match: re.Match[str]) -> str:
        content = match.group(1)
        named = [expression.group(1) for expression in _EXPRESSION.finditer(content)]
        unset = any(_is_unset(name, values) for name in named)
        return "" if unset else content

    kept = _OPTIONAL.sub(part, command)
    return _substitute(kept, lambda name: _resolve(name, values))


def _is_unset(name: str, values: Values) -> bool:
    kind, _, rest = name.partition(".")
    return kind == "inputs" and rest not in values.inputs


def _resolve(name: str, values: Values) -> Value:
    kind, _, rest = name.partition(".")
    known = {"inputs": values.inputs, "outputs": values.outputs}.get(kind)
    if known is None or rest not in known:
        valid = [f"inputs.{key}" for key in values.inputs] + [f"outputs.{key}" for key in values.outputs]
        raise InvalidField(
            f"The command names ${{{{{name}}}}}, which this job does not have, or has no value for. It has: "
            f"{choices(valid)}. A part that may be left out is written $[[--option ${{{{inputs.NAME}}}}]].",
            target="properties.command",
        )
    return known[rest]


def _substitute(command: str, resolve: Callable[[str], Value]) -> str:
    quoting = _Quoting()
    pieces: list[str] = []
    position = 0
    for match in _EXPRESSION.finditer(command):
        before = command[position : match.start()]
        quoting.read(before)
        value = resolve(match.group(1))
        pieces += [before, quoting.escaped(value.text) if value.is_data else value.text]
        position = match.end()
    return "".join([*pieces, command[position:]])


class _Quoting:
    """Whether the shell is inside quotes after the text read so far."""

    def __init__(self) -> None:
        self._quote = ""

    def read(self, text: str) -> None:
        escaped = False
        for character in text:
            if escaped:
                escaped = False
            elif character == "\\" and self._quote != "'":
                escaped = True
            elif self._quote:
                self._quote = "" if character == self._quote else self._quote
            elif character in "'\"":
                self._quote = character

    def escaped(self, path: str) -> str:
        """Return ``path`` so that the shell reads it as one word in this place."""
        if self._quote == "'":
            return path.replace("'", "'\\''")
        if self._quote == '"':
            return re.sub(r'([$`"\\])', r"\\\1", path)
        return _NEEDS_ESCAPE.sub(lambda match: f"\\{match.group(0)}", path)
