"""Who may do what with blobs: a token of ours, the account's key, or a signed URL.

What is refused is told apart as Azure does: https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from academy.blobs.errors import BlobError
from academy.blobs.sas import VERSION, account_signature, parse_time, service_signature, signature
from academy.blobs.shared_key import string_to_sign
from academy.errors import Unauthenticated
from academy.service.blob_request import BlobCall, Level
from academy.signing import Signer

# A signed request older than this may be one that someone recorded.
_MAX_AGE = timedelta(minutes=15)

_OVERRIDES = {
    "rscc": "cache-control",
    "rscd": "content-disposition",
    "rsce": "content-encoding",
    "rscl": "content-language",
    "rsct": "content-type",
}
_UNSUPPORTED_SAS = {
    "si": "a stored access policy",
    "ses": "an encryption scope",
    "skoid": "a user delegation key",
    "srh": "signed request headers",
    "srq": "signed query parameters",
}


@dataclass(frozen=True)
class Grant:
    """What a caller may do. ``permissions`` None is everything; ``resource_types`` None a service SAS."""

    permissions: str | None = None
    resource_types: str | None = None
    is_owner: bool = False
    overrides: Mapping[str, str] = field(default_factory=dict)

    def check(self, level: Level, needs: str) -> None:
        """Refuse an operation unless one of the letters in ``needs`` is granted on that level."""
        if self.permissions is None or not needs:
            return
        if self.resource_types is not None and level.value not in self.resource_types:
            raise BlobError(
                "AuthorizationResourceTypeMismatch",
                f"The signed URL is for the resource types {self.resource_types!r} (srt); this operation "
                f"needs {level.value!r}.",
            )
        on_container = self.resource_types is None and level is not Level.BLOB and needs != "l"
        if on_container or not any(letter in self.permissions for letter in needs):
            what = "none that a signed URL of one container has" if on_container else " or ".join(needs)
            raise BlobError(
                "AuthorizationPermissionMismatch",
                f"The signed URL permits {self.permissions!r} (sp); this operation needs {what}.",
            )

    @property
    def may_replace(self) -> bool:
        """False when blobs may be created but not overwritten."""
        return self.permissions is None or "w" in self.permissions


def authorise(call: BlobCall, signer: Signer) -> Grant:
    """Return what the caller of ``call`` may do, or refuse a caller that cannot be trusted."""
    scheme, _, credential = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return bearer(credential, signer)
    if scheme == "SharedKey":
        return _shared_key(call, credential, signer)
    if scheme:
        raise BlobError(
            "InvalidAuthenticationInfo",
            f"The authorization scheme {scheme!r} is not supported: use Bearer, SharedKey or a signed URL.",
            target="Authorization",
        )
    if "sig" in call.query:
        return signed_url(call, signer)
    raise BlobError(
        "NoAuthenticationInformation",
        "This request to blob storage carries no token, key or signature. Use a client made by the SDK, "
        "the account's key, or a signed URL.",
    )


def bearer(token: str, signer: Signer) -> Grant:
    """Return the grant of a token of this service: everything; a job's token opens no storage."""
    try:
        claims = signer.verify_token(token.strip())
    except Unauthenticated as error:
        raise BlobError("InvalidAuthenticationInfo", error.message) from error
    if str(claims["upn"]).startswith("job/"):
        raise BlobError(
            "AuthorizationPermissionMismatch",
            "A job's token does not open blob storage: its inputs and outputs are files of the job. Use "
            "the account's key or a signed URL.",
        )
    return Grant(is_owner=True)


