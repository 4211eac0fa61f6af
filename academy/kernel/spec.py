"""The kernel "Academy (Azure ML on this machine)", as Jupyter finds it beside the package."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from academy.errors import AcademyError
from academy.paths import write_atomic, write_json

NAME = "academy"
DISPLAY_NAME = "Academy (Azure ML on this machine)"

_LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">
<path fill="#0f6cbd" d="M32 10 2 24l30 14 30-14z"/>
<path fill="#115ea3" d="M14 33v13c0 5 8 9 18 9s18-4 18-9V33l-18 9z"/>
<path fill="#0f6cbd" d="M57 27h3v17h-3z"/>
</svg>
"""


def folder(prefix: str | Path = sys.prefix) -> Path:
    """Return where the kernel's specification lies in an environment."""
    return Path(prefix) / "share" / "jupyter" / "kernels" / NAME


def install(prefix: str | Path = sys.prefix) -> Path:
    """Write the kernel's specification, for the Python that runs now, and return its folder."""
    target = folder(prefix)
    specification = {
        "argv": [
            sys.executable,
            "-m",
            "ipykernel_launcher",
            "-f",
            "{connection_file}",
            "--ext",
            "academy.kernel.startup",
        ],
        "display_name": DISPLAY_NAME,
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": True},
    }
    try:
        target.mkdir(parents=True, exist_ok=True)
        write_json(target / "kernel.json", specification)
        write_atomic(target / "logo-svg.svg", _LOGO)
    except OSError as error:
        raise AcademyError(
            f"The kernel cannot be installed in {target}: {error.strerror}. Choose another --prefix."
        ) from error
    return target


def uninstall(prefix: str | Path = sys.prefix) -> bool:
    """Remove the kernel's specification; return whether there was one."""
    target = folder(prefix)
    if not target.is_dir():
        return False
    shutil.rmtree(target)
    return True
