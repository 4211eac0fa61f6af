"""A notebook's parameters: names, types and defaults of the cell tagged ``parameters``, and values for them.

papermill takes any name and any value, and only logs a warning; here both are checked before it runs.
"""

from __future__ import annotations

import ast
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from academy.errors import InvalidField, NotFound, UserError, choices

TAG = "parameters"

_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "list": (list, tuple),
    "tuple": (list, tuple),
    "dict": (dict,),
    "List": (list, tuple),
    "Tuple": (list, tuple),
    "Dict": (dict,),
    "Sequence": (list, tuple),
    "Mapping": (dict,),
}
_ANYTHING = ast.Name(id="object")


@dataclass(frozen=True)
class Parameter:
    """One name of the ``parameters`` cell.

    ``annotation`` is the type as Python spells it: the annotation where there is one, else the default's.
    It is ``object`` when neither tells. ``default`` is the source of the default.
    """

    name: str
    annotation: ast.expr
    default: str

    @property
    def type(self) -> str:
        return ast.unparse(self.annotation)

    def takes(self, value: Any) -> bool:
        return _fits(self.annotation, value)

    def read(self, text: str) -> Any:
        """Return the value that ``text``, from a command line, stands for; ``checked`` judges it."""
        if self.type == "str":
            return text
        value = _literal(text)
        return value if self.takes(value) else text if self.takes(text) else value


def parameters_of(notebook: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """Return the parameters of a notebook (a parsed ``.ipynb``), in their order.

    Raises
    ------
    InvalidField
        More than one cell is tagged, or the cell is not Python.
    """
    tagged = [cell for cell in notebook["cells"] if TAG in cell["metadata"].get("tags", ())]
    if len(tagged) > 1:
        raise InvalidField(f"{len(tagged)} cells are tagged {TAG!r}; a notebook has one.")
    if not tagged:
        return ()
    return _assigned(source_of(tagged[0]))


def source_of(cell: Mapping[str, Any]) -> str:
    """Return a cell's source: a text, or a list of lines as it stands in the file."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def checked(parameters: Sequence[Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values given, each of a parameter that is there and of its type.

    Raises
    ------
    NotFound
        There is no parameter of that name; the message names the closest, and all.
    InvalidField
        The value is not of the parameter's type.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name, value in given.items():
        if name not in known:
            raise _unknown(name, known)
        parameter = known[name]
        if not parameter.takes(value):
            raise InvalidField(
                f"The parameter {name} is {value!r}, a value of type {type(value).__name__}; "
                f"it takes {parameter.type} (default: {parameter.default})."
                + (
                    f" Write {name}: float in the notebook if it takes any number."
                    if _half(parameter) and isinstance(value, float)
                    else ""
                ),
                target=name,
            )
    return dict(given)


def read_given(parameters: Sequence[Parameter], given: Sequence[str]) -> dict[str, Any]:
    """Return the values of texts such as ``limit=30``, checked."""
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"{text!r} is not NAME=VALUE, such as limit=30.")
        if not name:
            raise UserError(f"{text!r} lacks a name: write NAME=VALUE, such as limit=30.")
        if name in values:
            raise UserError(f"{name} is given twice: a parameter takes one value.")
        values[name] = known[name].read(value) if name in known else value
    return checked(parameters, values)


def _unknown(name: str, known: Mapping[str, Parameter]) -> NotFound:
    if not known:
        return NotFound(f"There is no parameter {name!r}: no cell of the notebook is tagged {TAG!r}.")
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]!r}?" if close else ""
    return NotFound(f"There is no parameter {name!r}.{meant} Parameters: {choices(known)}.", target=name)


def _half(parameter: Parameter) -> bool:
    """Tell whether the type was taken from a whole number, which may stand for any number."""
    return parameter.type == "int" and parameter.default.lstrip("-").isdigit()


def _assigned(source: str) -> tuple[Parameter, ...]:
    # IPython's own lines are no Python.
    plain = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines())
    try:
        body = ast.parse(plain).body
    except SyntaxError as error:
        raise InvalidField(f"The cell tagged {TAG!r} is not Python: {error}") from None
    found = {}
    for statement in body:
        if isinstance(statement, ast.Assign):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = _parameter(target.id, _type_of(statement.value), statement.value)
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name, value = statement.target.id, statement.value
            found[name] = _parameter(name, statement.annotation, value)
    return tuple(found.values())


def _parameter(name: str, annotation: ast.expr, default: ast.expr | None) -> Parameter:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    return Parameter(name, annotation, "none" if default is None else ast.unparse(default))


def _type_of(default: ast.expr) -> ast.expr:
    try:
        value = ast.literal_eval(default)
    except ValueError:
        return _ANYTHING  # an expression: only running it would tell
    return _ANYTHING if value is None else ast.Name(id=type(value).__name__)


def _fits(annotation: ast.expr, value: Any) -> bool:
    match annotation:
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return _fits(left, value) or _fits(right, value)
        case ast.Subscript(value=kind, slice=items):
            return _fits_generic(_last_name(kind), items, value)
        case _:
            wanted = _SCALARS.get(_last_name(annotation))
            if wanted is None:
                return True  # a class of the notebook's own
            return isinstance(value, wanted) and (bool in wanted or not isinstance(value, bool))


def _fits_generic(kind: str, items: ast.expr, value: Any) -> bool:
    parts = items.elts if isinstance(items, ast.Tuple) else [items]
    if kind == "Literal":
        return any(type(value) is type(one) and value == one for one in map(ast.literal_eval, parts))
    if kind in ("Optional", "Union"):
        return (kind == "Optional" and value is None) or any(_fits(part, value) for part in parts)
    if not _fits(ast.Name(id=kind), value):
        return False
    if isinstance(value, Mapping):
        key, item = (*parts, _ANYTHING)[:2]
        return all(_fits(key, name) and _fits(item, one) for name, one in value.items())
    return kind.lower() not in ("list", "sequence") or all(_fits(parts[0], one) for one in value)


def _last_name(node: ast.expr) -> str:
    """Return ``Optional`` of ``Optional`` and of ``typing.Optional``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _literal(text: str) -> Any:
    """Return the value of a JSON or Python literal, or the text when it is neither."""
    for reader in (json.loads, ast.literal_eval):
        try:
            return reader(text)
        except (ValueError, SyntaxError):
            continue
    return text
