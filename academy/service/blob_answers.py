"""What blob storage answers: headers of a blob, listings and errors in Azure Storage's XML."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from starlette.responses import Response

from academy.blobs.blocks import Block
from academy.blobs.containers import Container
from academy.blobs.errors import NotModified
from academy.blobs.properties import Blob, BlobKind
from academy.errors import AcademyError, StorageFull, Unauthenticated
from academy.signing import TENANT

# Characters that XML 1.0 cannot hold, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_CHALLENGE = (
    f"Bearer authorization_uri=https://login.microsoftonline.com/{TENANT}/oauth2/authorize "
    "resource_id=https://storage.azure.com"
)

# The storage clients repeat every 5xx three times, after 15 to 45 seconds each: with 507, a person whose
# disk is full would be told so after a minute and a half. They show a 413 at once.
_FULL_STATUS = 413


def xml(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with an XML document."""
    text = f'<?xml version="1.0" encoding="utf-8"?>{body}'
    content = text.encode("utf-8", "replace")
    return Response(content, status, headers=dict(headers or {}), media_type="application/xml")


def error_answer(error: AcademyError, request_id: str) -> Response:
    """Return Azure Storage's error envelope for ``error``."""
    status = _FULL_STATUS if isinstance(error, StorageFull) else error.http_status
    headers = {"x-ms-error-code": error.code}
    if isinstance(error, NotModified):
        return Response(status_code=status, headers=headers)
    if isinstance(error, Unauthenticated) or status == 401:
        headers["www-authenticate"] = _CHALLENGE
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
    message = f"{error.message}\nRequestId:{request_id}\nTime:{now}"
    target = f"<Target>{_text(error.target)}</Target>" if error.target else ""
    body = f"<Error><Code>{error.code}</Code><Message>{_text(message)}</Message>{target}</Error>"
    return xml(body, status, headers)


def state_headers(etag: str, modified_at: float) -> dict[str, str]:
    """Return what every answer about a blob or container carries."""
    return {"etag": etag, "last-modified": http_date(modified_at)}


def blob_headers(blob: Blob) -> dict[str, str]:
    """Return the headers that a blob is served with, but for its length."""
    content = blob.properties.content
    named = {
        "content-type": content.content_type,
        "content-encoding": content.content_encoding,
        "content-language": content.content_language,
        "content-disposition": content.content_disposition,
        "cache-control": content.cache_control,
        "content-md5": content.content_md5,
    }
    headers = state_headers(blob.etag, blob.modified_at) | {
        "accept-ranges": "bytes",
        # A page among the blobs must not act as one of the service's when a browser shows it.
        "content-security-policy": "sandbox",
        "x-content-type-options": "nosniff",
        "x-ms-blob-type": blob.properties.kind.value,
        "x-ms-creation-time": http_date(blob.created_at),
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-server-encrypted": "false",
        "x-ms-access-tier": "Hot",
        "x-ms-access-tier-inferred": "true",
    }
    headers |= {name: value for name, value in named.items() if value is not None}
    if blob.properties.kind is BlobKind.APPEND:
        headers["x-ms-blob-committed-block-count"] = str(blob.properties.appended_blocks)
    return headers | metadata_headers(blob.properties.metadata) | _copy_headers(blob)


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    return {f"x-ms-meta-{name}": value for name, value in metadata.items()}


def container_headers(container: Container) -> dict[str, str]:
    return state_headers(container.etag, container.modified_at) | metadata_headers(container.metadata) | {
        "x-ms-lease-status": "unlocked",
        "x-ms-lease-state": "available",
        "x-ms-has-immutability-policy": "false",
        "x-ms-has-legal-hold": "false",
    }  # fmt: skip


def blob_listing(
    endpoint: str, container: str, echoed: Mapping[str, str], items: Iterable[Blob | str], *, more: str | None
) -> Response:
    """Answer with one page of blobs and prefixes; ``echoed`` are the parameters that were asked with."""
    url = quoteattr(f"{endpoint}/")
    lines = [f"<EnumerationResults ServiceEndpoint={url} ContainerName={quoteattr(container)}>"]
    lines += [_element(name, value) for name, value in echoed.items()]
    lines.append("<Blobs>")
    include = echoed.get("Include", "").split(",")
    lines += [_prefix(item) if isinstance(item, str) else _blob(item, include) for item in items]
    lines.append(f"</Blobs><NextMarker>{more or ''}</NextMarker></EnumerationResults>")
    return xml("".join(lines))


