"""The engine of online endpoints: documents on one side, replicas and routes on the other.

The documents say what was asked for; the folders say what runs. The engine holds nothing that it
cannot find again, so it may be killed at any moment: replicas go on, and ``recover`` finds them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from academy.datasets.locate import Locator
from academy.datasets.trees import remove
from academy.endpoints import deployment as deployments
from academy.endpoints.endpoint import AuthMode, checked_endpoint, checked_name
from academy.endpoints.fleet import Fleet, Member
from academy.endpoints.keys import Keys
from academy.endpoints.logs import tail
from academy.endpoints.record import ReplicaStatus, State
from academy.endpoints.resolve import Resolver
from academy.endpoints.router import Router
from academy.endpoints.table import Route
from academy.errors import Conflict, InvalidField, choices
from academy.paths import Home
from academy.signing import Signer
from academy.store.documents import Body, Document, Documents, ListView
from academy.store.ids import ResourceId, Workspace
from academy.store.versions import Versions

ENDPOINTS, DEPLOYMENTS = "onlineEndpoints", "deployments"
CONTAINERS = ("InferenceServer", "StorageInitializer")

# Whom the audit log names for what the engine does by itself.
ENGINE = "academy"


class OnlineEngine:
    """All online endpoints of a home."""

    def __init__(  # noqa: PLR0917 - one argument a room that it works with
        self,
        home: Home,
        documents: Documents,
        versions: Versions,
        locator: Locator,
        signer: Signer,
        address: Callable[[], str],
    ) -> None:
        self._home = home
        self._documents = documents
        self._address = address
        self.keys = Keys(documents, signer)
        self._resolver = Resolver(versions, locator)
        self._fleet = Fleet(self._changed)
        self._routes: dict[tuple[str, str], Route] = {}
        self._leaving: set[str] = set()
        self._lock = threading.RLock()
        self.router = Router(lambda workspace, name: self._routes.get((workspace, name.lower())))

    def recover(self) -> None:
        """Take up every endpoint and its replicas when the service starts."""
        for endpoint in self._documents.among("/", f"/{ENDPOINTS}"):
            workspace = ResourceId.parse(endpoint.id).workspace
            for found in self._deployments(endpoint.id):
                folder = self._home.online_deployment(workspace.key, endpoint.name, found.name)
                self._fleet.attach(found.id, folder)
            self._refresh(endpoint.id)
        self._fleet.start()

    def close(self) -> None:
        """End all replicas; their endpoints serve again after ``recover``."""
        self._fleet.close()
        self.router.close()

    def put_endpoint(self, workspace: Workspace, name: str, body: Mapping[str, Any], *, who: str) -> Document:
        """Create an endpoint, or change it: above all, its traffic."""
        id = workspace.child(ENDPOINTS, checked_name(name, "endpoint"))
        with self._lock:
            self._refuse_leaving(id)
            old = self._documents.find(id)
            id = id if old is None else old.id
            kept = checked_endpoint(body, self._documents.names(f"{id}/{DEPLOYMENTS}"))
            if old is None:
                # The keys first: an endpoint that can be seen can be called. Keys that are there
                # already were left by a service that was killed here, and open nothing any more.
                self.keys.create(id, (body.get("properties") or {}).get("keys") or {}, who=who)
            document = self._documents.put(id, kept, who=who)
            self._refresh(document.id)
        return self.shown(document)

    def delete_endpoint(self, workspace: Workspace, name: str, *, who: str) -> None:
        """Delete an endpoint with all its deployments; return when their processes have ended."""
        self._documents.leave(workspace.child(ENDPOINTS, name))
        with self._lock:
            endpoint = self._present(workspace, name)
            ids = [found.id for found in self._deployments(endpoint.id)]
            members = self._fleet.release(ids)
            self._leaving.add(endpoint.id.lower())
            self._routes.pop(_key(endpoint.id), None)
        try:
            self._documents.leave(endpoint.id)  # it may have come to serve since then
            self._fleet.end(members)
            remove(self._home.online_endpoint(workspace.key, endpoint.name))
            self._documents.delete(endpoint.id, who=who)
        finally:
            self._fleet.forget(ids)
            self._leaving.discard(endpoint.id.lower())

    def put_deployment(
        self, workspace: Workspace, endpoint: str, name: str, body: Mapping[str, Any], *, who: str
    ) -> Document:
        """Create or update a deployment; its provisioning state says when it is done.

        Everything that can be refused is refused before anything is stored.
        """
        checked_name(name, "deployment")
        spec = deployments.read(body)
        # The generation that is there now may go when the new one serves.
        self._documents.leave(workspace.child(ENDPOINTS, endpoint, DEPLOYMENTS, name))
        with self._lock:
            above = self._present(workspace, endpoint)
            id = f"{above.id}/{DEPLOYMENTS}/{name}"
            old = self._documents.find(id)
            id = id if old is None else old.id
            self._fleet.refuse_busy(id)
            plan = self._resolver.plan(workspace, above.name, id.rsplit("/", 1)[1], spec)
            kept = deployments.document(body, spec, "Creating" if old is None else "Updating")
            self._documents.put(id, kept, who=who)
            folder = self._home.online_deployment(workspace.key, above.name, plan.deployment)
            try:
                self._fleet.deploy(id, folder, plan)
            except OSError:
                self._set_state(id, "Failed")
                raise
            self._changed(id)
        return self._documents.get(id)

    def delete_deployment(self, workspace: Workspace, endpoint: str, name: str, *, who: str) -> None:
        """Delete a deployment that gets no traffic; return when its processes have ended."""
        self._documents.leave(workspace.child(ENDPOINTS, endpoint, DEPLOYMENTS, name))
        with self._lock:
            above = self._present(workspace, endpoint)
            found = self._documents.get(f"{above.id}/{DEPLOYMENTS}/{name}")
            share = (above.properties.get("traffic") or {}).get(found.name, 0)
            if share:
                raise InvalidField(
                    f"The deployment {found.name!r} gets {share} percent of the traffic of endpoint "
                    f"{above.name!r}. Send the traffic elsewhere first, or delete the endpoint.",
                    target="properties.traffic",
                )
            members = self._fleet.release([found.id])
            if found.name in (above.properties.get("traffic") or {}):
                self._documents.update(above.id, lambda old: _without_traffic(old, found.name), who=who)
            self._refresh(above.id, without=found.id)
        try:
            self._documents.leave(found.id)  # it may have come to serve since then
            self._fleet.end(members)
            self._documents.delete(found.id, who=who)
        finally:
            self._fleet.forget([found.id])

    def regenerate_key(
        self, workspace: Workspace, endpoint: str, kind: str, value: str | None, *, who: str
    ) -> None:
        """Replace one of an endpoint's keys."""
        above = self._documents.get(workspace.child(ENDPOINTS, endpoint))
        self.keys.regenerate(above.id, kind, value, who=who)
        self._refresh(above.id)

    def shown(self, endpoint: Document) -> Document:
        """Return an endpoint's document with the addresses that it has now."""
        workspace = ResourceId.parse(endpoint.id).workspace
        base = f"{self._address()}/online/{workspace.key}/{endpoint.name}"
        uris = {"scoringUri": f"{base}/score", "swaggerUri": f"{base}/swagger.json"}
        return replace(endpoint, body={**endpoint.body, "properties": {**endpoint.properties, **uris}})

    def member(self, id: str) -> Member | None:
        """Return how a deployment stands, or None when there is none of that id."""
        return self._fleet.find(id)

    def logs(self, id: str, container: str, lines: int) -> str:
        """Return the end of a log of the generation that was put last, as Azure shows it.

        ``container`` is ``InferenceServer`` (what the model prints) or ``StorageInitializer`` (how its
        environment was built and its files were copied).
        """
        member = self._fleet.find(self._documents.get(id).id)
        if member is None:
            raise Conflict(f"The deployment {id.rsplit('/', 1)[1]!r} is being deleted.")
        if container not in CONTAINERS:
            raise InvalidField(
                f"containerType {container!r} is not valid. Valid: {choices(CONTAINERS)}.",
                target="containerType",
            )
        folder = member.newest()
        log = folder.log_file if container == CONTAINERS[0] else folder.supervisor_log
        return f"{_instance_status(member)}\n\nContainer logs:\n{tail(log, lines)}\n"

    def _changed(self, id: str) -> None:
        """Bring a deployment's document and its endpoint's route up to date."""
        with self._lock:
            found, member = self._documents.find(id), self._fleet.find(id)
            if found is None or member is None:
                return
            generations = member.generations
            state = "Failed" if generations.error else "Succeeded"
            if not generations.is_pending and found.properties.get("provisioningState") != state:
                self._set_state(id, state)
            self._refresh(id.rsplit("/", 2)[0])

    def _set_state(self, id: str, state: str) -> None:
        def changed(old: Body) -> Body:
            return {**old, "properties": {**old["properties"], "provisioningState": state}}

        self._documents.update(id, changed, who=ENGINE, action=state.lower())

    def _refresh(self, endpoint_id: str, *, without: str | None = None) -> None:
        """Put an endpoint's route together anew."""
        with self._lock:
            endpoint = self._documents.get(endpoint_id)
            ids = [found.id for found in self._deployments(endpoint_id) if found.id != without]
            members = [member for member in map(self._fleet.find, ids) if member is not None]
            targets = [member.target for member in members if member.target is not None]
            self._routes[_key(endpoint.id)] = Route(
                endpoint=endpoint.name,
                admits=self.keys.admission(endpoint.id, AuthMode(endpoint.properties["authMode"])),
                targets={target.deployment: target for target in targets},
                traffic=endpoint.properties.get("traffic") or {},
            )

    def _deployments(self, endpoint_id: str) -> list[Document]:
        collection = f"{endpoint_id}/{DEPLOYMENTS}"
        return self._documents.list(collection, view=ListView.ALL, newest_first=False).items

    def _present(self, workspace: Workspace, name: str) -> Document:
        """Return an endpoint that is there and not being deleted; with the lock, it stays so."""
        id = workspace.child(ENDPOINTS, name)
        self._refuse_leaving(id)
        return self._documents.get(id)

    def _refuse_leaving(self, endpoint_id: str) -> None:
        # However the caller spells it: ids compare without regard to case.
        if endpoint_id.lower() in self._leaving:
            raise Conflict(f"The endpoint {endpoint_id.rsplit('/', 1)[1]!r} is being deleted. Wait for it.")


def _instance_status(member: Member) -> str:
    """Say how far the replicas are, in the words that Azure's get_logs begins with."""
    state = State.read(member.newest())
    status = state.status if state is not None else ReplicaStatus.PREPARING
    prepared = status is not ReplicaStatus.PREPARING
    started = {ReplicaStatus.SERVING: "Succeeded", ReplicaStatus.FAILED: "Failed"}.get(status, "InProgress")
    steps = {
        "SystemSetup": "Succeeded",
        "UserContainerImagePull": "Succeeded" if prepared else "InProgress",
        "ModelDownload": "Succeeded" if prepared else "InProgress",
        "UserContainerStart": started,
    }
    return "\n".join(["Instance status:", *(f"{step}: {how}" for step, how in steps.items())])


def _without_traffic(body: Body, deployment: str) -> Body:
    properties = body["properties"]
    traffic = {name: share for name, share in properties["traffic"].items() if name != deployment}
    return {**body, "properties": {**properties, "traffic": traffic}}


def _key(endpoint_id: str) -> tuple[str, str]:
    named = ResourceId.parse(endpoint_id)
    return named.workspace.key, named.path[1].lower()
