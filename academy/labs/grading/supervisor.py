"""Starts, watches and ends the processes of one submission, for the grading process that asks for it.

This runs with whoever grades the class. It never reads what a submission wrote or said: it hands the
grading process a kernel's address, and looks at its processes from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import IO, Any

from academy.errors import AcademyError
from academy.labs.confinement import Confinement, Watch, disk
from academy.labs.grading.room import Room
from academy.labs.manifest import Limits
from academy.labs.nursery import Child, Nursery, NurseryError
from academy.labs.nursery.kernel import WarmKernelManager
from academy.labs.nursery.owner import plain_environment
from academy.paths import write_atomic, write_json
from academy.service.process import ServiceInfo, take_lock

# IPython's own, in colours and with lines of every module that was passed, take seconds for the SDK's.
_PLAIN_TRACEBACKS = ["--InteractiveShell.xmode=Plain"]


@dataclass(frozen=True)
class _Watched:
    """A kernel or service, and what looks at its tree from outside."""

    child: Child
    watch: Watch

    def end(self) -> None:
        self.watch.stop()
        # A tree of hundreds takes its time to end where the machine does much else: all of it is killed.
        with contextlib.suppress(NurseryError):
            self.child.kill()


class Supervisor:
    """The processes of one submission."""

    def __init__(self, nursery: Nursery, room: Room, lab_id: str, limits: Limits) -> None:
        self._nursery, self._room, self._limits = nursery, room, limits
        self._env = {**plain_environment(), **room.variables(lab_id)}
        self._kernels: list[_Watched] = []
        self._service: _Watched | None = None
        self._noted: IO[bytes] | None = None

    def _start_service(self) -> None:
        """Start the service of the submission's home, on the port it had before if it had one."""
        confine, home = self._room.services(self._limits), self._room.home
        # Nothing that could write here runs now; a job may have left links, and a kernel can hold the lock.
        for file in (home.service_file, home.lock_file, home.log_file):
            file.unlink(missing_ok=True)
        _make_room(confine)
        info = self._nursery.service(home, env={**self._env, **confine.variables()}, confine=confine)
        self._note(info)
        child = self._nursery.service_child(home)
        self._service = _Watched(child, _watching(child, confine))

    def _note(self, info: ServiceInfo) -> None:
        """Keep the service's address, and the token that it had before any code of the learner's ran."""
        noted = self._room.noted
        if self._noted is None:
            noted.prepare()
            write_atomic(noted.token_file, self._room.home.token_file.read_text(), mode=0o600)
            self._noted = take_lock(noted)  # what holds it runs
        write_json(noted.service_file, asdict(replace(info, home=str(noted.root))), mode=0o600)

    def serve(self, connection: socket.socket, until: float) -> bool:
        """Answer the grading process until it hangs up; return whether it did before ``until``."""
        received = b""
        while (left := until - time.monotonic()) > 0:
            if not select.select([connection], [], [], left)[0]:
                break
            part = connection.recv(65536)
            if not part:
                return True
            *lines, received = (received + part).split(b"\n")
            for line in lines:
                connection.sendall(json.dumps(self._answer(json.loads(line))).encode() + b"\n")
        return False

    def close(self) -> None:
        """End everything of the submission."""
        for kernel in self._kernels:
            kernel.end()
        self._end_service()
        if self._noted is not None:
            self._noted.close()

    def _answer(self, asked: Mapping[str, Any]) -> Any:
        try:
            if asked["do"] == "start":
                return self._start_kernel()
            if asked["do"] == "service":
                return self._service_again()
        except AcademyError as error:
            return {"error": error.message}
        kernel = self._kernels[asked["kernel"]]
        if asked["do"] == "alive":
            return kernel.child.poll() is None
        if asked["do"] == "interrupt":
            kernel.child.send(signal.SIGINT)
        if asked["do"] == "end":
            kernel.end()
        return kernel.watch.exceeded

    def _service_again(self) -> str:
        """Start the service, again when a job of the learner's took too much.

        This is asked after each cell. Return which limit was passed; it may be one of the kernel's, too.
        """
        service = self._service
        if service is None:
            self._start_service()
            return ""
        service.watch.look_at_disk()
        if service.child.poll() is None and not service.watch.exceeded:
            return self._look_at_kernel()
        exceeded = service.watch.exceeded or "the service ended"
        self._end_service()
        self._start_service()
        return exceeded

    def _look_at_kernel(self) -> str:
        """Look at what the last kernel has written; return which limit it passed.

        One that passed a limit is gone when this returns: nothing more is asked of it.
        """
        if not self._kernels:
            return ""
        last = self._kernels[-1]
        last.watch.look_at_disk()
        if last.watch.exceeded:
            last.end()
        return last.watch.exceeded

    def _end_service(self) -> None:
        if self._service is not None:
            self._service.end()  # at once: nothing of this home is wanted any more
            self._nursery.down(self._room.home)
            self._service = None

    def _start_kernel(self) -> dict[str, Any]:
        """Start a kernel; return its number and connection."""
        confine = self._room.kernels(self._limits)
        number = len(self._kernels)
        if self._kernels:
            self._kernels[-1].end()
            _make_room(confine)
        manager = WarmKernelManager(
            nursery=self._nursery,
            confine=confine,
            env={**self._env, **confine.variables()},
            kernel_name="python3",
            connection_file=str(self._room.aside / f"kernel-{number}.json"),
            log_file=str(self._room.aside / f"kernel-{number}.log"),
        )
        asyncio.run(manager.start_kernel(cwd=str(self._room.lab), extra_arguments=_PLAIN_TRACEBACKS))
        manager.context.destroy(linger=0)  # the grading process speaks to the kernel, not this one
        child = manager.child
        assert child is not None
        self._kernels.append(_Watched(child, _watching(child, confine)))
        found = manager.get_connection_info()
        connection = {name: found[name] for name in ("transport", "shell_port", "iopub_port")}
        key = {"key": found["key"].decode(), "signature_scheme": found["signature_scheme"]}
        return {"kernel": number, "connection": {**connection, "ip": manager.sockets, **key}}


def _make_room(confine: Confinement) -> None:
    """Remove the largest files that processes left, which have ended, when there is too much of them."""
    most = confine.disk_gb * 2**30
    disk.clear(confine.writable, most, down_to=most / 2)


def _watching(child: Child, confine: Confinement) -> Watch:
    watch = Watch(child.root, confine)
    watch.start()
    return watch
