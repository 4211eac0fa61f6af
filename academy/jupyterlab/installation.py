"""Where JupyterLab finds the labs in an environment: the extension's files, and that its server loads it."""

from __future__ import annotations

import filecmp
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from academy import __version__
from academy.errors import AcademyError
from academy.paths import read_json, write_json

NAME = "academy-labs"
MODULE = "academy.jupyterlab"
SOURCE = Path(__file__).parent / "labextension"


@dataclass(frozen=True)
class Installation:
    """The labs in the JupyterLab of one environment; ``prefix`` is the environment's folder."""

    prefix: Path = Path(sys.prefix)

    @property
    def extension(self) -> Path:
        """The browser's part."""
        return self.prefix / "share" / "jupyter" / "labextensions" / NAME

    @property
    def server_config(self) -> Path:
        """The server's part is enabled here."""
        return self.prefix / "etc" / "jupyter" / "jupyter_server_config.d" / "academy.json"

    def is_current(self) -> bool:
        """Whether both parts are there, and the same as in this package."""
        return (
            self.server_config.is_file()
            and read_json(self.server_config) == _SERVER_CONFIG
            and _files(self.extension) == _files(SOURCE)
            and all(
                filecmp.cmp(SOURCE / name, self.extension / name, shallow=False)
                for name in _files(SOURCE) - {_PACKAGE}
            )
            and read_json(self.extension / _PACKAGE) == _package()
        )

    def install(self) -> None:
        """Put both parts in place; a former installation is replaced.

        Raises
        ------
        AcademyError
            The environment cannot be written.
        """
        try:
            shutil.rmtree(self.extension, ignore_errors=True)
            shutil.copytree(SOURCE, self.extension)
            write_json(self.extension / _PACKAGE, _package())
            self.server_config.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.server_config, _SERVER_CONFIG)
        except OSError as error:
            raise AcademyError(
                f"The labs cannot be installed into {self.prefix}: {error.strerror} ({error.filename}). "
                f"Choose another environment: python -m {MODULE} install --prefix DIR"
            ) from error

    def uninstall(self) -> bool:
        """Remove both parts; return whether there was anything."""
        found = self.extension.exists() or self.server_config.exists()
        shutil.rmtree(self.extension, ignore_errors=True)
        self.server_config.unlink(missing_ok=True)
        return found


_PACKAGE = Path("package.json")
_SERVER_CONFIG = {"ServerApp": {"jpserver_extensions": {MODULE: True}}}


def _package() -> dict[str, object]:
    return {**(read_json(SOURCE / _PACKAGE) or {}), "version": __version__}


def _files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
