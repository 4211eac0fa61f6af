"""What the code of a lab makes in the workspace: named so that a reset finds it, and cleaned up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import partial

from academy.compute.defaults import default_computes
from academy.labs.lint.source import Cell, Finding, Source, called, shell_line
from academy.labs.lint.texts import Texts, texts_of

# The SDK's classes, and the type that lab.yml has for what they make.
TYPES = {
    "ManagedOnlineEndpoint": "online_endpoint",
    "KubernetesOnlineEndpoint": "online_endpoint",
    "Model": "model",
    "Data": "data",
    "Environment": "environment",
    "AmlCompute": "compute",
    "ComputeInstance": "compute",
}
_CREATING = re.compile(r"(?:begin_)?create_or_update|begin_create")
_DELETING = re.compile(r"(?:begin_)?delete(?:_\w+)?")
_CLEANING = re.compile(r"(?:begin_)?(?:delete|archive|stop|cancel)(?:_\w+)?")
_SHELL_CLEANING = re.compile(r"\baz\b.*\b(?:delete|archive|stop|cancel)\b")
_SHELL_DELETING = re.compile(r"\baz\b.*\bonline-(?:endpoint|deployment)\b.*\bdelete\b")
# Deleting one of these leaves an endpoint as it is.
_NO_ENDPOINT = ("models", "data", "environments", "components", "jobs", "compute", "schedules", "datastores")


def misnamed(source: Source) -> Iterator[Finding]:
    """Yield a finding for what a reset would not find, and for what no parameter names."""
    texts = texts_of(source)
    finding = partial(source.in_notebook, "resources")
    for cell, call in _sent(source):
        given = {one.arg: one.value for one in call.keywords if one.arg}
        kind = TYPES.get(called(call), "")
        key = "name" if kind else "experiment_name"
        kind, name = kind or "job", texts.named(given.get(key))
        value = texts.value(given.get(key))
        if name is None or value is None or (kind == "compute" and value in default_computes("")):
            continue
        listed = _is_listed(source, texts, kind, name, value)
        if kind != "job" and not re.search(r"{\w+}", name):
            yield finding(
                f"{called(call)}({key}={value!r}) has a name that no parameter gives.",
                f"Make it a parameter, and put it below resources in lab.yml, type {kind}: '{{parameter}}'.",
                cell,
            )
        elif not listed:
            yield finding(
                f"{called(call)}({key}=…) makes the {kind} {name!r}, which lab.yml does not name.",
                f"Name it there below resources, with its step, type {kind} and name {name!r}: "
                "'academy lab reset' takes away what stands there.",
                cell,
            )


def makes(source: Source) -> bool:
    """Tell whether there is anything to clean up."""
    calls = (call for cell in source.cells for call in cell.calls())
    return bool(source.manifest.resources) or any(_creates(call) for call in calls)


def cleans(source: Source, cells: Iterable[Cell]) -> bool:
    """Tell whether the cells delete, archive, stop or cancel something."""
    return any(
        _CLEANING.fullmatch(node.attr)
        if isinstance(node, ast.Attribute)
        else _tells(node, _CLEANING, _SHELL_CLEANING)
        for node in _reached(source, _trees(cells))
    )


def leaves_endpoint(source: Source, cells: Iterable[Cell]) -> bool:
    """Tell whether the lab makes an online endpoint, which the cells do not delete."""
    sent = any(TYPES.get(called(call)) == "online_endpoint" for _, call in _sent(source))
    if not sent and not any(one.type == "online_endpoint" for one in source.manifest.resources):
        return False
    return not any(
        _DELETING.fullmatch(node.attr) and getattr(node.value, "attr", "") not in _NO_ENDPOINT
        if isinstance(node, ast.Attribute)
        else _tells(node, _DELETING, _SHELL_DELETING)
        for node in _reached(source, _trees(cells))
    )


def _is_listed(source: Source, texts: Texts, kind: str, name: str, value: str) -> bool:
    for one in source.manifest.resources:
        filled = re.sub(r"{(\w+)}", lambda found: texts.parameters.get(found[1], found[0]), one.name)
        if one.type == kind and (one.name == name or filled == value):
            return True
    return False


def _sent(source: Source) -> Iterator[tuple[Cell, ast.Call]]:
    """Yield the calls that make what is sent to the workspace, with their cells."""
    kept = [cell for cell in source.cells if cell.is_code and "raises-exception" not in cell.tags]
    creating = [call for cell in kept for call in cell.calls() if _creates(call)]
    given = [[*call.args, *(one.value for one in call.keywords)] for call in creating]
    reached = {id(node) for node in _reached(source, [node for nodes in given for node in nodes])}
    reached |= {id(call) for call in creating}
    for cell in kept:
        for call in cell.calls():
            keys = {one.arg for one in call.keywords}
            if id(call) in reached and (called(call) in TYPES or "experiment_name" in keys):
                yield cell, call


def _creates(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and bool(_CREATING.fullmatch(call.func.attr))


def _trees(cells: Iterable[Cell]) -> list[ast.AST]:
    return [cell.tree for cell in cells if cell.tree]


def _reached(source: Source, roots: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield what stands in the nodes, in what their names were assigned, and in functions that they name."""
    bound: dict[str, list[ast.AST]] = {}
    for node in (node for cell in source.cells if cell.is_code and cell.tree for node in ast.walk(cell.tree)):
        if isinstance(node, ast.FunctionDef):
            bound.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    bound.setdefault(target.id, []).append(node.value)
    waiting, seen = list(roots), set()
    while waiting:
        for node in ast.walk(waiting.pop()):
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                waiting += bound.pop(node.id, [])


def _tells(node: ast.AST, method: re.Pattern[str], shell: re.Pattern[str]) -> bool:
    """Tell whether a call is of such a function, or of such a line of the shell."""
    if not isinstance(node, ast.Call):
        return False
    of_method = isinstance(node.func, ast.Name) and method.fullmatch(node.func.id)
    return bool(of_method or shell.search(shell_line(node)))
