"""Kernels that are forks of a nursery, for nbclient, papermill and whatever else takes a kernel manager.

A kernel whose start fails, or that does not answer in a short time, is started again, with other ports:
on a busy machine a kernel now and then loses the race for ports that were free a moment before. (A
forked kernel takes part in no such race: it chooses its ports itself, and tells them.)

Kernels that are confined listen on sockets in a folder of their own (``ipc``), not on ports: whoever is on
this machine can connect to a port, listen to what a kernel publishes, and send it what fills its memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
import time
import uuid
import weakref
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client import AsyncKernelClient, AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from jupyter_client.utils import ensure_async
from traitlets import Dict, DottedObjectName, Float, Instance, Integer, Type, Unicode

from academy.labs.confinement import Confinement
from academy.labs.confinement.machine import has_namespaces
from academy.labs.nursery.birth import Birth
from academy.labs.nursery.child import Child, NurseryError
from academy.labs.nursery.kernel_process import LAUNCHER, PORTS
from academy.labs.nursery.owner import Nursery, prepare
from academy.labs.nursery.ready import await_answer, await_reports

# What a path of a socket may have, less the ``-5`` that is put behind it; the system has 108 bytes.
_MOST_PATH_BYTES = 104


class KernelNotStarted(NurseryError):
    """No kernel answered, also after several starts; the message carries the end of its log."""

    code = "KernelNotStarted"


class KernelProcess:
    """A child of the nursery, with the methods of ``subprocess.Popen`` that jupyter_client uses."""

    stdin = stdout = stderr = None

    def __init__(self, child: Child) -> None:
        self.child = child
        self.pid = child.pid

    def poll(self) -> int | None:
        return self.child.poll()

    def wait(self) -> int | None:
        return self.child.wait()

    def send_signal(self, number: int) -> None:
        self.child.send(number)

    def kill(self) -> None:
        self.child.send(signal.SIGKILL)

    def terminate(self) -> None:
        self.child.send(signal.SIGTERM)


class WarmProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Starts kernels in the nursery of its kernel manager.

    A kernel of another language or Python, or of a manager without a nursery, is started as Jupyter does.
    """

    _told: Mapping[str, int] = {}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start the kernel; return when it is about to answer, with the ports that it chose.

        Raises
        ------
        KernelNotStarted
            The last of the starts failed too.
        """
        manager = self.parent
        if getattr(manager, "nursery", None) is None or cmd[:3] != [sys.executable, "-m", LAUNCHER]:
            return await super().launch_kernel(cmd, **kwargs)
        self.cwd = kwargs.get("cwd") or Path.cwd()
        env = {**(kwargs["env"] if manager.env is None else manager.env), "JPY_PARENT_PID": str(os.getpid())}
        # Clients that are connected already look for a kernel that is started again on the old ports.
        kept = self._told and all(getattr(manager, name) == port for name, port in self._told.items())
        loop = asyncio.get_running_loop()
        ports = await loop.run_in_executor(None, self._start, cmd, env, not kept)
        self.process, self.pid = KernelProcess(manager.child), manager.child.pid
        self.pgid = self.pid
        self._told = ports
        for name, port in ports.items():
            setattr(manager, name, port)
        self.connection_info = manager.get_connection_info()
        return self.connection_info

    async def cleanup(self, restart: bool = False) -> None:
        """End what the kernel left behind, unless it is started again."""
        await super().cleanup(restart)
        child = getattr(self.parent, "child", None)
        if child is not None and not restart:
            await asyncio.get_running_loop().run_in_executor(None, child.kill)

    def _start(self, cmd: list[str], env: dict[str, str], choose_ports: bool) -> dict[str, int]:
        manager = self.parent
        reasons = []
        for _attempt in range(manager.attempts):
            try:
                # A confined one is never Jupyter's own, which listens on a port, too.
                if manager.nursery.warm or manager.confine is not None:
                    return self._fork(cmd[3:], env, choose_ports)
                return self._execute(cmd, env)
            except NurseryError as error:
                reasons.append(error.message)
                if manager.child is not None:
                    manager.child.kill()
        raise KernelNotStarted(
            f"No kernel answered after {manager.attempts} starts. The last one: {reasons[-1]}"
        )

    def _fork(self, argv: list[str], env: dict[str, str], choose_ports: bool) -> dict[str, int]:
        file = self._connection_file(choose_ports)
        argv = [
            str(file) if before == "-f" else word for before, word in zip(["", *argv], argv, strict=False)
        ]
        hearing, saying = os.pipe()
        try:
            argument = {"argv": argv, "confined": self.parent.confine is not None}
            birth = self._birth("academy.labs.nursery.kernel_process:run", env, argument=argument)
            try:
                self._bear(birth, [saying])
            finally:
                os.close(saying)
            return await_reports(hearing, self.parent.child, self.parent.start_s)
        finally:
            os.close(hearing)

    def _execute(self, cmd: list[str], env: dict[str, str]) -> dict[str, int]:
        file = self._connection_file(choose_ports=False)
        command = tuple(
            str(file) if before == "-f" else word for before, word in zip(["", *cmd], cmd, strict=False)
        )
        self._bear(self._birth("", env, command=command), [])
        await_answer(file, self.parent.child, self.parent.start_s)
        return {name: getattr(self.parent, name) for name in PORTS}

    def _birth(self, target: str, env: dict[str, str], **parts: Any) -> Birth:
        manager = self.parent
        env = manager.nursery.environment(env, manager.confine)
        argument = parts.pop("argument", None)
        return Birth(target, argument, env, str(self.cwd), manager.confine, returns=False, **parts)

    def _bear(self, birth: Birth, descriptors: list[int]) -> None:
        manager = self.parent
        manager.child = None
        log = Path(manager.log_file) if manager.log_file else None
        manager.child = manager.nursery.bear(birth, descriptors, log=log)

    def _connection_file(self, choose_ports: bool) -> Path:
        """Write the file that the kernel reads, where it can read it; port 0 lets it choose."""
        manager = self.parent
        file = Path(manager.connection_file)
        content = json.loads(file.read_text())
        if choose_ports:
            content.update(dict.fromkeys(PORTS, 0))
        if manager.confine is not None:
            prepare(manager.confine)
            file = manager.confine.temporary / f"kernel-{manager.kernel_id}.json"
            file.touch(mode=0o600)
            if has_namespaces():  # its /tmp is that folder, by a path that is never too long
                content["ip"] = f"/tmp/{Path(manager.ip).name}"
        file.write_text(json.dumps(content))
        return file


def _address(confine: Confinement) -> str:
    """Return where a confined kernel listens: the beginning of its sockets' paths."""
    path = str(confine.temporary / f"k{secrets.token_hex(4)}")
    if _is_long(path) and not has_namespaces():
        raise KernelNotStarted(
            f"The path of the kernel's sockets is too long: {path}. It may have {_MOST_PATH_BYTES} bytes. "
            "Set TMPDIR to a folder with a shorter path, such as /tmp."
        )
    return path


