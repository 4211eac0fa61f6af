"""What a learner added to a cell that is not theirs: imports, definitions and new names.

Such a cell is graded as it was released. These are kept, because the learner's own cells may need them;
changes of what was given are not, and neither are statements that name nothing, such as a call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

# Nobody adds as much by hand to a cell that was given.
_MOST_READ = 50_000


def additions(released: str, submitted: str, given: frozenset[str]) -> str:
    """Return the statements that ``submitted`` has beyond ``released``.

    Only those are returned that import, define or set names which are not among ``given``.
    """
    before, after = _tree(released), _tree(submitted)
    if before is None or after is None:
        return ""
    try:
        known = {ast.dump(statement) for statement in before.body}
        kept = [
            ast.unparse(statement)
            for statement in after.body
            if ast.dump(statement) not in known and _sets_only_new(statement, given)
        ]
    except RecursionError:  # an expression of a thousand parts, which nobody writes by hand
        return ""
    return "\n".join(kept)


def names_set(sources: Iterable[str]) -> frozenset[str]:
    """Return every name that the sources import, define or set at their top."""
    trees = (_tree(source) for source in sources)
    return frozenset(
        name for tree in trees if tree is not None for statement in tree.body for name in _names(statement)
    )


def _tree(source: str) -> ast.Module | None:
    if len(source) > _MOST_READ:
        return None
    try:
        return ast.parse(str(TransformerManager().transform_cell(source)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # a null character, or brackets in brackets without end


def _sets_only_new(statement: ast.stmt, given: frozenset[str]) -> bool:
    names = set(_names(statement))
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return not names <= given
    return bool(names) and not names & given


def _names(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        yield from (alias.asname or alias.name.partition(".")[0] for alias in statement.names)
    elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
    elif isinstance(statement, ast.With | ast.For | ast.If | ast.Try):
        for inner in statement.body:
            yield from _names(inner)
