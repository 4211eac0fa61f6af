"""Parse every form in which Azure ML names data, models, datastore paths and job outputs.

Nothing here looks anything up: a URI becomes a frozen value that says what it names. The forms are
those of https://learn.microsoft.com/azure/machine-learning/how-to-access-data and of the SDK's
``azure.ai.ml.constants._common``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from academy.errors import InvalidField, Unsupported
from academy.store.ids import PROVIDER, ResourceId, Workspace

ARTIFACTS = "artifacts"


@dataclass(frozen=True)
class DatastoreUri:
    """``azureml://datastores/D/paths/P``; ``workspace`` is set in the long form."""

    datastore: str
    path: str
    workspace: Workspace | None = None


@dataclass(frozen=True)
class AssetUri:
    """A registered version: by ``version`` or by ``label``.

    ``collection`` is None in ``azureml:NAME:V``, which does not say; ``workspace_guid`` is set in the
    form ``azureml://locations/L/workspaces/GUID/…``.
    """

    collection: str | None
    name: str
    version: str | None = None
    label: str | None = None
    workspace: Workspace | None = None
    workspace_guid: str | None = None

    @property
    def reference(self) -> str:
        """The version or the label, whichever was given."""
        return self.version or self.label or ""


@dataclass(frozen=True)
class JobOutputUri:
    """``azureml://jobs/J/outputs/O[/paths/P]``, or ``runs:/J/P`` (the output ``artifacts``)."""

    job: str
    output: str
    path: str = ""
    workspace: Workspace | None = None


@dataclass(frozen=True)
class StorageUri:
    """A path in a container of a storage account: ``wasbs``, ``abfss`` or a blob URL.

    ``http://127.0.0.1:PORT/A/B/C`` reads as one too; whether A is an account is for others to know.
    """

    account: str
    container: str
    path: str
    text: str


@dataclass(frozen=True)
class WebUri:
    """Any other ``http`` or ``https`` URL."""

    url: str


@dataclass(frozen=True)
class LocalPath:
    """A path on this machine: ``file:///…``, ``/…`` or ``./…``."""

    path: str


@dataclass(frozen=True)
class RegistryUri:
    """``azureml://registries/R/COLLECTION/NAME/versions/V`` (or ``labels/L``)."""

    registry: str
    collection: str
    name: str
    version: str | None = None
    label: str | None = None


Uri: TypeAlias = DatastoreUri | AssetUri | JobOutputUri | StorageUri | WebUri | LocalPath | RegistryUri

_FORMS = (
    "azureml:NAME:VERSION, azureml:NAME@latest, azureml://datastores/DATASTORE/paths/PATH, "
    "azureml://jobs/JOB/outputs/OUTPUT[/paths/PATH], an ARM id, https://…, wasbs://…, abfss://… or a "
    "local path"
)

_NAME = r"[A-Za-z0-9_][A-Za-z0-9._\-]*"
_SHORT_ASSET = re.compile(rf"(?P<name>{_NAME})(?::(?P<version>[^:@/\s]+)|@(?P<label>{_NAME}))")

# The workspace part of azureml:// URIs, with and without the provider.
_WORKSPACE = re.compile(
    rf"(?:subscriptions/(?P<s>[^/]+)/)?resourcegroups/(?P<r>[^/]+)/(?:providers/{re.escape(PROVIDER)}/)?"
    r"workspaces/(?P<w>[^/]+)/(?P<rest>.+)",
    re.IGNORECASE,
)
_LOCATION = re.compile(r"locations/[^/]+/workspaces/(?P<guid>[^/]+)/(?P<rest>.+)", re.IGNORECASE)
_DATASTORE = re.compile(r"datastores/(?P<d>[^/]+)(?:/paths(?:/(?P<p>.*))?|/(?P<run>ExperimentRun/.+)|/)?")
_JOB_OUTPUT = re.compile(r"jobs/(?P<j>[^/]+)/outputs/(?P<o>[^/]+)(?:/paths(?:/(?P<p>.*))?|/)?")
_VERSIONED = re.compile(r"(?P<c>[^/]+)/(?P<n>[^/]+)/(?:versions/(?P<v>[^/]+)|labels/(?P<l>[^/]+))/?")
_REGISTRY = re.compile(rf"registries/(?P<r>[^/]+)/{_VERSIONED.pattern}")


def parse(text: str) -> Uri:
    """Return what ``text`` names.

    Raises
    ------
    InvalidField
        When it has none of the known forms; the message lists them.
    Unsupported
        For a scheme of Azure's that Academy does not have.
    """
    # `file:azureml://…` and `folder:azureml://…` are what older SDKs write for a job input.
    bare = re.sub(r"^(?:file|folder):(?=azureml:)", "", text.strip())
    scheme = bare.split(":", 1)[0].lower() if ":" in bare else ""
    if bare.startswith("/subscriptions/"):
        return _arm(bare)
    if _is_local(bare):
        return LocalPath(bare)
    if scheme in _BY_SCHEME:
        return _BY_SCHEME[scheme](bare)
    if "://" in bare:
        raise Unsupported(f"{text!r} has the scheme {scheme!r}, which is not supported. Use {_FORMS}.")
    short = _SHORT_ASSET.fullmatch(bare)
    if short:
        return AssetUri(None, short["name"], short["version"], short["label"])
    return _local_or_nothing(bare)


