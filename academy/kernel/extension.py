"""``%load_ext academy``: makes an unmodified Azure ML notebook speak to this machine's service."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path
from typing import Any

from IPython.core.error import UsageError

from academy import __version__
from academy.client.session import Session, configure, restore
from academy.errors import AcademyError
from academy.labs.learning import notebook
from academy.paths import Home
from academy.service.process import up

_HELD_AS = "_academy_session"


def load_ipython_extension(shell: Any) -> None:
    """Start the service unless it runs, point this process at it, and say in one line what stands where.

    Raises
    ------
    UsageError
        The service cannot be started; IPython shows the message without a traceback.
    """
    try:
        session = open_session(shell)
    except AcademyError as error:
        raise UsageError(error.message) from error
    sys.stdout.write(
        f"Academy {__version__}: workspace {session.workspace.name!r} at {session.info.address}, "
        f"home {session.info.home}. On Azure, leave this line out: MLClient finds your workspace there.\n"
    )


def unload_ipython_extension(shell: Any) -> None:
    """Put process and notebook back as they were; the service goes on. Clients made so far stay."""
    notebook.uninstall(shell)
    session: Session | None = getattr(shell, _HELD_AS, None)
    if session is not None:
        restore(session)
        setattr(shell, _HELD_AS, None)


def open_session(shell: Any) -> Session:
    """Start and configure, give the notebook its ``check``, and keep with the shell how to undo that."""
    unload_ipython_extension(shell)
    home = Home.locate()
    session = configure(up(home), also={"PATH": _with_own_programs(os.environ.get("PATH", os.defpath))})
    setattr(shell, _HELD_AS, session)
    notebook.install(shell, home)
    return session


def _with_own_programs(path: str) -> str:
    """Put this Python's programs first: ``!academy`` and ``!python`` are those of the notebook.

    Jupyter starts a kernel by its path, in whatever PATH it was started with itself.
    """
    own = dict.fromkeys([str(Path(sys.executable).parent), sysconfig.get_path("scripts")])
    others = [folder for folder in path.split(os.pathsep) if folder not in own]
    return os.pathsep.join([*own, *others])
