"""First come, first served, within what computes and the machine run at a time."""

from __future__ import annotations

from academy.jobs.queue import Queue, Ticket
from academy.store.ids import Workspace

WORKSPACE = Workspace("s", "g", "w")


def ticket(name: str, compute: str = "cpu") -> Ticket:
    return Ticket(WORKSPACE, name, compute, 0.0)


def taken(queue: Queue, limits: dict[str, int | None]) -> list[str]:
    names = []
    while (found := queue.take(lambda waiting: limits[waiting.compute])) is not None:
        names.append(found.name)
    return names


def test_jobs_start_in_the_order_they_came() -> None:
    queue = Queue(2)
    for name in "abc":
        queue.add(ticket(name))
    assert taken(queue, {"cpu": None}) == ["a", "b"]
    queue.leave(ticket("a").id)
    assert taken(queue, {"cpu": None}) == ["c"]


def test_a_full_compute_lets_jobs_of_others_pass() -> None:
    queue = Queue(10)
    for item in (ticket("a"), ticket("b"), ticket("c", "gpu")):
        queue.add(item)
    assert taken(queue, {"cpu": 1, "gpu": 1}) == ["a", "c"]
    assert queue.is_waiting(ticket("b").id)


def test_computes_of_the_same_name_in_two_workspaces_are_two() -> None:
    queue = Queue(10)
    queue.add(ticket("a"))
    queue.add(Ticket(Workspace("s", "g", "other"), "b", "cpu", 0.0))
    assert taken(queue, {"cpu": 1}) == ["a", "b"]


def test_a_job_that_leaves_while_it_waits_never_starts() -> None:
    queue = Queue(10)
    queue.add(ticket("a"))
    queue.leave(ticket("a").id)
    assert taken(queue, {"cpu": None}) == []