def join(base: str, relative: str) -> str:
    """Return the path of something below ``base`` inside a datastore, with single slashes."""
    return "/".join(part for part in (base.strip("/"), relative.strip("/")) if part)


def datastore_uri(workspace: Workspace, datastore: str, path: str) -> str:
    """Return the long form, which means the same in every workspace."""
    return (
        f"azureml://subscriptions/{workspace.subscription}/resourcegroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}/datastores/{datastore}/paths/{path}"
    )


def _is_local(text: str) -> bool:
    return text.startswith(("/", "./", "../", "~")) or text in (".", "..")


def _local_or_nothing(text: str) -> LocalPath:
    if text and ":" not in text and "@" not in text:
        return LocalPath(text)
    raise InvalidField(f"{text!r} does not name data. Use {_FORMS}.")


def _azureml(text: str) -> Uri:
    rest = text.removeprefix("azureml:")
    if rest.startswith("//"):
        return _azureml_path(text, rest[2:])
    if rest.startswith("/"):
        return _arm(rest)
    short = _SHORT_ASSET.fullmatch(rest)
    if short is None:
        raise InvalidField(
            f"{text!r} does not name a version. Write azureml:NAME:VERSION, or azureml:NAME@latest for "
            "the newest."
        )
    return AssetUri(None, short["name"], short["version"], short["label"])


def _azureml_path(text: str, rest: str) -> Uri:
    registry = _REGISTRY.fullmatch(rest)
    if registry:
        return RegistryUri(registry["r"], registry["c"], registry["n"], registry["v"], registry["l"])
    located = _LOCATION.fullmatch(rest)
    if located:
        return _resource(text, located["rest"], None, located["guid"])
    scoped = _WORKSPACE.fullmatch(rest)
    if scoped is None:
        return _resource(text, rest, None, None)
    # `azureml://resourcegroups/R/workspaces/W/…` leaves the subscription to the workspace it is used in.
    workspace = Workspace(scoped["s"], scoped["r"], scoped["w"]) if scoped["s"] else None
    return _resource(text, scoped["rest"], workspace, None)


def _resource(text: str, rest: str, workspace: Workspace | None, guid: str | None) -> Uri:
    datastore = _DATASTORE.fullmatch(rest)
    if datastore:
        return DatastoreUri(datastore["d"], datastore["p"] or datastore["run"] or "", workspace)
    output = _JOB_OUTPUT.fullmatch(rest)
    if output:
        return JobOutputUri(output["j"], output["o"], output["p"] or "", workspace)
    versioned = _VERSIONED.fullmatch(rest)
    if versioned:
        return AssetUri(
            versioned["c"], versioned["n"], versioned["v"], versioned["l"], workspace, workspace_guid=guid
        )
    raise InvalidField(f"{text!r} is not a complete azureml:// URI. Use {_FORMS}.")


def _arm(text: str) -> Uri:
    resource = ResourceId.parse(text)
    rest = "/".join(resource.path)
    if not rest:
        raise InvalidField(f"{text!r} names a workspace, not data in it. Use {_FORMS}.")
    return _resource(text, rest, resource.workspace, None)


def _run(text: str) -> Uri:
    job, _, path = text.removeprefix("runs:/").strip("/").partition("/")
    if not job:
        raise InvalidField(f"{text!r} names no run. The form is runs:/RUN_ID/PATH.")
    return JobOutputUri(job, ARTIFACTS, path)


def _file(text: str) -> Uri:
    path = text.removeprefix("file:")
    if not path.startswith("//"):
        return LocalPath(path)
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost"):
        raise Unsupported(f"{text!r} is on the machine {parts.netloc!r}. Only files of this machine work.")
    return LocalPath(unquote(parts.path))


def _web(text: str) -> Uri:
    parts = urlsplit(text)
    host = (parts.hostname or "").lower()
    account, *kind = host.split(".", 2)
    if not host:
        raise InvalidField(f"{text!r} names no host.")
    # Blob URLs: with the account in the host name as on Azure, or first in the path as here.
    if len(kind) == 2 and kind[0] in ("blob", "dfs") and parts.path.strip("/"):
        container, _, path = parts.path.lstrip("/").partition("/")
        return StorageUri(account, unquote(container), unquote(path), text)
    segments = parts.path.lstrip("/").split("/", 2)
    if host in ("127.0.0.1", "localhost") and len(segments) >= 2:
        path = segments[2] if len(segments) == 3 else ""
        return StorageUri(segments[0], unquote(segments[1]), unquote(path), text)
    return WebUri(text)


def _storage(text: str) -> Uri:
    parts = urlsplit(text)
    container, at, host = parts.netloc.partition("@")
    if not at or not container or not host:
        scheme = parts.scheme
        raise InvalidField(
            f"{text!r} is not a storage URI. The form is {scheme}://CONTAINER@ACCOUNT.HOST/PATH."
        )
    return StorageUri(host.split(".", 1)[0].lower(), container, unquote(parts.path.lstrip("/")), text)


_BY_SCHEME: dict[str, Callable[[str], Uri]] = {
    "azureml": _azureml,
    "runs": _run,
    "file": _file,
    "http": _web,
    "https": _web,
    "wasb": _storage,
    "wasbs": _storage,
    "abfs": _storage,
    "abfss": _storage,
}
