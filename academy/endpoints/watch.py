"""Keeps the replicas of one generation alive, and says which of them can take requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from academy.endpoints.plan import Probe
from academy.endpoints.record import Replica, ReplicaStatus, State
from academy.endpoints.servers import Launch, ScoringServer

# Between looks at the servers. A child that ends is noticed at once, by its signal; the pause bounds
# how late other things are seen: an adopted server's end, the stop file, a server that became ready.
STARTING_PAUSE_S = 0.02
SERVING_PAUSE_S = 0.25

# The first restart is at once; each further one without success waits twice as long.
SECOND_BACKOFF_S = 0.25
MAX_BACKOFF_S = 30.0

# A server that crashes without a word before it was ever ready may have met a passing lack of memory.
START_ATTEMPTS = 3


class Failed(Exception):
    """The replicas cannot be started; the message says why."""


@dataclass
class _Health:
    """The answers to one kind of probe; ``next_at`` is of ``time.monotonic()``."""

    probe: Probe
    next_at: float
    failures: int = 0
    successes: int = 0

    def ask(self, server: ScoringServer) -> None:
        if time.monotonic() < self.next_at:
            return
        if server.is_well(self.probe.timeout_s):
            self.successes, self.failures = self.successes + 1, 0
        else:
            self.successes, self.failures = 0, self.failures + 1
        self.next_at = time.monotonic() + self.probe.period_s


class _Slot:
    """The place of one replica: its server now, and how often one had to be started."""

    def __init__(self, launch: Launch, number: int, note: Callable[[str], None], known: Replica) -> None:
        self._launch = launch
        self._number = number
        self._note = note
        self._server = ScoringServer.adopt(launch, number, known.process)
        self._was_ready = self._server is not None and self._server.port is not None
        self._restarts = known.restarts
        self._failures = 0
        self._start_at = 0.0
        self._in_rotation = True
        self._probe_anew()

    def step(self, *, ever_served: bool) -> Replica:
        """Look at the server once, and start one where none runs; return how the replica stands."""
        server = self._server
        if server is None:
            if time.monotonic() < self._start_at:
                return Replica(None, None, self._restarts)
            server = self._server = ScoringServer.start(self._launch, self._number)
            self._was_ready = False
        if not server.is_alive():
            self._ended(server, ever_served)
            return Replica(None, None, self._restarts)
        port = server.port
        if port is None:
            self._check_start(server, ever_served)
        elif not self._was_ready:
            self._was_ready, self._failures = True, 0
            self._probe_anew()
        else:
            self._check_health(server)
        return Replica(server.process, port if self._in_rotation else None, self._restarts)

    @property
    def pause_s(self) -> float:
        """How long nothing is expected to happen here that no signal tells of."""
        if self._server is None:
            return min(max(self._start_at - time.monotonic(), STARTING_PAUSE_S), SERVING_PAUSE_S)
        return SERVING_PAUSE_S if self._was_ready else STARTING_PAUSE_S

    def end(self) -> None:
        """End the server."""
        if self._server is not None:
            self._server.end()
            self._server = None

    def _ended(self, server: ScoringServer, ever_served: bool) -> None:
        reason = server.error
        self.end()
        self._failures += 1
        if not ever_served and (reason is not None or self._failures >= START_ATTEMPTS):
            raise Failed(reason or "the scoring server ended while it started, without saying why.")
        backoff_s = SECOND_BACKOFF_S * 2 ** (self._failures - 2) if self._failures > 1 else 0.0
        self._start_at = time.monotonic() + min(backoff_s, MAX_BACKOFF_S)
        self._restarts += 1
        self._note(f"Replica {self._number} ended ({reason or 'killed or crashed'}); it is started again.")

    def _check_start(self, server: ScoringServer, ever_served: bool) -> None:
        limit_s = self._launch.plan.liveness.limit_s
        if time.monotonic() - server.started <= limit_s:
            return
        server.end()
        if not ever_served:
            raise Failed(
                f"the model was not ready within {limit_s:g} seconds. Make init() faster, or raise "
                "initial_delay, period or failure_threshold of the liveness_probe."
            )

    def _check_health(self, server: ScoringServer) -> None:
        self._liveness.ask(server)
        if self._liveness.failures >= self._liveness.probe.failure_threshold:
            self._note(f"Replica {self._number} did not answer its liveness probe; it is ended.")
            server.end(grace_s=0)
            return
        ready = self._readiness
        ready.ask(server)
        if ready.failures >= ready.probe.failure_threshold:
            self._in_rotation = False
        elif ready.successes >= ready.probe.success_threshold:
            self._in_rotation = True

    def _probe_anew(self) -> None:
        plan, now = self._launch.plan, time.monotonic()
        self._liveness = _Health(plan.liveness, now + plan.liveness.period_s)
        self._readiness = _Health(plan.readiness, now + plan.readiness.period_s)
        self._in_rotation = True


class Watch:
    """All replicas of one generation."""

    def __init__(self, launch: Launch, state: State, note: Callable[[str], None]) -> None:
        known = (*state.replicas, *(Replica() for _ in range(launch.plan.instances)))
        self._slots = [_Slot(launch, number, note, known[number]) for number in range(launch.plan.instances)]
        self._ever_served = state.status is ReplicaStatus.SERVING

    @property
    def pause_s(self) -> float:
        """How long to wait for a signal before the next step."""
        return min(slot.pause_s for slot in self._slots)

    def step(self, state: State) -> State:
        """Look at every replica once.

        Raises
        ------
        Failed
            When a replica cannot be started and none of this generation has ever served.
        """
        replicas = tuple(slot.step(ever_served=self._ever_served) for slot in self._slots)
        self._ever_served = self._ever_served or all(replica.port is not None for replica in replicas)
        status = ReplicaStatus.SERVING if self._ever_served else ReplicaStatus.STARTING
        return replace(state, status=status, replicas=replicas)

    def end(self) -> None:
        """End every replica."""
        for slot in self._slots:
            slot.end()
