"""Why a job failed, in words: exit code, last lines, and where the log is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from academy.jobs.record import JobError
from academy.paths import ArtifactFolder

NOT_EXECUTABLE = 126
NOT_FOUND = 127

# A shell reports a command that signal N killed as 128 + N.
_SHELL_SIGNALS = 128

_TAIL_LINES = 20
_TAIL_BYTES = 8192


def of_exit(code: int, artifacts: ArtifactFolder, environment: str) -> JobError:
    """Return the error of a command that ended with ``code`` (negative: killed by that signal)."""
    number = -code if code < 0 else code - _SHELL_SIGNALS
    if code == NOT_FOUND:
        return _with_log(
            "CommandNotFound",
            f"The command was not found (exit code 127). Check its spelling, and that the environment "
            f"{environment} has the package that brings it.",
            artifacts,
        )
    if code == NOT_EXECUTABLE:
        return _with_log(
            "CommandNotExecutable",
            "The command was found but may not be executed (exit code 126). Run a script through its "
            "interpreter (python main.py, bash run.sh), or set its executable bit before you submit it.",
            artifacts,
        )
    if _is_signal(number):
        return _with_log("CommandKilled", _killed(signal.Signals(number)), artifacts)
    return _with_log("CommandFailed", f"The command ended with exit code {code}.", artifacts)


def of_timeout(timeout_s: float, artifacts: ArtifactFolder) -> JobError:
    """Return the error of a command that ran longer than ``limits.timeout``."""
    return _with_log(
        "TimeLimitExceeded",
        f"The job ran longer than its limits.timeout of {timeout_s:g} seconds and was ended with all its "
        "processes. Give it more time, or less to do.",
        artifacts,
    )


def of_shutdown(artifacts: ArtifactFolder) -> JobError:
    """Return the error of a job whose supervisor was told to end, as when the machine shuts down."""
    return _with_log(
        "JobInterrupted",
        "The job's supervisor was told to end (SIGTERM), as happens when the machine shuts down, and "
        "ended the job. Submit it again.",
        artifacts,
    )


def of_lost_supervisor(artifacts: ArtifactFolder, *, left_over: int) -> JobError:
    """Return the error of a job whose supervisor is gone without having written how it ended."""
    ended = f" {left_over} left-over processes were ended." if left_over else ""
    return _with_log(
        "SupervisorLost",
        "The process that supervised the job is gone: it was killed, ran out of memory, or the machine "
        f"was restarted. How the command ended is not known.{ended} Submit the job again.",
        artifacts,
    )


def last_lines(log: Path) -> str:
    """Return the last lines of a log, or nothing when it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-_TAIL_LINES:]).strip()


def _with_log(code: str, what: str, artifacts: ArtifactFolder) -> JobError:
    lines = last_lines(artifacts.user_log)
    name = artifacts.user_log.relative_to(artifacts.root)
    shown = f"\nLast lines of {name}:\n{lines}" if lines else f"\n{name} is empty."
    return JobError(code, f"{what}{shown}\nThe whole log: {artifacts.user_log}")


def _killed(number: signal.Signals) -> str:
    what = f"The command was killed by {number.name} (signal {number.value})."
    if number is signal.SIGKILL:
        return (
            f"{what} If nobody killed it, the machine most likely ran out of memory: use less data, a "
            "smaller batch or fewer jobs at a time."
        )
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGILL):
        return f"{what} A compiled package crashed; the last lines may tell which."
    return what


def _is_signal(number: int) -> bool:
    return number in {item.value for item in signal.Signals}
