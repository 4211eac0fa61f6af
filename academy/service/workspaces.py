"""Workspaces, what comes with each, and the ARM template by which the SDK makes one."""

from __future__ import annotations

import re
import shutil
from functools import partial
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.routing import BaseRoute

from academy.compute.defaults import default_computes
from academy.datasets.datastores import account_name, containers, default_datastores
from academy.errors import Conflict, InvalidField, NotFound, Unsupported, choices
from academy.jobs.record import JobStatus
from academy.paths import checked_name
from academy.service.arm import RESOURCE_GROUP_PATH, WORKSPACE_PATH, Call, answer, arm_route, listed
from academy.service.state import ServiceState
from academy.store.documents import Body, Document, ListView
from academy.store.ids import DEFAULT_WORKSPACE, PROVIDER, ResourceId, Workspace

LOCATION = "local"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{2,32}")
_PROPERTIES = frozenset(
    {
        "friendlyName",
        "description",
        "hbiWorkspace",
        "workspaceId",
        "discoveryUrl",
        "mlFlowTrackingUri",
        "provisioningState",
        "storageAccount",
        "publicNetworkAccess",
        "v1LegacyMode",
    }
)


# The SDK sends these with each update, whether they were set or not.
_DEFAULTS = frozenset({"networkAcls"})


def ensure_workspace(state: ServiceState, workspace: Workspace, body: Body, *, who: str) -> Document:
    """Create a workspace with its storage, datastores and computes, or return the one that is there."""
    found = state.documents.find(workspace.id)
    if found is None:
        for container in containers(workspace).values():
            state.home.container(account_name(workspace), container).mkdir(parents=True, exist_ok=True)
        for name, datastore in default_datastores(workspace).items():
            state.documents.put(workspace.child("datastores", name), datastore, who=who)
        for name, compute in default_computes(LOCATION).items():
            state.documents.put(workspace.child("computes", name), compute, who=who)
        # Written last: a workspace that can be seen is whole.
        found = state.documents.put(workspace.id, {"location": LOCATION, **body}, who=who)
    return found


def require_workspace(state: ServiceState, workspace: Workspace) -> None:
    """Refuse a call on a workspace that does not exist, naming those that do."""
    if state.documents.find(workspace.id) is None:
        known = state.documents.names(workspace.id.rsplit("/", 1)[0])
        raise NotFound(
            f"There is no workspace {workspace.name!r} in resource group {workspace.resource_group!r} of "
            f"subscription {workspace.subscription!r}. There are: {choices(known)} there; the default one is "
            f"{DEFAULT_WORKSPACE.name!r} in {DEFAULT_WORKSPACE.resource_group!r} of "
            f"{DEFAULT_WORKSPACE.subscription!r}.",
            target=workspace.id,
        )


def routes(state: ServiceState) -> list[BaseRoute]:
    """Return the routes of workspaces and their resource groups."""

    def show(call: Call) -> Response:
        require_workspace(state, call.workspace)
        return answer(_shown(state, state.documents.get(call.workspace.id)))

    def create(call: Call) -> Response:
        body = _checked(call.workspace.name, call.body)
        existed = state.documents.find(call.workspace.id) is not None
        ensure_workspace(state, call.workspace, body, who=call.who)
        if existed:
            state.documents.update(call.workspace.id, lambda old: _merged(old, body), who=call.who)
        return answer(_shown(state, state.documents.get(call.workspace.id)), 200 if existed else 201)

    def patch(call: Call) -> Response:
        require_workspace(state, call.workspace)
        body = _checked(call.workspace.name, call.body)
        changed = state.documents.update(call.workspace.id, lambda old: _merged(old, body), who=call.who)
        return answer(_shown(state, changed))

    def list_group(call: Call) -> Response:
        group = Workspace(call.params["subscription"], call.params["resource_group"], "-")
        found = state.documents.list(group.id.rsplit("/", 1)[0], view=ListView.ALL, newest_first=False)
        return listed([_shown(state, item) for item in found.items])

    def list_subscription(call: Call) -> Response:
        prefix = f"/subscriptions/{call.params['subscription']}/"
        return listed([_shown(state, item) for item in state.documents.among(prefix, "/workspaces")])

    one, group = WORKSPACE_PATH, RESOURCE_GROUP_PATH
    storage = f"{group}/providers/Microsoft.Storage/storageAccounts/{{account}}"
    deployment = f"{group}/providers/Microsoft.Resources/deployments/{{deployment}}"
    subscription = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/workspaces"
    return [
        arm_route(one, {"GET": show, "PUT": create, "PATCH": patch, "DELETE": partial(_delete, state)}),
        arm_route(one + "/listKeys", {"POST": partial(_storage_keys, state)}),
        arm_route(one.rsplit("/", 1)[0], {"GET": list_group}),
        arm_route(subscription, {"GET": list_subscription}),
        arm_route(group, {"GET": _show_group}),
        arm_route(storage, {"DELETE": partial(_delete_storage, state)}),
        arm_route(deployment, {"PUT": lambda call: _deploy(state, call), "GET": _show_deployment}),
        arm_route(f"{group}/deployments/{{deployment}}/operations", {"GET": lambda call: listed([])}),
    ]


def _storage_keys(state: ServiceState, call: Call) -> Response:
    require_workspace(state, call.workspace)
    state.audit.append(call.who, "listKeys", call.workspace.id)
    key = state.signer.account_key(account_name(call.workspace))
    return answer({"userStorageKey": key, "userStorageResourceId": _storage_id(call.workspace)})


