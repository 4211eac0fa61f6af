"""Shared access signatures: URLs that carry their own, limited, permission.

The format is Azure Storage's, so that its clients read and make them:
https://learn.microsoft.com/rest/api/storageservices/create-service-sas and ``create-account-sas``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode

from academy.signing import Signer

# The storage API version that the signed string is laid out by. Azure changed the layout at this one
# for the last time (it added the encryption scope); clients sign by it or by later ones.
VERSION = "2020-12-06"

# Clocks of client and service are the same here; Azure's advice to start early is for when they are not.
_START_EARLY = timedelta(minutes=5)

_ACCOUNT_FIELDS = ("sp", "ss", "srt", "st", "se", "sip", "spr", "sv", "ses")
_SERVICE_FIELDS = ("si", "sip", "spr", "sv", "sr", "snapshot", "ses", "rscc", "rscd", "rsce", "rscl", "rsct")


def sas(
    signer: Signer,
    account: str,
    container: str,
    path: str = "",
    *,
    permissions: str = "r",
    lifetime_s: float = 3600,
) -> str:
    """Return the query string that signs a blob's URL, or, without ``path``, a container's.

    ``permissions`` are Azure's letters in Azure's order: ``racwdl``.
    """
    query = _base(permissions, lifetime_s) | {"sr": "b" if path else "c"}
    resource = f"{container}/{path}" if path else container
    query["sig"] = service_signature(signer, account, query, resource)
    return urlencode(query, quote_via=quote)


def account_sas(signer: Signer, account: str, *, permissions: str, lifetime_s: float = 3600) -> str:
    """Return the query string that signs every URL of the blobs of one account."""
    query = _base(permissions, lifetime_s) | {"ss": "b", "srt": "sco"}
    query["sig"] = account_signature(signer, account, query)
    return urlencode(query, quote_via=quote)


def service_signature(signer: Signer, account: str, query: Mapping[str, str], resource: str) -> str:
    """Return the signature of a blob's or container's SAS; ``resource`` is ``container[/blob]``."""
    lines = [query.get(name, "") for name in ("sp", "st", "se")]
    lines.append(f"/blob/{account}/{resource}")
    lines += [query.get(name, "") for name in _SERVICE_FIELDS]
    return signature(signer, account, "\n".join(lines))


def account_signature(signer: Signer, account: str, query: Mapping[str, str]) -> str:
    """Return the signature of an account's SAS."""
    lines = [account, *(query.get(name, "") for name in _ACCOUNT_FIELDS)]
    return signature(signer, account, "\n".join(lines) + "\n")


def signature(signer: Signer, account: str, text: str) -> str:
    """Return ``text`` signed with the account's key, as Azure Storage does everywhere."""
    key = base64.b64decode(signer.account_key(account))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()


def parse_time(text: str) -> datetime:
    """Return a time of a SAS; ``ValueError`` when it is not ISO 8601. Without a zone it is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _base(permissions: str, lifetime_s: float) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "sv": VERSION,
        "sp": permissions,
        "st": _format(now - _START_EARLY),
        "se": _format(now + timedelta(seconds=lifetime_s)),
    }


def _format(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
