"""``python -m academy.jupyterlab install``: put the labs into the JupyterLab of this environment."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from academy.errors import AcademyError
from academy.jupyterlab.installation import MODULE, Installation


def main(arguments: list[str] | None = None) -> int:
    """Carry out one command, and return the exit status."""
    parser = argparse.ArgumentParser(prog=f"python -m {MODULE}", description=__doc__)
    parser.add_argument("command", choices=("install", "uninstall"))
    parser.add_argument(
        "--prefix", type=Path, default=Path(sys.prefix), help="The environment. Default: %(default)s."
    )
    given = parser.parse_args(arguments)
    installation = Installation(given.prefix.expanduser().absolute())
    try:
        print(_done(given.command, installation))
    except AcademyError as error:
        print(f"academy: {error.message}", file=sys.stderr)
        return error.exit_status
    return 0


def _done(command: str, installation: Installation) -> str:
    if command == "uninstall":
        found = installation.uninstall()
        return f"{'Removed the labs from' if found else 'There were no labs in'} {installation.prefix}"
    if installation.is_current():
        return f"The labs are in JupyterLab already: {installation.extension}"
    installation.install()
    return f"The labs are in JupyterLab: {installation.extension}"


if __name__ == "__main__":
    sys.exit(main())
