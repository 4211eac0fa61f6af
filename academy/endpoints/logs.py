"""The logs of a deployment: their end, for messages and ``get_logs``, and a bound on their size."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

MAX_BYTES = 32 << 20

_BLOCK_BYTES = 64 << 10


def tail(log: Path, lines: int, *, since: int = 0) -> str:
    """Return the last lines of a log, only what lies beyond ``since`` bytes; nothing when there is none."""
    try:
        file = log.open("rb")
    except FileNotFoundError:
        return ""
    with file:
        end = position = os.fstat(file.fileno()).st_size
        read = b""
        while position > since and read.count(b"\n") <= lines:
            position = max(since, position - _BLOCK_BYTES)
            file.seek(position)
            read = file.read(end - position)
    return "\n".join(read.decode(errors="replace").splitlines()[-lines:]) if lines > 0 else ""


def append(log: Path, line: str) -> None:
    """Add one line with its time, as the scoring server writes them."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f",{int(now % 1 * 1000):03d}"
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{stamp} {line}\n")


def bound(log: Path) -> None:
    """Keep a log from growing for ever: when it is too long, what it holds moves aside, once."""
    try:
        if log.stat().st_size <= MAX_BYTES:
            return
    except FileNotFoundError:
        return
    # The servers hold the file open and append to it, so it is emptied and not renamed.
    shutil.copyfile(log, log.with_name(f"{log.name}.1"))
    os.truncate(log, 0)
