"""A built environment: where it is, what is in it, and what a process in it sees."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from academy.environments.folders import EnvironmentFolder

# What a process would otherwise carry over from the Python, the notebook or the shell that Academy runs
# in. MPLBACKEND is set by notebook kernels and names a module that the environment lacks.
_FOREIGN = re.compile(
    r"PYTHON(PATH|HOME|STARTUP|USERBASE|SAFEPATH|WARNINGS|OPTIMIZE|DONTWRITEBYTECODE|PLATLIBDIR|PYCACHEPREFIX)"
    r"|VIRTUAL_ENV(_PROMPT)?|CONDA_.*|_CE_.*|__PYVENV_LAUNCHER__|MPLBACKEND|PIP_(TARGET|PREFIX|USER|PYTHON)"
)

# Runs under the first ``python`` on PATH, which is the private one.
_PIP = """#!/usr/bin/env python
from pip._internal.cli.main import main
raise SystemExit(main())
"""

_DISTRIBUTION = re.compile(r"(?P<name>.+?)-(?P<version>[^-]+)(-py[\d.]+)?\.(dist-info|egg-info)")


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that processes can run in.

    ``bins`` are the folders that come first on ``PATH``; ``site`` is where its packages lie. ``note``
    says what is not as asked for; None when all is.
    """

    name: str
    root: Path
    python: Path
    minor: str
    base: Path
    site: Path
    bins: tuple[Path, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    note: str | None = None

    def process_environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a process in this environment, over those of ``base``."""
        environment = {name: value for name, value in base.items() if not _FOREIGN.fullmatch(name)}
        strange = _strange_folders(base)
        path = [part for part in base.get("PATH", os.defpath).split(os.pathsep) if part not in strange]
        environment.update(self.variables)
        environment["PATH"] = os.pathsep.join([*map(str, self.bins), *path])
        environment["VIRTUAL_ENV"] = str(self.root)
        environment["PYTHONNOUSERSITE"] = "1"
        return environment

    def packages(self) -> dict[str, str]:
        """Return package name (lower case, hyphens) → version of all that is installed."""
        return installed(self.site)

    def private(self, folder: Path) -> BuiltEnvironment:
        """Make a thin environment in ``folder`` that sees this one's packages, for one job alone.

        What the job installs (``pip install …`` in its command) lands there, as in a container of its
        own, and never in the folder that all jobs with this environment share. It costs about as much
        as creating six small files.
        """
        thin = EnvironmentFolder(folder)
        site = thin.site_packages(self.minor)
        site.mkdir(parents=True)
        thin.bin.mkdir()
        shared = "true" if self.site == _own_site() and sys.prefix == sys.base_prefix else "false"
        (folder / "pyvenv.cfg").write_text(
            f"home = {self.base.parent}\ninclude-system-site-packages = {shared}\nversion = {self.minor}\n"
        )
        # A line of code instead of a path, so that the .pth files of the shared folder count too.
        (site / "_shared.pth").write_text(f"import site; site.addsitedir({str(self.site)!r})\n")
        for name in ("python", "python3", f"python{self.minor}"):
            (thin.bin / name).symlink_to(self.base)
        for name in ("pip", "pip3"):
            script = thin.bin / name
            script.write_text(_PIP)
            script.chmod(0o755)
        return replace(self, root=folder, python=thin.python, bins=(thin.bin, *self.bins))


def own() -> BuiltEnvironment:
    """Return the Python that Academy itself runs in, as an environment."""
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable)
    base = Path(sys.base_prefix, "bin", f"python{minor}")
    return BuiltEnvironment(
        name="academy",
        root=Path(sys.prefix),
        python=python,
        minor=minor,
        base=base if base.exists() else python.resolve(),
        site=_own_site(),
        bins=(python.parent,),
    )


def installed(site: Path) -> dict[str, str]:
    """Return the packages in a site-packages folder, read from the names in it alone."""
    found = {}
    for entry in os.listdir(site):
        match = _DISTRIBUTION.fullmatch(entry)
        if match:
            found[normalised(match["name"])] = match["version"]
    return dict(sorted(found.items()))


def normalised(name: str) -> str:
    """Return a package's name in the one spelling by which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _own_site() -> Path:
    return Path(sysconfig.get_path("purelib"))


def _strange_folders(base: Mapping[str, str]) -> set[str]:
    """Return the folders of a ``PATH`` that bring another Python's commands along."""
    folders = {os.path.join(sys.prefix, "bin")} if sys.prefix != sys.base_prefix else set()
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        if base.get(name):
            folders.add(os.path.join(base[name], "bin"))
    path = base.get("PATH", "").split(os.pathsep)
    return folders | {part for part in path if part.rstrip("/").endswith("/shims")}