def signed_url(call: BlobCall, signer: Signer) -> Grant:
    """Return the grant of the signature in the URL's query."""
    query = call.query
    for name, what in _UNSUPPORTED_SAS.items():
        if query.get(name):
            raise BlobError(
                "UnsupportedQueryParameter",
                f"The signed URL uses {what} ({name}), which Academy's blob storage does not have. Sign "
                "with the account's key, permissions and an expiry time.",
                target=name,
            )
    missing = [name for name in ("sv", "se", "sp") if not query.get(name)]
    if missing:
        raise _failed(f"The signed URL lacks {', '.join(missing)}.")
    if query["sv"] < VERSION:
        raise _failed(f"The signed URL is of version {query['sv']!r} (sv); sign with {VERSION} or later.")
    resource_types = query.get("srt")
    expected = (
        account_signature(signer, call.account, query)
        if resource_types is not None
        else service_signature(signer, call.account, query, _signed_resource(call))
    )
    _check_same(expected, query["sig"])
    _check_limits(call)
    overrides = {header: query[name] for name, header in _OVERRIDES.items() if query.get(name)}
    return Grant(query["sp"], resource_types, overrides=overrides)


def _shared_key(call: BlobCall, credential: str, signer: Signer) -> Grant:
    account, _, given = credential.partition(":")
    if account != call.account:
        raise _failed(f"The request is signed for the account {account!r} and sent to {call.account!r}.")
    headers = {name: value.strip() for name, value in call.headers.items()}
    text = string_to_sign(account, call.method, call.path, call.query_text, headers)
    _check_same(signature(signer, account, text), given)
    sent = headers.get("x-ms-date") or headers.get("date", "")
    try:
        age = abs(datetime.now(UTC) - parsedate_to_datetime(sent))
    except (ValueError, TypeError) as error:
        raise _failed(f"The request's date {sent!r} is not valid (x-ms-date).") from error
    if age > _MAX_AGE:
        raise _failed(f"The request's date {sent!r} is more than 15 minutes off (x-ms-date).")
    return Grant()


def _signed_resource(call: BlobCall) -> str:
    kind = call.query.get("sr")
    if kind == "c" and call.container:
        return call.container
    if kind == "b" and call.name:
        return f"{call.container}/{call.name}"
    if kind == "d" and call.name:
        depth = call.query.get("sdd", "")
        segments = call.name.split("/")
        if depth.isdecimal() and int(depth) <= len(segments):
            return "/".join([call.container, *segments[: int(depth)]])
    raise _failed(
        f"The signed URL is for a resource of the kind {kind!r} (sr), which is not what it was used on. "
        "Known here: 'b' a blob, 'c' a container, 'd' a directory."
    )


def _check_limits(call: BlobCall) -> None:
    query, now = call.query, datetime.now(UTC)
    try:
        if now >= parse_time(query["se"]):
            raise _failed(f"The signed URL expired at {query['se']} (se). Ask for a new one.")
        if query.get("st") and now < parse_time(query["st"]):
            raise _failed(f"The signed URL is valid from {query['st']} (st) on.")
    except ValueError as error:
        raise _failed("The times of the signed URL (st, se) are not ISO 8601.") from error
    if query.get("srt") is not None and "b" not in query.get("ss", ""):
        raise BlobError("AuthorizationServiceMismatch", "The signed URL is not for blobs (ss has no 'b').")
    if query.get("spr") == "https":
        raise BlobError(
            "AuthorizationProtocolMismatch",
            "The signed URL is for https only (spr); this service speaks http on loopback.",
        )
    if query.get("sip") and not _is_within(call.client, query["sip"]):
        raise BlobError("AuthorizationSourceIPMismatch", f"The signed URL is for {query['sip']} (sip) only.")


def _is_within(client: str, allowed: str) -> bool:
    first, _, last = allowed.partition("-")
    try:
        address = ipaddress.IPv4Address(client)
        return ipaddress.IPv4Address(first) <= address <= ipaddress.IPv4Address(last or first)
    except ValueError:
        return False


def _check_same(expected: str, given: str) -> None:
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise _failed("The signature is not what this service makes of the request with the account's key.")


def _failed(why: str) -> BlobError:
    return BlobError(
        "AuthenticationFailed", f"Server failed to authenticate the request: the signature is refused. {why}"
    )
