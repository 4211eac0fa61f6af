"""Versioned assets over REST: data, models, environments, components and code."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.blobs.sas import sas
from academy.datasets.datastores import account_name
from academy.environments import curated
from academy.errors import InvalidField, Unsupported, choices
from academy.paths import checked_name
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listed, listing, written
from academy.service.blob import blob_url
from academy.service.models import described_data, described_model
from academy.service.state import ServiceState
from academy.service.workspaces import require_workspace
from academy.store.documents import Body, Document, ListView, Page
from academy.store.versions import version_id

UPLOAD_S = 24 * 3600

# What the service fills in where the caller leaves it out.
_FOUND_OUT = frozenset({"jobName", "flavors", "modelType"})

# Where a code asset keeps the hash of its content.
_HASH = ("properties", "properties", "hash_sha256")

# What every asset version may hold; the rest is each kind's own.
_COMMON = frozenset(
    {"description", "tags", "properties", "isAnonymous", "isArchived", "provisioningState", "stage"}
)


def _versioned_spec(_state: ServiceState, call: Call, properties: Body) -> Body:
    # The SDK sends a placeholder when it leaves the number to the service, and reads it back from here.
    return {**properties, "componentSpec": {**properties["componentSpec"], "version": call.params["version"]}}


@dataclass(frozen=True)
class Kind:
    """What is particular to one kind of asset: its collection, fields and checks."""

    collection: str
    fields: frozenset[str]
    required: tuple[str, ...] = ()
    values: Mapping[str, frozenset[str]] | None = None
    # Completes the properties of a new version from what the service knows; raises when they cannot stand.
    complete: Callable[[ServiceState, Call, Body], Body] | None = None

    def handlers(self, state: ServiceState) -> Assets:
        """Return what answers for this kind."""
        return CuratedToo(state, self) if self.collection == "environments" else Assets(state, self)


KINDS = (
    Kind(
        "data",
        frozenset({"dataType", "dataUri", "referencedUris"}),
        ("dataType", "dataUri"),
        {"dataType": frozenset({"uri_file", "uri_folder", "mltable"})},
        described_data,
    ),
    Kind(
        "models",
        frozenset({"modelUri", "modelType", "flavors", "jobName"}),
        ("modelUri",),
        {"modelType": frozenset({"custom_model", "mlflow_model", "triton_model"})},
        described_model,
    ),
    Kind(
        "environments",
        frozenset({"image", "condaFile", "build", "osType", "inferenceConfig", "environmentType"}),
        values={"osType": frozenset({"Linux"})},
    ),
    Kind("components", frozenset({"componentSpec"}), ("componentSpec",), complete=_versioned_spec),
    Kind("codes", frozenset({"codeUri"}), ("codeUri",)),
)


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of every kind of asset."""
    return [route for kind in KINDS for route in kind.handlers(state).routes()]


