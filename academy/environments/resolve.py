"""Every way in which jobs and deployments name an environment, and what it leads to."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from academy.environments import curated
from academy.environments.spec import EnvironmentSpec, from_document
from academy.errors import InvalidField, NotFound, Unsupported
from academy.store.documents import Document
from academy.store.ids import ResourceId, Workspace
from academy.store.versions import Versions

# Gives the folder of a build context by its URI, or None when it is not on this machine.
FindContext = Callable[[Workspace, str], Path | None]

_COLLECTION = "environments"

# The registry that Azure publishes its curated environments in.
_CURATED_REGISTRY = "azureml"

_REGISTRY = re.compile(
    r"azureml://registries/(?P<registry>[^/]+)/environments/(?P<name>[^/:@]+)"
    r"(?:/(?:versions|labels)/(?P<reference>[^/]+)|[:@](?P<short>[^/]+))?/?",
    re.IGNORECASE,
)
_LONG = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resourceGroups/[^/]+/(?:providers/[^/]+/)?|locations/[^/]+/)"
    r"workspaces/[^/]+/environments/(?P<name>[^/]+)/(?:versions|labels)/(?P<reference>[^/]+)/?",
    re.IGNORECASE,
)
_SHORT = re.compile(r"(?P<name>[^/:@]+)(?:[:@](?P<reference>[^/:@]+))?")


@dataclass(frozen=True)
class _Named:
    """A name and the version or label of it, in a workspace or in Azure's registry."""

    name: str
    reference: str
    workspace: Workspace | None


def resolve(
    versions: Versions, workspace: Workspace, reference: str, *, find_context: FindContext | None = None
) -> EnvironmentSpec:
    """Return what a reference to an environment leads to.

    It may be ``azureml:NAME:VERSION``, ``azureml:NAME@LABEL``, the same without ``azureml:``, an ARM id,
    an ``azureml://`` id of a workspace, or ``azureml://registries/azureml/environments/NAME/…``.

    Raises
    ------
    NotFound
        When there is no such environment.
    InvalidField
        When the reference has none of these forms.
    """
    named = _parse(workspace, reference)
    if named.workspace is None or named.name.lower().startswith(curated.PREFIX.lower()):
        return curated.find(named.name, named.reference)
    try:
        document = versions.resolve(named.workspace, _COLLECTION, named.name, named.reference)
    except NotFound:
        # A curated one by its bare name; a workspace's own of that name goes first.
        if curated.get(named.name) is None:
            raise
        return curated.find(named.name, named.reference)
    return _specified(named.workspace, named.name, document, find_context)


def _specified(
    workspace: Workspace, name: str, document: Document, find_context: FindContext | None
) -> EnvironmentSpec:
    uri = (document.properties.get("build") or {}).get("contextUri")
    context = find_context(workspace, uri) if uri and find_context else None
    return from_document(name, document.name, document.properties, context=context)


def _parse(workspace: Workspace, reference: str) -> _Named:
    text = reference.strip()
    registry = _REGISTRY.fullmatch(text)
    if registry:
        if registry["registry"].lower() != _CURATED_REGISTRY:
            raise Unsupported(
                f"The registry {registry['registry']!r} is not on this machine. Curated environments are in "
                f"the registry {_CURATED_REGISTRY!r}: azureml://registries/azureml/environments/NAME/labels/latest.",
                target="properties.environmentId",
            )
        return _Named(registry["name"], registry["reference"] or registry["short"] or "latest", None)
    long = _LONG.fullmatch(text)
    if long:
        return _Named(long["name"], long["reference"], workspace)
    plain = text.removeprefix("azureml:")
    if plain.lower().startswith("/subscriptions/"):
        return _of_id(plain)
    short = _SHORT.fullmatch(plain)
    if short is None:
        raise _not_a_reference(reference)
    return _Named(short["name"], short["reference"] or "latest", workspace)


def _of_id(text: str) -> _Named:
    parsed = ResourceId.parse(text)
    if len(parsed.path) != 4 or parsed.path[0].lower() != _COLLECTION:
        raise _not_a_reference(text)
    return _Named(parsed.path[1], parsed.path[3], parsed.workspace)


def _not_a_reference(reference: str) -> InvalidField:
    return InvalidField(
        f"{reference!r} does not name an environment. Write azureml:NAME:VERSION, azureml:NAME@latest, or "
        "azureml://registries/azureml/environments/NAME/labels/latest.",
        target="properties.environmentId",
    )
