"""The files of the cache of environments, and those of the curated ones, named in one place."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from academy.paths import environment_cache, writable_environment_cache


@dataclass(frozen=True)
class EnvironmentFolder:
    """One built environment in the cache: a virtual environment and its record."""

    root: Path

    @property
    def ready_file(self) -> Path:
        """What was built, from what, and when. Written last: without it the folder is no environment."""
        return self.root / "ready.json"

    @property
    def packages_file(self) -> Path:
        """The packages in it with their hashes, once somebody asked for them."""
        return self.root / "packages.json"

    @property
    def requirements_file(self) -> Path:
        """What the installer was given."""
        return self.root / "requirements.in"

    @property
    def constraints_file(self) -> Path:
        """What packages must not be, if something needs them."""
        return self.root / "constraints.txt"

    @property
    def lock_file(self) -> Path:
        """Held (flock) by whoever builds it; beside the folder, which a failed build loses."""
        return self.root.parent / f"{self.root.name}.lock"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def python(self) -> Path:
        return self.bin / "python"

    def site_packages(self, minor: str) -> Path:
        """Return where the packages lie, for the Python release series ``minor``."""
        return self.root / "lib" / f"python{minor}" / "site-packages"


def interpreters_file() -> Path:
    """Return where the answers of this machine's Python interpreters are remembered."""
    return environment_cache() / "interpreters.json"


def kept_packages_file(site: Path) -> Path:
    """Return where packages and their hashes are kept of a folder that has no place for them beside it."""
    name = hashlib.sha256(os.fsencode(site)).hexdigest()[:24]
    return writable_environment_cache() / "packages" / f"{name}.json"


def kept_hashes() -> Path:
    """Return the folder in which hashes of large files are remembered."""
    return writable_environment_cache() / "hashes"


def curated_environments() -> Path:
    """Return the folder of the curated environments: it lies beside the package, in the checkout."""
    return Path(__file__).parents[2] / "environments" / "curated"
