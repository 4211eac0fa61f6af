"""When hidden tests run: after the last cell, wherever that makes no difference.

A function of the learner's sees the arguments that hidden tests call it with. A cell that runs later could
print them, and its output is in the feedback. So hidden tests wait for the end, unless a later cell, the
lab's or the learner's own, changes what they look at; then what is shown after them is withheld.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from collections.abc import Iterator, Mapping, Sequence

from nbformat import NotebookNode

from academy.labs.editions.edition import own
from academy.labs.grading.hidden import NO_PYTHON, parsed, python_of

_SERVICE = frozenset({"ml_client", "mlflow"})
_BUILTINS = frozenset(name for name in dir(builtins) if not name.startswith("_"))
# Stands for every name, where a cell does not say which names it sets.
_EVERYTHING = frozenset({"*"})
_RESETS = re.compile(r"^\s*%(reset|reset_selective|xdel|run|store|pylab)\b", re.MULTILINE)
# Methods that change what they are called on.
_IN_PLACE = frozenset(
    (
        *("add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse"),
        *("setdefault", "sort", "update"),
    )
)


def waiting(notebook: NotebookNode, hidden: Mapping[str, str]) -> frozenset[str]:
    """Return the tasks whose hidden tests can wait until the notebook that is graded has run to its end."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in cells]
    tasks = [(place, own(cell).get("check")) for place, cell in enumerate(cells)]
    return frozenset(
        task
        for place, task in tasks
        if task in hidden and can_wait(hidden[task], sources[: place + 1], sources[place + 1 :])
    )


def can_wait(tests: str, before: Sequence[str], after: Sequence[str]) -> bool:
    """Return whether hidden tests find the same after the cells ``after``, by the names that they use.

    The names are also those that the notebook's functions use, as ``before`` defines them. What asks the
    service does not wait: what it holds is deleted in the end.
    """
    used = _used(parsed(tests))
    functions = {name: names for source in before for name, names in _functions(source)}
    found: set[str] = set()
    while fresh := used - found:
        found |= fresh
        used |= {name for one in fresh for name in functions.get(one, ())}
    changed = {name for source in after for name in _changed(source)}
    # A builtin that is set anew may be used by what no look at the text finds.
    return not (changed & (used | _BUILTINS | _EVERYTHING) or used & _SERVICE)


def _functions(source: str) -> Iterator[tuple[str, set[str]]]:
    """Yield what a cell defines, and the names of the notebook that each uses."""
    table = _table(source)
    for inner in table.get_children() if table else ():
        yield inner.get_name(), _globals_of(inner)
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Assign) and _names_function(node.value):
            yield from ((one.id, _used(node.value)) for one in node.targets if isinstance(one, ast.Name))


def _names_function(value: ast.expr) -> bool:
    """Tell whether a value is a function under another name: ``lambda``, ``other``, ``partial(other)``."""
    if isinstance(value, ast.Call):
        function = value.func
        return (getattr(function, "attr", "") or getattr(function, "id", "")) == "partial"
    return isinstance(value, ast.Lambda | ast.Name)


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    found = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}
    return found.union(*map(_globals_of, table.get_children()))


def _used(tree: ast.AST) -> set[str]:
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}


def _changed(source: str) -> set[str]:
    """Return the names that a cell sets, deletes, sets something of, or may set; no function's own ones."""
    found = set(_EVERYTHING) if _RESETS.search(source) else set()
    table = _table(source)
    if table is not None:
        found |= {one.get_name() for one in table.get_symbols() if one.is_assigned() or one.is_imported()}
        found |= set().union(*map(_assigned_globally, table.get_children()))
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            found |= _base(node)
        elif isinstance(node, ast.Call) and _changes_in_place(node):
            found |= _base(node.func)
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            found |= _EVERYTHING
    return found


def _assigned_globally(table: symtable.SymbolTable) -> set[str]:
    own = {one.get_name() for one in table.get_symbols() if one.is_declared_global() and one.is_assigned()}
    return own.union(*map(_assigned_globally, table.get_children()))


def _changes_in_place(call: ast.Call) -> bool:
    named = isinstance(call.func, ast.Attribute) and call.func.attr in _IN_PLACE
    return named or any(one.arg == "inplace" for one in call.keywords)


def _base(node: ast.AST) -> set[str]:
    """Return the name that ``name.part[0].part`` begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _table(source: str) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(python_of(source), "<cell>", "exec")
    except NO_PYTHON:
        return None
