"""Credentials of datastores: what may be shown of them, and what is kept encrypted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet, InvalidToken

from academy.errors import AcademyError, InvalidField, choices
from academy.signing import Signer

_TENANT = frozenset({"tenantId", "clientId", "authorityUrl", "resourceUrl"})

# For each `credentialsType`: the fields that are no secret, and the one field of `secrets` that is.
_SHOWN: dict[str, frozenset[str]] = {
    "None": frozenset(),
    "AccountKey": frozenset(),
    "Sas": frozenset(),
    "ServicePrincipal": _TENANT,
    "Certificate": _TENANT | {"thumbprint"},
}
_SECRET = {
    "AccountKey": "key",
    "Sas": "sasToken",
    "ServicePrincipal": "clientSecret",
    "Certificate": "certificate",
}
_FIELD = "properties.credentials"


@dataclass(frozen=True)
class Credentials:
    """The credentials in a datastore's document, taken apart; ``secret`` is None where none was sent."""

    kind: str
    shown: Mapping[str, Any]
    secret: str | None

    @classmethod
    def parse(cls, given: object) -> Credentials:
        """Check the ``credentials`` of a datastore.

        Raises
        ------
        InvalidField
            When the type is not known, or a field does not belong to it.
        """
        document = given if isinstance(given, Mapping) else {}
        kind = str(document.get("credentialsType") or "None")
        if kind not in _SHOWN:
            raise InvalidField(
                f"credentialsType {kind!r} is not valid. Valid: {choices(_SHOWN)}.",
                target=f"{_FIELD}.credentialsType",
            )
        fields = {
            key: value
            for key, value in document.items()
            if value is not None and key not in ("credentialsType", "secrets")
        }
        unknown = sorted(fields.keys() - _SHOWN[kind])
        if unknown:
            raise InvalidField(
                f"Credentials of type {kind!r} have no {choices(unknown)}. They have: "
                f"{choices(_SHOWN[kind])}.",
                target=f"{_FIELD}.{unknown[0]}",
            )
        return cls(kind, {"credentialsType": kind, **fields}, _secret(kind, document.get("secrets")))

    def revealed(self, secret: str) -> dict[str, str]:
        """Return the answer of ``listSecrets``."""
        return {"secretsType": self.kind, _SECRET[self.kind]: secret}


@dataclass(frozen=True)
class Vault:
    """Encrypts and decrypts secrets with a key derived from the home's."""

    signer: Signer

    def seal(self, secret: str) -> str:
        return self._fernet().encrypt(json.dumps(secret).encode()).decode()

    def open(self, sealed: str) -> str:
        """Return the secret.

        Raises
        ------
        AcademyError
            When the home's key is not the one that it was sealed with.
        """
        try:
            return str(json.loads(self._fernet().decrypt(sealed.encode())))
        except InvalidToken as error:
            raise AcademyError(
                "The secret was encrypted with another key than this home's. Put the datastore again with "
                "its credentials."
            ) from error

    def _fernet(self) -> Fernet:
        # 32 bytes in unpadded base64 are 43 characters; Fernet wants the padding.
        return Fernet(self.signer.secret("datastore") + "=")


def _secret(kind: str, given: object) -> str | None:
    secrets = given if isinstance(given, Mapping) else {}
    value = secrets.get(_SECRET.get(kind, ""))
    if value is not None and not isinstance(value, str):
        raise InvalidField(f"The secret of {kind!r} credentials must be a text.", target=f"{_FIELD}.secrets")
    return value or None
