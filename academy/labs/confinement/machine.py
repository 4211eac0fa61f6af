"""Whether this machine can confine a process, and which layers it lacks."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator

from academy.labs.confinement import landlock


def unavailable() -> str:
    """Return why this machine cannot confine; empty when it can."""
    if sys.platform != "linux":
        return "Submissions are confined on Linux only (Landlock). Grade on Linux, or in WSL 2."
    if not landlock.abi():
        return (
            "This system has no Landlock, which keeps a submission from reading files. It needs Linux 5.13 "
            "or later with 'landlock' among the kernel's security modules (lsm=), and no container that "
            "forbids it."
        )
    return ""


def missing() -> tuple[str, ...]:
    """Return which layers this machine lacks, and what that leaves open, in sentences."""
    return tuple(_missing())


def _missing() -> Iterator[str]:
    version = landlock.abi()
    if not has_namespaces():
        yield (
            "No user namespaces: a submission sees the names of other processes, can speak to sockets whose "
            "path it knows, and /proc/net/unix shows the paths of those of other submissions' kernels; it "
            "shares /dev/shm, has no /tmp, and how many processes it has is watched but not capped. It "
            "can read the solutions in the template of 'academy lab new'."
        )
    if version < 6:
        yield "Landlock before version 6: a submission can send signals to processes of the same user."
    if version < 4:
        yield "Landlock before version 4: a submission can connect to other machines."
    else:
        yield "UDP is open, and on other machines too the TCP ports that systems hand out."


@functools.cache
def has_namespaces() -> bool:
    """Whether this user may make namespaces and mount in them; found out by doing it."""
    return subprocess.run([sys.executable, "-S", "-E", "-c", _TRY], capture_output=True).returncode == 0


# CLONE_NEWUSER and CLONE_NEWPID, then CLONE_NEWNS; MS_REC and MS_PRIVATE. Some systems grant the first and
# refuse the mounts: Ubuntu by AppArmor, containers because parts of their /proc are covered.
_TRY = """
import ctypes, os, platform, sys
libc = ctypes.CDLL(None)
user = os.geteuid()
if platform.machine() not in ("x86_64", "aarch64") or libc.unshare(0x30000000):
    sys.exit(1)
for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1")):
    open(f"/proc/self/{name}", "w").write(text)
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
if libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, ctypes.c_ulong(0x44000), None):
    sys.exit(1)
sys.exit(bool(libc.mount(b"proc", b"/proc", b"proc", ctypes.c_ulong(0), None)))
"""
