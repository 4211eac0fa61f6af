"""Versioned assets: containers, immutable versions, the next number, ``@latest`` and other labels.

A container (``…/data/iris``) holds versions (``…/data/iris/versions/1``). A version never changes in
what it is; description, tags, properties and the archive mark may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from academy.errors import Conflict, NotFound, choices
from academy.store.audit import record
from academy.store.database import transaction
from academy.store.documents import Body, Document, Documents, ListView, Page
from academy.store.ids import Workspace
from academy.store.tables import labels

MUTABLE = frozenset({"description", "tags", "properties", "isArchived", "isAnonymous", "stage", "autoDelete"})

# What Azure's container documents show of their newest version.
_SHOWN_IN_CONTAINER = ("dataType", "isAnonymous")

LATEST = "latest"


class Versions:
    """The versioned assets over ``Documents``; ids are those of containers."""

    def __init__(self, documents: Documents) -> None:
        self.documents = documents

    def put(self, container: str, version: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Create a version, or change what may change of an existing one.

        Raises
        ------
        Conflict
            When the version exists and differs in anything that is immutable.
        """
        self._ensure_container(container, body, who)
        return self._write(container, version, body, who)

    def add(self, container: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Create the next version; two callers at the same moment get two numbers."""
        self._ensure_container(container, body, who)
        while True:
            version = self.next_version(container)
            try:
                return self.documents.create(version_id(container, version), _normal(body), who=who)
            except Conflict:
                continue

    def get(self, container: str, version: str) -> Document:
        """Return a version, archived or not; ``NotFound`` names the versions there are."""
        found = self.documents.find(version_id(container, version))
        if found is None:
            raise self._missing_version(container, f"version {version!r}")
        return found

    def resolve(self, workspace: Workspace, collection: str, name: str, reference: str) -> Document:
        """Return the version that ``reference`` names: a version, or a label such as ``latest``.

        A version wins over a label of the same spelling.
        """
        container = workspace.child(collection, name)
        found = self.documents.find(version_id(container, reference))
        return found if found is not None else self.labelled(container, reference)

    def labelled(self, container: str, label: str) -> Document:
        """Return the version that a label points at; ``latest`` is the most recently created."""
        if label == LATEST:
            newest = self.list(container, top=1).items
            if newest:
                return newest[0]
            raise self._missing_version(container, "active version")
        version = self.labels(container).get(label)
        if version is None:
            raise self._missing_version(container, f"label {label!r}")
        return self.get(container, version)

    def labels(self, container: str) -> dict[str, str]:
        """Return label → version of a container, ``latest`` left out."""
        query = select(labels.c.label, labels.c.version).where(labels.c.container == container.lower())
        with self.documents.engine.connect() as connection:
            return {row.label: row.version for row in connection.execute(query)}

    def set_label(self, container: str, label: str, version: str, *, who: str) -> None:
        """Point a label at a version that exists."""
        if label == LATEST:
            raise Conflict("The label 'latest' moves by itself: it is the most recently created version.")
        self.get(container, version)
        this = (labels.c.container == container.lower()) & (labels.c.label == label)
        with transaction(self.documents.engine) as connection:
            if not connection.execute(update(labels).where(this).values(version=version)).rowcount:
                row = {"container": container.lower(), "label": label, "version": version}
                connection.execute(insert(labels).values(row))
            record(connection, who, f"label {label} is {version}", container, None)

    def remove_label(self, container: str, label: str, *, who: str) -> None:
        """Take a label away; it is no error when there is none."""
        this = (labels.c.container == container.lower()) & (labels.c.label == label)
        with transaction(self.documents.engine) as connection:
            if connection.execute(delete(labels).where(this)).rowcount:
                record(connection, who, f"remove label {label}", container, None)

    def list(
        self,
        container: str,
        *,
        view: ListView = ListView.ACTIVE_ONLY,
        newest_first: bool = True,
        skip: int = 0,
        top: int | None = None,
    ) -> Page:
        """List the versions of a container."""
        collection = f"{container}/versions"
        return self.documents.list(collection, view=view, newest_first=newest_first, skip=skip, top=top)

    def containers(
        self, collection: str, *, view: ListView = ListView.ACTIVE_ONLY, skip: int = 0, top: int | None = None
    ) -> Page:
        """List the containers of a collection such as ``…/data``, each with its latest and next version.

        Those that hold anonymous assets are left out, as on Azure.
        """
        anonymous = ("properties", "isAnonymous")
        page = self.documents.list(collection, view=view, skip=skip, top=top, unless=anonymous)
        return Page([self._described(item) for item in page.items], page.next_skip)

    def container(self, id: str) -> Document:
        """Return a container with its latest and next version."""
        return self._described(self.documents.get(id))

    def next_version(self, container: str) -> str:
        """Return one more than the highest version that is a whole number."""
        every = self.documents.names(f"{container}/versions")
        return str(max((int(name) for name in every if name.isdecimal()), default=0) + 1)

    def update(
        self, container: str, version: str, change: Callable[[Body], Mapping[str, Any]], *, who: str
    ) -> Document:
        """Change the mutable part of an existing version; ``change`` maps the old body to the new."""
        old = self.get(container, version)
        return self._write(container, version, change(old.body), who)

    def delete(self, container: str, version: str, *, who: str) -> Document:
        """Delete a version and the labels that point at it."""
        removed = self.documents.delete(version_id(container, version), who=who)
        pointing = (labels.c.container == container.lower()) & (labels.c.version == version)
        with transaction(self.documents.engine) as connection:
            connection.execute(delete(labels).where(pointing))
        return removed

    def delete_container(self, container: str, *, who: str) -> Document:
        """Delete a container with all its versions and labels."""
        removed = self.documents.delete(container, who=who)
        with transaction(self.documents.engine) as connection:
            connection.execute(delete(labels).where(labels.c.container == container.lower()))
        return removed

    def _write(self, container: str, version: str, body: Mapping[str, Any], who: str) -> Document:
        new = _normal(body)

        def unless_immutable(old: Document | None) -> Mapping[str, Any]:
            if old is not None:
                _check_immutable(old, new)
            return new

        archived = bool(new["properties"].get("isArchived", False))
        return self.documents.change(
            version_id(container, version), unless_immutable, who=who, archived=archived
        )

    def _ensure_container(self, container: str, body: Mapping[str, Any], who: str) -> None:
        if self.documents.find(container) is not None:
            return
        given = body.get("properties") or {}
        properties = {key: given[key] for key in _SHOWN_IN_CONTAINER if key in given}
        try:
            new = {"properties": {"isArchived": False, "tags": {}, "properties": {}, **properties}}
            self.documents.create(container, new, who=who)
        except Conflict:
            return  # another caller made it in between

    def _described(self, container: Document) -> Document:
        newest = self.list(container.id, top=1).items
        properties = {
            **container.properties,
            "isArchived": container.archived,
            "latestVersion": newest[0].name if newest else None,
            "nextVersion": self.next_version(container.id),
        }
        return replace(container, body={**container.body, "properties": properties})

    def _missing_version(self, container: str, what: str) -> NotFound:
        kind, name = container.rsplit("/", 2)[-2:]
        if self.documents.find(container) is None:
            others = self.documents.names(container.rsplit("/", 1)[0])[-20:]
            return NotFound(
                f"There is no {name!r} in {kind!r}. There are: {choices(others)}.", target=container
            )
        known = self.documents.names(f"{container}/versions")[-20:]
        return NotFound(
            f"{kind}/{name} has no {what}. Versions: {choices(known)}; labels: "
            f"{choices([LATEST, *self.labels(container)])}.",
            target=container,
        )


def version_id(container: str, version: str) -> str:
    """Return the id of a version of ``container``."""
    return f"{container}/versions/{version}"


def _normal(body: Mapping[str, Any]) -> Body:
    properties = {key: value for key, value in (body.get("properties") or {}).items() if value is not None}
    properties.setdefault("isArchived", False)
    properties.setdefault("isAnonymous", False)
    properties.setdefault("tags", {})
    properties.setdefault("properties", {})
    return {**body, "properties": properties}


def _check_immutable(old: Document, new: Body) -> None:
    before, after = _immutable(old.properties), _immutable(new["properties"])
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if changed:
        kind, name, _, version = old.id.rsplit("/", 4)[-4:]
        raise Conflict(
            f"{kind}/{name} version {version!r} exists already with another {choices(changed)}, and "
            "versions are immutable. Leave the version out to get the next one, or name one that is free.",
            target=old.id,
        )


def _immutable(properties: Mapping[str, Any]) -> Body:
    return {
        key: value for key, value in properties.items() if key not in MUTABLE and value not in (None, {}, [])
    }
