"""Whether the environments and computes that a lab names are there, by its code and its YAML files."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from academy.compute.defaults import default_computes
from academy.environments import curated
from academy.errors import choices
from academy.labs.lint.source import Cell, Finding, Rule, Source, called, shell_line
from academy.labs.lint.texts import texts_of

_COMPUTES = ("compute", "default_compute")
_KEYS = (*_COMPUTES, "environment", "image")
_BUILT_IN = ("serverless", "local")

_MAKERS = {
    "environment": re.compile(r"Environment"),
    "compute": re.compile(r"\w+Compute|ComputeInstance"),
}
# What may make environments and computes that the text does not name.
_LOADING = ("load_environment", "load_compute")
_MAKING = re.compile(r"\baz\b.*\b(?:environment|compute)\b.*\b(?:create|attach)\b")

_REGISTRY = re.compile(r"azureml://registries/azureml/environments/([^/]+)/(?:labels|versions)/([^/]+)", re.I)
_OF_WORKSPACE = re.compile(r"(?:azureml:)?([A-Za-z0-9][\w.-]*)(?:@|:)([\w.-]+)")
_IMAGE = re.compile(r"mcr\.microsoft\.com/azureml/curated/([\w.-]+)(?:[:@].*)?", re.I)
_LINE = re.compile(rf"^\s*(?:-\s+)?({'|'.join(_KEYS)}):\s*[\"']?([^\s\"'#{{]+)", re.M)
_YAML_NAME = re.compile(r"^name:\s*[\"']?([\w.-]+)", re.M)


@dataclass(frozen=True)
class _There:
    """The names of environments and computes that the lab may use, and whether it may make others."""

    environments: frozenset[str]
    computes: frozenset[str]
    others: bool

    def fault(self, key: str, text: str) -> tuple[str, str] | None:
        """Return what is wrong with a value, and what to do."""
        if "${{" in text:
            return None
        if key in _COMPUTES:
            return self._compute(text)
        form = _IMAGE if key == "image" else _REGISTRY
        found = form.fullmatch(text)
        if found:
            return _curated(found[1], found[2] if form is _REGISTRY else "latest", text)
        found = _OF_WORKSPACE.fullmatch(text) if key == "environment" else None
        if not found or found[1] in self.environments:
            return None
        if found[1].lower().startswith(curated.PREFIX.lower()) or curated.get(found[1]):
            return _curated(found[1], found[2], text)
        close = _close(found[1], (*self.environments, *curated.names()))
        return _fault("environment", text, close, ()) if close and not self.others else None

    def _compute(self, text: str) -> tuple[str, str] | None:
        name = text.removeprefix("azureml:")
        known = [*self.computes, *default_computes("")]
        if "/" in name or self.others or name.lower() in map(str.lower, (*known, *_BUILT_IN)):
            return None
        return _fault("compute", text, _close(name, (*known, *_BUILT_IN)), (*known, *_BUILT_IN))


def _curated(name: str, reference: str, text: str) -> tuple[str, str] | None:
    bare = re.sub(f"^{curated.PREFIX}", "", name, flags=re.I)
    if not curated.get(name):
        return _fault("curated environment", text, _close(bare, curated.names()), curated.names())
    if reference != "latest" and not reference.isdecimal():
        return f"{text!r}: {name} has no version or label {reference!r}.", "Give a number, or 'latest'."
    return None


def _close(name: str, known: Sequence[str]) -> list[str]:
    return difflib.get_close_matches(name, known, n=1)


def _fault(what: str, text: str, close: Sequence[str], known: Sequence[str]) -> tuple[str, str]:
    there = f"There are: {choices(known)}." if known else "Mend the name, or make it in the lab."
    return f"There is no {what} {text!r}.", f"Did you mean {close[0]!r}?" + " " + there if close else there


def _there(source: Source) -> _There:
    texts = texts_of(source)
    names: dict[str, set[str]] = {"environment": set(), "compute": set()}
    others = False
    for call in (call for cell in source.cells for call in cell.calls()):
        others |= called(call) in _LOADING or bool(_MAKING.search(shell_line(call)))
        for kind, makers in _MAKERS.items():
            given = [one.value for one in call.keywords if one.arg == "name"]
            if makers.fullmatch(called(call)) and given:
                name = texts.value(given[0])
                names[kind] |= {name} if name else set()
                others |= name is None
    for path, text in source.texts:
        if path.suffix in (".yml", ".yaml") and path.name != "lab.yml":
            for made in names.values():
                made.update(_YAML_NAME.findall(text))
    return _There(frozenset(names["environment"]), frozenset(names["compute"]), others)


def _named(source: Source) -> Iterator[tuple[Cell, str, str]]:
    """Yield what is given as an environment or a compute in code: as an argument, or set on an object."""
    texts = texts_of(source)
    for cell in source.cells:
        if not cell.is_code or not cell.tree or "raises-exception" in cell.tags:
            continue
        given: list[tuple[str, ast.expr]] = []
        for node in ast.walk(cell.tree):
            if isinstance(node, ast.Call):
                given += [(one.arg, one.value) for one in node.keywords if one.arg in _KEYS]
            elif isinstance(node, ast.Assign):
                targets = [one for one in node.targets if isinstance(one, ast.Attribute)]
                given += [(one.attr, node.value) for one in targets if one.attr in _KEYS]
        for key, value in given:
            text = texts.value(value)
            if text:
                yield cell, key, text


def _known(source: Source) -> Iterator[Finding]:
    there = _there(source)
    for cell, key, text in _named(source):
        fault = there.fault(key, text)
        if fault:
            yield partial(source.in_notebook, "known-names")(*fault, cell)
    for path, content in source.texts:
        if path.suffix in (".yml", ".yaml") and path.name != "lab.yml":
            for key, text in dict.fromkeys(_LINE.findall(content)):
                fault = there.fault(key, text)
                if fault:
                    yield source.in_file("known-names", path, *fault)


RULES = (Rule("known-names", "curated environments and computes that are named are there", _known),)
