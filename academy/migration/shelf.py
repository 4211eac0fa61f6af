"""Asking the service for what is moved: documents by name, and where their files lie on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from academy.datasets import uris
from academy.datasets.datastores import CONTAINER_FIELDS
from academy.datasets.uris import AssetUri, DatastoreUri
from academy.environments import curated
from academy.environments.spec import EnvironmentSpec, from_document
from academy.errors import AcademyError, InvalidField, NotFound, choices
from academy.matrix.fields import did_you_mean
from academy.paths import Home, confined
from academy.service.loopback import Loopback
from academy.store.ids import ResourceId, Workspace

_NAMES_SHOWN = 8
_PAGES = 20
_HOPS = 8
_SPELLING = {"models": "NAME:VERSION", "environments": "NAME:VERSION", "jobs": "NAME"}
_KIND = {"models": "model", "environments": "environment", "jobs": "job", "data": "data asset"}
_CONTENT = {"data": "dataUri", "models": "modelUri"}


@dataclass(frozen=True)
class Stored:
    """Where data lies, on this machine if it has a ``path``; ``credentials`` is how its store is opened."""

    uri: str
    path: Path | None = None
    store: str | None = None
    credentials: str | None = None


@dataclass(frozen=True)
class Shelf:
    """The resources of one workspace of a running service."""

    service: Loopback
    workspace: Workspace

    def version(self, collection: str, reference: str) -> tuple[str, str, dict[str, Any]]:
        """Return name, version and document of ``NAME:VERSION``, ``NAME@LABEL`` or ``NAME`` (the latest).

        Raises
        ------
        InvalidField
            The reference is not written as that.
        NotFound
            There is no such name or version; the message has the nearest that there are.
        """
        name, version = split(collection, reference)
        if version is None:
            version = self._latest(collection, name)
        try:
            document = self.service.get(self.workspace.child(collection, name, "versions", version))
        except NotFound:
            raise self._no_version(collection, name, version) from None
        return name, version, document

    def job(self, name: str) -> dict[str, Any]:
        """Return a job's document; ``NotFound`` has the nearest names."""
        try:
            return self.service.get(self.workspace.child("jobs", name))
        except NotFound:
            raise self._no_name("jobs", name) from None

    def environment(self, reference: str) -> tuple[EnvironmentSpec, str]:
        """Return what an environment holds, and its id.

        Raises
        ------
        NotFound
            There is no such environment.
        AcademyError
            It asks for what cannot be had here.
        """
        name, version, document = self.version("environments", reference)
        # All versions of a curated one hold the same, and its document does not say what.
        is_curated = (document.get("properties") or {}).get("environmentType") == "Curated"
        if is_curated and curated.get(name) is not None:
            return curated.find(name, version), str(document["id"])
        return from_document(name, version, document["properties"]), str(document["id"])

    def stored(self, uri: str, collection: str = "data") -> Stored:
        """Return where a URI's data lies, by way of assets and datastores; nothing is read."""
        text, workspace = uri, self.workspace
        for _ in range(_HOPS):
            named = uris.parse(text)
            if isinstance(named, uris.LocalPath):
                return Stored(uri, Path(named.path))
            if isinstance(named, AssetUri):
                shelf = Shelf(self.service, named.workspace or workspace)
                kind = named.collection or collection
                text = str(shelf.version(kind, _short(named))[2]["properties"][_CONTENT[kind]])
            elif isinstance(named, DatastoreUri):
                return self._in_datastore(uri, named.workspace or workspace, named)
            else:
                return Stored(uri)
        return Stored(uri)

    def _in_datastore(self, uri: str, workspace: Workspace, named: DatastoreUri) -> Stored:
        found = self.service.get(workspace.child("datastores", named.datastore))["properties"]
        container = found[CONTAINER_FIELDS[found["datastoreType"]]]
        home = Home(Path(self.service.info.home))
        root = home.container(found["accountName"], container)
        credentials = str((found.get("credentials") or {}).get("credentialsType") or "None")
        path = confined(root, named.path) if root.is_dir() else None
        return Stored(uri, path, named.datastore, credentials)

    def _latest(self, collection: str, name: str) -> str:
        try:
            found = self.service.get(self.workspace.child(collection, name))
        except NotFound:
            return self._latest_curated(collection, name)
        return str(found["properties"]["latestVersion"])

    def _latest_curated(self, collection: str, name: str) -> str:
        if collection == "environments" and curated.get(name) is not None:
            return curated.find(name, "latest").version
        raise self._no_name(collection, name)

    def _no_version(self, collection: str, name: str, version: str) -> NotFound:
        try:
            there = self._names(self.workspace.child(collection, name, "versions"))
        except NotFound:
            there = []
        if not there:
            return self._no_name(collection, name)
        shown = choices(there[:_NAMES_SHOWN], in_order=True)
        return NotFound(
            f"The {_KIND[collection]} {name!r} has no version {version!r}. Its versions: {shown}.",
            target=f"{name}:{version}",
        )

    def _no_name(self, collection: str, name: str) -> NotFound:
        there = self._names(self.workspace.child(collection))
        if collection == "environments":
            # A workspace lists the curated ones too, under longer names.
            there = [one for one in there if not one.startswith(curated.PREFIX)] + curated.names()
        listed = choices(there[:_NAMES_SHOWN], in_order=True)
        more = f", and {len(there) - _NAMES_SHOWN} more" if len(there) > _NAMES_SHOWN else ""
        return NotFound(
            f"There is no {_KIND[collection]} {name!r} in the workspace {self.workspace.name!r}."
            f"{did_you_mean(name, there)} There are: {listed}{more}.",
            target=name,
        )

    def _names(self, path: str) -> list[str]:
        """Return the names in a listing; of a very long one the first thousands."""
        names: list[str] = []
        page: Mapping[str, Any] = self.service.get(path)
        for _ in range(_PAGES):
            names += [str(item["name"]) for item in page["value"]]
            link = str(page.get("nextLink") or "")
            if not link:
                break
            page = self.service.get("/" + link.split("/", 3)[3])
        return names


def split(collection: str, reference: str) -> tuple[str, str | None]:
    """Return name and version; the version is None where the latest is meant."""
    plain = reference.removeprefix("azureml:")
    if plain.lower().startswith("/subscriptions/"):
        path = ResourceId.parse(plain).path
        return path[1], path[3] if len(path) > 3 else None
    plain = plain.removesuffix("@latest")
    name, colon, version = plain.partition(":")
    if not name or (colon and not version) or set(version) & set(":/@") or set(name) & set("/@"):
        raise InvalidField(
            f"{reference!r} names no {_KIND[collection]}. Write {_SPELLING[collection]}"
            + (", or NAME@latest." if collection != "jobs" else "."),
            target=reference,
        )
    return name, version or None


def _short(named: AssetUri) -> str:
    return f"{named.name}:{named.version}" if named.version else named.name


def reason(error: AcademyError | OSError) -> str:
    """Return why something could not be looked at, as a sentence."""
    text = error.message if isinstance(error, AcademyError) else str(error.strerror)
    return text if text.endswith(".") else f"{text}."
