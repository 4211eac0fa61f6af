"""What a confined process may do, and whether this machine can hold it to that."""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from academy.environments import interpreters
from academy.labs.confinement import landlock
from academy.labs.confinement.capabilities import drop_capabilities
from academy.matrix.reading import catalogue_folder
from academy.paths.home import environment_cache

_PACKAGE = Path(__file__).parents[2]

# Programs and libraries, which hold nothing of anybody.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/sys/devices/system")

# What programs read in /etc; the rest of it, passwords and keys among them, is not there.
_SETTINGS = """
    alternatives ca-certificates crypto-policies debian_version fonts gai.conf group host.conf hosts inputrc
    ld.so.cache ld.so.conf ld.so.conf.d localtime magic mime.types nsswitch.conf os-release passwd pki
    protocols resolv.conf services ssl/certs ssl/openssl.cnf timezone
"""

_DEVICES = tuple(Path("/dev", name) for name in ("null", "zero", "full", "random", "urandom", "shm"))
_OF_CHECKOUT = ("notebooks", "labs", "tests", ".git")
_EPHEMERAL = (32768, 60999)


@dataclass(frozen=True)
class Confinement:
    """Limits of one submission.

    ``readable`` and ``writable`` are folders or files; the first writable one is the submission's own
    folder. ``memory_gb`` and ``processes`` are those of the whole tree. ``disk_gb`` is what may lie in all
    that is writable, ``file_gb`` in one file.
    """

    readable: tuple[Path, ...]
    writable: tuple[Path, ...]
    memory_gb: float = 4.0
    processes: int = 256
    disk_gb: float = 4.0
    file_gb: float = 1.0

    @property
    def own(self) -> Path:
        """The submission's own folder."""
        return self.writable[0].absolute()

    @property
    def temporary(self) -> Path:
        """Where temporary files go; it is ``/tmp`` too where there are namespaces."""
        return self.own / ".tmp"

    @property
    def home(self) -> Path:
        """What stands in for the user's home folder."""
        return self.own / ".home"

    def variables(self) -> dict[str, str]:
        """Return the variables of a confined process that keep what it writes in its own folder."""
        home = self.home
        return {
            "HOME": str(home),
            "TMPDIR": str(self.temporary),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "XDG_CONFIG_HOME": str(home / ".config"),
            "XDG_DATA_HOME": str(home / ".local" / "share"),
            "ACADEMY_ENVIRONMENT_CACHE": str(environment_cache()),
            # Looked for in the user's home otherwise, which is another one.
            "ACADEMY_PYTHONS": os.pathsep.join(str(found.path) for found in interpreters.known()),
        }

    def with_software(self) -> Confinement:
        """Return the same with all readable that programs consist of."""
        return replace(self, readable=(*self.readable, *software()))

    def everything(self) -> list[Path]:
        """Return all that can be seen: each path as it was given, and the place that it leads to."""
        named = [*self.readable, *(Path("/etc", name) for name in _SETTINGS.split())]
        paths = [*map(Path, _SYSTEM), *map(Path.absolute, named)]
        return [path for path in (*paths, *map(Path.resolve, paths)) if path.exists() or path.is_symlink()]

    def withheld(self) -> list[Path]:
        """Return the folders with solutions that lie within software: nobody is to see what is in them."""
        seen = [path.resolve() for path in (*self.everything(), *self.written())]
        folders = [folder.resolve() for folder in _solved() if folder.is_dir()]
        return [one for one in folders if not any(path.is_relative_to(one) for path in seen)]

    def written(self) -> list[Path]:
        """Return all that can be written, in the same way."""
        paths = list(map(Path.absolute, self.writable))
        return [path for path in (*paths, *map(Path.resolve, paths)) if path.exists()]

    def to_json(self) -> dict[str, Any]:
        return {
            "readable": [str(path) for path in self.readable],
            "writable": [str(path) for path in self.writable],
            "memory_gb": self.memory_gb,
            "processes": self.processes,
            "disk_gb": self.disk_gb,
            "file_gb": self.file_gb,
        }

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Confinement:
        return cls(
            tuple(map(Path, content["readable"])),
            tuple(map(Path, content["writable"])),
            content["memory_gb"],
            content["processes"],
            content["disk_gb"],
            content["file_gb"],
        )

    def enter(self) -> None:
        """Confine this process, and all that it starts, for good: files and their size, connections, memory.

        Processes and the view of the machine are confined above, by the nursery's keeper, where the
        system has namespaces.

        Raises
        ------
        OSError
            The system refuses.
        """
        most = _data_bytes() + int(self.memory_gb * 2**30)
        for kind, wanted in (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_DATA, most),
            (resource.RLIMIT_FSIZE, int(self.file_gb * 2**30)),
        ):
            hard = resource.getrlimit(kind)[1]
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(kind, (limit, limit))
        drop_capabilities()
        in_view = _same(Path("/tmp"), self.temporary)
        landlock.restrict(
            listed=[Path("/")] if in_view else [],  # nothing else is there
            readable=[*self.everything(), Path("/proc")],
            writable=[*self.written(), *([Path("/tmp")] if in_view else []), *_DEVICES],
        )
        if (ruleset := connections()) is not None:
            landlock.restrict_ports(ruleset)
            os.close(ruleset)


@functools.cache
def connections() -> int | None:
    """Return the rules (a descriptor) that let TCP connections go to ports that the system hands out.

    None where Landlock has no such rules. There are 28,000 of them: the nursery makes them once.

    Those are the ports of services, endpoints and ranks on this machine, each of which asks for a token or
    a key. A rule knows ports, not hosts; so this also keeps out the web, mail, databases and JupyterLab.
    """
    if landlock.abi() < 4:
        return None
    first, last = _EPHEMERAL
    with contextlib.suppress(OSError, ValueError):
        first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    return landlock.port_rules(range(first, last + 1))


def software() -> tuple[Path, ...]:
    """Return the folders of this Python, of its packages, of environments and of what describes them."""
    found = {Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix, sys.base_exec_prefix)}
    found |= {interpreter.path.parents[1] for interpreter in interpreters.known()}
    return (*sorted(found), Path(sys.prefix), _PACKAGE, catalogue_folder(), environment_cache())


def _solved() -> list[Path]:
    """Return the folders of Academy's own labs, solved ones: the template, and those of a checkout."""
    checkout = _PACKAGE.parent
    names = _OF_CHECKOUT if (checkout / "pyproject.toml").is_file() else ()
    return [_PACKAGE / "labs" / "template", *(checkout / name for name in names)]


def _data_bytes() -> int:
    """Return what this process holds already: a fork of the nursery holds the stack."""
    with contextlib.suppress(OSError), open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:"))
    return 0


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
