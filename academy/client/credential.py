"""The credential of whoever owns this home."""

from __future__ import annotations

import json
import os
import urllib.request
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

from azure.core.credentials import AccessToken, AccessTokenInfo
from azure.core.exceptions import ClientAuthenticationError


class MachineCredential:
    """Gives the token of the home's owner, as a managed identity gives that of its machine.

    The service answers as App Service's identity endpoint does:
    https://learn.microsoft.com/azure/app-service/overview-managed-identity#rest-endpoint-reference
    """

    def __init__(self, endpoint: str, secret: str) -> None:
        self._endpoint = endpoint
        self._secret = secret
        self._tokens: dict[str, AccessTokenInfo] = {}

    @classmethod
    def of_environment(cls) -> MachineCredential:
        """Return the credential of the service that this process is pointed at."""
        return cls(os.environ["IDENTITY_ENDPOINT"], os.environ["IDENTITY_HEADER"])

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        found = self.get_token_info(*scopes)
        return AccessToken(found.token, found.expires_on)

    def get_token_info(self, *scopes: str, options: Any = None) -> AccessTokenInfo:
        resource = scopes[0].removesuffix("/.default") if scopes else ""
        if resource not in self._tokens:
            self._tokens[resource] = self._fetch(resource)
        return self._tokens[resource]

    def _fetch(self, resource: str) -> AccessTokenInfo:
        query = urlencode({"api-version": "2019-08-01", "resource": resource})
        request = urllib.request.Request(
            f"{self._endpoint}?{query}", headers={"X-IDENTITY-HEADER": self._secret}
        )
        # Loopback never goes through a proxy, whatever the environment says.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as response:
                answer = json.load(response)
        except URLError as error:
            raise ClientAuthenticationError(
                f"No token from {self._endpoint}: {error.reason}. See 'academy status'; 'academy up' "
                "starts the service."
            ) from error
        return AccessTokenInfo(answer["access_token"], int(answer["expires_on"]))
