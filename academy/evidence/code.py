"""Where code came from, as git tells it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from academy.evidence.credentials import printable, without_credentials
from academy.evidence.evidence import Git
from academy.paths import AuditFolder

# A repository on a slow disk can take long to compare; then it is not known whether it is dirty.
_PATIENCE_S = 10.0

# What a repository's own settings could have git run, or wait for.
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")

# The audit trail changes with every run that is put into it.
_NO_CODE = f":(exclude,glob)**/{AuditFolder.NAME}/**"


def git(folder: Path) -> Git | None:
    """Return commit, branch and origin of the code in a folder; None when git knows nothing of it.

    ``dirty`` is true when a file below the folder differs from the commit or is in none, as Azure's SDK
    has it. A detached head has no branch.
    """
    commit = _said(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None
    status = _said(folder, "status", "--porcelain", "--", ".", _NO_CODE)
    return Git(
        commit=commit,
        repository=_repository(folder),
        branch=_said(folder, "symbolic-ref", "--quiet", "--short", "HEAD") or None,
        dirty=None if status is None else bool(status),
    )


def _repository(folder: Path) -> str | None:
    remotes = (_said(folder, "remote") or "").split("\n")
    name = "origin" if "origin" in remotes else remotes[0]
    url = _said(folder, "remote", "get-url", name) if name else None
    return printable(without_credentials(url)) if url else None


def _said(folder: Path, *arguments: str) -> str | None:
    printed = asked(folder, *arguments)
    return None if printed is None else printed.decode(errors="backslashreplace").strip()


def asked(folder: Path, *arguments: str) -> bytes | None:
    """Return what git prints, or None when it fails, is not there, or takes too long.

    Nothing that a repository's own settings name is run, and git looks at the folder's repository whatever
    the environment says.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    quiet = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        answer = subprocess.run(
            ["git", *_QUIET, "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE_S,
            env={**kept, **quiet},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if answer.returncode else answer.stdout
