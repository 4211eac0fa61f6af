"""What opens an endpoint: two keys, or a token that ends by itself."""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from academy.endpoints.endpoint import AuthMode
from academy.errors import InvalidField, Unauthenticated, choices
from academy.signing import Signer
from academy.store.documents import Body, Documents

TOKEN_S = 12 * 3600
REFRESH_S = TOKEN_S // 2

# Azure's names of the two keys, and the field that each is answered in.
KINDS = {"Primary": "primaryKey", "Secondary": "secondaryKey"}


@dataclass(frozen=True)
class Keys:
    """The keys and tokens of all endpoints; keys are documents of their own, which no listing shows."""

    documents: Documents
    signer: Signer

    def create(self, endpoint_id: str, given: Body, *, who: str) -> None:
        """Make the two keys of a new endpoint, in the place of any; ``given`` may bring them."""
        keys = {field: given.get(field) or _new() for field in KINDS.values()}
        self.documents.put(_id(endpoint_id), keys, who=who)

    def of(self, endpoint_id: str) -> Body:
        """Return the two keys."""
        found = self.documents.get(_id(endpoint_id)).body
        return {field: found[field] for field in KINDS.values()}

    def regenerate(self, endpoint_id: str, kind: str, value: str | None, *, who: str) -> Body:
        """Replace one key, by ``value`` or by a new one; the old one opens nothing any more."""
        field = KINDS.get(kind.capitalize())
        if field is None:
            raise InvalidField(f"keyType {kind!r} is not valid. Valid: {choices(KINDS)}.", target="keyType")
        key = value if value and value != self.of(endpoint_id)[field] else _new()
        changed = self.documents.update(
            _id(endpoint_id), lambda old: {**old, field: key}, who=who, action="regenerateKey"
        )
        return {name: changed.body[name] for name in KINDS.values()}

    def token(self, endpoint_id: str) -> Body:
        """Return a token that opens this endpoint, and nothing else, for twelve hours."""
        now = int(time.time())
        expiry = now + TOKEN_S
        return {
            "accessToken": f"{expiry}.{self._signature(endpoint_id, expiry)}",
            "tokenType": "Bearer",
            "expiryTimeUtc": expiry,
            "refreshAfterTimeUtc": now + REFRESH_S,
        }

    def admission(self, endpoint_id: str, mode: AuthMode) -> Callable[[str], bool]:
        """Return what tells whether a bearer string opens the endpoint, without looking anything up."""
        if mode is AuthMode.AML_TOKEN:
            return lambda given: self._is_token(endpoint_id, given)
        if mode is AuthMode.AAD_TOKEN:
            return self._is_own_token
        keys = [str(key).encode() for key in self.of(endpoint_id).values()]
        return lambda given: any([hmac.compare_digest(given.encode(), key) for key in keys])  # noqa: C419

    def _is_token(self, endpoint_id: str, given: str) -> bool:
        expiry, _, signature = given.partition(".")
        if not expiry.isdecimal() or int(expiry) < time.time():
            return False
        return hmac.compare_digest(signature.encode(), self._signature(endpoint_id, int(expiry)).encode())

    def _is_own_token(self, given: str) -> bool:
        try:
            self.signer.verify_token(given)
        except Unauthenticated:
            return False
        return True

    def _signature(self, endpoint_id: str, expiry: int) -> str:
        return self.signer.secret(f"scoring:{endpoint_id.lower()}:{expiry}")


def _id(endpoint_id: str) -> str:
    return f"{endpoint_id}/keys/default"


def _new() -> str:
    return secrets.token_urlsafe(24)