class Assets:
    """The handlers of one kind."""

    def __init__(self, state: ServiceState, kind: Kind) -> None:
        self._state = state
        self._versions = state.versions
        self._kind = kind

    def routes(self) -> list[BaseRoute]:
        collection = f"{WORKSPACE_PATH}/{self._kind.collection}"
        container = f"{collection}/{{name}}"
        version = f"{container}/versions/{{version}}"
        return [
            arm_route(collection, {"GET": self.list_containers}),
            arm_route(
                container,
                {"GET": self.show_container, "PUT": self.put_container, "DELETE": self.delete_container},
            ),
            arm_route(f"{container}/versions", {"GET": self.list_versions}),
            arm_route(f"{container}/labels/{{label}}", {"GET": self.show_labelled, "PUT": self.put_label}),
            arm_route(version, {"GET": self.show, "PUT": self.put, "PATCH": self.put, "DELETE": self.delete}),
            arm_route(f"{version}/startPendingUpload", {"POST": self.start_upload}),
        ]

    def list_containers(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        collection = call.workspace.child(self._kind.collection)
        return listing(
            call,
            lambda skip, top: self._versions.containers(collection, view=call.view(), skip=skip, top=top),
        )

    def show_container(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return answer(self._versions.container(self._container(call)))

    def put_container(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        given = call.body.get("properties") or {}
        archived = bool(given.get("isArchived", False))
        kept = {key: value for key, value in given.items() if key not in ("latestVersion", "nextVersion")}

        def merged(old: Document | None) -> Mapping[str, Any]:
            before = {} if old is None else old.properties
            return {"properties": {**before, **{k: v for k, v in kept.items() if v is not None}}}

        id = self._container(call)
        written_now = self._state.documents.change(id, merged, who=call.who, archived=archived)
        return answer(self._versions.container(id), 201 if written_now.revision == 1 else 200)

    def delete_container(self, call: Call) -> Response:
        self._versions.delete_container(self._container(call), who=call.who)
        return Response(status_code=200)

    def list_versions(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        newest_first = "asc" not in call.query.get("$orderBy", "").lower().split()
        wanted = call.query.get("hash")

        def fetch(skip: int, top: int) -> Page:
            container = self._container(call)
            if wanted is not None:
                # The SDK makes up a name for each upload; what it asks is whether the content is there.
                below = f"{call.workspace.child(self._kind.collection)}/"
                return Page([*self._state.documents.among(below, "/versions", where={_HASH: wanted})], None)
            return self._versions.list(
                container, view=call.view(), newest_first=newest_first, skip=skip, top=top
            )

        return listing(call, fetch)

    def show(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        return answer(self._versions.get(self._container(call), call.params["version"]))

    def show_labelled(self, call: Call) -> Response:
        return answer(self._versions.labelled(self._container(call), call.params["label"]))

    def put_label(self, call: Call) -> Response:
        version = str((call.body.get("properties") or {}).get("version") or "")
        self._versions.set_label(self._container(call), call.params["label"], version, who=call.who)
        return self.show_labelled(call)

    def put(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        properties = self._checked(call.body.get("properties") or {})
        container, version = self._container(call), call.params["version"]
        old = self._state.documents.find(version_id(container, version))
        if old is not None:
            # The SDK sends a version back without what the service found out about it.
            kept = {key: value for key, value in old.properties.items() if key in _FOUND_OUT}
            properties = {**kept, **properties}
        if self._kind.complete is not None and not properties.get("isArchived"):
            properties = self._kind.complete(self._state, call, properties)
        return written(self._versions.put(container, version, {"properties": properties}, who=call.who))

    def delete(self, call: Call) -> Response:
        self._versions.delete(self._container(call), call.params["version"], who=call.who)
        return Response(status_code=200)

    def start_upload(self, call: Call) -> Response:
        """Give a container of its own to upload into, and a signed URL that is good for a day."""
        require_workspace(self._state, call.workspace)
        account, container = account_name(call.workspace), f"upload-{uuid.uuid4()}"
        self._state.blobs.ensure_container(account, container)
        query = sas(self._state.signer, account, container, "", permissions="rcwl", lifetime_s=UPLOAD_S)
        address = self._state.address()
        plain = blob_url(address, account, container, "", "")
        return answer(
            {
                "pendingUploadId": container,
                "pendingUploadType": "TemporaryBlobReference",
                "blobReferenceForConsumption": {
                    "blobUri": plain,
                    "storageAccountArmId": "",
                    "credential": {
                        "credentialType": "SAS",
                        "sasUri": blob_url(address, account, container, "", query),
                    },
                },
            }
        )

    def _container(self, call: Call) -> str:
        name = checked_name(_name(call))
        # What these are called becomes a folder's name where a job or a deployment uses them.
        for segment in ("version", "label"):
            checked_name(call.params.get(segment, name))
        return call.workspace.child(self._kind.collection, name)

    def _checked(self, properties: Mapping[str, Any]) -> Body:
        kind = self._kind
        given = {key: value for key, value in properties.items() if value is not None}
        unknown = sorted(
            key for key in given.keys() - _COMMON - kind.fields if given[key] not in ({}, [], "")
        )
        if unknown:
            raise Unsupported(
                f"{kind.collection} do not support {choices(unknown)} here. Leave it out; supported are "
                f"{choices(kind.fields | _COMMON)}.",
                target=f"properties.{unknown[0]}",
            )
        for field in kind.required:
            if given.get(field) in (None, ""):
                raise InvalidField(
                    f"{kind.collection} need {field!r}, which is missing.", target=f"properties.{field}"
                )
        for field, valid in (kind.values or {}).items():
            if field in given and given[field] not in valid:
                raise InvalidField(
                    f"{field} {given[field]!r} is not valid. Valid: {choices(valid)}.",
                    target=f"properties.{field}",
                )
        return given


def _name(call: Call) -> str:
    # The SDK asks for "azureml:iris@latest" with its prefix.
    return call.params["name"].removeprefix("azureml:")


class CuratedToo(Assets):
    """Environments: the curated ones are there under every name that Azure knows them by."""

    def list_containers(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        collection = call.workspace.child(self._kind.collection)

        def fetch(skip: int, top: int) -> Page:
            page = self._versions.containers(collection, view=call.view(), skip=skip, top=top)
            last = page.next_skip is None and call.view() is not ListView.ARCHIVED_ONLY
            curated_ones = [_curated_container(call, item.name) for item in curated.documents()]
            return Page([*page.items, *curated_ones], None) if last else page

        return listing(call, fetch)

    def show_container(self, call: Call) -> Response:
        if self._is_curated(call):
            return answer(_curated_container(call, _name(call)))
        return super().show_container(call)

    def list_versions(self, call: Call) -> Response:
        if self._is_curated(call):
            return listed([_curated_version(call, "latest").arm()])
        return super().list_versions(call)

    def show(self, call: Call) -> Response:
        if self._is_curated(call):
            return answer(_curated_version(call, call.params["version"]))
        return super().show(call)

    def put(self, call: Call) -> Response:
        if _name(call).lower().startswith(curated.PREFIX.lower()):
            raise InvalidField(
                f"The name {call.params['name']!r} is not valid: {curated.PREFIX!r} is for curated "
                "environments. Choose another.",
                target="name",
            )
        return super().put(call)

    def _is_curated(self, call: Call) -> bool:
        own = self._state.documents.find(self._container(call))
        return own is None and curated.get(_name(call)) is not None


def _curated_container(call: Call, name: str) -> Document:
    version = curated.document(name, "latest").version
    properties = {"isArchived": False, "latestVersion": version, "nextVersion": str(int(version) + 1)}
    return _curated(call.workspace.child("environments", name), properties)


def _curated_version(call: Call, reference: str) -> Document:
    found = curated.document(_name(call), reference)
    container = call.workspace.child("environments", _name(call))
    return _curated(version_id(container, found.version), dict(found.properties))


def _curated(id: str, properties: Body) -> Document:
    by_microsoft = {"createdBy": "Microsoft", "createdByType": "Application"}
    return Document(id, {"properties": properties, "systemData": by_microsoft}, False, 2, 0, 0.0, 0.0)
