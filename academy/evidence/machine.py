"""The machine that something ran on: hardware, operating system, driver."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile

import psutil

from academy.evidence.credentials import printable
from academy.evidence.evidence import Gpu, Machine

# The driver answers in a tenth of a second; one that hangs is not waited for.
_PATIENCE_S = 5.0
_END_S = 0.5

_QUERY = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader,nounits"]

# Where Windows puts it for WSL, which not every PATH has.
_ON_WSL = "/usr/lib/wsl/lib/nvidia-smi"


def machine() -> Machine:
    """Return what this machine is; with an NVIDIA driver it takes about as long as ``nvidia-smi``."""
    return Machine(
        host=printable(platform.node()),
        system=platform.system(),
        release=platform.release(),
        distribution=_distribution(),
        architecture=platform.machine(),
        processor=_processor(),
        cores=psutil.cpu_count() or os.cpu_count() or 1,
        memory_bytes=psutil.virtual_memory().total,
        gpus=_gpus(),
    )


def _distribution() -> str:
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return platform.version()
    return printable(release["PRETTY_NAME"])


def _processor() -> str:
    if sys.platform == "darwin":
        return _said(["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]).strip() or platform.processor()
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            name, _, value = line.partition(":")
            if name.strip() in ("model name", "Model", "cpu model"):
                return value.strip()
    # Not every architecture's kernel names the processor.
    return platform.processor() or platform.machine()


def _gpus() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi") or shutil.which(_ON_WSL)
    if program is None:
        return ()
    rows = [[field.strip() for field in line.split(",")] for line in _said([program, *_QUERY]).splitlines()]
    return tuple(Gpu(row[0], row[1], _mebibytes(row[2])) for row in rows if len(row) == 3)


def _mebibytes(text: str) -> int | None:
    return int(text) << 20 if text.isdecimal() else None


def _said(command: list[str]) -> str:
    """Return what a command prints; nothing when it fails or takes long.

    It writes into a file, and is not waited for long after it was killed: a process that is stuck in a
    driver cannot be killed, and would hold up whoever reads from it.
    """
    try:
        with tempfile.TemporaryFile() as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL, cwd="/"
            )
            if _ended_well(process):
                out.seek(0)
                return out.read().decode(errors="replace")
    except OSError:
        return ""  # it cannot be started, or there is no room for what it says
    return ""


def _ended_well(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(_PATIENCE_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
        return False
