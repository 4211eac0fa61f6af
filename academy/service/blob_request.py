"""Take a request to blob storage apart: whose blob, which operation, under what conditions."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import StrEnum
from urllib.parse import unquote_plus, unquote_to_bytes

from starlette.datastructures import Headers
from starlette.types import Scope

from academy.blobs.conditions import Conditions
from academy.blobs.errors import BlobError
from academy.blobs.names import BlobId, check_metadata
from academy.blobs.properties import BlobKind, ContentHeaders
from academy.errors import NotFound, Unsupported, choices

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_METADATA = "x-ms-meta-"

_CONTENT_HEADERS = {
    "content_type": "content-type",
    "content_encoding": "content-encoding",
    "content_language": "content-language",
    "content_disposition": "content-disposition",
    "cache_control": "cache-control",
    "content_md5": "content-md5",
}

# fmt: off
# What a SAS may carry; blob_access.py says which of it is supported.
SAS_PARAMETERS = frozenset({
    "rscc", "rscd", "rsce", "rscl", "rsct", "saoid", "scid", "sdd", "sduoid", "se", "ses", "si", "sig", "sip",
    "ske", "skdutid", "skoid", "sks", "skt", "sktid", "skv", "sp", "spr", "sr", "srh", "srq", "srt", "ss",
    "st", "suoid", "sv",
})
_PARAMETERS = frozenset({
    "blockid", "blocklisttype", "comp", "delimiter", "include", "marker", "maxresults", "prefix", "restype",
    "timeout",
})
# Without their "x-ms-". Those of the last two lines say nothing that an answer depends on.
_HEADERS = frozenset({
    "access-tier", "blob-cache-control", "blob-condition-appendpos", "blob-condition-maxsize",
    "blob-content-disposition", "blob-content-encoding", "blob-content-language", "blob-content-md5",
    "blob-content-type", "blob-type", "copy-source", "copy-source-authorization",
    "copy-source-blob-properties", "date", "delete-snapshots", "range", "range-get-content-md5",
    "requires-sync", "source-if-match", "source-if-modified-since", "source-if-none-match",
    "source-if-unmodified-since", "source-range", "version",
    "client-request-id", "correlation-request-id", "file-request-intent", "return-client-request-id",
    "useragent",
})
# fmt: on


class Level(StrEnum):
    """What a request is about; the value is the letter of an account SAS's resource types (``srt``)."""

    ACCOUNT = "s"
    CONTAINER = "c"
    BLOB = "o"


@dataclass(frozen=True)
class BlobCall:
    """One request to blob storage. ``path`` and ``query_text`` are as sent, still percent-encoded."""

    method: str
    account: str
    container: str
    name: str
    path: str
    query_text: str
    query: Mapping[str, str]
    headers: Headers
    client: str

    @property
    def level(self) -> Level:
        if self.name:
            return Level.BLOB
        return Level.CONTAINER if self.container else Level.ACCOUNT

    @property
    def blob(self) -> BlobId:
        return BlobId(self.account, self.container, self.name)

    @property
    def endpoint(self) -> str:
        """The account's URL as the caller wrote it."""
        return f"http://{self.headers.get('host', '')}/{self.account}"

    def header(self, name: str) -> str | None:
        """Return the value of ``x-ms-NAME``; None when it is absent or empty."""
        return self.headers.get(f"x-ms-{name}") or None

    def is_true(self, name: str, *, default: bool = False) -> bool:
        """Return whether ``x-ms-NAME`` is ``true``."""
        value = self.header(name)
        return default if value is None else value.lower() == "true"

    def number(self, name: str) -> int | None:
        """Return ``x-ms-NAME`` as a whole number."""
        value = self.header(name)
        if value is not None and not value.isdecimal():
            raise invalid_header(f"x-ms-{name}", value, "a whole number")
        return None if value is None else int(value)

    def content_length(self) -> int:
        length = self.headers.get("content-length", "")
        if not length.isdecimal():
            raise BlobError(
                "MissingContentLengthHeader", "Content-Length is missing; Azure takes no chunked uploads."
            )
        return int(length)

    def conditions(self, prefix: str = "") -> Conditions:
        """Return the request's conditions; with the prefix ``x-ms-source-`` those on a copy's source."""
        get = self.headers.get
        return Conditions(
            if_match=get(f"{prefix}if-match"),
            if_none_match=get(f"{prefix}if-none-match"),
            if_modified_since=_http_time(self.headers, f"{prefix}if-modified-since"),
            if_unmodified_since=_http_time(self.headers, f"{prefix}if-unmodified-since"),
        )

    def metadata(self) -> dict[str, str]:
        found = {k[len(_METADATA) :]: v for k, v in self.headers.items() if k.startswith(_METADATA)}
        return check_metadata(found)

    def content_headers(self, *, plain: bool) -> ContentHeaders:
        """Return what the blob is to be served with.

        ``plain`` also looks at the request's own ``Content-Type`` and so on, as Put Blob does.
        """
        found = self.given_content_headers()
        if plain:
            for field, name in _CONTENT_HEADERS.items():
                if name in self.headers:
                    found.setdefault(field, self.headers[name])
        return ContentHeaders(**found)

    def given_content_headers(self) -> dict[str, str]:
        """Return the fields of ``ContentHeaders`` that ``x-ms-blob-…`` headers give."""
        named = {field: self.header(f"blob-{name}") for field, name in _CONTENT_HEADERS.items()}
        return {field: value for field, value in named.items() if value is not None}

    def content_md5(self) -> bytes | None:
        """Return the digest that the body must have."""
        value = self.headers.get("content-md5")
        if value is None:
            return None
        try:
            digest = base64.b64decode(value, validate=True)
        except binascii.Error:
            digest = b""
        if len(digest) != 16:
            raise BlobError("InvalidMd5", f"Content-MD5 {value!r} is not base64 of 16 bytes.")
        return digest

    def byte_range(self, size: int, name: str | None = None) -> tuple[int, int] | None:
        """Return (first byte, length) of the range asked for; None when all of ``size`` bytes are.

        ``x-ms-range`` goes before ``Range``; ``name`` names another header.
        """
        given = name or ("x-ms-range" if "x-ms-range" in self.headers else "range")
        text = self.headers.get(given)
        if text is None:
            return None
        match = _RANGE.fullmatch(text.strip())
        if match is None or match[1] == match[2] == "":
            raise invalid_header(given, text, "one range such as 'bytes=0-1023'")
        first, last = match[1], match[2]
        if not first:
            start, end = max(size - int(last), 0), size
        else:
            start, end = int(first), min(int(last) + 1, size) if last else size
        if start >= size or (last and first and int(last) < start):
            raise BlobError("InvalidRange", f"The range {text!r} is outside the blob's {size} bytes.")
        return start, end - start