def _is_long(path: str) -> bool:
    return len(os.fsencode(path)) > _MOST_PATH_BYTES


def _short(path: str, holder: object) -> str:
    """Return a short name of a path, good in this process for as long as ``holder`` lives."""
    folder, name = os.path.split(path)
    held = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    weakref.finalize(holder, os.close, held)
    return f"/proc/{os.getpid()}/fd/{held}/{name}"


class WarmKernelClient(AsyncKernelClient):  # type: ignore[misc]
    """Waits for a kernel as long as it takes, and not the fifth of a second more that Jupyter's own does."""

    async def _async_wait_for_ready(self, timeout: float | None = None) -> None:
        deadline = time.monotonic() + (float("inf") if timeout is None else timeout)
        while time.monotonic() < deadline:
            asked = self.kernel_info()
            try:
                reply = await self._async_recv_reply(asked, timeout=min(1.0, deadline - time.monotonic()))
                if await self._idle(asked):
                    self._handle_kernel_info_reply(reply)
                    return
            except (Empty, TimeoutError):
                if not await self._async_is_alive():
                    raise RuntimeError("Kernel died before replying to kernel_info") from None
        raise RuntimeError(f"Kernel didn't respond in {timeout} seconds")

    wait_for_ready = _async_wait_for_ready

    async def _idle(self, asked: str) -> bool:
        """Whether the kernel's own word that it is done arrives; it does not before iopub is connected."""
        while True:
            try:
                message = await ensure_async(self.iopub_channel.get_msg(timeout=0.2))
            except Empty:
                return False
            own = message["parent_header"].get("msg_id") == asked
            if own and message["content"].get("execution_state") == "idle":
                return True


class WarmKernelManager(AsyncKernelManager):  # type: ignore[misc]
    """A kernel manager whose kernels are forks of ``nursery``.

    ``env`` is the kernel's whole environment; None is what Jupyter would give it. ``log_file`` gets what
    the kernel writes outside of cells. ``child`` is the kernel's process, ``sockets`` the beginning of the
    paths where one that is confined listens.
    """

    client_class = DottedObjectName("academy.labs.nursery.kernel.WarmKernelClient")
    client_factory = Type(klass="jupyter_client.client.KernelClient")
    nursery = Instance(Nursery, allow_none=True)
    env = Dict(allow_none=True, default_value=None)
    confine = Instance(Confinement, allow_none=True)
    log_file = Unicode()
    sockets = Unicode()
    attempts = Integer(3)
    start_s = Float(30.0)
    child = Instance(Child, allow_none=True)

    def _client_factory_default(self) -> Any:
        return WarmKernelClient

    def _default_cache_ports(self) -> bool:
        return False

    async def _async_pre_start_kernel(self, **options: Any) -> Any:
        own: Any = self
        if own.provisioner is None:  # it stays when the kernel is started again
            own.kernel_id = own.kernel_id or options.pop("kernel_id", str(uuid.uuid4()))
            if own.confine is not None:
                prepare(own.confine)
                own.transport, own.sockets = "ipc", _address(own.confine)
                own.ip = _short(own.sockets, self) if _is_long(own.sockets) else own.sockets
            own.provisioner = WarmProvisioner(
                kernel_id=own.kernel_id, kernel_spec=own.kernel_spec, parent=own
            )
        return await super()._async_pre_start_kernel(**options)


def warm_kernels(nursery: Nursery, **options: Any) -> type[WarmKernelManager]:
    """Return a kernel manager class of this nursery, for ``kernel_manager_class`` of nbclient and papermill.

    ``options`` are traits of ``WarmKernelManager``: ``env``, ``confine``, ``log_file``, ``attempts``,
    ``start_s``.
    """

    class Kernels(WarmKernelManager):
        """The kernels of one nursery."""

        def __init__(self, **more: Any) -> None:
            super().__init__(**{"nursery": nursery, **options, **more})

    return Kernels
