"""The string that a client signs with an account's key for each request (scheme ``SharedKey``).

https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import unquote

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)

# Azure orders header names by its own collation: these characters in this order, hyphens ignored.
_ORDER = {c: place for place, c in enumerate("!#$%&*.^_`|~+0123456789abcdefghijklmnopqrstuvwxyz", start=1)}


def string_to_sign(account: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """Return what a request's signature signs.

    ``path`` and ``query`` are as they were sent, still percent-encoded. With the account in the path, as
    here, its name comes twice in the canonical resource, as with Azure's own emulator.
    """
    signed = [headers.get(name, "") for name in _SIGNED_HEADERS]
    if signed[2] == "0":
        signed[2] = ""
    if "x-ms-date" in headers:
        signed[5] = ""
    lines = [method, *signed]
    own = sorted((name for name in headers if name.startswith("x-ms-")), key=_collated)
    lines += [f"{name}:{headers[name]}" for name in own]
    lines.append(f"/{account}{path}")
    lines += _canonical_query(query)
    return "\n".join(lines)


def _canonical_query(query: str) -> list[str]:
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if pair:
            name, _, value = pair.partition("=")
            values.setdefault(unquote(name).lower(), []).append(unquote(value))
    return [f"{name}:{','.join(sorted(found))}" for name, found in sorted(values.items())]


def _collated(name: str) -> tuple[list[int], str]:
    return [_ORDER[c] for c in name if c in _ORDER], name
