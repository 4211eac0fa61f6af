"""The way from a scoring URI to a replica, with replicas that do exactly what a test says."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from academy.endpoints.connection import Message, Reply
from academy.endpoints.plan import DeploymentPlan
from academy.endpoints.record import Replica, ReplicaStatus, State
from academy.endpoints.router import ReplicaLost, RequestTimeout, Router, TooManyRequests
from academy.endpoints.table import Route, Target
from academy.environments.spec import EnvironmentSpec
from academy.errors import NotFound, ServiceUnavailable, Unauthenticated
from academy.jobs.processes import ProcessId
from academy.paths import ReplicaFolder

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class FakeReplicas:
    """Servers on ports of their own; each reads requests whole and hands them to an answer."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.takes = True
        self._servers: list[asyncio.Server] = []

    async def start(self, answer: Answer, port: int = 0) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    self.heads.append(head)
                    if self.takes:
                        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                    await answer(await reader.readexactly(length), writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", port)
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    def close(self) -> None:
        for server in self._servers:
            server.close()


def says(text: str, status: int = 200, **headers: str) -> Answer:
    async def answer(_body: bytes, writer: asyncio.StreamWriter) -> None:
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(text)}\r\n\r\n{text}".encode())

    return answer


def target(root: Path, *ports: int, **changes: Any) -> Target:
    """Return a target whose state file names these ports."""
    name = changes.pop("deployment", "blue")
    folder = ReplicaFolder(root / name)
    folder.root.mkdir(exist_ok=True)
    set_ports(folder, *ports)
    environment = EnvironmentSpec("academy", "1", own=True)
    plan = DeploymentPlan("e", name, environment, "replica-secret", **{"timeout_s": 2.0, **changes})
    return Target(plan, folder)


def set_ports(folder: ReplicaFolder, *ports: int) -> None:
    me = ProcessId.of(os.getpid())
    State(ReplicaStatus.SERVING, me, tuple(Replica(me, port) for port in ports)).write(folder)


def post(body: bytes = b"[1]", **headers: str) -> Message:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Message("POST", "/score", (*pairs, (b"content-type", b"application/json")), body)


def route(*targets: Target, traffic: dict[str, int] | None = None) -> Route:
    by_name = {one.deployment: one for one in targets}
    shares = {targets[0].deployment: 100} if traffic is None and targets else traffic or {}
    return Route("e", lambda key: key == "key", by_name, shares)