def _delete(state: ServiceState, call: Call) -> Response:
    require_workspace(state, call.workspace)
    _refuse_while_in_use(state, call.workspace)
    state.documents.delete(call.workspace.id, who=call.who)
    return Response(status_code=200)


def _delete_storage(state: ServiceState, call: Call) -> Response:
    """Delete a storage account: the SDK asks for it just before it deletes the workspace itself."""
    account = checked_name(call.params["account"])
    for found in state.documents.among("/subscriptions/", "/workspaces"):
        owner = ResourceId.parse(found.id).workspace
        if account_name(owner) == account:
            _refuse_while_in_use(state, owner)
    state.audit.append(call.who, "delete", urlsplit(call.url).path)
    shutil.rmtree(state.home.account(account), ignore_errors=True)
    return Response(status_code=200)


def _refuse_while_in_use(state: ServiceState, workspace: Workspace) -> None:
    if workspace.id.lower() == DEFAULT_WORKSPACE.id.lower():
        raise Conflict(f"{workspace.name!r} is the default workspace: it comes with the service.")
    endpoints = state.documents.names(workspace.child("onlineEndpoints"))
    jobs = state.documents.list(workspace.child("jobs"), view=ListView.ALL).items
    running = [job.name for job in jobs if not JobStatus(job.properties["status"]).is_finished()]
    if endpoints or running:
        raise Conflict(
            f"The workspace {workspace.name!r} is in use: endpoints {choices(endpoints)}, jobs that have not "
            f"ended {choices(running)}. Delete and cancel them first."
        )


def _shown(state: ServiceState, workspace: Document) -> Body:
    scope = ResourceId.parse(workspace.id).workspace
    address = state.address()
    properties = {
        "friendlyName": scope.name,
        **workspace.properties,
        "workspaceId": scope.guid,
        "discoveryUrl": f"{address}/discovery/workspaces/{scope.guid}",
        "mlFlowTrackingUri": state.tracking.uri(scope, address),
        "provisioningState": "Succeeded",
        "storageAccount": _storage_id(scope),
        "publicNetworkAccess": "Disabled",
        "v1LegacyMode": False,
    }
    return {"kind": "Default", **workspace.arm(), "properties": properties}


def _storage_id(workspace: Workspace) -> str:
    group = workspace.id.split("/providers/")[0]
    return f"{group}/providers/Microsoft.Storage/storageAccounts/{account_name(workspace)}"


def _checked(name: str, body: Body) -> Body:
    if not _NAME.fullmatch(name):
        raise InvalidField(
            f"The workspace name {name!r} is not valid. Names hold 3 to 33 letters, digits, '-' or '_', "
            "and begin with a letter or a digit.",
            target="name",
        )
    kind = str(body.get("kind") or "default")
    if kind.lower() != "default":
        raise Unsupported(
            f"Workspaces of kind {kind!r} are not supported; only 'default' is. Leave 'kind' out.",
            target="kind",
        )
    given = {key: value for key, value in (body.get("properties") or {}).items() if key not in _DEFAULTS}
    _refuse_changed_defaults(body.get("properties") or {})
    unknown = sorted(key for key, value in given.items() if value and key not in _PROPERTIES)
    if unknown:
        raise Unsupported(
            f"These properties of a workspace are not supported: {choices(unknown)}. Leave them out; "
            f"supported are {choices(_PROPERTIES)}.",
            target=f"properties.{unknown[0]}",
        )
    shown = {key: body[key] for key in ("location", "tags", "identity", "sku") if body.get(key)}
    return {**shown, "properties": {key: value for key, value in given.items() if value is not None}}


def _refuse_changed_defaults(given: Body) -> None:
    acls = given.get("networkAcls") or {}
    if acls.get("defaultAction", "Allow") not in (None, "Allow") or acls.get("ipRules"):
        raise Unsupported(
            "Network rules are not supported: the service answers on this machine only. Leave them out.",
            target="properties.networkAcls",
        )


def _merged(old: Body, new: Body) -> Body:
    return {**old, **new, "properties": {**(old.get("properties") or {}), **(new.get("properties") or {})}}


def _show_group(call: Call) -> Response:
    name = call.params["resource_group"]
    return answer(
        {
            "id": f"/subscriptions/{call.params['subscription']}/resourceGroups/{name}",
            "name": name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": LOCATION,
            "properties": {"provisioningState": "Succeeded"},
        }
    )


def _deploy(state: ServiceState, call: Call) -> Response:
    """Carry out the ARM template by which the SDK makes a workspace: only its parameters count."""
    given = (call.body.get("properties") or {}).get("parameters") or {}
    parameters = {key: item.get("value") for key, item in given.items()}
    if not parameters.get("workspaceName"):
        raise Unsupported(
            "Only the template by which azure-ai-ml creates a workspace can be deployed here; "
            "it has a parameter 'workspaceName'.",
            target="properties.parameters.workspaceName",
        )
    name = str(parameters["workspaceName"])
    body = {
        "location": parameters.get("location"),
        "kind": parameters.get("kind"),
        "tags": parameters.get("tagValues"),
        "properties": {key: parameters.get(key) for key in ("friendlyName", "description")},
    }
    scope = Workspace(call.params["subscription"], call.params["resource_group"], name)
    ensure_workspace(state, scope, _checked(name, body), who=call.who)
    return _show_deployment(call)


def _show_deployment(call: Call) -> Response:
    # The work is done when the PUT is answered, so there is nothing to keep of a deployment.
    return answer(
        {
            "id": urlsplit(call.url).path,
            "name": call.params["deployment"],
            "type": "Microsoft.Resources/deployments",
            "properties": {"provisioningState": "Succeeded", "duration": "PT0.1S", "mode": "Incremental"},
        }
    )
