"""Datastores over REST. Secrets leave only through ``listSecrets``, and the audit log says to whom."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.blobs.names import check_container
from academy.datasets.credentials import Credentials, Vault
from academy.datasets.datastores import CONTAINER_FIELDS, ENDPOINT, default_datastores
from academy.errors import Conflict, InvalidField, Unsupported, choices
from academy.service.arm import WORKSPACE_PATH, Call, answer, arm_route, listed, listing, written
from academy.service.state import ServiceState
from academy.service.workspaces import require_workspace
from academy.store.documents import Body, Document, ListView, Page

_NAME = re.compile(r"[A-Za-z0-9_]{1,255}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")

_COMMON = frozenset(
    {
        "datastoreType",
        "accountName",
        "credentials",
        "description",
        "endpoint",
        "isDefault",
        "properties",
        "protocol",
        "resourceGroup",
        "serviceDataAccessAuthIdentity",
        "subscriptionId",
        "tags",
    }
)
_FILTERS = frozenset({"isDefault", "names", "searchText"})

# The key of an account of this home is derived, and never stored.
OWN_KEY = Credentials("AccountKey", {"credentialsType": "AccountKey"}, None)

# What makes a datastore the one it is; the rest of a default datastore may be changed.
_IDENTITY = ("datastoreType", "accountName", "credentials", *CONTAINER_FIELDS.values())


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of datastores."""
    datastores = _Datastores(state)
    collection = f"{WORKSPACE_PATH}/datastores"
    one = f"{collection}/{{name}}"
    return [
        arm_route(collection, {"GET": datastores.list_all}),
        arm_route(one, {"GET": datastores.show, "PUT": datastores.put, "DELETE": datastores.delete}),
        arm_route(f"{one}/listSecrets", {"POST": datastores.list_secrets}),
    ]


