"""The routing table: which deployments an endpoint has, which share of the traffic each gets."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from academy.endpoints.plan import DeploymentPlan
from academy.endpoints.record import ReplicaStatus, State
from academy.errors import NotFound, choices
from academy.paths import ReplicaFolder


class Target:
    """One generation of a deployment, as the router sees it."""

    def __init__(self, plan: DeploymentPlan, folder: ReplicaFolder) -> None:
        self.deployment = plan.deployment
        self.secret = plan.secret
        self.timeout_s = plan.timeout_s
        self.max_concurrent = plan.max_concurrent
        # Azure takes twice as many requests as can run, and refuses the rest:
        # https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes
        self.limit = 2 * plan.max_concurrent * plan.instances
        self.in_flight = 0
        self._by_port: Counter[int] = Counter()
        self._folder = folder
        self._seen: tuple[int, int, int] | None = None
        self._state: State | None = None

    def port(self, refused: frozenset[int]) -> int | None:
        """Return the replica with the fewest requests, or None while none is ready."""
        state = self.state()
        ports = [port for port in state.ports if port not in refused] if state else []
        return min(ports, key=self._by_port.__getitem__, default=None)

    def state(self) -> State | None:
        """Return the state of the replicas; the file is read again only when it was replaced."""
        try:
            status = self._folder.state_file.stat()
        except FileNotFoundError:
            return None
        # Times are coarse; a file that was replaced twice within one tick still differs by its inode.
        seen = (status.st_mtime_ns, status.st_ino, status.st_size)
        if seen != self._seen:
            self._state, self._seen = State.read(self._folder), seen
        return self._state

    @property
    def has_failed(self) -> bool:
        """Whether no replica can be started; one that was stopped is about to be."""
        state = self.state()
        return state is not None and state.status is ReplicaStatus.FAILED

    @contextlib.contextmanager
    def counted(self, port: int) -> Iterator[None]:
        """Count a request at a replica while it is there."""
        self._by_port[port] += 1
        try:
            yield
        finally:
            self._by_port[port] -= 1


@dataclass(frozen=True)
class Route:
    """One endpoint. ``admits`` tells whether a bearer token or key opens it; ``traffic`` is in percent."""

    endpoint: str
    admits: Callable[[str], bool]
    targets: Mapping[str, Target] = field(default_factory=dict)
    traffic: Mapping[str, int] = field(default_factory=dict)

    def choose(self, named: str | None, chance: random.Random) -> Target:
        """Return the deployment that is named, whatever its traffic, or one by chance and percent.

        Raises
        ------
        NotFound
            When there is none of that name, or no deployment gets traffic.
        """
        if named is not None:
            by_name = {name.lower(): target for name, target in self.targets.items()}
            if named.lower() not in by_name:
                raise NotFound(
                    f"Endpoint {self.endpoint!r} has no deployment {named!r} that serves. Those that do: "
                    f"{choices(self.targets)}."
                )
            return by_name[named.lower()]
        shares = {name: share for name, share in self.traffic.items() if share > 0 and name in self.targets}
        if not shares:
            raise NotFound(
                f"No deployment of endpoint {self.endpoint!r} gets traffic. Set it "
                f"(endpoint.traffic = {{NAME: 100}}), or name a deployment. Those that serve: "
                f"{choices(self.targets)}."
            )
        return self.targets[chance.choices(list(shares), weights=list(shares.values()))[0]]
