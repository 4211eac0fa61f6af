"""Namespaces: a view of the machine in which other processes, and all but a few folders, do not exist.

The order is that of bubblewrap, which does the same for Flatpak: https://github.com/containers/bubblewrap
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from academy.labs.confinement.capabilities import drop_capabilities
from academy.labs.confinement.confine import Confinement

_NEWNS, _NEWUSER, _NEWPID = 0x00020000, 0x10000000, 0x20000000
_RDONLY, _NOSUID, _NODEV, _NOEXEC = 1, 2, 4, 8
_BIND, _REC, _PRIVATE = 4096, 16384, 1 << 18
_DETACH = 2
_MOUNT_SETATTR, _READ_ONLY, _RECURSIVE = 442, 1, 0x8000  # Linux 5.12, which is before Landlock

# libc has no function for this one, and its number is not the same everywhere.
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

# Below 300 the kernel gives no process ids after the first round.
_RESERVED_IDS = 300
_TASKS_FOR_PROCESS = 4

_DEVICES = ("null", "zero", "full", "random", "urandom")


def enter_namespaces() -> None:
    """Put the children of this process in namespaces of their own."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc().unshare(_NEWUSER | _NEWPID), "unshare")
    # One's own ids only: this needs no privilege, and files stay whose they are.
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        Path("/proc/self", name).write_text(content)


def seal(confinement: Confinement) -> None:
    """Close the namespaces off, as their first process: other files, ids, limits, no capabilities.

    Raises
    ------
    OSError
        The system refuses one of the steps.
    """
    _checked(_libc().unshare(_NEWNS), "unshare")
    _build_view(confinement)
    tasks = _TASKS_FOR_PROCESS * confinement.processes
    for file, value in (
        ("kernel/pid_max", _RESERVED_IDS + tasks),  # per namespace since Linux 6.14
        ("user/max_user_namespaces", 0),
    ):
        with contextlib.suppress(OSError):
            Path("/proc/sys", file).write_text(str(value))
    # Counted in this namespace alone; the system's own root is exempt.
    resource.setrlimit(resource.RLIMIT_NPROC, (tasks, tasks))
    drop_capabilities()


def _build_view(confinement: Confinement) -> None:
    """Make a root in memory that holds what is readable or writable, at the paths where it always is."""
    writable = [_Shown.of(path) for path in outermost(confinement.written())]
    readable = [_Shown.of(path) for path in outermost(confinement.everything())]
    withheld = confinement.withheld()
    # The submission may write beside it, and must not put a link to other places in its stead.
    temporary = os.open(confinement.temporary, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tmpfs", "/tmp", "tmpfs", _NOSUID | _NODEV, "mode=755,size=16m")
    os.mkdir("/tmp/new", 0o755)
    os.mkdir("/tmp/old", 0o755)
    _mount("/tmp/new", "/tmp/new", None, _BIND | _REC)
    _pivot_root("/tmp", "/tmp/old")
    os.chdir("/")
    os.mkdir("/new/tmp")
    _mount(f"/old/proc/self/fd/{temporary}", "/new/tmp", None, _BIND | _REC)
    os.close(temporary)
    for one in readable:
        one.place(read_only=True)
    for one in writable:
        one.place(read_only=False)
    for one in (*readable, *writable):
        one.cover(withheld)
    os.makedirs("/new/proc", exist_ok=True)
    _mount("proc", "/new/proc", "proc", _NOSUID | _NODEV | _NOEXEC)
    _devices(confinement)
    _checked(_libc().umount2(b"/old", _DETACH), "umount2")
    old = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.chdir("/new")
    _pivot_root(".", ".")
    os.fchdir(old)
    _checked(_libc().umount2(b".", _DETACH), "umount2")
    os.close(old)
    os.chdir("/")


def outermost(paths: Iterable[Path]) -> list[Path]:
    """Leave out what a folder among the paths brings along; the others come with those above them first."""
    kept: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        folders = (above for above in kept if not above.is_symlink())
        if not any(path.is_relative_to(above) and path.resolve() == path for above in folders):
            kept.append(path)
    return kept


@dataclass(frozen=True)
class _Shown:
    """A path of the view, where it really lies, and where it leads when it is a symbolic link."""

    path: Path
    real: Path
    link: str | None

    @classmethod
    def of(cls, path: Path) -> _Shown:
        return cls(path, path.parent.resolve() / path.name, os.readlink(path) if path.is_symlink() else None)

    def place(self, *, read_only: bool) -> None:
        """Put it into the new root."""
        source, target = f"/old{self.real}", f"/new{self.path}"
        try:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if self.link is not None:
                if not os.path.lexists(target):
                    os.symlink(self.link, target)
                return
            if os.path.isdir(source):
                os.makedirs(target, exist_ok=True)
            elif not os.path.exists(target):
                os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
        except OSError as error:
            raise OSError(error.errno, f"{self.path} has no place in the view: {error.strerror}") from error
        _mount(source, target, None, _BIND | _REC)
        if read_only:
            _make_read_only(target)

    def cover(self, folders: Iterable[Path]) -> None:
        """Put an empty folder on each of these folders that it brings along."""
        for folder in folders:
            if self.link is None and folder.is_relative_to(self.real):
                target = f"/new{self.path / folder.relative_to(self.real)}"
                _mount("tmpfs", target, "tmpfs", _RDONLY | _NOSUID | _NODEV, "mode=555,size=4k")


def _make_read_only(target: str) -> None:
    """Refuse writing below a mount, whoever may write where it hangs (``/tmp``, for one)."""
    attributes = struct.pack("QQQQ", _READ_ONLY, 0, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    found = _libc().syscall(_MOUNT_SETATTR, -100, os.fsencode(target), _RECURSIVE, attributes, size)
    _checked(found, f"read-only {target}")


def _devices(confinement: Confinement) -> None:
    os.makedirs("/new/dev", exist_ok=True)
    for name in _DEVICES:
        _Shown(Path("/dev", name), Path("/dev", name), None).place(read_only=False)
    for name, target in (
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ):
        os.symlink(target, f"/new/dev/{name}")
    os.mkdir("/new/dev/shm")
    size = int(confinement.memory_gb * 2**30 / 4)
    _mount("tmpfs", "/new/dev/shm", "tmpfs", _NOSUID | _NODEV, f"mode=1777,size={size}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    found = _libc().mount(
        os.fsencode(source),
        os.fsencode(target),
        kind and kind.encode(),
        ctypes.c_ulong(flags),
        options.encode(),
    )
    _checked(found, f"mount {source} on {target}")


def _pivot_root(new: str, old: str) -> None:
    found = _libc().syscall(_PIVOT_ROOT[platform.machine()], os.fsencode(new), os.fsencode(old))
    _checked(found, "pivot_root")


def _checked(found: int, what: str) -> None:
    if found:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
