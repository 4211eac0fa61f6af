"""Conditional requests: ``If-Match``, ``If-None-Match``, ``If-Modified-Since``, ``If-Unmodified-Since``.

https://learn.microsoft.com/rest/api/storageservices/specifying-conditional-headers-for-blob-service-operations
"""

from __future__ import annotations

from dataclasses import dataclass

from academy.blobs.errors import BlobError, NotModified


@dataclass(frozen=True)
class Conditions:
    """What must hold of the blob as it is now. Times are Unix seconds, whole as HTTP's are."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: int | None = None
    if_unmodified_since: int | None = None

    @property
    def asks_new(self) -> bool:
        """True when the blob must not exist yet (``If-None-Match: *``)."""
        return self.if_none_match == "*"

    def check_read(self, etag: str, modified: float) -> None:
        """Refuse a read with 304 or 412 when a condition does not hold."""
        if self._changed(etag, modified):
            raise _not_met()
        if self._same(etag, modified):
            raise NotModified("The blob has not changed.")

    def check_write(self, etag: str | None, modified: float = 0, *, code: str = "ConditionNotMet") -> None:
        """Refuse a write when a condition does not hold; ``etag`` is None when there is no blob."""
        if etag is None:
            if self.if_match is not None:
                raise _not_met(code)
            return
        if self.asks_new:
            raise BlobError("BlobAlreadyExists", "The blob exists. Upload with overwrite=True to replace it.")
        if self._changed(etag, modified) or self._same(etag, modified):
            raise _not_met(code)

    def _changed(self, etag: str, modified: float) -> bool:
        if self.if_match is not None and self.if_match != "*" and _bare(self.if_match) != _bare(etag):
            return True
        return self.if_unmodified_since is not None and int(modified) > self.if_unmodified_since

    def _same(self, etag: str, modified: float) -> bool:
        if self.if_none_match is not None:
            return self.asks_new or _bare(self.if_none_match) == _bare(etag)
        return self.if_modified_since is not None and int(modified) <= self.if_modified_since


def _bare(etag: str) -> str:
    # Listings give ETags without the quotes, and clients send back what they were given.
    return etag.strip().strip('"')


def _not_met(code: str = "ConditionNotMet") -> BlobError:
    return BlobError(
        code,
        # The client looks for this very sentence to tell "exists" from other conditions.
        "The condition specified using HTTP conditional header(s) is not met.",
    )