def container_listing(
    endpoint: str, echoed: Mapping[str, str], containers: Iterable[Container], *, more: str | None
) -> Response:
    """Answer with one page of containers."""
    lines = [f"<EnumerationResults ServiceEndpoint={quoteattr(endpoint + '/')}>"]
    lines += [_element(name, value) for name, value in echoed.items()]
    lines.append("<Containers>")
    with_metadata = "metadata" in echoed.get("Include", "")
    for container in containers:
        properties = {
            "Last-Modified": http_date(container.modified_at),
            "Etag": container.etag.strip('"'),
            "LeaseStatus": "unlocked",
            "LeaseState": "available",
            "HasImmutabilityPolicy": "false",
            "HasLegalHold": "false",
        }
        lines.append(f"<Container><Name>{_text(container.name)}</Name>")
        lines.append(_group("Properties", properties))
        lines.append(_group("Metadata", container.metadata) if with_metadata else "")
        lines.append("</Container>")
    lines.append(f"</Containers><NextMarker>{more or ''}</NextMarker></EnumerationResults>")
    return xml("".join(lines))


def block_listing(committed: Iterable[Block] | None, uncommitted: Iterable[Block] | None) -> str:
    """Return the XML of a block list; None leaves that half out."""
    halves = {"CommittedBlocks": committed, "UncommittedBlocks": uncommitted}
    found = []
    for name, blocks in halves.items():
        if blocks is not None:
            lines = (f"<Block><Name>{block.id}</Name><Size>{block.size}</Size></Block>" for block in blocks)
            found.append(f"<{name}>{''.join(lines)}</{name}>")
    return f"<BlockList>{''.join(found)}</BlockList>"


def http_date(seconds: float) -> str:
    return formatdate(seconds, usegmt=True)


def marker(name: str) -> str:
    """Return the opaque marker of a page that starts with ``name``."""
    return base64.urlsafe_b64encode(name.encode("utf-8", "surrogateescape")).decode()


def _copy_headers(blob: Blob) -> dict[str, str]:
    copy = blob.properties.copy
    if copy is None:
        return {}
    return {
        "x-ms-copy-id": copy.copy_id,
        "x-ms-copy-source": copy.source,
        "x-ms-copy-status": "success",
        "x-ms-copy-progress": f"{copy.bytes_copied}/{copy.bytes_copied}",
        "x-ms-copy-completion-time": http_date(copy.completed_at),
    }


def _blob(blob: Blob, include: Sequence[str]) -> str:
    content = blob.properties.content
    properties = {
        "Creation-Time": http_date(blob.created_at),
        "Last-Modified": http_date(blob.modified_at),
        "Etag": blob.etag.strip('"'),
        "Content-Length": str(blob.size),
        "Content-Type": content.content_type,
        "Content-Encoding": content.content_encoding or "",
        "Content-Language": content.content_language or "",
        "Content-MD5": content.content_md5 or "",
        "Cache-Control": content.cache_control or "",
        "Content-Disposition": content.content_disposition or "",
        "BlobType": blob.properties.kind.value,
        "AccessTier": "Hot",
        "AccessTierInferred": "true",
        "LeaseStatus": "unlocked",
        "LeaseState": "available",
        "ServerEncrypted": "false",
    }
    if "copy" in include:
        copied = _copy_headers(blob).items()
        # "x-ms-copy-completion-time" is CopyCompletionTime here.
        properties |= {name[5:].title().replace("-", ""): value for name, value in copied}
    metadata = _group("Metadata", blob.properties.metadata) if "metadata" in include else ""
    return f"<Blob>{_name(blob.name)}{_group('Properties', properties)}{metadata}</Blob>"


def _prefix(name: str) -> str:
    return f"<BlobPrefix>{_name(name)}</BlobPrefix>"


def _name(name: str) -> str:
    if _NOT_XML.search(name):
        return f'<Name Encoded="true">{quote(name.encode("utf-8", "surrogateescape"), safe="/")}</Name>'
    return f"<Name>{escape(name)}</Name>"


def _group(name: str, values: Mapping[str, str]) -> str:
    return f"<{name}>{''.join(_element(key, value) for key, value in values.items())}</{name}>"


def _element(name: str, value: str) -> str:
    return f"<{name}>{_text(value)}</{name}>"


def _text(value: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", value))
