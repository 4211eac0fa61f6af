"""Tokens, signatures and storage keys, all derived from one random key in the home.

Azure's SDK decodes the token it sends (``tid``, ``oid``, ``upn``) without verifying it, so the token
is a JWT. Nothing here touches a file or the network.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import hmac
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import jwt

from academy.errors import Unauthenticated

TENANT = str(uuid.uuid5(uuid.NAMESPACE_DNS, "academy.localhost"))
AUDIENCE = "https://management.azure.com/"

YEAR_S = 365 * 24 * 3600

# How many verified tokens are remembered: verifying costs more than most calls that carry one.
_REMEMBERED = 256


class Use(enum.Enum):
    """What a token is good for; one for a page's login is no token for calls, nor the other way round."""

    CALLS = "calls"
    LOGIN = "login"
    SESSION = "session"


@dataclass(frozen=True)
class Signer:
    """Signs and verifies with the home's key (32 random bytes)."""

    key: bytes = field(repr=False)
    _verified: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False, compare=False)

    def token(
        self, who: str, *, lifetime_s: float = 10 * YEAR_S, audience: str = AUDIENCE, use: Use = Use.CALLS
    ) -> str:
        """Return a JWT for ``who`` (a user, or ``job/NAME``); ``who`` is what the audit log shows."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{TENANT}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime_s),
            "tid": TENANT,
            "oid": str(uuid.uuid5(uuid.NAMESPACE_DNS, who)),
            "upn": who,
            "name": who,
            "ver": "1.0",
            "jti": uuid.uuid4().hex,
            "use": use.value,
        }
        return jwt.encode(claims, self._derived("token"), algorithm="HS256")

    def verify_token(self, token: str, *, use: Use = Use.CALLS) -> dict[str, Any]:
        """Return the claims of a token of ours.

        Raises
        ------
        Unauthenticated
            When it is malformed, expired, for another use, or signed by another service.
        """
        claims = self._verified.get(token)
        if claims is None or claims["exp"] <= time.time():
            claims = self._decoded(token)
            if len(self._verified) >= _REMEMBERED:
                self._verified.clear()
            self._verified[token] = claims
        if claims["use"] != use.value:
            raise Unauthenticated(f"The token is for {claims['use']}, not for {use.value}.")
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            # One service, one owner: for which of Azure's resources a token was asked changes nothing.
            claims: dict[str, Any] = jwt.decode(
                token,
                self._derived("token"),
                algorithms=["HS256"],
                options={"verify_aud": False, "require": ["exp", "upn", "use", "jti"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise Unauthenticated("The token has expired. Call academy.connect() for a new one.") from error
        except jwt.InvalidTokenError as error:
            raise Unauthenticated(
                "The token was not issued by this service. Call academy.connect(), or send the token "
                "in the file 'token' of this service's home (academy status shows the home)."
            ) from error
        return claims

    def account_key(self, account: str) -> str:
        """Return the access key of a storage account, base64 of 64 bytes as Azure's are."""
        first, second = self._derived(f"account:{account}:1"), self._derived(f"account:{account}:2")
        return base64.b64encode(first + second).decode()

    def secret(self, purpose: str) -> str:
        """Return a stable secret for ``purpose``, such as one key of one endpoint."""
        return base64.urlsafe_b64encode(self._derived(purpose)).decode().rstrip("=")

    def _derived(self, purpose: str) -> bytes:
        return hmac.new(self.key, purpose.encode(), hashlib.sha256).digest()
