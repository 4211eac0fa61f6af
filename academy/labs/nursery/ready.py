"""Whether a kernel that was just started is there."""

from __future__ import annotations

import json
import os
import select
import time
from pathlib import Path

from jupyter_client import BlockingKernelClient
from jupyter_core.utils import ensure_event_loop

from academy.labs.nursery.child import Child, NurseryError

_LOOK_S = 0.2


def await_reports(hearing: int, child: Child, timeout_s: float) -> dict[str, int]:
    """Return the ports that a forked kernel tells, when it also has said that it is about to answer."""
    deadline = time.monotonic() + timeout_s
    said = b""
    while said.count(b"\n") < 2:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([hearing], [], [], left)[0]:
            raise _late(child, timeout_s)
        part = os.read(hearing, 4096)
        if not part:
            raise _dead(child)
        said += part
    ports: dict[str, int] = json.loads(said.partition(b"\n")[0])
    return ports


def await_answer(connection_file: Path, child: Child, timeout_s: float) -> None:
    """Wait until a kernel that listens on the ports of this file answers."""
    loop = ensure_event_loop()  # which the client makes otherwise, in whatever thread this is, and leaves
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    deadline = time.monotonic() + timeout_s
    try:
        while time.monotonic() < deadline:
            try:
                client.wait_for_ready(timeout=_LOOK_S)
            except RuntimeError:
                if child.poll() is not None:
                    raise _dead(child) from None
            else:
                return
    finally:
        client.stop_channels()
        client.context.destroy(linger=0)
        loop.close()
    raise _late(child, timeout_s)


def _late(child: Child, timeout_s: float) -> NurseryError:
    return NurseryError(f"it did not answer within {timeout_s:.0f} seconds. Its log ends:\n{child.tail()}")


def _dead(child: Child) -> NurseryError:
    status = child.wait(1)
    return NurseryError(f"it died at its start (exit status {status}). Its log ends:\n{child.tail()}")
