"""Replace the links in a job's output by copies of what they lead to, since a blob cannot be a link.

People link what lies elsewhere (``ln -s /data/run outputs``). It is only ever read: what is there is
never deleted, moved or linked to. What cannot be read, or is no data, is left out, and the log says so.
"""

from __future__ import annotations

import errno
import functools
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from academy.datasets import trees
from academy.paths import Home, beside

# Files there describe the machine and its processes; some never end. /dev/shm is a disk like others.
_KERNEL = (Path("/proc"), Path("/sys"), Path("/dev"))
_SHARED_MEMORY = Path("/dev/shm")


@dataclass(frozen=True)
class Links:
    """The links of one output: ``root`` is its folder, ``job`` a folder of the job's, in the home."""

    root: Path
    job: Path
    log: Callable[[str], None]

    def settle(self) -> None:
        """Leave nothing but files and folders of the output's own, and a folder in place of a lost one."""
        whole = beside(self.root)
        if not os.path.lexists(self.root) and whole.is_dir():
            os.rename(whole, self.root)  # an earlier attempt was killed between its last two steps
        if not self.replace(self.root):
            self.root.mkdir()
        for path in list(_unsettled(self.root)):
            if path.is_symlink():
                self.replace(path)
            else:
                self.log(f"{self._name(path)} is neither a file nor a folder; it is left out.")
                path.unlink(missing_ok=True)

    def replace(self, path: Path) -> bool:
        """Replace a link by a copy; False when there was nothing to copy, and now there is no link.

        What is no link stays as it is.
        """
        if not path.is_symlink():
            return True
        partial = beside(path)
        trees.remove(partial)
        if self._is_left_out(path):
            path.unlink()
            return False
        real = path.resolve()
        if real.is_file():
            trees.copy_file(real, partial)
            os.replace(partial, path)
        else:
            # All are listed before the first is copied: the copy may be in a folder that is listed.
            trees.copy(list(trees.entries(real, leave_out=self._is_left_out)), partial)
            path.unlink()
            os.rename(partial, path)
        return True

    def _is_left_out(self, path: Path) -> bool:
        reason = self._objection(path)
        if reason:
            what = "The link " if path.is_symlink() else ""
            self.log(f"{what}{self._name(path)} {reason}; it is left out.")
        return reason is not None

    def _name(self, path: Path) -> str:
        if path == self.root:
            return path.name
        return str(path.relative_to(self.root) if path.is_relative_to(self.root) else path)

    def _objection(self, path: Path) -> str | None:
        """Say why neither the file or folder nor what the link leads to can be copied, if so."""
        try:
            status, real = path.stat(), path.resolve()
            if _is_kernels(real) or (status.st_dev, status.st_ino) in self._secrets:
                return "leads to what is no data" if path.is_symlink() else "is no data"
            if stat.S_ISDIR(status.st_mode):
                if self._encloses(real, path):
                    return "leads nowhere but to a folder that it is in"
                os.scandir(real).close()
            elif stat.S_ISREG(status.st_mode):
                open(real, "rb").close()
            else:
                return "leads to neither a file nor a folder" if path.is_symlink() else "is no file or folder"
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return "leads nowhere"
            return f"cannot be read ({error.strerror})"
        return None

    def _encloses(self, real: Path, path: Path) -> bool:
        """Whether a folder holds the path or the output, so that the copy would hold itself."""
        return any(place.resolve().is_relative_to(real) for place in (path.parent, self.root.parent))

    @functools.cached_property
    def _secrets(self) -> frozenset[tuple[int, int]]:
        """Return which files are the home's key and token, wherever above the job the home is."""
        found = set()
        for folder in self.job.parents:
            for file in (Home(folder).key_file, Home(folder).token_file):
                if file.is_file():
                    status = file.stat()
                    found.add((status.st_dev, status.st_ino))
        return frozenset(found)


def _is_kernels(real: Path) -> bool:
    return not real.is_relative_to(_SHARED_MEMORY) and any(real.is_relative_to(top) for top in _KERNEL)


def _unsettled(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        for name in sorted((*folders, *names)):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                yield path