class _Datastores:
    """The handlers; a datastore's secret is a document of its own below it, encrypted."""

    def __init__(self, state: ServiceState) -> None:
        self._state = state
        self._documents = state.documents
        self._vault = Vault(state.signer)

    def list_all(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        collection = call.workspace.child("datastores")
        # The SDK always sends orderByAsc, which says nothing without an orderBy.
        if "orderBy" in call.query:
            raise Unsupported("Listing datastores in another order is not supported.", target="orderBy")
        if call.query.keys() & _FILTERS:
            every = self._documents.list(collection, view=ListView.ALL, newest_first=False).items
            return listed([item.arm() for item in every if _is_wanted(item, call.query)])

        def fetch(skip: int, top: int) -> Page:
            return self._documents.list(collection, view=ListView.ALL, newest_first=False, skip=skip, top=top)

        return listing(call, fetch)

    def show(self, call: Call) -> Response:
        return answer(self._get(call))

    def put(self, call: Call) -> Response:
        require_workspace(self._state, call.workspace)
        name = call.params["name"]
        if not _NAME.fullmatch(name):
            raise InvalidField(
                f"The datastore name {name!r} is not valid. Names hold 1 to 255 letters, digits and '_'.",
                target="name",
            )
        properties = _checked(call.body.get("properties") or {})
        default = default_datastores(call.workspace).get(name)
        if default is not None:
            return written(self._put_default(call, default["properties"], properties))
        if properties.get("isDefault"):
            raise Unsupported(
                "The default datastore of a workspace cannot be changed; it is 'workspaceblobstore'.",
                target="properties.isDefault",
            )
        credentials = Credentials.parse(properties.get("credentials"))
        if self._state.datastores.is_ours(call.workspace, properties["accountName"]):
            self._make_container(properties)
            credentials = self._own(call, credentials)
        self._keep_secret(call, credentials)
        body = {"properties": {**properties, "credentials": dict(credentials.shown), "isDefault": False}}
        return written(self._documents.put(_id(call), body, who=call.who))

    def delete(self, call: Call) -> Response:
        datastore = self._get(call)
        if call.params["name"] in default_datastores(call.workspace):
            raise Conflict(f"{datastore.name!r} belongs to the workspace and cannot be deleted.")
        self._documents.delete(datastore.id, who=call.who)
        return Response(status_code=200)

    def list_secrets(self, call: Call) -> Response:
        """Answer the account key, also where the caller asks for a secret that expires.

        Azure then answers a SAS; but the SDK signs log URLs with what it gets here, which takes the key.
        """
        datastore = self._get(call)
        credentials = Credentials.parse(datastore.properties.get("credentials"))
        if credentials.kind == "None":
            raise InvalidField(
                f"The datastore {datastore.name!r} has no credentials, so there are no secrets to list."
            )
        self._state.audit.append(call.who, "listSecrets", datastore.id)
        sealed = self._documents.find(_secret_id(call))
        if sealed is None:
            secret = self._state.signer.account_key(datastore.properties["accountName"])
        else:
            secret = self._vault.open(sealed.properties["sealed"])
        return answer(credentials.revealed(secret))

    def _get(self, call: Call) -> Document:
        require_workspace(self._state, call.workspace)
        return self._state.datastores.get(call.workspace, call.params["name"])

    def _put_default(self, call: Call, default: Body, given: Body) -> Document:
        """Change what may change of a datastore that the workspace cannot do without."""
        fixed = {key: default.get(key) for key in _IDENTITY if key != "credentials"}
        changed = sorted(key for key, value in fixed.items() if given.get(key) != value)
        if changed:
            raise Conflict(
                f"{call.params['name']!r} belongs to the workspace: its {choices(changed)} cannot be "
                "changed. Register another datastore under a name of its own.",
                target=f"properties.{changed[0]}",
            )
        own = {key: given[key] for key in ("description", "tags", "properties") if key in given}
        return self._documents.put(_id(call), {"properties": {**default, **own}}, who=call.who)

    def _own(self, call: Call, credentials: Credentials) -> Credentials:
        """Turn access by identity into the account's own key, for an account of this home.

        With an identity the SDK would send a token, which Azure's storage clients refuse over HTTP.
        """
        if credentials.kind != "None":
            return credentials
        if self._documents.find(_secret_id(call)) is not None:
            self._documents.delete(_secret_id(call), who=call.who)
        return OWN_KEY

    def _keep_secret(self, call: Call, credentials: Credentials) -> None:
        if credentials.secret is not None:
            sealed = {"properties": {"sealed": self._vault.seal(credentials.secret)}}
            self._documents.put(_secret_id(call), sealed, who=call.who)
            return
        # The SDK sends a datastore that it got without the secret, which get does not show.
        old = self._documents.find(_id(call))
        kept = old is not None and old.properties["credentials"]["credentialsType"] == credentials.kind
        if not kept and credentials.kind != "None" and credentials is not OWN_KEY:
            raise InvalidField(
                f"Credentials of type {credentials.kind!r} need a secret. Give it, or leave the credentials "
                "out for access by identity.",
                target="properties.credentials.secrets",
            )

    def _make_container(self, properties: Body) -> None:
        container = check_container(properties[CONTAINER_FIELDS[properties["datastoreType"]]])
        folder = self._state.home.container(properties["accountName"], container)
        folder.mkdir(parents=True, exist_ok=True)


def _checked(given: Mapping[str, Any]) -> Body:
    kind = given.get("datastoreType")
    if kind not in CONTAINER_FIELDS:
        raise Unsupported(
            f"Datastores of type {kind!r} are not supported. Supported: {choices(CONTAINER_FIELDS)}.",
            target="properties.datastoreType",
        )
    container = CONTAINER_FIELDS[kind]
    properties = {key: value for key, value in given.items() if value is not None}
    unknown = sorted(properties.keys() - _COMMON - {container})
    if unknown:
        raise Unsupported(
            f"Datastores of type {kind!r} have no {choices(unknown)}. They have: "
            f"{choices(_COMMON | {container})}.",
            target=f"properties.{unknown[0]}",
        )
    for field in ("accountName", container):
        if not isinstance(properties.get(field), str):
            raise InvalidField(f"A datastore of type {kind!r} needs {field!r}.", target=f"properties.{field}")
    if not _ACCOUNT.fullmatch(properties["accountName"]):
        raise InvalidField(
            f"The account name {properties['accountName']!r} is not valid. Names of storage accounts hold 3 "
            "to 24 lowercase letters and digits.",
            target="properties.accountName",
        )
    identity = properties.get("serviceDataAccessAuthIdentity", "None")
    if identity != "None":
        raise Unsupported(
            f"serviceDataAccessAuthIdentity {identity!r} is not supported: a service on this machine has no "
            "managed identity. Valid: 'None'.",
            target="properties.serviceDataAccessAuthIdentity",
        )
    return {"endpoint": ENDPOINT, "protocol": "http", "tags": {}, **properties}


def _is_wanted(datastore: Document, query: Mapping[str, str]) -> bool:
    """Say whether the listing's filters let a datastore through."""
    if "isDefault" in query:
        wanted = query["isDefault"].lower() == "true"
        if bool(datastore.properties.get("isDefault")) is not wanted:
            return False
    if query.get("searchText", "").lower() not in datastore.name.lower():
        return False
    return "names" not in query or datastore.name in query["names"].split(",")


def _id(call: Call) -> str:
    return call.workspace.child("datastores", call.params["name"])


def _secret_id(call: Call) -> str:
    return f"{_id(call)}/secrets/current"
