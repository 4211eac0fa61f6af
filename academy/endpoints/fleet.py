"""All deployments that have replicas: which generation serves, which one is on its way.

A deployment is updated by a new generation beside the one that serves: when the new one is ready,
requests go to it; when the last request of the old one is answered, that one ends.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from academy.datasets.trees import remove
from academy.endpoints.plan import DeploymentPlan
from academy.endpoints.record import Generations, ReplicaStatus, State
from academy.endpoints.supervision import Supervisors
from academy.endpoints.table import Target
from academy.errors import Conflict
from academy.paths import DeploymentFolder, ReplicaFolder

logger = logging.getLogger(__name__)

_PENDING_PAUSE_S = 0.03
_PAUSE_S = 0.5


@dataclass
class Member:
    """One deployment. ``retired`` are generations that may still answer requests, with when to end them.

    ``is_news`` from before its generations change until others have been told how they stand.
    """

    id: str
    folder: DeploymentFolder
    generations: Generations
    target: Target | None = None
    retired: list[tuple[ReplicaFolder, Target | None, float]] = field(default_factory=list)
    is_news: bool = True

    @property
    def is_settled(self) -> bool:
        """Whether the newest generation serves or has failed, and everybody knows."""
        return not self.generations.is_pending and not self.is_news

    def newest(self) -> ReplicaFolder:
        """Return the folder of the generation that was put last."""
        return self.folder.generation(self.generations.newest)

    def serving(self) -> ReplicaFolder | None:
        """Return the folder of the generation that requests go to."""
        number = self.generations.serving
        return None if number is None else self.folder.generation(number)

    def every(self) -> list[ReplicaFolder]:
        """Return the folders of all generations there are."""
        found = self.folder.root.iterdir() if self.folder.root.is_dir() else []
        return [ReplicaFolder(item) for item in found if item.name.isdecimal()]


class Fleet:
    """Keeps supervisors running. ``changed(id)`` is called when a new generation serves or has failed."""

    def __init__(self, changed: Callable[[str], None]) -> None:
        self._tell = changed
        self._supervisors = Supervisors()
        self._members: dict[str, Member] = {}
        self._leaving: set[str] = set()
        self._lock = threading.RLock()
        self._wakeup = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._tend_forever, name="online-fleet", daemon=True)

    def start(self) -> None:
        """Begin to tend the deployments."""
        self._thread.start()

    def deploy(self, id: str, folder: DeploymentFolder, plan: DeploymentPlan) -> None:
        """Bring up a new generation, unless the one that serves does the same already.

        Raises
        ------
        Conflict
            When the deployment is on its way already, or is being deleted.
        """
        with self._lock:
            self.refuse_busy(id)
            member = self.find(id) or Member(id, folder, Generations())
            if _runs(member, plan):
                return
            if member.generations.error is not None:
                self._supervisors.remove([member.newest()])
            member.generations = Generations(member.generations.serving, member.generations.newest + 1)
            replicas = member.newest()
            replicas.root.mkdir(parents=True, mode=0o700)
            plan.write(replicas)
            member.generations.write(folder)
            self._members[id.lower()] = member
        self._wakeup.set()

    def attach(self, id: str, folder: DeploymentFolder) -> None:
        """Take up a deployment that an earlier service had."""
        generations = Generations.read(folder) or Generations(
            error="The service ended before the deployment was begun. Create it again."
        )
        member = Member(id, folder, generations)
        member.target = _target(member.serving())
        kept = (member.serving(), member.newest())
        member.retired = [(old, None, 0.0) for old in member.every() if old not in kept]
        with self._lock:
            self._members[id.lower()] = member
        self._wakeup.set()

    def release(self, ids: Sequence[str]) -> list[Member]:
        """Forget deployments, so that no request goes to them; ``end`` is to follow."""
        with self._lock:
            for id in ids:
                self._refuse_leaving(id)
            keys = [id.lower() for id in ids]
            self._leaving.update(keys)
            return [self._members.pop(key) for key in keys if key in self._members]

    def end(self, members: Sequence[Member]) -> None:
        """Let the requests end that are under way, then end all replicas and delete their folders."""
        for member in members:
            _drain(member.target)
        self._supervisors.remove([folder for member in members for folder in member.every()])
        for member in members:
            remove(member.folder.root)

    def forget(self, ids: Sequence[str]) -> None:
        """Allow deployments of these names again, when all of the old ones is gone."""
        with self._lock:
            self._leaving.difference_update(id.lower() for id in ids)

    def find(self, id: str) -> Member | None:
        """Return a deployment as it is now; ids compare without regard to case."""
        return self._members.get(id.lower())

    def refuse_busy(self, id: str) -> None:
        """Refuse to change a deployment that is on its way or is being deleted."""
        self._refuse_leaving(id)
        member = self.find(id)
        if member is not None and member.generations.is_pending:
            raise Conflict(
                f"The deployment {id.rsplit('/', 1)[1]!r} is being created or updated. Wait for it "
                "(poller.result()), or delete it first."
            )

    def close(self) -> None:
        """End all replicas; ``attach`` starts them again."""
        self._closed = True
        self._wakeup.set()
        if self._thread.is_alive():
            self._thread.join()
        self._supervisors.end([folder for member in self._members.values() for folder in member.every()])

    def _tend_forever(self) -> None:
        while not self._closed:
            self._wakeup.clear()
            with self._lock:
                everyone = list(self._members.values())
            busy = [self._tend_safely(member) for member in everyone]
            self._supervisors.reap()
            self._wakeup.wait(_PENDING_PAUSE_S if any(busy) else _PAUSE_S)

    def _tend_safely(self, member: Member) -> bool:
        """Look at one deployment; return whether something is about to change."""
        try:
            with self._lock:
                if self.find(member.id) is not member:
                    return False
                ended = self._tend(member)
            # Without the lock: others hold locks of their own when they ask the fleet something.
            self._supervisors.remove(ended)
            if member.is_news:
                self._tell(member.id)
                member.is_news = False
        except Exception:
            logger.exception("The deployment %s could not be tended", member.id)
            member.is_news = True
            return False
        return member.generations.is_pending or bool(member.retired)

    def _tend(self, member: Member) -> list[ReplicaFolder]:
        """Move one deployment on by one step; return the generations that are to be removed."""
        serving = member.serving()
        if serving is not None and not _has_failed(serving):
            self._supervisors.tend(serving)
        now = time.monotonic()
        # Before the news is told, the router still sends requests to the old generation.
        over = [] if member.is_news else [item for item in member.retired if _is_over(item[1], item[2], now)]
        member.retired = [item for item in member.retired if item not in over]
        if member.generations.is_pending:
            self._advance(member)
        return [folder for folder, _target, _deadline in over]

    def _advance(self, member: Member) -> None:
        newest = member.newest()
        state = State.read(newest)
        if state is not None and state.status is ReplicaStatus.SERVING:
            self._switch(member)
        elif state is not None and state.status is ReplicaStatus.FAILED:
            self._fail(member, state.error or "The replicas ended.")
        elif not self._supervisors.tend(newest):
            self._fail(member, f"The supervisor of the replicas keeps ending. See {newest.supervisor_log}.")

    def _switch(self, member: Member) -> None:
        before, old = member.serving(), member.target
        member.is_news = True
        member.generations = Generations(member.generations.newest, member.generations.newest)
        member.generations.write(member.folder)
        member.target = _target(member.serving())
        if before is not None and old is not None:
            member.retired.append((before, old, time.monotonic() + old.timeout_s))

    def _fail(self, member: Member, error: str) -> None:
        member.is_news = True
        member.generations = replace(member.generations, error=error)
        member.generations.write(member.folder)

    def _refuse_leaving(self, id: str) -> None:
        if id.lower() in self._leaving:
            raise Conflict(f"The deployment {id.rsplit('/', 1)[1]!r} is being deleted. Wait for it.")


def _runs(member: Member, plan: DeploymentPlan) -> bool:
    serving = member.serving()
    if serving is None or member.generations.error is not None or _has_failed(serving):
        return False
    running = DeploymentPlan.read(serving)
    return running is not None and running.runs_same(plan)


def _target(folder: ReplicaFolder | None) -> Target | None:
    plan = None if folder is None else DeploymentPlan.read(folder)
    return None if plan is None or folder is None else Target(plan, folder)


def _has_failed(folder: ReplicaFolder) -> bool:
    state = State.read(folder)
    return state is not None and state.status is ReplicaStatus.FAILED


def _is_over(target: Target | None, deadline: float, now: float) -> bool:
    return target is None or target.in_flight == 0 or now > deadline


def _drain(target: Target | None) -> None:
    if target is None:
        return
    deadline = time.monotonic() + target.timeout_s
    while target.in_flight and time.monotonic() < deadline:
        time.sleep(_PENDING_PAUSE_S)