def parse(scope: Scope) -> BlobCall:
    """Return the call that a request makes; refuse what cannot be one."""
    path = scope["raw_path"].decode("ascii")
    account, container, name = _split(path)
    if not _ACCOUNT.fullmatch(account):
        raise NotFound(f"There is nothing at {path!r} on this service.", target=path)
    text = scope["query_string"].decode("ascii")
    return BlobCall(
        method=scope["method"],
        account=account,
        container=container,
        name=name,
        path=path,
        query_text=text,
        query=parse_query(text),
        headers=Headers(scope=scope),
        client=scope["client"][0] if scope.get("client") else "",
    )


def check_known(call: BlobCall) -> None:
    """Refuse, by name, every parameter and header of Azure's that is not supported."""
    for name in call.query.keys() - _PARAMETERS - SAS_PARAMETERS:
        raise BlobError(
            "UnsupportedQueryParameter",
            f"The query parameter {name!r} is not supported by Academy's blob storage. It supports: "
            f"{choices(_PARAMETERS)}.",
            target=name,
        )
    kind = call.header("blob-type")
    if kind is not None and kind not in list(BlobKind):
        raise Unsupported(
            f"The blob type {kind!r} is not supported. Supported: {choices(BlobKind)}.",
            target="x-ms-blob-type",
        )
    for name in call.headers:
        if name.startswith("x-ms-") and not name.startswith(_METADATA) and name[5:] not in _HEADERS:
            raise BlobError(
                "UnsupportedHeader",
                f"The header {name} is not supported by Academy's blob storage: it has no leases, "
                "snapshots, versions, tags, tiers, encryption keys, policies or CRC64. Leave it out.",
                target=name,
            )
    tier = call.header("access-tier")
    if tier not in (None, "Hot"):
        raise BlobError(
            "UnsupportedHeader",
            f"The access tier {tier!r} is not supported: every blob here is 'Hot'.",
            target="x-ms-access-tier",
        )


def parse_query(text: str) -> dict[str, str]:
    """Return the parameters of a query string; a signature's '+' stays what it is."""
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name:
            found[unquote_plus(name)] = unquote_plus(value.replace("+", "%2B") if name == "sig" else value)
    return found


def split_url_path(path: str) -> BlobId:
    """Return the blob that the path of a blob's URL names."""
    return BlobId(*_split(path))


def invalid_header(name: str, value: str, expected: str) -> BlobError:
    return BlobError(
        "InvalidHeaderValue", f"The header {name} is {value!r}; it must be {expected}.", target=name
    )


def _split(path: str) -> tuple[str, str, str]:
    try:
        text = unquote_to_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BlobError("InvalidUri", f"The path {path!r} is not UTF-8.", target=path) from error
    account, _, rest = text.removeprefix("/").partition("/")
    container, _, name = rest.partition("/")
    return account, container, name


def _http_time(headers: Headers, name: str) -> int | None:
    text = headers.get(name)
    if text is None:
        return None
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except ValueError as error:
        raise invalid_header(name, text, "a date such as 'Tue, 01 Jul 2025 12:00:00 GMT'") from error