def run(work: Callable[[Router, FakeReplicas], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    """Run one test's work with a router and replicas, and close both."""

    async def whole() -> None:
        router, replicas = Router(lambda *_names: None, random.Random(seed)), FakeReplicas()
        try:
            await work(router, replicas)
        finally:
            router.close()
            replicas.close()
            # Lets the transports close before the loop does.
            await asyncio.sleep(0.01)

    asyncio.run(whole())


def header(reply: Reply, name: bytes) -> bytes | None:
    return next((value for key, value in reply.headers if key.lower() == name), None)


def test_reply_of_the_replica_is_passed_on_without_the_key(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        port = await replicas.start(says("[2]", Content_Type="application/json", Connection="keep-alive"))
        message = post(authorization="Bearer key", x_mine="yes", connection="close")
        for _ in range(3):
            reply = await router.forward(route(target(tmp_path, port)), message)
        assert (reply.status, reply.body) == (200, b"[2]")
        assert header(reply, b"azureml-model-deployment") == b"blue"
        assert header(reply, b"connection") is None
        head = replicas.heads[-1].lower()
        assert b"x-academy-replica-key: replica-secret" in head
        assert b"x-mine: yes" in head
        assert b"authorization" not in head
        assert b"connection" not in head

    run(work)


def test_traffic_is_split_by_percent(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        blue, green = await replicas.start(says("b")), await replicas.start(says("g"))
        targets = (target(tmp_path, blue), target(tmp_path, green, deployment="green"))
        way = route(*targets, traffic={"blue": 80, "green": 20})
        got = [(await router.forward(way, post())).body for _ in range(400)]
        assert 50 <= got.count(b"g") <= 110

    run(work)


def test_named_deployment_is_called_whatever_its_traffic(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        blue, green = await replicas.start(says("b")), await replicas.start(says("g"))
        way = route(target(tmp_path, blue), target(tmp_path, green, deployment="green"))
        assert (await router.forward(way, post())).body == b"b"
        assert (await router.forward(way, post(azureml_model_deployment="Green"))).body == b"g"
        with pytest.raises(
            NotFound, match=r"no deployment 'red' that serves\. Those that do: 'blue', 'green'"
        ):
            await router.forward(way, post(azureml_model_deployment="red"))

    run(work)


def test_endpoint_without_traffic_says_so(tmp_path: Path) -> None:
    async def work(router: Router, _replicas: FakeReplicas) -> None:
        with pytest.raises(NotFound, match="No deployment of endpoint 'e' gets traffic"):
            await router.forward(route(target(tmp_path, 1), traffic={"blue": 0}), post())

    run(work)


def test_key_is_checked(tmp_path: Path) -> None:
    way = route(target(tmp_path))
    router = Router(lambda _workspace, endpoint: way if endpoint == "e" else None)
    assert router.admit("w", "e", "Bearer key") is way
    for wrong in ("", "key", "Bearer", "Bearer other", "Basic key"):
        with pytest.raises(Unauthenticated):
            router.admit("w", "e", wrong)
    with pytest.raises(NotFound):
        router.admit("w", "other", "Bearer key")


def test_error_of_the_model_is_424_with_its_own_status(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        port = await replicas.start(says("broken", 500))
        reply = await router.forward(route(target(tmp_path, port)), post())
        assert (reply.status, reply.body) == (424, b"broken")
        assert header(reply, b"ms-azureml-model-error-statuscode") == b"500"
        assert header(reply, b"ms-azureml-model-error-reason") == b"Internal Server Error"

    run(work)


def test_time_limit_of_the_replica_is_408(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        port = await replicas.start(says("slow", 408, x_ms_timeout_ms="2000"))
        assert (await router.forward(route(target(tmp_path, port)), post())).status == 408

    run(work)


async def never(_body: bytes, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


def test_replica_that_says_nothing_is_408(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        one = target(tmp_path, await replicas.start(never), timeout_s=0.05)
        with pytest.raises(RequestTimeout, match=r"within 0\.05 seconds"):
            await router.forward(route(one), post())
        assert one.in_flight == 0

    run(work)


def test_more_requests_than_the_deployment_takes_are_429(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        one = target(tmp_path, await replicas.start(never), timeout_s=0.3)
        waiting = [asyncio.create_task(router.forward(route(one), post())) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyRequests, match="max_concurrent_requests_per_instance"):
            await router.forward(route(one), post())
        await asyncio.gather(*waiting, return_exceptions=True)

    run(work)


def test_request_waits_for_a_replica_that_is_started_again(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        gone = await replicas.start(says(""))
        replicas.close()
        one = target(tmp_path, gone)
        sent = asyncio.create_task(router.forward(route(one), post()))
        await asyncio.sleep(0.1)
        assert not sent.done()
        set_ports(ReplicaFolder(tmp_path / "blue"), await replicas.start(says("back")))
        assert (await sent).body == b"back"

    run(work)


def test_other_replica_takes_over_from_one_that_died(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        gone = await replicas.start(says(""))
        replicas.close()
        living = await replicas.start(says("living"))
        one = target(tmp_path, gone, living)
        assert {(await router.forward(route(one), post())).body for _ in range(5)} == {b"living"}

    run(work)


def test_no_replica_in_time_is_503(tmp_path: Path) -> None:
    async def work(router: Router, _replicas: FakeReplicas) -> None:
        with pytest.raises(ServiceUnavailable, match="No replica of deployment 'blue' is ready"):
            await router.forward(route(target(tmp_path, timeout_s=0.05)), post())
        State(ReplicaStatus.FAILED, error="init() raised").write(ReplicaFolder(tmp_path / "blue"))
        ended = target(tmp_path, timeout_s=30.0)
        State(ReplicaStatus.FAILED, error="init() raised").write(ReplicaFolder(tmp_path / "blue"))
        with pytest.raises(ServiceUnavailable, match=r"init\(\) raised"):
            await router.forward(route(ended), post())

    run(work)


def test_replica_that_dies_at_work_is_502(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        async def dies(_body: bytes, writer: asyncio.StreamWriter) -> None:
            writer.close()

        port = await replicas.start(dies)
        with pytest.raises(ReplicaLost, match="ended while it worked on the request"):
            await router.forward(route(target(tmp_path, port)), post())

    run(work)


def test_request_that_no_replica_took_is_sent_again(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        async def dies(_body: bytes, writer: asyncio.StreamWriter) -> None:
            # As the kernel does for a process that is killed: accepted, and closed without a word.
            replicas.takes = True
            set_ports(ReplicaFolder(tmp_path / "blue"), living)
            writer.close()

        living, dying = await replicas.start(says("living")), await replicas.start(dies)
        replicas.takes = False
        assert (await router.forward(route(target(tmp_path, dying)), post())).body == b"living"

    run(work)


def test_connection_that_was_closed_while_idle_is_replaced(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        async def once(body: bytes, writer: asyncio.StreamWriter) -> None:
            await says("ok")(body, writer)
            await writer.drain()
            writer.close()

        one = target(tmp_path, await replicas.start(once))
        for _ in range(5):
            assert (await router.forward(route(one), post())).body == b"ok"

    run(work)


def test_requests_go_to_the_replica_with_the_fewest(tmp_path: Path) -> None:
    async def work(router: Router, replicas: FakeReplicas) -> None:
        ports = [await replicas.start(says("1")), await replicas.start(says("2"))]
        one = target(tmp_path, *ports, instances=2)
        with one.counted(ports[0]):
            assert (await router.forward(route(one), post())).body == b"2"
        with one.counted(ports[1]):
            assert (await router.forward(route(one), post())).body == b"1"

    run(work)
