"""Undoing what a lab made in the workspace: endpoints deleted, jobs cancelled, assets archived."""

from __future__ import annotations

from collections.abc import Iterator

from academy.errors import AcademyError
from academy.labs.language import texts
from academy.labs.learning.made import Made
from academy.labs.learning.undoing import Search, Undoing, label, left
from academy.service.loopback import Loopback
from academy.service.process import ServiceInfo
from academy.store.ids import DEFAULT_WORKSPACE, Workspace

# What an endpoint's last replicas may take to end.
_PATIENCE_S = 120.0


def tear_down(info: ServiceInfo, made: Made, workspace: Workspace = DEFAULT_WORKSPACE) -> tuple[str, ...]:
    """Undo what is there of a lab's resources, and say of each what was done with it.

    Of what is older than the lab, the versions and deployments that the lab added are undone. What is not
    there is passed over, and so are jobs that have ended: they are the record. What the service refuses to
    undo, what is older than the lab, and what has no known name is said too, and ends nothing.
    """
    service = Loopback(info, _PATIENCE_S)
    done = [_undone(service, one) for one in list(_undoings(service, made, workspace))]
    done += [texts()("cli.torn-unknown", what=f"{one.type} {one.name}") for one in made.unnamed]
    return tuple(done)


def standing(info: ServiceInfo, made: Made, workspace: Workspace = DEFAULT_WORKSPACE) -> tuple[str, ...]:
    """Return what ``tear_down`` would undo, changing nothing."""
    return tuple(one.what for one in _undoings(Loopback(info), made, workspace) if one.requests)


def _undoings(service: Loopback, made: Made, workspace: Workspace) -> Iterator[Undoing]:
    search = Search(service, workspace, made.since)
    for resource, name in made.named:
        try:
            yield from search.undoings(resource.type, name)
        except AcademyError as error:
            yield _refused(label(resource.type, name), error)


def _undone(service: Loopback, one: Undoing) -> str:
    try:
        for request in one.requests:
            service.send(request.method, request.path, request.body)
    except AcademyError as error:
        return _refused(one.what, error).said
    return one.said


def _refused(what: str, error: AcademyError) -> Undoing:
    if error.http_status >= 500:
        raise error
    return left(what, error.message)
