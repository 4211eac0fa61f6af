"""Whether the environments and computes that a lab names are there, by its code and its YAML files."""

from __future__ import annotations

import ast
import difflib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

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
# What says in a YAML file of the SDK's that it makes an environment or a compute.
_ENVIRONMENT_KEYS = {"image", "build", "conda_file", "inference_config"}
_COMPUTE_TYPES = ("amlcompute", "computeinstance", "kubernetes", "virtualmachine", "synapsespark")

# What a YAML reader raises at broken text, and at dates, tags and depths that it cannot make into values.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)

_Document = tuple[Path, Any]


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


def _documents(source: Source) -> Iterator[_Document]:
    """Yield the lab's YAML files with what they hold: not its manifest, nor what cannot be read."""
    for path, text in source.texts:
        if path.suffix in (".yml", ".yaml") and path.name != "lab.yml":
            try:
                yield path, yaml.safe_load(text)
            except _UNREADABLE:
                continue


def _given_in(document: Any) -> Iterator[tuple[str, str]]:
    """Yield what YAML gives as an environment or a compute, at whatever depth."""
    waiting, seen = deque([document]), set()
    while waiting:
        node = waiting.popleft()
        if id(node) in seen or not isinstance(node, dict | list):
            continue
        seen.add(id(node))
        waiting += node.values() if isinstance(node, dict) else node
        if isinstance(node, dict):
            yield from ((key, node[key]) for key in _KEYS if isinstance(node.get(key), str) and node[key])


def _kind_of(document: dict[Any, Any]) -> str:
    """Return what a YAML file makes: an environment, a compute, or something else, which is empty."""
    schema = str(document.get("$schema") or "").rsplit("/", 1)[-1].split(".")[0].lower()
    if schema:
        return "environment" if schema == "environment" else "compute" if "compute" in schema else ""
    if "type" in document:
        is_compute = str(document["type"]).lower() in _COMPUTE_TYPES and "endpoint_name" not in document
        return "compute" if is_compute else ""
    return "environment" if _ENVIRONMENT_KEYS & document.keys() else ""


def _there(source: Source, documents: Sequence[_Document]) -> _There:
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
    for _, document in documents:
        kind = _kind_of(document) if isinstance(document, dict) else ""
        if kind and "name" in document:
            names[kind].add(str(document["name"]))
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
    documents = list(_documents(source))
    there = _there(source, documents)
    for cell, key, text in _named(source):
        fault = there.fault(key, text)
        if fault:
            yield partial(source.in_notebook, "known-names")(*fault, cell)
    for path, document in documents:
        for key, text in dict.fromkeys(_given_in(document)):
            fault = there.fault(key, text)
            if fault:
                yield source.in_file("known-names", path, *fault)


RULES = (Rule("known-names", "curated environments and computes that are named are there", _known),)
