"""What a lab left in the workspace, and the requests that undo it: found out before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from academy.errors import NotFound
from academy.labs.language import texts
from academy.service.loopback import Loopback
from academy.store.ids import Workspace

ASSETS = {"model": "models", "data": "data", "environment": "environments", "component": "components"}
FOLDERS = {**ASSETS, "online_endpoint": "onlineEndpoints", "compute": "computes"}

# Azure's states of a job that has ended; there is nothing to cancel.
_ENDED = frozenset(("Completed", "Failed", "Canceled", "NotResponding"))

Found = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """One request to the service."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Undoing:
    """One resource, ``what``, and the requests that undo it; ``said`` is what there is to say when they did.

    A resource that is left as it is has no requests.
    """

    what: str
    said: str
    requests: tuple[Request, ...] = ()


@dataclass(frozen=True)
class Search:
    """Looks in a workspace for what was made ``since``, in seconds since 1970."""

    service: Loopback
    workspace: Workspace
    since: float

    def undoings(self, kind: str, name: str) -> Iterator[Undoing]:
        """Yield what is there of the name: an experiment's jobs that run, else one resource and its parts."""
        if kind == "job":
            yield from self._jobs(name)
            return
        path = self.workspace.child(FOLDERS[kind], quote(name, safe=""))
        try:
            found = self.service.get(path)
        except NotFound:
            return
        what = label(kind, name)
        if kind in ASSETS:
            yield from self._asset(what, path, found)
        elif self._is_older(found):
            if kind == "online_endpoint":
                yield from self._deployments(what, path, found)
            yield self._left(what, found)
        else:
            suffix = "?underlyingResourceAction=Delete" if kind == "compute" else ""
            yield _done("deleted", what, Request("DELETE", path + suffix))

    def _jobs(self, experiment: str) -> Iterator[Undoing]:
        for job in self._pages(self.workspace.child("jobs"), experimentName=experiment):
            what = label("job", job["name"])
            if job["properties"].get("status") in _ENDED:
                continue
            if self._is_older(job):
                yield self._left(what, job)
            else:
                path = self.workspace.child("jobs", quote(job["name"], safe=""), "cancel")
                yield _done("cancelled", what, Request("POST", path))

    def _asset(self, what: str, path: str, container: Found) -> Iterator[Undoing]:
        """Yield the container with its versions where the lab made it, else the lab's versions."""
        is_archived = container["properties"].get("isArchived")
        versions = list(self._pages(f"{path}/versions", **{"$orderBy": "createdtime asc"}))
        if not is_archived and not self._is_older(container):
            every = [_archiving(_version(path, one), one) for one in versions]
            yield _done("archived", what, *every, _archiving(path, container))
            return
        for one in versions:
            part = texts()("cli.torn-version", what=what, version=one["name"])
            if not self._is_older(one):
                yield _done("archived", part, _archiving(_version(path, one), one))
            elif self._is_changed(one):
                yield self._left(part, one)
        if not is_archived:
            yield self._left(what, container)

    def _deployments(self, what: str, path: str, endpoint: Found) -> Iterator[Undoing]:
        """Yield the deployments that the lab made in an endpoint that it did not make."""
        every = list(self._pages(f"{path}/deployments"))
        made = [one["name"] for one in every if not self._is_older(one)]
        stay = [one["name"] for one in every if self._is_older(one)]
        before = endpoint["properties"].get("traffic") or {}
        if any(before.get(name) for name in made):
            after = traffic_without(before, made, stay)
            shares = ", ".join(f"{name}={share}" for name, share in after.items() if share)
            said = texts()("cli.torn-traffic" if shares else "cli.torn-no-traffic", what=what, shares=shares)
            yield Undoing(said, said, (Request("PATCH", path, {"properties": {"traffic": after}}),))
        for one in every:
            part = texts()("cli.torn-deployment", what=what, deployment=one["name"])
            if one["name"] in made:
                own = f"{path}/deployments/{quote(one['name'], safe='')}"
                yield _done("deleted", part, Request("DELETE", own))
            elif self._is_changed(one):
                yield self._left(part, one)

    def _pages(self, path: str, **query: str) -> Iterator[Found]:
        page = self.service.get(path, **query)
        while True:
            yield from page["value"]
            following = page.get("nextLink")
            if not following:
                return
            page = self.service.get(following.removeprefix(self.service.info.address))

    def _left(self, what: str, found: Found) -> Undoing:
        reason = texts()("cli.torn-changed" if self._is_changed(found) else "cli.torn-older")
        return left(what, reason)

    def _is_older(self, found: Found) -> bool:
        created = found.get("systemData", {}).get("createdAt")
        return created is not None and datetime.fromisoformat(created).timestamp() < self.since

    def _is_changed(self, found: Found) -> bool:
        changed = found.get("systemData", {}).get("lastModifiedAt")
        return changed is not None and datetime.fromisoformat(changed).timestamp() >= self.since


def left(what: str, reason: str) -> Undoing:
    """Return what says that a resource is left as it is."""
    return Undoing(what, texts()("cli.torn-left", what=what, reason=reason))


def label(kind: str, name: str) -> str:
    """Return what a resource is called in messages."""
    return f"{kind.replace('_', ' ')} {name}"


def traffic_without(before: Mapping[str, int], gone: Sequence[str], stay: Sequence[str]) -> dict[str, int]:
    """Return the traffic in percent once the deployments that are ``gone`` get none.

    Those that stay get it in the proportions that they had; the first gets all where none had any.
    """
    shares = {name: before.get(name, 0) for name in stay}
    total = sum(shares.values())
    if not stay:
        return {}
    if not total:
        return {stay[0]: 100}
    after = {name: share * 100 // total for name, share in shares.items()}
    largest = max(after, key=lambda name: after[name])
    after[largest] += 100 - sum(after.values())
    return after


def _version(container: str, found: Found) -> str:
    return f"{container}/versions/{quote(found['name'], safe='')}"


def _archiving(path: str, found: Found) -> Request:
    return Request("PUT", path, {"properties": {**found["properties"], "isArchived": True}})


def _done(how: str, what: str, *requests: Request) -> Undoing:
    return Undoing(what, texts()(f"cli.torn-{how}", what=what), requests)
