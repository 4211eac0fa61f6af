"""What the token of a job is good for: less than the owner's, and only until the job has ended."""

from __future__ import annotations

import re

from academy.errors import Forbidden, Unauthenticated
from academy.service.state import ServiceState

# Actions that give out or change secrets: listSecrets, listKeys, token, regenerateKeys and those like them.
_SECRETS = re.compile(r"list\w*(secrets|keys|credentials)|token|regenerate\w*keys?", re.IGNORECASE)

# What follows /academy in the addresses of the audit trail: it tells of all jobs, not of one.
_TRAIL = (["audit", "records"], ["audit", "head"])


def check(state: ServiceState, who: str, method: str, path: str) -> None:
    """Refuse what a job may not do; callers other than jobs (``who`` is ``job/NAME``) pass.

    For a page's sign-in, ``who`` is whom the code is for and ``path`` is ``/login``.

    Raises
    ------
    Unauthenticated
        When the job's end is recorded, or the job was deleted. While it is Finalizing it may still log.
    Forbidden
        When the call would sign in to the pages, give out secrets, delete a resource, read the audit trail,
        or write into the record of what the learner did in labs.
    """
    kind, _, name = who.partition("/")
    if kind != "job":
        return
    if not state.jobs.is_open(name):
        raise Unauthenticated(
            f"This is the token of the job {name!r}, which has ended or was deleted. A job's token is good "
            "while it runs. Call academy.connect() for a token of your own."
        )
    what = _refused(method.upper(), [segment for segment in path.split("/") if segment])
    if what is not None:
        raise Forbidden(
            f"The job {name!r} may not {what}: {method} {path}. Do that yourself, with academy.connect()."
        )


def _refused(method: str, segments: list[str]) -> str | None:
    """Say what a job would do that it may not, or None."""
    first = segments[0].lower() if segments else ""
    if first == "login":
        return "sign in to the pages"
    if first == "academy":
        return _refused_of_academy(method, segments)
    if first != "subscriptions":
        return None
    if method == "DELETE":
        return "delete resources"
    if method == "POST" and _SECRETS.fullmatch(segments[-1]):
        return "read or change secrets"
    return None


def _refused_of_academy(method: str, segments: list[str]) -> str | None:
    if method not in ("GET", "HEAD"):
        return "write what a learner did in a lab"
    if [segment.lower() for segment in segments[1:3]] in _TRAIL:
        return "read the audit trail"
    return None
