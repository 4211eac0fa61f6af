"""Texts as they may be written down: without what gives access, and in characters that can be written."""

from __future__ import annotations

import re

# A part of the names of what gives access.
SECRET = "sig|signature|token|secret|passw(?:or)?d|pwd|key|credentials?|code|sas|connection_?string"

# ``//user:password@host`` or ``//token@host``, also where an address stands in the middle of a text.
_USER = re.compile(r"(?<=://)[^\s/@'\"]+@")

# Who signs in with a key: the name that every such address has, and no secret.
_NO_SECRET = "git@"

_QUERY = re.compile(r"\?[^#]*")

# A part of an address's query, which a shell may want to see behind a backslash.
_IN_QUERY = re.compile(rf"([?&][\w.-]*(?:{SECRET})=)[^&\s'\"\\#]+", re.IGNORECASE)


def without_credentials(address: str) -> str:
    """Return an address without user, password and query; a signature is in the query."""
    return _QUERY.sub("", without_users(address)) if ":" in address else address


def without_users(text: str) -> str:
    """Return a text without the users and passwords of the addresses in it."""
    return _USER.sub(lambda match: _NO_SECRET if match[0] == _NO_SECRET else "", text)


def without_access(text: str) -> str:
    """Return a text without the users, passwords and signatures of the addresses in it."""
    return _IN_QUERY.sub(r"\1", without_users(text))


def printable(text: str) -> str:
    """Return a text that every encoding of Unicode can hold: file names can be any bytes."""
    return text.encode("utf-8", "backslashreplace").decode()
